"""The journal's records: heartbeats, commands and decisions, by which controllers and operators communicate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from baton.model.control import Ending, StepName, SwitchBackend
from baton.model.high_water import HighWater
from baton.model.stored import Word


class Verdict(StrEnum):
    """The result of a rule. What was not measured is UNKNOWN, which counts neither as healthy nor as unhealthy."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> "Verdict | None":
        return cls.UNKNOWN if isinstance(value, str) else None  # what a newer version says


class Signal(Word):
    """The kinds of evidence. `handover.witnesses` says whose word each of them is, and when it counts."""

    OUTSIDE_CANARY = "outside canary"
    """A batch that the other Region's controller sent through this one, over its public endpoints."""
    INSIDE_CANARY = "inside canary"
    """A batch that the Region's own controller sent through it."""
    SILENCE = "silence"
    """Nothing of the Region reaches the ledger: no heartbeat, and no service moves a batch."""
    OLDEST_MESSAGE = "oldest message"
    DEAD_LETTERS = "dead letters"
    OLDEST_BATCH = "oldest batch"
    THROUGHPUT = "throughput"
    CALLS = "own calls"
    """Error rate of our own calls to S3, SQS and DynamoDB of the Region."""
    ALARMS = "alarms"
    """CloudWatch alarms of the Region."""
    REPLICATION = "replication"
    """Explains only."""


class Witness(Word):
    """Who says something of a Region: one observer over one way, however many signals that yields."""

    OUTSIDE = "outside"
    """The standby, over its way to the Region."""
    INSIDE = "inside"
    """The Region's own report."""
    LEDGER = "ledger"
    """What the ledger shows of the Region's work."""


class Vote(Word):
    """What a signal says in the decision whether a Region is declared unhealthy."""

    AGAINST = "against"
    FOR = "for"
    """As long as it says so, the Region is not declared unhealthy."""


class State(Word):
    """The state of a controller: the phase of the control row, or SUSPECT, which each controller has on its own."""

    STEADY = "STEADY"
    SUSPECT = "SUSPECT"
    DRAINING = "DRAINING"
    SWITCHING = "SWITCHING"
    VERIFYING = "VERIFYING"
    COOLDOWN = "COOLDOWN"


class Overlay(Word):
    """What may lie over any state and holds action back."""

    ISOLATED = "ISOLATED"
    """This controller cannot write the ledger: it takes no action."""
    FROZEN = "FROZEN"
    DRY_RUN = "DRY_RUN"
    BOTH_UNHEALTHY = "BOTH_UNHEALTHY"
    BUDGET_SPENT = "BUDGET_SPENT"
    RECOMMENDS = "RECOMMENDS"
    """It would fail over, and waits for a human who orders it."""
    WENT_BACK = "WENT_BACK"
    """The ledger was restored: it is behind what is known of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it stood: what was seen, what was asked for, what follows. Texts are for people."""

    name: str
    verdict: Verdict
    value: str
    threshold: str
    age_seconds: float | None = None
    """How old the newest measurement is. None: there is none, or it has no age."""
    blocks: bool = False
    """Whether this rule alone keeps the controller from acting."""
    warns: bool = False
    """Whether it is told, and forbids nothing."""
    signal: Signal | None = None
    """Of a rule that is evidence: its kind."""
    witness: Witness | None = None
    """Of a rule that is evidence: whose word it is."""
    voice: Vote | None = None
    """None: it explains, and does not count."""
    note: str = ""
    """Of a rule that is evidence: what it counts for, and why, as one sentence."""


@dataclass(frozen=True, slots=True)
class Failing:
    """What a controller cannot bring in line with the control row, however often it tries."""

    step: StepName
    note: str
    """Why the newest attempt failed, for people."""


@dataclass(frozen=True, slots=True)
class WentBack:
    """A ledger that was restored: what is known to have been in it, and what was found."""

    known: HighWater
    found: HighWater

    @property
    def at_least(self) -> int:
        """The lowest epoch that was certainly never in force: what an operator orders."""
        return max(self.known.epoch, self.found.epoch) + 1


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that one controller held for true at one moment, and what follows: the answer to `explain`."""

    at: datetime
    region: str
    """Region of the controller."""
    epoch: int | None
    """None: the ledger did not answer."""
    state: State | None
    """None: the ledger did not answer."""
    conclusion: str
    """One sentence: what it does, or why it does nothing."""
    evidence: tuple[Rule, ...] = ()
    """Signals of the active Region."""
    readiness: tuple[Rule, ...] = ()
    """Whether the other Region could take over."""
    brakes: tuple[Rule, ...] = ()
    """What holds automatic action back."""
    overlays: tuple[Overlay, ...] = ()
    """What lies over the state."""
    failing: tuple[Failing, ...] = ()
    """What is not as the control row says, after several attempts."""
    clock_off_seconds: float = 0.0
    """How far this controller's clock is from its own past or from the other controller's, at most."""
    went_back: WentBack | None = None
    """None: the ledger is not behind anything that this controller knows of."""

    @property
    def standing(self) -> str:
        """The state and what lies over it, for people."""
        return " ".join((*([self.state] if self.state else []), *self.overlays))


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One controller's sign of life; each one overwrites the last of its Region."""

    region: str
    instance: str
    """Names the process: another one starts counting anew."""
    sequence: int
    """Grows by one. Readers watch it change by their own clocks: two clocks may disagree by minutes."""
    at: datetime
    epoch_seen: int
    """The epoch that this controller follows."""
    canary: Verdict
    """What this Region's own canary says of it."""
    ready: Verdict
    """Whether this Region could be active: its canary, its way to the ledger and to the switch."""
    assessment: Assessment
    settings: str = ""
    """JSON of the settings it runs under, for `plan` and `explain`."""
    switch: SwitchBackend | None = None
    """What it turns besides the ledger. None: an older version does not say, or a newer one has another."""
    beats: int | None = None
    """Heartbeats of this Region, of all its processes. Never shrinks, but by a restore. None: its writer does not know
    how many there were, as right after its start."""
    high_water: HighWater | None = None
    """The furthest that this controller knows the ledger to have been."""


class CommandKind(Word):
    """What operators ask of the controllers."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    FAILBACK = "failback"
    DRILL = "drill"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    ACK = "ack"


class CommandState(Word):
    """The state of a command."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Command:
    """One command, never deleted. Written once by an operator, settled once by a controller."""

    id: str
    kind: CommandKind
    by: str
    at: datetime
    reason: str = ""
    target: str | None = None
    """Region that is to become active."""
    force: bool = False
    """Of a failover: even into a Region that does not prove its readiness."""
    until: datetime | None = None
    """Of a freeze: when it ends automatically. Of a drill: when the switch home starts."""
    blocking_alarm: str | None = None
    """Of a drill: the alarm that ends it at once."""
    freeze_id: str | None = None
    """Of the end of a freeze: which one. None: the only one."""
    state: CommandState = CommandState.PENDING
    answer: str = ""
    settled_at: datetime | None = None
    settled_by: str | None = None
    """Region of the controller that settled it."""
    settled_operator: str | None = None
    """Who settled it in that controller's place, from a machine of his own. None: the controller did."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Fields that a newer version wrote: kept when it is settled."""


class DecisionKind(Word):
    """What was decided."""

    SUSPECTED = "suspected"
    CLEARED = "cleared"
    HELD = "held"
    """There is a reason to act, and a rule forbids it."""
    RECOMMENDED = "recommended"
    """`mode = recommend`: a human is asked to do it."""
    WOULD_ACT = "would act"
    """Dry run."""
    STARTED = "started"
    INTENDED = "intended"
    """The epoch is about to be moved. The outcome has a separate record."""
    COMMITTED = "committed"
    """The epoch moved."""
    STEP = "step"
    ROLLED_BACK = "rolled back"
    COMPLETED = "completed"
    COMMANDED = "commanded"
    """A command that changes no Region: freeze, unfreeze, ack."""
    REFUSED = "refused"
    OVERTAKEN = "overtaken"
    """Another writer of the control row was first; nothing was done."""
    FAILED = "failed"
    """What the ledger says and what was found differ, and attempts to set it right fail."""
    REPAIRED = "repaired"
    """What the ledger says and what was found differed, and was set right."""
    WENT_BACK = "went back"
    """The ledger was restored: nothing is done until an operator raises the epoch."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One immutable record: what was decided, by whom, on what grounds."""

    id: str
    at: datetime
    region: str
    """Region of the controller."""
    kind: DecisionKind
    epoch: int
    summary: str
    transition_id: str | None = None
    command_id: str | None = None
    assessment: Assessment | None = None
    ended: Ending | None = None
    """Of one that ends its switch: how."""
    degraded: tuple[StepName, ...] = ()
    """Of one that completes its switch: the steps that were not done in time."""
    taken_over: int | None = None
    """Of one that completes its switch: how many batches changed their owner. None: an older version did not say."""
    operator: str | None = None
    """Who decided in that controller's place, from a machine of his own. None: the controller did."""
