"""The control row: which Region is active, under which epoch, and what is under way.

The row is the intent. Whatever a controller sets elsewhere (routing controls, dials, owners of batches) is computed
from it, so that an act is always preceded by a durable record of what is wanted, and repeating it is harmless.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from baton.model.stored import Word

_DRAINS_MAX: Final = timedelta(minutes=5)
"""Where an older version wrote no deadline: ten times as long as a drain takes by default."""


class Phase(Word):
    """What is durably under way. `handover.states` holds the table and its comments."""

    STEADY = "STEADY"
    DRAINING = "DRAINING"
    """A planned switch is announced: nothing new is admitted until it is through or rolled back."""
    SWITCHING = "SWITCHING"
    """The epoch has moved: from here it only goes forward."""
    VERIFYING = "VERIFYING"
    COOLDOWN = "COOLDOWN"


class SwitchKind(Word):
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


class StepName(Word):
    """What a switch consists of once the epoch has moved. The first three run side by side."""

    SWITCH = "switch"
    """The routing controls (or none)."""
    ROUTES = "routes"
    """The dials of the Multi-Region Access Point."""
    TAKEOVER = "takeover"
    """Every open batch of the other Region changes its owner."""
    VERIFY = "verify"
    """A canary batch went the whole way in the new active Region."""


class StepOutcome(Word):
    """How a step ended."""

    DONE = "done"
    DEGRADED = "degraded"
    """Its deadline passed. The switch continues without it; the reconciler keeps trying."""


class Ending(Word):
    """How a switch ended."""

    COMPLETED = "completed"
    ROLLED_BACK = "rolled back"
    """The epoch never moved; the note says why."""
    SUPERSEDED = "superseded"
    """Another switch took its place; the note names it."""


class SwitchBackend(StrEnum):
    """What turns traffic besides the ledger."""

    ARC = "arc"
    """A routing-control cluster of Route 53 ARC."""
    REGION_SWITCH = "region-switch"
    """A plan of ARC Region switch."""
    LEDGER = "ledger"
    """Nothing: the ledger alone decides."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """One finished step of a switch."""

    step: StepName
    outcome: StepOutcome
    at: datetime
    by: str
    """Region of the controller that did it."""
    note: str = ""
    taken_over: int | None = None
    """Of a takeover: how many batches changed their owner. None: another step, or an older version did not say."""
    operator: str | None = None
    """Who did it in that controller's place, from a machine of his own. None: the controller did."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


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
    """The operator's command behind it; None if a controller decided automatically."""
    unhealthy_since: datetime | None = None
    """Of an automatic failover: since when the source had been declared unhealthy without a break."""
    steps: tuple[StepDone, ...] = ()
    ended: Ending | None = None
    """None while it is under way."""
    note: str = ""
    """Why it ended so, for people."""
    ended_at: datetime | None = None
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    @property
    def degraded(self) -> tuple[StepName, ...]:
        """The steps whose deadline passed, by name."""
        return tuple(sorted({each.step for each in self.steps if each.outcome is StepOutcome.DEGRADED}))

    @property
    def taken_over(self) -> int | None:
        """How many batches changed their owner by it; None: not known yet, or an older version did not say."""
        return max((each.taken_over for each in self.steps if each.taken_over is not None), default=None)

    @property
    def batches_told(self) -> str:
        """The same for people, to be put after how it ended; empty if it is not known."""
        count = self.taken_over
        return "" if count is None else f", {count} {'batch' if count == 1 else 'batches'} taken over"

    @property
    def outcome(self) -> str | None:
        """How it ended, for people; None while it is under way."""
        match self.ended:
            case None:
                return None
            case Ending.COMPLETED if self.degraded:
                return f"{self.ended}; degraded: {', '.join(self.degraded)}"
            case Ending.ROLLED_BACK:
                return f"{self.ended}: {self.note}"
            case Ending.SUPERSEDED:
                return f"{self.ended} by {self.note}"
            case _:
                return str(self.ended)

    def finished(self, step: StepName) -> bool:
        """Whether the step ended, one way or the other."""
        return any(each.step is step for each in self.steps)


@dataclass(frozen=True, slots=True)
class Freeze:
    """No automatic action until then, or until an operator lifts it."""

    by: str
    reason: str
    at: datetime
    until: datetime
    id: str = ""
    """That of the command that ordered it."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True)
class Drill:
    """A practice run: back home at `ends_at`, or at once if the alarm says that it hurts."""

    home: str
    ends_at: datetime
    blocking_alarm: str | None = None
    """Name of a CloudWatch alarm; None: the signals of the Region in practice."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


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
    drains_until: datetime | None = None
    """While a planned switch drains: when that ends for everybody, even if no controller is left to end it."""
    transition: Transition | None = None
    freeze: Freeze | None = None
    """Of several the one that ends last, so that a version which knows one only obeys it to the end."""
    freezes_below: tuple[Freeze, ...] = ()
    """The others, which stay when that one is lifted."""
    failovers: tuple[datetime, ...] = ()
    """When automatic failovers were decided, the last day's: what the budget counts."""
    acknowledged_at: datetime | None = None
    """When a human last looked at what happened: failovers before it no longer count."""
    cooldown_until: datetime | None = None
    drill: Drill | None = None
    commands: tuple[str, ...] = ()
    """The newest commands that were applied: none is applied twice."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Fields that a newer version wrote: kept through every change of the row."""

    def changed(self, **changes: Any) -> "Control":
        """Return the row as it is to be written next."""
        return replace(self, revision=self.revision + 1, **changes)

    def admits(self, now: datetime) -> bool:
        """Whether the active Region takes new batches: a drain that nobody ends is over at its deadline."""
        if self.phase is not Phase.DRAINING:
            return True
        until = self.drains_until or (self.phase_since + _DRAINS_MAX if self.phase_since else None)
        return until is not None and now >= until

    @property
    def in_transition(self) -> bool:
        """Whether a switch is under way."""
        return self.transition is not None and self.transition.ended is None

    @property
    def switches_as_planned(self) -> bool:
        """Whether the present epoch began by a planned switch: the Region that was left was healthy."""
        return self.transition is not None and self.transition.kind.is_planned

    @property
    def unknown(self) -> tuple[str, ...]:
        """Words of a newer version that say what is under way: who does not know them takes no action."""
        transition = self.transition if self.in_transition else None
        words = (self.phase, *((transition.kind, *(each.step for each in transition.steps)) if transition else ()))
        return tuple(str(word) for word in words if not word.is_known)

    def frozen(self, now: datetime) -> bool:
        """Whether automatic action is forbidden at that moment."""
        return bool(self.freezes(now))

    def freezes(self, now: datetime) -> tuple[Freeze, ...]:
        """Return every freeze that is in force at that moment, the one that ends last first."""
        return _by_end(each for each in self._freezes if now < each.until)

    @property
    def _freezes(self) -> tuple[Freeze, ...]:
        return (*((self.freeze,) if self.freeze else ()), *self.freezes_below)

    def with_freeze(self, freeze: Freeze) -> "Control":
        """Return the row with one more freeze; those that are over by then are left out."""
        return self._frozen_by((*self.freezes(freeze.at), freeze))

    def without_freeze(self, freeze_id: str, now: datetime) -> "Control":
        """Return the row without one of its freezes; the others stay in force."""
        return self._frozen_by(each for each in self.freezes(now) if each.id != freeze_id)

    def _frozen_by(self, freezes: Iterable[Freeze]) -> "Control":
        ordered = _by_end(freezes)
        return self.changed(freeze=ordered[0] if ordered else None, freezes_below=ordered[1:])

    def switch_states(self, regions: tuple[str, str]) -> Mapping[str, bool]:
        """Return what every routing control should be: On for the active Region, Off for the other."""
        return {region: region == self.active_region for region in regions}

    def dials(self, regions: tuple[str, str]) -> Mapping[str, int]:
        """Return what every dial of the Multi-Region Access Point should be, in percent."""
        return {region: 100 if region == self.active_region else 0 for region in regions}


def _by_end(freezes: Iterable[Freeze]) -> tuple[Freeze, ...]:
    return tuple(sorted(freezes, key=lambda each: each.until, reverse=True))
