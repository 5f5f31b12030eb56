"""Writes of the control row that are lost, or whose answers are: one look later it is known, and history is true."""

from collections.abc import Callable

import pytest

from baton.model.control import Control, Phase
from baton.model.journal import CommandKind, DecisionKind
from controller_made import EAST, SETTINGS, WEST, Trace, seconds
from handover.intents import Write

K = DecisionKind


def _dead(**changes: object) -> Trace:
    """Return a trace in which all was well, then the active Region died, and a failover is about to be committed."""
    trace = Trace(**changes).warm()  # pyright: ignore[reportArgumentType] - fields of Trace, by name
    trace.fail()
    return trace


def _until(trace: Trace, done: Callable[[], bool]) -> None:
    until = trace.now + seconds(600)
    while not done():
        assert trace.now < until, "it never came"
        trace.look()


def _tries(trace: Trace) -> list[Write]:
    return [write for write in trace.intents(Write) if write.after.epoch == 3]


def _kinds(trace: Trace) -> list[DecisionKind]:
    return [each.kind for each in trace.recorded]


def test_a_lost_commit_costs_one_look_and_no_new_hold() -> None:
    trace = _dead(loses=True)
    _until(trace, lambda: bool(_tries(trace)))
    lost_at = trace.looks[-1][0]
    trace.loses = False

    trace.look()

    assert trace.control.active_region == WEST
    assert trace.looks[-1][0] - lost_at == seconds(SETTINGS.beat_seconds)
    assert _kinds(trace) == [K.SUSPECTED, K.INTENDED, K.COMMITTED]


def test_what_never_came_through_is_on_record_as_intended_once_and_never_as_committed() -> None:
    trace = _dead(loses=True)

    trace.run(600)

    assert len(_tries(trace)) > 100
    assert _kinds(trace) == [K.SUSPECTED, K.INTENDED]
    assert trace.recorded[-1].assessment is not None


@pytest.mark.parametrize("planned", [True, False], ids=["planned", "unplanned"])
def test_a_commit_whose_answer_was_lost_is_on_record_a_look_later(*, planned: bool) -> None:
    trace = Trace(mute=True).warm()
    if planned:
        trace.order(CommandKind.SWITCHOVER, target=WEST)
    else:
        trace.fail()
    _until(trace, lambda: trace.control.phase is Phase.SWITCHING)
    assert K.COMMITTED not in trace.kinds

    trace.look()

    assert trace.kinds.count(K.COMMITTED) == 1
    assert K.CLEARED not in trace.kinds, "the suspicion was answered, not overtaken"
    assert trace.memory.suspect_since is None
    _until(trace, lambda: trace.kinds[-1] is K.COMPLETED)
    assert trace.kinds == [*([K.STARTED] if planned else [K.SUSPECTED]), K.COMMITTED, K.STEP, K.COMPLETED]


def test_the_first_of_several_tries_may_arrive_when_the_last_one_is_made() -> None:
    trace = _dead(loses=True)
    _until(trace, lambda: len(_tries(trace)) == 3)
    trace.control = _tries(trace)[0].after

    trace.look()

    assert trace.recorded[-1] == _tries(trace)[0].decision
    assert _kinds(trace) == [K.SUSPECTED, K.INTENDED, K.COMMITTED]


def _another(control: Control) -> Control:
    return control.changed(acknowledged_at=None, commands=("somebody's",))


def test_who_was_overtaken_says_so_and_begins_anew_from_the_new_row() -> None:
    trace = _dead(loses=True)
    _until(trace, lambda: bool(_tries(trace)))
    trace.loses = False
    trace.control = _another(trace.control)

    trace.look()

    assert _kinds(trace) == [K.SUSPECTED, K.INTENDED, K.OVERTAKEN, K.INTENDED, K.COMMITTED]
    (told,) = [each for each in trace.recorded if each.kind is K.OVERTAKEN]
    assert told.summary.startswith(f"failover from {EAST} to {WEST}: ")
    assert told.summary.endswith(": not done, the control row changed meanwhile")


def test_of_what_others_wrote_over_since_nothing_is_claimed() -> None:
    trace = Trace(loses=True).warm()
    trace.order(CommandKind.ACK)
    trace.commands.clear()
    trace.control = _another(_another(trace.control))

    trace.look()

    assert _kinds(trace) == []


def test_one_look_that_reads_nothing_ends_no_hold() -> None:
    trace = _dead()
    _until(trace, lambda: trace.kinds == [K.SUSPECTED])
    suspected = trace.looks[-1][0]
    trace.reads = False
    trace.run(10)
    trace.reads = True

    _until(trace, lambda: trace.control.epoch == 3)

    assert trace.looks[-1][0] - suspected <= seconds(SETTINGS.hold_seconds + SETTINGS.beat_seconds)
