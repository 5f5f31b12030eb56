"""How a delivery of a message ended, and what happens to the message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from baton.telemetry import Metrics, Unit


class Outcome(StrEnum):
    """What became of one delivery; the `outcome` of its log line and the dimension of its metric."""

    DONE = "done"
    RETRY = "retry"
    UNAVAILABLE = "unavailable"
    FENCED = "fenced"
    REJECTED = "rejected"
    REFUSED = "refused"
    BUG = "bug"
    QUARANTINED = "quarantined"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Handled:
    """A delivery, handled: delete it, or let it come back after `delay_seconds`."""

    outcome: Outcome
    reason: str = ""
    delay_seconds: int | None = None
    names: Mapping[str, object] = field(default_factory=dict[str, object])
    """What names the message in log lines; empty if it could not be read."""
    measured: Metrics = field(default_factory=dict[str, tuple[float, Unit]])

    @property
    def delete(self) -> bool:
        """Whether the message is finished with."""
        return self.delay_seconds is None
