"""What controllers and operators tell each other, durably: heartbeats, commands, decisions."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """What a rule says. What was not measured is UNKNOWN: it neither convicts nor clears."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNKNOWN = "UNKNOWN"


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


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that one controller held for true at one moment, and what follows: the answer to `explain`."""

    at: datetime
    region: str
    """Region of the controller."""
    epoch: int | None
    """None: the ledger did not answer."""
    state: str
    """`handover.states.State`."""
    conclusion: str
    """One sentence: what it does, or why it does nothing."""
    evidence: tuple[Rule, ...] = ()
    """Signals of the active Region."""
    readiness: tuple[Rule, ...] = ()
    """Whether the other Region could take over."""
    brakes: tuple[Rule, ...] = ()
    """What holds automatic action back."""


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


class CommandKind(StrEnum):
    """What operators ask of the controllers."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    FAILBACK = "failback"
    DRILL = "drill"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    ACK = "ack"


class CommandState(StrEnum):
    """Where a command stands."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Command:
    """One command, kept for ever. Written once by an operator, settled once by a controller."""

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
    """Of a freeze: when it ends by itself. Of a drill: when the way back starts."""
    blocking_alarm: str | None = None
    """Of a drill: the alarm that ends it at once."""
    state: CommandState = CommandState.PENDING
    answer: str = ""
    settled_at: datetime | None = None
    settled_by: str | None = None
    """Region of the controller that settled it."""


class DecisionKind(StrEnum):
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
    REPAIRED = "repaired"
    """What the ledger says and what was found differed, and was set right."""


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
    assessment: Assessment | None = field(default=None)
