"""Port: what a Region has ready for the day on which it takes over, beyond what its canaries prove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MailProvision:
    """Whether the Region's mail service would send for us."""

    verified: bool
    """Whether the address that mails come from, or its domain, is verified."""
    sends: bool
    """Whether sending is enabled."""
    in_sandbox: bool
    """Whether it sends to verified addresses only."""
    per_day: float | None
    """Mails in 24 hours, over the whole account. None: no limit."""
    sent: float
    """Mails of the last 24 hours."""


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """Tasks of one service."""

    running: int
    desired: int


@dataclass(frozen=True, slots=True)
class Headroom:
    """Processors of one kind that the account may use at once in this Region, and what our services may grow to."""

    vcpus_allowed: float
    vcpus_needed: float


class Provisions(Protocol):
    """Asks one Region. None: there is nothing to ask, as on one machine."""

    async def mail(self) -> MailProvision | None: ...

    async def denied(self) -> Sequence[str] | None:
        """Return the actions of a switch that our own role may not do."""
        ...

    async def tasks(self) -> Mapping[str, TaskCounts] | None:
        """Return how many tasks run, by service; a service that is not there is missing."""
        ...

    async def room(self) -> Mapping[str, Headroom] | None:
        """Return the room for more tasks, by kind of processor."""
        ...
