"""Port: outgoing mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from baton.address import Address


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, HTML and text, to at most 50. `message_id` names batch and run: a second copy has it again."""

    message_id: str
    sender: Address
    recipients: Sequence[Address]
    subject: str
    text: str
    html: str


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, mail: Mail) -> str:
        """Hand the mail to the mail service and return the service's own id.

        Raises `BatchFailed` with code `mail_refused` if the service refuses it permanently (unverified sender, bad
        address, over 50 recipients), `NotSent` if it said that it takes none now.
        """
        ...
