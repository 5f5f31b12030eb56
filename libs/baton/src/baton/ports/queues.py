"""Port: work queues. At least once, in any order, fair between batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from baton.messages import ORDINARY, Kind, Lane, Message


@dataclass(frozen=True, slots=True)
class Delivery:
    """One received message. `attempt` counts receives of this message, from 1; `receipt` names this receive."""

    receipt: str
    body: str
    attempt: int
    group: str = ""
    """The batch that it was sent for; empty if its sender named none."""


class Inbox(Protocol):
    """The receiving side of one queue."""

    async def receive(self, *, max_messages: int, wait_seconds: int) -> Sequence[Delivery]:
        """Return up to `max_messages` (1 to 10), waiting up to `wait_seconds` for the first one."""
        ...

    async def delete(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Delete up to 10 messages; return those that could not be deleted (each entry is checked)."""
        ...

    async def set_visibility(self, delivery: Delivery, *, seconds: int) -> None:
        """Hide the message for that long from now; 0 shows it at once. A lost receipt is no error."""
        ...

    async def hand_back(self, delivery: Delivery) -> None:
        """Put the message back as if it had never been received: this receive is no attempt.

        It may come twice.
        """
        ...

    async def dead_letter(self, delivery: Delivery) -> None:
        """Move the message to the dead-letter queue now, whatever its attempt. It may be there twice."""
        ...


class Outbox(Protocol):
    """The sending side of all of one Region's queues."""

    async def send(self, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        """Send any number of messages to the queue of their kind and lane, grouped by batch for fairness.

        At most 25 KiB each, held back for at most 15 minutes; raises `ValueError` if not, and nothing is sent. When it
        returns, each message is durably queued; when it raises anything else, some may be.
        """
        ...

    async def backlog(self, kind: Kind, lane: Lane = ORDINARY) -> int:
        """Return about how many messages wait in one queue, in sight or delayed; none that is in hand.

        SQS is about a minute behind its senders.
        """
        ...
