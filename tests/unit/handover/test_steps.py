"""What follows the moved epoch: three steps side by side, a canary, a cooldown; each ends, well or degraded."""

import pytest

from baton.model.control import Phase, StepName, StepOutcome, SwitchKind
from baton.model.journal import CommandKind, DecisionKind, Signal
from controller_made import CANARY_SECONDS, EAST, SETTINGS, START, WEST, Trace, control_made, seconds, under_way
from handover.facts import StepResult
from handover.intents import Act, Write

K = DecisionKind
NONE: frozenset[StepName] = frozenset()
ALL = {StepName.TAKEOVER, StepName.SWITCH, StepName.ROUTES}


def _switched(**changes: object) -> Trace:
    """Return a trace in which the epoch has just moved to our Region."""
    trace = Trace(**changes).warm()  # pyright: ignore[reportArgumentType] - fields of Trace, by name
    trace.order(CommandKind.FAILOVER, target=WEST)
    return trace


def _outcomes(trace: Trace) -> dict[StepName, StepOutcome]:
    assert trace.control.transition is not None
    return {each.step: each.outcome for each in trace.control.transition.steps}


# --- steps ------------------------------------------------------------------------------------------------------------


def test_all_three_are_begun_at_once() -> None:
    trace = _switched()

    acts = [intent for intent in trace.look() if isinstance(intent, Act)]

    assert {act.step for act in acts} == ALL
    assert acts[0].step is StepName.TAKEOVER, "users wait for their batches first"
    assert {act.control.epoch for act in acts} == {3}


def test_each_result_is_written_down_with_its_author() -> None:
    trace = _switched(steps=frozenset({StepName.TAKEOVER}))
    trace.run(10)

    assert trace.control.transition is not None
    (done,) = trace.control.transition.steps
    assert (done.step, done.outcome, done.by, done.note) == (
        StepName.TAKEOVER,
        StepOutcome.DONE,
        WEST,
        "takeover note",
    )
    assert trace.decisions[-1].summary == "takeover done: takeover note"
    assert trace.control.phase is Phase.SWITCHING


@pytest.mark.parametrize(("done", "count"), [(True, 5), (False, 3), (True, 1), (True, None)])
def test_the_batches_that_a_switch_took_over_are_counted_in_its_record(done: bool, count: int | None) -> None:  # noqa: FBT001 - a case
    trace = _switched(steps=ALL - {StepName.TAKEOVER})
    result = StepResult(StepName.TAKEOVER, trace.control.epoch, done=done, note="", taken_over=count)
    while trace.control.phase is not Phase.COOLDOWN:
        trace.results = [*trace.results, result]
        trace.look()

    told = {5: ", 5 batches taken over", 3: ", 3 batches taken over", 1: ", 1 batch taken over", None: ""}[count]
    assert trace.control.transition is not None
    assert (trace.control.transition.taken_over, trace.control.transition.batches_told) == (count, told)
    (completed,) = [each for each in trace.decisions if each.kind is K.COMPLETED]
    assert completed.taken_over == count
    assert completed.summary.endswith(told)


def test_what_is_not_through_is_tried_again_and_what_is_is_not() -> None:
    trace = _switched(steps=frozenset({StepName.TAKEOVER}))

    trace.run(60)

    tried = [act.step for act in trace.intents(Act)]
    assert tried.count(StepName.TAKEOVER) == 1
    assert tried.count(StepName.SWITCH) == tried.count(StepName.ROUTES) > 8


def test_all_three_done_it_is_verified() -> None:
    trace = _switched()
    trace.run(10)

    assert _outcomes(trace) == dict.fromkeys(ALL, StepOutcome.DONE)
    assert trace.control.phase is Phase.VERIFYING


def test_a_result_of_another_epoch_counts_for_nothing() -> None:
    trace = _switched(steps=NONE)
    trace.results = [StepResult(step, 2, done=True, note="old") for step in ALL]

    trace.look()

    assert _outcomes(trace) == {}


def test_out_of_time_a_step_is_degraded_and_the_switch_goes_on() -> None:
    trace = _switched(steps=ALL - {StepName.ROUTES})
    began = trace.looks[-1][0]
    while trace.control.phase is Phase.SWITCHING:
        trace.look()

    assert _outcomes(trace)[StepName.ROUTES] is StepOutcome.DEGRADED
    assert trace.decisions[-1].summary == "routes degraded: not done in 150 s: routes note; it is tried again"
    assert trace.decisions[-1].at - began <= seconds(SETTINGS.step_seconds + 5)
    tried = len(trace.intents(Act))
    trace.run(120)
    assert len(trace.intents(Act)) > tried, "the reconciler keeps trying"


@pytest.mark.parametrize("phase", [Phase.STEADY, Phase.COOLDOWN])
def test_the_reconciler_puts_on_record_what_it_set_right(phase: Phase) -> None:
    trace = Trace(region=EAST).warm()
    trace.control = trace.control.changed(phase=phase, cooldown_until=trace.now + seconds(600))
    trace.results = [
        StepResult(StepName.SWITCH, 2, done=True, note="set On", repaired=True),
        StepResult(StepName.ROUTES, 2, done=True, note="100 %"),
        StepResult(StepName.ROUTES, 1, done=True, note="of another epoch", repaired=True),
    ]

    trace.look()

    assert [(each.kind, each.summary) for each in trace.decisions] == [(K.REPAIRED, "switch: set On")]


# --- verifying --------------------------------------------------------------------------------------------------------


def _verifying(region: str = WEST, **changes: object) -> Trace:
    trace = Trace(region=region, **changes).warm()  # pyright: ignore[reportArgumentType] - fields of Trace, by name
    trace.inside = trace.outside = None
    trace.control = control_made(
        epoch=3, active_region=WEST, phase=Phase.VERIFYING, transition=under_way(), phase_since=trace.now
    )
    trace.look()
    return trace


@pytest.mark.parametrize(("region", "signal"), [(WEST, Signal.INSIDE_CANARY), (EAST, Signal.OUTSIDE_CANARY)])
def test_a_canary_that_started_after_the_move_proves_it(region: str, signal: Signal) -> None:
    trace = _verifying(region)
    since = trace.looks[-1][0]
    trace.inside = trace.outside = True
    trace.probed_at = None
    trace.now = since + seconds(CANARY_SECONDS)

    trace.look()

    assert (WEST, signal) in trace.memory.series
    assert trace.kinds[-1] is K.COMPLETED
    assert trace.control.phase is Phase.COOLDOWN


@pytest.mark.parametrize("region", [EAST, WEST])
def test_one_that_started_before_proves_nothing(region: str) -> None:
    trace = _verifying(region)
    trace.inside = trace.outside = True
    trace.probed_at = None
    trace.now = trace.looks[-1][0] + seconds(CANARY_SECONDS - 1)

    trace.look()

    assert trace.control.phase is Phase.VERIFYING


@pytest.mark.parametrize("region", [EAST, WEST])
def test_a_failed_canary_proves_nothing(region: str) -> None:
    trace = _verifying(region)
    trace.inside = trace.outside = False

    trace.run(60)

    assert trace.control.phase is Phase.VERIFYING


def test_what_the_other_controller_believes_of_itself_proves_nothing() -> None:
    """Its canary may be one from before the move."""
    trace = _verifying(EAST)

    trace.run(60)

    assert trace.control.phase is Phase.VERIFYING


@pytest.mark.parametrize("region", [EAST, WEST])
def test_out_of_time_it_ends_degraded(region: str) -> None:
    trace = _verifying(region)

    trace.run(SETTINGS.verify_seconds + 10)

    assert trace.control.phase is Phase.COOLDOWN
    assert trace.control.transition is not None
    assert trace.control.transition.outcome == "completed; degraded: verify"
    assert _outcomes(trace) == {StepName.VERIFY: StepOutcome.DEGRADED}
    assert (
        trace.decisions[-1].summary == f"failover to {WEST} completed; degraded: verify: no canary came through in 90 s"
    )


# --- cooling down -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "cooldown"),
    [(SwitchKind.FAILOVER, 1_800), (SwitchKind.SWITCHOVER, 60), (SwitchKind.FAILBACK, 60), (SwitchKind.DRILL, 60)],
)
def test_the_cooldown_of_a_failover_is_long_and_of_a_planned_switch_short(kind: SwitchKind, cooldown: float) -> None:
    trace = Trace().warm()
    trace.control = control_made(
        epoch=3, active_region=WEST, phase=Phase.VERIFYING, transition=under_way(kind), phase_since=trace.now
    )
    while trace.control.phase is Phase.VERIFYING:
        trace.look()
    assert trace.control.cooldown_until == trace.looks[-1][0] + seconds(cooldown)
    assert trace.control.transition is not None
    assert trace.control.transition.outcome == "completed"

    trace.run(cooldown - 5)
    assert trace.control.phase is Phase.COOLDOWN
    trace.run(10)

    assert trace.control.phase is Phase.STEADY
    assert trace.control.cooldown_until is None


def test_a_whole_failover_writes_a_handful_of_rows() -> None:
    trace = Trace().warm()
    trace.fail()

    trace.run(300)

    assert trace.kinds == [K.SUSPECTED, K.COMMITTED, K.STEP, K.COMPLETED]
    assert trace.control.phase is Phase.COOLDOWN
    writes = trace.intents(Write)
    assert [write.after.phase for write in writes] == [Phase.SWITCHING, Phase.VERIFYING, Phase.COOLDOWN]
    assert writes[-1].decision.at - writes[0].decision.at <= seconds(45)


def test_the_cooldown_is_ended_by_either_controller() -> None:
    for region in (EAST, WEST):
        control = control_made(epoch=3, active_region=WEST, phase=Phase.COOLDOWN, cooldown_until=START)
        trace = Trace(region=region, control=control).warm()
        assert trace.control.phase is Phase.STEADY
