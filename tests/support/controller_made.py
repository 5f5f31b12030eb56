"""A controller on a clock that the test moves: heartbeats, samples, commands, and a `Trace` of looks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from baton.model.control import Control, Drill, Freeze, Phase, StepName, SwitchKind, Transition
from baton.model.events import Event
from baton.model.high_water import HighWater
from baton.model.journal import (
    Assessment,
    Command,
    CommandKind,
    Decision,
    DecisionKind,
    Heartbeat,
    Rule,
    Signal,
    State,
    Verdict,
    WentBack,
)
from baton.ports import Endpoints
from baton.topology import REGIONS_DEFAULT
from handover import events
from handover.decide import assess, assess_unread, decide
from handover.facts import Drain, Memory, Sample, Seen, StepResult
from handover.intents import Act, Intent, LookAtDrain, Note, Settle, Write
from handover.look import Look
from handover.provided import Provided, Provision
from handover.settings import ControllerSettings
from handover.states import TABLE
from handover.writes import won

EAST, WEST = REGIONS_DEFAULT
START = datetime(2026, 7, 1, 12, tzinfo=UTC)
"""A Wednesday at noon."""
SETTINGS = ControllerSettings()
CANARY_SECONDS = 3
"""What a canary takes that comes through."""


def seconds(number: float) -> timedelta:
    """Return a duration."""
    return timedelta(seconds=number)


def control_made(**changes: Any) -> Control:
    """Return a steady row: the first Region is active."""
    return replace(Control(epoch=2, active_region=EAST, revision=7), **changes)


def memory_made(region: str = WEST, settings: ControllerSettings = SETTINGS) -> Memory:
    """Return the memory of a controller that has just started."""
    return Memory(region=region, regions=REGIONS_DEFAULT, instance=f"{region}-1", settings=settings)


def heartbeat(region: str, sequence: int, at: datetime, **changes: Any) -> Heartbeat:
    """Return a heartbeat of a healthy Region that follows the first epoch."""
    well: dict[str, Any] = {
        "instance": f"{region}-1",
        "epoch_seen": 2,
        "canary": Verdict.HEALTHY,
        "ready": Verdict.HEALTHY,
        "assessment": Assessment(at, region, 2, State.STEADY, "no failover"),
    }
    return Heartbeat(region, sequence=sequence, at=at, **(well | changes))


def sample(signal: Signal, *, good: bool, at: datetime, region: str = EAST, value: str = "v", **changes: Any) -> Sample:
    """Return one measurement."""
    verdict = Verdict.HEALTHY if good else Verdict.UNHEALTHY
    return Sample(signal, region, verdict, value, "limit", at, **changes)


def ordered(kind: CommandKind, at: datetime = START, **changes: Any) -> Command:
    """Return a pending command."""
    return replace(Command(f"c-{kind}", kind, "ann", at, reason="because"), **changes)


def rule(rules: Sequence[Rule], name: str) -> Rule:
    """Return the rule of this name."""
    return next(each for each in rules if each.name == name)


def under_way(kind: SwitchKind = SwitchKind.FAILOVER, **changes: Any) -> Transition:
    """Return a switch to the second Region that has just begun."""
    return replace(Transition("t1", kind, EAST, WEST, "r", START, automatic=False), **changes)


def frozen(until: datetime, by: str = "bob") -> Freeze:
    """Return a freeze."""
    return Freeze(by, "works", START, until)


def provided(at: datetime, provisions: Iterable[Provision] = Provision) -> tuple[Provided, ...]:
    """Return the answers of a Region that has all of these ready."""
    return tuple(Provided(each, Verdict.HEALTHY, "ready", at) for each in provisions)


def practice(ends_at: datetime, alarm: str | None = None) -> Drill:
    """Return a practice run away from the first Region."""
    return Drill(EAST, ends_at, alarm)


@dataclass
class Trace:
    """One controller, the row, and a world that does what a test tells it. Nothing happens but by `look`."""

    region: str = WEST
    settings: ControllerSettings = SETTINGS
    control: Control = field(default_factory=control_made)
    now: datetime = START
    # the other Region
    beats: bool = True
    ahead: timedelta = timedelta()
    """How far the other Region's clock is ahead of ours."""
    says_ready: Verdict = Verdict.HEALTHY
    says_canary: Verdict = Verdict.HEALTHY
    follows: int | None = None
    """The epoch that it says it follows; None: the present one."""
    activity: str = ""
    works: bool = False
    """Whether services of the other Region move batches."""
    outside: bool | None = True
    """What canaries of ours find in the active Region; None: nothing is found out."""
    # our own
    inside: bool | None = True
    writes: bool = True
    reads: bool = True
    endpoints: Endpoints | None = field(default_factory=lambda: Endpoints(5, 5))
    provided: tuple[Provision, ...] = tuple(Provision)
    """What it has ready."""
    # of the active Region
    bad: set[Signal] = field(default_factory=set[Signal])
    """Signals besides canaries that are bad at every look."""
    alarms: tuple[str, ...] = ()
    """Those that fire, of the active Region."""
    # what acts come to
    steps: frozenset[StepName] = frozenset(StepName)
    """Those that succeed."""
    under_way: bool = False
    """Whether the others take their time."""
    waiting: tuple[str, ...] = ()
    """Why it is not drained."""
    commands: list[Command] = field(default_factory=list[Command])
    keeps_commands: bool = False
    """Settling is lost every time: commands are seen again and again."""
    loses: bool = False
    """Every write of the row is lost on its way, and of what became of it nothing is heard."""
    mute: bool = False
    """Every write of the row is done, and its answer is lost."""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """By Region: how many heartbeats the ledger counts."""
    kept: HighWater | None = None
    """What the buckets say of how far the ledger has been."""
    kept_is_known: bool = True
    says_went_back: WentBack | None = None
    """What the other Region's heartbeat says of a restored ledger."""
    says_high_water: HighWater | None = None
    """And of how far it has been."""

    # what was intended
    memory: Memory = field(init=False)
    looks: list[tuple[datetime, tuple[Intent, ...]]] = field(init=False, default_factory=list[Any])
    recorded: list[Decision] = field(init=False, default_factory=list[Decision])
    """Everything that is on record, the oldest first."""
    told: list[Event] = field(init=False, default_factory=list[Event])
    """Every event, the oldest first."""
    applied: list[Write] = field(init=False, default_factory=list[Write])
    """Writes of the row that were won."""
    written_at: datetime | None = field(init=False, default=None)
    results: list[StepResult] = field(init=False, default_factory=list[StepResult])
    drain: Drain | None = field(init=False, default=None)
    sequence: int = field(init=False, default=0)
    settled: list[Command] = field(init=False, default_factory=list[Command])
    probed_at: datetime | None = field(init=False, default=None)
    seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        self.memory = memory_made(self.region, self.settings)

    # --- looking

    def look(self) -> tuple[Intent, ...]:
        """Look once at the present time, decide, let it happen, and move the clock by one beat."""
        self.seen = self._seen()
        self.memory, intents = decide(self.memory, self.seen, self.now)
        self.looks.append((self.now, intents))
        for intent in intents:
            self._happens(intent)
        if self.writes:
            self.written_at = self.now
        self.now += seconds(self.settings.beat_seconds)
        return intents

    def run(self, duration: float) -> tuple[Intent, ...]:
        """Look for so many seconds; return everything that was intended."""
        until = self.now + seconds(duration)
        found: list[Intent] = []
        while self.now < until:
            found += self.look()
        return tuple(found)

    def warm(self) -> "Trace":
        """Run until all that is healthy is known to be."""
        self.run(60)
        return self

    def order(self, kind: CommandKind, **changes: Any) -> tuple[Intent, ...]:
        """Have an operator order something, and look."""
        name = f"c{len(self.settled) + len(self.commands) + 1}"
        self.commands.append(ordered(kind, self.now, id=name, **changes))
        return self.look()

    def fail(self) -> None:
        """Let the other Region die altogether."""
        self.beats, self.works, self.outside = False, False, False

    # --- its outcome

    @property
    def assessment(self) -> Assessment:
        """What `explain` would say after the last look."""
        at = self.looks[-1][0]
        if self.seen.control is None:
            return assess_unread(self.memory, at, "no answer in 4 s")
        return assess(Look(self.memory, self.seen, self.control, at))

    def intents[I](self, kind: type[I]) -> list[I]:
        """Return all intents of a kind so far."""
        return [intent for _, intents in self.looks for intent in intents if isinstance(intent, kind)]

    @property
    def decisions(self) -> list[Decision]:
        """All decisions on record but intentions, the oldest first."""
        return [each for each in self.recorded if each.kind is not DecisionKind.INTENDED]

    @property
    def kinds(self) -> list[DecisionKind]:
        """Their kinds."""
        return [each.kind for each in self.decisions]

    @property
    def answers(self) -> list[tuple[str, str]]:
        """How commands were settled."""
        return [(command.state.value, command.answer) for command in self.settled]

    # --- the world

    def _seen(self) -> Seen:
        if not self.reads:
            return Seen(None, samples=self._samples(), written_at=self.written_at)
        if self.beats:
            self.sequence += 1
        if self.works:
            self.activity = self.now.isoformat()
        other = memory_made(self.region).other
        beats: dict[str, Heartbeat] = {}
        if self.sequence:
            follows = self.control.epoch if self.follows is None else self.follows
            at = self.now + self.ahead
            said: dict[str, Any] = {"canary": self.says_canary, "ready": self.says_ready, "epoch_seen": follows}
            told = Assessment(at, other, 2, State.STEADY, "no failover", went_back=self.says_went_back)
            said |= {"high_water": self.says_high_water, "assessment": told}
            beats[other] = heartbeat(other, self.sequence, at, **said)
        results, self.results = tuple(self.results), []
        drain, self.drain = self.drain, None
        return Seen(
            control=self.control,
            heartbeats=beats,
            activity={other: self.activity},
            commands=tuple(self.commands),
            samples=self._samples(),
            results=results,
            written_at=self.written_at,
            endpoints=self.endpoints,
            drain=drain,
            provided=provided(self.now, self.provided),
            beats=dict(self.counts),
            kept=self.kept,
            kept_is_known=self.kept_is_known,
        )

    def _samples(self) -> tuple[Sample, ...]:
        return (*self._canaries(), *self._vitals())

    def _canaries(self) -> Iterator[Sample]:
        if self.probed_at is not None and self.now < self.probed_at + seconds(self.settings.probe_seconds):
            return
        self.probed_at = self.now
        sent = self.now - seconds(CANARY_SECONDS)
        if self.inside is not None:
            yield sample(
                Signal.INSIDE_CANARY, good=self.inside, region=self.region, at=self.now, started_at=sent, value="own"
            )
        active = self.control.active_region
        if self.outside is not None and active != self.region:
            yield sample(Signal.OUTSIDE_CANARY, good=self.outside, region=active, at=self.now, started_at=sent)

    def _vitals(self) -> Iterator[Sample]:
        active = self.control.active_region
        for signal in sorted(self.bad):
            yield sample(signal, good=False, region=active, at=self.now)
        value = ", ".join(self.alarms) or "none of 2"
        yield sample(Signal.ALARMS, good=not self.alarms, region=active, at=self.now, value=value, firing=self.alarms)

    def _written(self, write: Write) -> None:
        """Let a write of the row happen, with its records, as the controller's loop does."""
        if write.intended is not None:
            self.recorded.append(write.intended)
        if self.loses:
            return
        assert write.before == self.control, "a write is meant for the row that was read"
        assert write.after.revision == self.control.revision + 1
        self._check_step(write)
        self.control = write.after
        self.applied.append(write)
        if not self.mute:
            self.memory = won(self.memory, write)
            self.recorded.append(write.decision)
            self.told += filter(None, [events.of_write(write)])

    def _happens(self, intent: Intent) -> None:
        match intent:
            case Write():
                self._written(intent)
            case Note():
                self.recorded.append(intent.decision)
                self.told += filter(None, [intent.event])
            case Settle() if not self.keeps_commands and not self.loses:
                self.settled.append(intent.command)
                self.commands = [each for each in self.commands if each.id != intent.command.id]
            case Act():
                done = intent.step in self.steps
                note, late = f"{intent.step} note", self.under_way and not done
                self.results.append(StepResult(intent.step, intent.control.epoch, done, note, under_way=late))
            case LookAtDrain():
                self.drain = Drain(self.now + seconds(1), 4, self.waiting)
            case _:
                pass

    def _check_step(self, write: Write) -> None:
        """Hold every change of the phase against the table, and what must be true of any row."""
        before, after = write.before.phase, write.after.phase
        own = State.SUSPECT if before in {Phase.STEADY, Phase.COOLDOWN} else State(before.value)
        same = before is after and write.before.epoch == write.after.epoch
        steps = {(State(before.value), State(after.value)), (own, State(after.value))}
        assert same or any(TABLE.allowed(*step) for step in steps), f"{before} to {after} is not in the table"
        assert after is before or write.after.phase_since == self.now
        busy = after in {Phase.DRAINING, Phase.SWITCHING, Phase.VERIFYING}
        assert write.after.in_transition is busy, "a switch is under way in these phases, and in no other"
