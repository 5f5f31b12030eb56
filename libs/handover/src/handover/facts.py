"""What a controller sees in one look and remembers between looks: frozen data, no I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from baton.model.control import Control, Ending, StepName
from baton.model.high_water import HighWater
from baton.model.journal import Command, Heartbeat, Signal, Verdict, WentBack
from baton.ports import Endpoints
from baton.topology import other_region
from handover.intents import Write
from handover.provided import Provided, Provision
from handover.settings import ControllerSettings

CANARIES: Final = frozenset({Signal.OUTSIDE_CANARY, Signal.INSIDE_CANARY})
"""Only a canary proves that users are not served: one of these must be UNHEALTHY before a Region is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one signal of one Region. `at` is by the clock of the controller that took it."""

    signal: Signal
    region: str
    verdict: Verdict
    value: str
    threshold: str
    at: datetime
    started_at: datetime | None = None
    """Of a canary: when it was sent. It proves nothing about the time before."""
    firing: tuple[str, ...] = ()
    """Of alarms: those that are firing."""
    seconds: float | None = None
    """Of a canary that went the whole way: how long that took."""
    load: float = 0.0
    """Of a canary: the Region's open work at that time, in bytes."""
    beside: bool = False
    """Whether another canary was sent at the same moment: then only that one is a step of the series."""


@dataclass(frozen=True, slots=True)
class Series:
    """What is remembered of one signal: its newest verdicts, and whether it has tripped."""

    newest: Sample
    verdicts: tuple[bool, ...] = ()
    """True is good; the oldest first."""
    tripped: bool = False
    since: datetime | None = None
    """When it tripped."""
    recent: tuple[tuple[datetime, bool], ...] = ()
    """Of canaries: each one of the last `grey_seconds`."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The last write of a Region in the ledger, and when this controller first saw it, by its own clock."""

    mark: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of one attempt of a step."""

    step: StepName
    epoch: int
    done: bool
    note: str
    repaired: bool = False
    """Whether anything had to be changed."""
    taken_over: int | None = None
    """Of a takeover: how many batches changed their owner under this epoch, over all attempts so far."""
    under_way: bool = False
    """It was asked for and takes its time: not done, and no attempt that failed."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts of a step that failed one after the other."""

    epoch: int
    times: int
    note: str
    """Of the newest one: why."""
    taken_over: int | None = None
    """Of a takeover: how many batches changed their owner all the same."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Progress of a planned switch: batches that the target could not continue yet."""

    at: datetime
    open_batches: int
    waiting: tuple[str, ...]
    """Why it is not drained: a few of the reasons, for people. Empty: drained."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that one look read. What did not answer is None, or missing."""

    control: Control | None
    unread: str = ""
    """Why the ledger could not be read."""
    refused_everywhere: bool = False
    """Whether both Regions refused our newest canaries: what is wrong is our own."""
    stepped_seconds: float = 0.0
    """By how much the machine's clock is ahead of the steady one that spans are measured by."""
    heartbeats: Mapping[str, Heartbeat] = field(default_factory=dict[str, Heartbeat])
    activity: Mapping[str, str] = field(default_factory=dict[str, str])
    """By Region: a mark that changes whenever one of its services moves a batch in the ledger."""
    commands: tuple[Command, ...] = ()
    samples: tuple[Sample, ...] = ()
    """Taken since the last look."""
    results: tuple[StepResult, ...] = ()
    """Of attempts that ended since the last look."""
    written_at: datetime | None = None
    """When our own heartbeat last reached the ledger."""
    endpoints: Endpoints | None = None
    """Of the switch, at the newest look at them. None: not looked at yet."""
    provided: tuple[Provided, ...] = ()
    """What our own Region answered since the last look on what it has ready."""
    drain: Drain | None = None
    beats: Mapping[str, int] = field(default_factory=dict[str, int])
    """By Region: how many heartbeats the ledger counts; none: 0. Missing: its row does not say."""
    kept: HighWater | None = None
    """The furthest that the ledger has been, as far as the buckets said before it was read."""
    kept_is_known: bool = True
    """Whether our own bucket has said so, or was waited for long enough: until then a restore would not be noticed."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a controller remembers between two looks. Lost when the process ends, then learnt again."""

    region: str
    regions: tuple[str, str]
    instance: str
    """Names the process in the ids of its decisions."""
    settings: ControllerSettings
    """Scaled."""
    operator: str | None = None
    """Who acts in this controller's place, from a machine of his own. None: the controller itself."""
    series: Mapping[tuple[str, Signal], Series] = field(default_factory=dict[tuple[str, Signal], Series])
    usual: Mapping[tuple[str, Signal], tuple[tuple[float, float], ...]] = field(
        default_factory=dict[tuple[str, Signal], tuple[tuple[float, float], ...]]
    )
    """How long canaries took that went the whole way, in seconds, and under which load."""
    heard: Mapping[str, Heard] = field(default_factory=dict[str, Heard])
    beats: Mapping[str, Heard] = field(default_factory=dict[str, Heard])
    """The same for heartbeats alone."""
    drivers: Mapping[str, Heard] = field(default_factory=dict[str, Heard])
    """The same for heartbeats of controllers that act: one on a dry run drives nothing."""
    phase_seen: Heard | None = None
    """Which phase was seen last, and since when by our own clock: waits are measured by it, not by another's clock."""
    read_at: datetime | None = None
    """When a look last read the ledger."""
    open_writes: tuple[Write, ...] = ()
    """Writes of the control row, all of one revision, of which it is not known what they became."""
    suspect_since: datetime | None = None
    announced: str = ""
    """The last reason not to act that was recorded, so that it is recorded once."""
    clean_since: datetime | None = None
    """Since when this Region has been ready without interruption."""
    acted: Mapping[StepName, datetime] = field(default_factory=dict[StepName, datetime])
    refused_everywhere: bool = False
    """As of the newest look: whether both Regions refused our canaries."""
    stepped_seconds: float = 0.0
    """As of the newest look: by how much our machine's clock is ahead of our steady one."""
    apart_seconds: float = 0.0
    """By how much our clock was ahead of the other controller's when its newest heartbeat was first seen."""
    failing: Mapping[StepName, Attempts] = field(default_factory=dict[StepName, Attempts])
    """Steps whose last attempts failed."""
    drain: Drain | None = None
    """The newest look at how far a planned switch is."""
    high_water: HighWater | None = None
    """The furthest that the ledger is known to have been."""
    went_back: WentBack | None = None
    """Since when it is behind that: until an operator raises the epoch."""
    decisions: int = 0
    endpoints: Endpoints | None = None
    endpoints_at: datetime | None = None
    provided: Mapping[Provision, Provided] = field(default_factory=dict[Provision, Provided])
    """What our own Region has ready, by its newest answers."""
    written_at: datetime | None = None

    @property
    def other(self) -> str:
        """The Region that this controller does not run in."""
        return other_region(self.region, self.regions)

    def remembering(self, **changes: Any) -> "Memory":
        """Return the memory with other things in mind; if they are the same, the memory itself."""
        same = all(getattr(self, name) == value for name, value in changes.items())
        return self if same else replace(self, **changes)

    def standby(self, control: Control) -> str:
        """Return the Region that is not active."""
        return other_region(control.active_region, self.regions)


def waited_seconds(memory: Memory, now: datetime) -> float:
    """Return for how many seconds this controller has seen the present phase."""
    return (now - memory.phase_seen.at).total_seconds() if memory.phase_seen else 0.0


def rolled_back_seconds(memory: Memory, control: Control, now: datetime) -> float | None:
    """Return for how many seconds this controller has seen that the last switch was rolled back; None: it was not."""
    rolled_back = control.transition is not None and control.transition.ended is Ending.ROLLED_BACK
    return waited_seconds(memory, now) if rolled_back else None
