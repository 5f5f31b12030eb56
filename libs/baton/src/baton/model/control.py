"""The control row: which Region is active, under which epoch, and what is under way.

The row is the intent. Whatever a controller sets elsewhere (routing controls, dials, owners of batches) is computed
from it, so that an act is always preceded by a durable record of what is wanted, and repeating it is harmless.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """What is durably under way. `handover.states` holds the table and its comments."""

    STEADY = "STEADY"
    DRAINING = "DRAINING"
    """A planned switch is announced: nothing new is admitted until it is through or rolled back."""
    SWITCHING = "SWITCHING"
    """The epoch has moved: from here it only goes forward."""
    VERIFYING = "VERIFYING"
    COOLDOWN = "COOLDOWN"


class SwitchKind(StrEnum):
    """Why the active Region changes."""

    FAILOVER = "failover"
    """Unplanned: the old Region is not waited for."""
    SWITCHOVER = "switchover"
    """Planned: drained first, rolled back if that takes too long."""
    FAILBACK = "failback"
    """Planned, to the home Region (the first one)."""
    DRILL = "drill"
    """Planned, there and back again."""

    @property
    def is_planned(self) -> bool:
        """Whether the old Region is drained first."""
        return self is not SwitchKind.FAILOVER


class StepName(StrEnum):
    """What a switch consists of once the epoch has moved. The first three run side by side."""

    SWITCH = "switch"
    """The routing controls (or none)."""
    ROUTES = "routes"
    """The dials of the Multi-Region Access Point."""
    TAKEOVER = "takeover"
    """Every open batch of the other Region changes its owner."""
    VERIFY = "verify"
    """A canary batch went the whole way in the new active Region."""


class StepOutcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    DEGRADED = "degraded"
    """Its deadline passed. The switch goes on without it; the reconciler goes on trying."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """One finished step of a switch."""

    step: StepName
    outcome: StepOutcome
    at: datetime
    by: str
    """Region of the controller that did it."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One switch of the active Region, under way or the last one."""

    id: str
    kind: SwitchKind
    source: str
    target: str
    reason: str
    started_at: datetime
    automatic: bool
    command_id: str | None = None
    """The operator's command behind it; None if a controller decided by itself."""
    steps: tuple[StepDone, ...] = ()
    outcome: str | None = None
    """None while it is under way; else `completed`, `rolled back` or `superseded`, and why."""
    ended_at: datetime | None = None

    def finished(self, step: StepName) -> bool:
        """Whether the step ended, one way or the other."""
        return any(each.step is step for each in self.steps)


@dataclass(frozen=True, slots=True)
class Freeze:
    """No automatic action until then, or until somebody lifts it."""

    by: str
    reason: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Drill:
    """A practice run: back home at `ends_at`, or at once if the alarm says that it hurts."""

    home: str
    ends_at: datetime
    blocking_alarm: str | None = None
    """Name of a CloudWatch alarm; None: the signals of the Region in practice."""


@dataclass(frozen=True, slots=True)
class Control:
    """The one row that says who may admit. Moved by compare-and-set on `revision`."""

    epoch: int
    active_region: str
    revision: int = 0
    """Grows by one with every write."""
    phase: Phase = Phase.STEADY
    phase_since: datetime | None = None
    """None: since the world was set up."""
    transition: Transition | None = None
    freeze: Freeze | None = None
    failovers: tuple[datetime, ...] = ()
    """When automatic failovers were decided, the last day's: what the budget counts."""
    acknowledged_at: datetime | None = None
    """When a human last looked at what happened: failovers before it no longer count."""
    cooldown_until: datetime | None = None
    drill: Drill | None = None
    commands: tuple[str, ...] = ()
    """The newest commands that were applied: none is applied twice."""

    def changed(self, **changes: Any) -> "Control":
        """Return the row as it is to be written next."""
        return replace(self, revision=self.revision + 1, **changes)

    @property
    def admits(self) -> bool:
        """Whether the active Region takes new batches."""
        return self.phase is not Phase.DRAINING

    @property
    def in_transition(self) -> bool:
        """Whether a switch is under way."""
        return self.transition is not None and self.transition.outcome is None

    def frozen(self, now: datetime) -> bool:
        """Whether automatic action is forbidden at that moment."""
        return self.freeze is not None and now < self.freeze.until

    def switch_states(self, regions: tuple[str, str]) -> Mapping[str, bool]:
        """Return what every routing control should be: On for the active Region, Off for the other."""
        return {region: region == self.active_region for region in regions}

    def dials(self, regions: tuple[str, str]) -> Mapping[str, int]:
        """Return what every dial of the Multi-Region Access Point should be, in percent."""
        return {region: 100 if region == self.active_region else 0 for region in regions}
