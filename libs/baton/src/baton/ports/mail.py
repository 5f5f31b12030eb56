"""Mail out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, HTML and text. `message_id` is the left part of the Message-ID header, stable across a second send."""

    message_id: str
    sender: str
    recipients: Sequence[str]
    subject: str
    text: str
    html: str


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, mail: Mail) -> str:
        """Hand the mail to the mail service and return the service's own id.

        Raises `BatchFailed` with code `mail_refused` if the service refuses it for good (unverified sender, bad
        address).
        """
        ...
