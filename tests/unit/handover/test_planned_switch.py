"""A planned switch: drained and then through, or rolled back."""

from datetime import timedelta

import pytest

from baton.model.control import Phase, SwitchKind
from baton.model.journal import CommandKind, DecisionKind
from controller_made import EAST, SETTINGS, START, WEST, Trace, control_made, frozen, seconds, under_way
from handover.facts import Drain
from handover.intents import Act, LookAtDrain, Write

K = DecisionKind
LATER = START + timedelta(hours=2)


def _draining(**changes: object) -> Trace:
    """Return a trace in which an operator has just ordered a planned switch to our Region."""
    trace = Trace(**changes).warm()  # pyright: ignore[reportArgumentType] - fields of Trace, by name
    trace.order(CommandKind.SWITCHOVER, target=WEST)
    assert trace.control.phase is Phase.DRAINING
    return trace


def test_drained_it_moves_the_epoch() -> None:
    trace = _draining()

    assert trace.look() == (LookAtDrain(trace.control),)
    trace.look()

    assert trace.kinds == [K.STARTED, K.COMMITTED]
    assert trace.decisions[-1].summary == "drained, 4 batches continue there: the epoch moves"
    assert (trace.control.epoch, trace.control.active_region, trace.control.phase) == (3, WEST, Phase.SWITCHING)
    assert trace.control.admits(trace.now)


def test_it_asks_again_until_it_is_drained() -> None:
    trace = _draining(waiting=("the file of b is not there yet",))
    trace.run(15)
    assert len(trace.intents(LookAtDrain)) == 3
    trace.waiting = ()

    trace.run(10)

    assert trace.control.epoch == 3


def test_at_its_deadline_it_is_rolled_back_with_the_reason() -> None:
    trace = _draining(waiting=("the file of b is not there yet", "and 3 more"))
    began = trace.looks[-1][0]

    trace.run(SETTINGS.drain_seconds + 10)

    assert trace.kinds == [K.STARTED, K.ROLLED_BACK]
    why = "not drained in 30 s: the file of b is not there yet; and 3 more"
    assert trace.decisions[-1].summary == why
    assert trace.decisions[-1].at - began <= seconds(SETTINGS.drain_seconds + 5)
    assert (trace.control.epoch, trace.control.active_region, trace.control.phase) == (2, EAST, Phase.STEADY)
    assert trace.control.admits(trace.now)
    assert trace.control.transition is not None
    assert trace.control.transition.outcome == f"rolled back: {why}"
    assert trace.control.transition.ended_at == trace.decisions[-1].at


def test_an_answer_from_before_it_drained_counts_for_nothing() -> None:
    trace = _draining()
    trace.drain = Drain(trace.now - seconds(30), 0, ())

    assert trace.look() == (LookAtDrain(trace.control),)


def test_without_any_answer_it_is_rolled_back() -> None:
    trace = _draining()
    for _ in range(8):
        trace.drain = None
        trace.look()

    assert trace.decisions[-1].summary == "not drained in 30 s: it was not seen to be drained"


def test_a_target_that_is_no_longer_ready_is_not_gone_to() -> None:
    trace = _draining(waiting=("a file",))
    trace.inside = False
    trace.run(15)
    trace.waiting = ()

    trace.run(10)

    assert trace.kinds == [K.STARTED, K.ROLLED_BACK]
    assert trace.decisions[-1].summary == f"{WEST} is no longer ready"


def test_the_old_region_only_watches_but_ends_the_wait_if_the_driver_is_gone() -> None:
    trace = Trace(region=EAST).warm()
    trace.control = control_made(
        phase=Phase.DRAINING, transition=under_way(SwitchKind.SWITCHOVER), phase_since=trace.now
    )
    trace.beats = False
    trace.run(SETTINGS.drain_seconds)
    assert trace.intents(LookAtDrain) == []
    assert trace.intents(Write) == []

    trace.run(15)

    assert trace.kinds == [K.ROLLED_BACK]


def test_a_controller_that_finds_a_drain_waits_by_its_own_clock() -> None:
    """The clock of the controller that began it may differ: what counts is since when we have seen it."""
    control = control_made(
        phase=Phase.DRAINING,
        transition=under_way(SwitchKind.SWITCHOVER),
        phase_since=START - timedelta(minutes=5),
    )
    trace = Trace(control=control, waiting=("a file",))
    trace.written_at = START

    trace.run(SETTINGS.drain_seconds)
    assert trace.kinds == []
    trace.run(10)

    assert trace.kinds == [K.ROLLED_BACK]


# --- freeze -----------------------------------------------------------------------------------------------------------


def test_a_freeze_rolls_back_what_nobody_ordered() -> None:
    trace = Trace(waiting=("a file",)).warm()
    trace.control = control_made(
        phase=Phase.DRAINING,
        transition=under_way(SwitchKind.FAILBACK, automatic=True),
        phase_since=trace.now,
        freeze=frozen(LATER),
    )

    trace.look()

    assert trace.kinds == [K.ROLLED_BACK]
    assert trace.decisions[-1].summary == "frozen while it drained"


def test_a_switch_that_a_human_ordered_goes_on_under_a_freeze() -> None:
    trace = _draining(waiting=("a file",))
    trace.order(CommandKind.FREEZE, until=LATER)
    trace.waiting = ()

    trace.run(60)

    assert trace.control.active_region == WEST
    assert trace.intents(Act) != []
    assert trace.kinds[-1] is K.COMPLETED


def test_a_freeze_stops_every_act_of_an_automatic_switch_until_it_is_over() -> None:
    trace = Trace().warm()
    trace.fail()
    while trace.control.epoch == 2:
        trace.look()
    trace.steps = frozenset()
    trace.order(CommandKind.FREEZE, until=trace.now + timedelta(minutes=1))
    before = len(trace.intents(Act))

    trace.run(50)
    assert len(trace.intents(Act)) == before
    trace.run(30)

    assert len(trace.intents(Act)) > before


def test_a_freeze_stops_the_reconciler() -> None:
    trace = Trace(region=EAST, control=control_made(freeze=frozen(LATER)))

    trace.run(600)
    assert trace.intents(Act) == []
    trace.order(CommandKind.UNFREEZE)
    trace.look()

    assert len(trace.intents(Act)) == 3


# --- automatic --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [(), ("a file",)])
def test_a_planned_switch_spends_no_budget(waiting: tuple[str, ...]) -> None:
    trace = _draining(waiting=waiting)

    trace.run(300)

    assert trace.control.failovers == ()


def test_nothing_is_failed_over_from_while_a_switch_is_under_way() -> None:
    trace = _draining(waiting=("a file",))
    trace.fail()

    trace.run(25)

    assert trace.kinds == [K.STARTED]
    trace.run(60)
    assert trace.kinds[:4] == [K.STARTED, K.ROLLED_BACK, K.SUSPECTED, K.COMMITTED]


# --- any of them is alive ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", [EAST, WEST])
@pytest.mark.parametrize("drained", [True, False])
def test_a_drain_whose_deadline_is_long_over_is_rolled_back_by_whoever_wakes_up(region: str, *, drained: bool) -> None:
    """Both controllers were gone for hours: the order was meant for another situation, drained or not."""
    trace = Trace(region=region, waiting=() if drained else ("a file",))
    trace.beats = region == WEST
    trace.control = control_made(
        phase=Phase.DRAINING,
        transition=under_way(SwitchKind.SWITCHOVER, command_id="c"),
        phase_since=START - timedelta(hours=3),
        drains_until=START - timedelta(hours=3) + seconds(SETTINGS.drain_seconds),
    )

    trace.run(SETTINGS.driver_seconds + 15)

    assert trace.kinds[0] is K.ROLLED_BACK
    assert trace.intents(LookAtDrain) == []
    assert (trace.control.epoch, trace.control.drains_until) == (2, None)


def test_the_deadline_stands_in_the_row_as_long_as_it_drains() -> None:
    trace = _draining()
    began = trace.looks[-1][0]
    assert trace.control.drains_until == began + seconds(SETTINGS.drain_seconds)
    assert not trace.control.admits(began)
    assert trace.control.admits(began + seconds(SETTINGS.drain_seconds))

    trace.run(10)

    assert (trace.control.phase, trace.control.drains_until) == (Phase.SWITCHING, None)


def test_one_who_fails_over_meanwhile_leaves_no_deadline() -> None:
    trace = _draining(waiting=("a file",))

    trace.order(CommandKind.FAILOVER, target=WEST)

    assert (trace.control.phase, trace.control.drains_until) == (Phase.SWITCHING, None)
