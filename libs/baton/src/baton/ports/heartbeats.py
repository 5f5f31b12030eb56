"""Port: signs that a batch is being worked on. They are not in the ledger, so that they never conflict with a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Nudges:
    """How often the sweeper sent a batch's message again while the batch stood where it entered at `entered_at`."""

    entered_at: datetime
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of one batch. None: never."""

    worked_at: datetime | None = None
    """When a message of it was last handled, or will be delivered again (then in the future)."""
    nudges: Nudges | None = None


class Heartbeats(Protocol):
    """One Region's signs of life, one small row per batch."""

    async def beat(self, batch_id: str, *, at: datetime) -> None:
        """Record when a message of this batch is handled, or will be again. The latest moment is kept."""
        ...

    async def signs(self, batch_id: str) -> Signs:
        """Return what is known of the batch, by a strong read."""
        ...

    async def count_nudge(self, batch_id: str, nudges: Nudges, *, before: Nudges | None) -> None:
        """Replace the count that was read. Raises `Conflict` if another sweeper counted meanwhile."""
        ...

    async def attempt_begun(self, batch_id: str, step: str, *, by: str, at: datetime) -> Sequence[datetime]:
        """Note that the process `by` begins a step of the batch.

        Returns when each other that did and has not ended gave its last sign of life, in no order; year 1 of one that
        never did.
        """
        ...

    async def attempt_alive(self, batch_id: str, step: str, *, by: str, at: datetime) -> None:
        """Note a sign of life of the process `by`; nothing happens if it has ended."""
        ...

    async def attempt_ended(self, batch_id: str, step: str, *, by: str, at: datetime, for_good: bool) -> None:
        """Note that this process ended; `for_good`: delete the others as well."""
        ...

    async def claim_notice(self, batch_id: str, *, at: datetime, lease: timedelta) -> bool:
        """Become the one who mails that the batch's row cannot be read; say whether this is so.

        Not if that was mailed, nor while a claim is younger than its lease: who holds it may be sending.
        """
        ...

    async def notice_sent(self, batch_id: str, *, at: datetime) -> None:
        """Say that this mail is out, so that nobody sends it again."""
        ...
