"""Random traces of signals, operators and faults: what must never happen does not."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baton.model.control import Freeze, StepName
from baton.model.identity import owner_of
from baton.model.journal import CommandKind, Signal, Verdict
from baton.ports import Endpoints
from controller_made import EAST, START, WEST, Trace, control_made, frozen
from handover import brakes
from handover.intents import Act, LookAtDrain, Note, Settle, Write
from handover.settings import ControllerSettings, Mode

KINDS = sorted(CommandKind)
BAD = sorted({Signal.CALLS, Signal.OLDEST_MESSAGE, Signal.REPLICATION, Signal.DEAD_LETTERS})

CHANGES = st.one_of(
    st.tuples(st.just("beats"), st.booleans()),
    st.tuples(st.just("works"), st.booleans()),
    st.tuples(st.just("outside"), st.sampled_from([True, False, None])),
    st.tuples(st.just("inside"), st.sampled_from([True, True, False, None])),
    st.tuples(st.just("writes"), st.booleans()),
    st.tuples(st.just("reads"), st.booleans()),
    st.tuples(st.just("loses"), st.booleans()),
    st.tuples(st.just("says_ready"), st.sampled_from(Verdict)),
    st.tuples(st.just("says_canary"), st.sampled_from(Verdict)),
    st.tuples(st.just("follows"), st.sampled_from([None, 1])),
    st.tuples(st.just("endpoints"), st.sampled_from([Endpoints(5, 5), Endpoints(2, 5), None])),
    st.tuples(st.just("bad"), st.sets(st.sampled_from(BAD))),
    st.tuples(st.just("alarms"), st.sampled_from([(), ("lag",)])),
    st.tuples(st.just("steps"), st.frozensets(st.sampled_from(StepName))),
    st.tuples(st.just("waiting"), st.sampled_from([(), ("a file",)])),
    st.tuples(st.just("keeps_commands"), st.booleans()),
)
ORDERS = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from([EAST, WEST, "mars", None]),
    st.booleans(),
    st.sampled_from([None, 60, 3_600]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), CHANGES),
        st.tuples(st.just("order"), ORDERS),
        # The process sleeps, or its clock jumps.
        st.tuples(st.just("jump"), st.sampled_from([1, 20, 600, 4_000, 30_000])),
        st.tuples(st.just("run"), st.sampled_from([5, 30, 90, 200, 2_000])),
    ),
    max_size=30,
)
type Steps = list[tuple[str, tuple[object, ...] | int]]
FREEZES = st.sampled_from([None, None, frozen(START + timedelta(days=30))])
REGIONS = st.sampled_from([EAST, WEST])
SETTINGS = st.builds(
    ControllerSettings,
    mode=st.sampled_from([Mode.AUTOMATIC, Mode.AUTOMATIC, Mode.RECOMMEND]),
    failback=st.sampled_from(Mode),
    failovers_short_max=st.integers(0, 2),
    failovers_long_max=st.integers(0, 3),
    maintenance=st.sampled_from(["", "daily 12:30-13:30"]),
)
DRY_RUN = ControllerSettings(dry_run=True, failback=Mode.AUTOMATIC)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Watched(Trace):
    """A trace that holds what must always be true after each look."""

    def look(self) -> tuple[Write | Note | Settle | Act | LookAtDrain, ...]:
        """Look, then check."""
        before, at, could_write = self.control, self.now, self.written_at
        intents = super().look()
        writes = [intent for intent in intents if isinstance(intent, Write)]
        assert len(writes) <= 1, "one write of the row a look"
        if not self.reads or could_write is None or at - could_write > timedelta(seconds=15):
            assert intents == (), "S10: who is cut off intends nothing"
        ordered = before.in_transition and before.transition is not None and before.transition.command_id is not None
        if before.frozen(at) and not ordered:
            assert not [each for each in intents if isinstance(each, Act)], "S9: frozen is frozen"
        for write in writes:
            self._check(write, at)
        return intents

    def _check(self, write: Write, at: datetime) -> None:
        before, after = write.before, write.after
        assert after.epoch >= before.epoch, "S6: epochs only grow"
        if after.epoch == before.epoch:
            assert after.active_region == before.active_region
            return
        assert owner_of(after.epoch, self.memory.regions) == after.active_region
        transition = after.transition
        assert transition is not None
        assert transition.target == after.active_region
        if transition.command_id is None:
            assert not before.frozen(at), "S9: nothing automatic under a freeze"
            beat = self.seen.heartbeats.get(transition.target)
            ready = brakes.readiness(self.memory, before, transition.target, beat, at)
            assert brakes.verdict_of(ready) is Verdict.HEALTHY, "S7: only into a Region that is ready"


def _played(trace: Trace, steps: Steps) -> None:
    for name, value in steps:
        match name, value:
            case "change", (str(field), changed):
                setattr(trace, field, changed)
            case "order", (CommandKind() as kind, target, force, until):
                ends = trace.now + timedelta(seconds=until) if isinstance(until, int) else None
                alarm = "lag" if force else None
                trace.order(kind, target=target, force=force, until=ends, blocking_alarm=alarm)
            case "jump", int(seconds):
                trace.now += timedelta(seconds=seconds)
            case "run", int(seconds):
                trace.run(min(seconds, 300))
                trace.now += timedelta(seconds=max(0, seconds - 300))
            case _:
                raise AssertionError(name)


def _most_within(moments: list[datetime], window: timedelta) -> int:
    return max((sum(first <= at < first + window for at in moments) for first in moments), default=0)


@QUICK
@given(region=REGIONS, given_settings=SETTINGS, freeze=FREEZES, steps=STEPS)
def test_nothing_forbidden_ever_happens(
    region: str, given_settings: ControllerSettings, freeze: Freeze | None, steps: Steps
) -> None:
    trace = Watched(region=region, settings=given_settings, control=control_made(freeze=freeze))

    trace.warm()
    _played(trace, steps)
    trace.inside = trace.writes = trace.reads = True
    trace.fail()
    trace.run(200)

    ids = [each.id for each in trace.decisions]
    assert len(ids) == len(set(ids))


@QUICK
@given(region=REGIONS, given_settings=SETTINGS, steps=STEPS)
def test_there_are_never_more_automatic_failovers_than_the_budget_allows(
    region: str, given_settings: ControllerSettings, steps: Steps
) -> None:
    trace = Trace(region=region, settings=given_settings).warm()

    _played(trace, [step for step in steps if not (isinstance(step[1], tuple) and step[1][0] is CommandKind.ACK)])
    trace.fail()
    trace.inside = True
    trace.run(120)

    moments = [write.decision.at for write in trace.applied if write.after.failovers != write.before.failovers]
    assert _most_within(moments, timedelta(hours=6)) <= given_settings.failovers_short_max
    assert _most_within(moments, timedelta(hours=24)) <= given_settings.failovers_long_max


@QUICK
@given(region=REGIONS, steps=STEPS)
def test_a_dry_run_writes_notes_and_nothing_else(region: str, steps: Steps) -> None:
    trace = Trace(region=region, settings=DRY_RUN)

    _played(trace, steps)
    trace.warm().fail()
    trace.run(200)

    assert {type(intent) for _, intents in trace.looks for intent in intents} <= {Note}


@QUICK
@given(region=REGIONS, given_settings=SETTINGS, steps=STEPS)
def test_whatever_happened_it_comes_to_rest_when_it_is_left_alone(
    region: str, given_settings: ControllerSettings, steps: Steps
) -> None:
    """L3, L5: every wait ends."""
    trace = Trace(region=region, settings=given_settings)
    _played(trace, steps)

    _made_well(trace)
    trace.run(400)

    assert not trace.control.in_transition or trace.control.frozen(trace.now)
    driven = {each.id for each in trace.commands if each.target == trace.memory.other}
    assert {each.id for each in trace.commands} == driven, "every order is answered, or the other controller's"


def _made_well(trace: Trace) -> None:
    trace.writes = trace.reads = trace.beats = trace.inside = trace.outside = True
    trace.loses, trace.bad, trace.alarms, trace.waiting = False, set(), (), ()
    trace.steps, trace.says_ready, trace.says_canary = frozenset(StepName), Verdict.HEALTHY, Verdict.HEALTHY
    trace.follows, trace.endpoints, trace.keeps_commands = None, Endpoints(5, 5), False


@settings(QUICK, max_examples=25)
@given(steps=STEPS)
def test_whatever_happened_a_region_that_dies_later_is_failed_over_from(steps: Steps) -> None:
    """L2: a dead active Region, a healthy standby, no freeze and a budget: switched within the bound."""
    trace = Trace(region=WEST)
    _played(trace, steps)
    _made_well(trace)
    trace.commands = []
    trace.order(CommandKind.UNFREEZE)
    trace.order(CommandKind.ACK)
    trace.run(600)
    trace.now += timedelta(hours=2)  # cooldowns and practice runs end
    trace.run(600)
    if trace.control.active_region != EAST:
        return  # the other controller's turn
    epoch = trace.control.epoch

    trace.fail()
    trace.run(90)

    assert trace.control.epoch == epoch + 1
