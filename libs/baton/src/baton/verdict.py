"""What becomes of one delivery of a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from baton.telemetry import Metrics, Unit


class Outcome(StrEnum):
    """What became of one delivery; the `outcome` of its log line and the dimension of its metric."""

    DONE = "done"
    REJECTED = "rejected"
    FENCED = "fenced"
    RETRY = "retry"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    BUG = "bug"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a delivery: delete it, or let it come back after `delay_seconds`."""

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
