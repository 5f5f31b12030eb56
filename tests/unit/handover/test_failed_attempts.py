"""What differs from the control row and cannot be set right is told, in any phase, with its reason."""

import pytest

from baton.model.control import Phase, StepName, StepOutcome
from baton.model.journal import CommandKind, DecisionKind, Failing
from controller_made import EAST, SETTINGS, START, WEST, Trace, control_made, frozen, seconds
from handover.facts import StepResult
from handover.metrics import metrics_of

K = DecisionKind
HOUR = 3_600


def _drift(trace: Trace) -> float:
    return metrics_of(trace.assessment, trace.control, waiting=0)["Drift"][0]


@pytest.mark.parametrize("phase", [Phase.STEADY, Phase.COOLDOWN])
def test_a_reconciler_that_fails_is_on_record_once_and_measured_at_every_look(phase: Phase) -> None:
    control = control_made(phase=phase, cooldown_until=START + seconds(2 * HOUR) if phase is Phase.COOLDOWN else None)
    trace = Trace(region=EAST, steps=frozenset({StepName.TAKEOVER, StepName.ROUTES}), control=control)

    trace.run(HOUR)

    (told,) = trace.decisions
    assert (told.kind, told.summary) == (K.FAILED, "switch differs from the ledger, and is tried again: switch note")
    assert trace.assessment.failing == (Failing(StepName.SWITCH, "switch note"),)
    assert _drift(trace) == 1

    trace.steps = frozenset(StepName)
    trace.run(60)
    assert trace.assessment.failing == ()
    assert _drift(trace) == 0


def test_one_attempt_that_fails_is_bad_luck() -> None:
    trace = Trace(region=EAST, steps=frozenset())
    trace.run(10)
    trace.steps = frozenset(StepName)

    trace.run(HOUR)

    assert trace.decisions == []


def test_what_takes_its_time_is_no_attempt_that_fails() -> None:
    trace = Trace(region=EAST, steps=frozenset(), under_way=True)

    trace.run(HOUR)

    assert (trace.decisions, _drift(trace)) == ([], 0)


def test_a_step_that_is_given_up_says_why() -> None:
    trace = Trace(steps=frozenset({StepName.TAKEOVER, StepName.SWITCH})).warm()
    trace.order(CommandKind.FAILOVER, target=WEST)
    while trace.control.phase is Phase.SWITCHING:
        trace.look()

    assert trace.control.transition is not None
    (given_up,) = [each for each in trace.control.transition.steps if each.outcome is StepOutcome.DEGRADED]
    assert given_up.note == f"not done in {SETTINGS.step_seconds:g} s: routes note; it is tried again"
    assert [each.summary for each in trace.decisions if each.kind is K.FAILED] == [
        "routes differs from the ledger, and is tried again: routes note"
    ]
    trace.run(60)
    assert _drift(trace) == 1, "the switch continues without it, and it is still reported"


def test_of_another_epoch_or_while_frozen_or_where_another_drives_nothing_is_told() -> None:
    trace = Trace(region=EAST).warm()
    for _ in range(5):
        trace.results = [StepResult(StepName.ROUTES, 1, done=False, note="of another epoch")]
        trace.look()
    assert _drift(trace) == 0

    trace.control = control_made(freeze=frozen(trace.now + seconds(HOUR)))
    for _ in range(5):
        trace.results = [StepResult(StepName.ROUTES, 2, done=False, note="frozen meanwhile")]
        trace.look()
    assert _drift(trace) == 0
    assert trace.decisions == []


def test_who_no_longer_drives_tells_nothing_of_it() -> None:
    trace = Trace(region=WEST, beats=False).warm()
    trace.steps = frozenset()
    trace.run(100)
    assert _drift(trace) == 3, "the other controller is silent: this one looks after the switch"

    trace.beats = True
    trace.look()

    assert _drift(trace) == 0
