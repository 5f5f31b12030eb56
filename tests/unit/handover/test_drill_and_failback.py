"""Drills, and automatic failback."""

from dataclasses import replace
from datetime import timedelta

import pytest

from baton.model.control import Control, Ending, Phase, SwitchKind
from baton.model.journal import CommandKind, DecisionKind, Signal, Verdict
from controller_made import EAST, SETTINGS, START, WEST, Trace, control_made, frozen, practice, under_way
from handover.intents import Write
from handover.settings import ControllerSettings, Mode

K = DecisionKind
ENDS = START + timedelta(hours=1)
AWAY = control_made(epoch=3, active_region=WEST)


def _practising(region: str = EAST, alarm: str | None = None, **changes: object) -> Trace:
    """Return a trace in the midst of a practice run away from home, seen by one of the controllers."""
    begun = under_way(SwitchKind.DRILL, ended=Ending.COMPLETED, command_id="c9", ended_at=START)
    control = control_made(epoch=3, active_region=WEST, drill=practice(ENDS, alarm), transition=begun)
    return Trace(region=region, control=control, **changes).warm()  # pyright: ignore[reportArgumentType] - its fields


# --- practice ---------------------------------------------------------------------------------------------------------


def test_there() -> None:
    trace = Trace().warm()
    trace.order(CommandKind.DRILL, target=WEST, until=ENDS)

    trace.run(600)

    assert (trace.control.active_region, trace.control.phase) == (WEST, Phase.STEADY)
    assert trace.control.drill == practice(ENDS)


def test_and_back_when_it_is_over_under_the_command_that_began_it() -> None:
    trace = _practising()
    trace.run(3_500)
    assert trace.control.active_region == WEST

    trace.run(600)

    assert (trace.control.active_region, trace.control.epoch, trace.control.phase) == (EAST, 4, Phase.STEADY)
    assert trace.control.drill is None
    assert trace.control.transition is not None
    assert (trace.control.transition.kind, trace.control.transition.command_id) == (SwitchKind.DRILL, "c9")
    assert trace.decisions[0].summary == f"drill from {WEST} to {EAST}: the practice run is over"


def test_a_practice_run_that_never_left_is_over() -> None:
    trace = Trace(waiting=("a file",)).warm()
    trace.order(CommandKind.DRILL, target=WEST, until=ENDS)

    trace.run(7_200)

    assert trace.kinds == [K.STARTED, K.ROLLED_BACK]
    assert trace.control.drill is None


def test_the_blocking_alarm_ends_it_at_once() -> None:
    trace = _practising(alarm="lag")
    trace.alarms = ("lag",)

    trace.look()

    assert trace.decisions[-1].summary == f"drill from {WEST} to {EAST}: the blocking alarm lag fires"


def test_another_alarm_does_not() -> None:
    trace = _practising(alarm="lag")
    trace.alarms = ("lag-of-something-else",)

    trace.run(600)

    assert trace.decisions == []


def test_an_unhealthy_region_in_a_drill_is_left_without_a_hold() -> None:
    trace = _practising()
    trace.fail()
    while not trace.intents(Write):
        trace.look()

    assert trace.kinds == [K.SUSPECTED, K.STARTED]
    assert trace.decisions[0].at == trace.decisions[1].at
    assert "the drill's Region fails its users: outside canary" in trace.decisions[1].summary
    trace.run(600)
    assert trace.control.active_region == EAST
    assert trace.control.failovers == ()


def test_a_region_that_died_in_practice_with_undrained_work_is_failed_over_from() -> None:
    """The drain could never end: the notifier that should send that mail is gone."""
    trace = _practising(waiting=("the mail of b is being sent",))
    trace.fail()

    trace.run(180)

    assert trace.kinds[:4] == [K.SUSPECTED, K.STARTED, K.CLEARED, K.ROLLED_BACK]
    assert (trace.control.active_region, trace.control.epoch) == (EAST, 4)
    assert len(trace.control.failovers) == 1
    assert trace.control.drill is None


def test_a_way_home_that_does_not_drain_does_not_pause_admission_over_and_over() -> None:
    trace = _practising(waiting=("a file",))

    trace.run(3_600 + 7_200)

    started = trace.kinds.count(K.STARTED)
    assert 3 <= started <= 5, "once in each cooldown"
    assert trace.control.drill is not None
    trace.waiting = ()
    trace.run(SETTINGS.cooldown_seconds + 120)
    assert trace.control.active_region == EAST


def test_no_failback_to_an_unhealthy_region() -> None:
    trace = _practising()
    trace.inside = False

    trace.run(7_200)

    assert trace.decisions == []


def test_nobody_goes_home_under_a_freeze() -> None:
    trace = _practising()
    trace.order(CommandKind.FREEZE, until=START + timedelta(hours=3))

    trace.run(7_200)
    assert trace.control.active_region == WEST
    trace.run(7_200)

    assert trace.control.active_region == EAST


def test_the_controller_in_practice_leaves_the_way_home_to_the_one_at_home() -> None:
    trace = _practising(region=WEST)

    trace.run(7_200)

    assert trace.intents(Write) == []


def test_a_failover_ends_the_practice_run() -> None:
    trace = _practising()

    trace.order(CommandKind.FAILOVER, target=EAST)

    assert trace.control.drill is None
    trace.run(7_200)
    assert trace.control.active_region == EAST


def test_an_operator_goes_home_before_its_end() -> None:
    trace = _practising()

    trace.order(CommandKind.FAILBACK, target=EAST)
    trace.run(600)

    assert (trace.control.active_region, trace.control.drill) == (EAST, None)


# --- automatic failback -----------------------------------------------------------------------------------------------


def _away(control: Control = AWAY, region: str = EAST, **settings: object) -> Trace:
    given = ControllerSettings.model_validate({"failback": Mode.AUTOMATIC, **settings})
    return Trace(region=region, control=control, settings=given)


def test_nobody_goes_home_by_itself_unless_asked_to() -> None:
    trace = _away(failback=Mode.RECOMMEND)

    trace.run(2 * 3_600)

    assert trace.decisions == []


def test_after_a_clean_hour_it_goes_home_by_a_planned_switch() -> None:
    trace = _away()
    trace.run(3_600)
    assert trace.decisions == []

    trace.run(120)

    assert trace.kinds[0] is K.STARTED
    assert trace.decisions[0].summary.startswith(f"failback from {WEST} to {EAST}: {EAST} was clean for 1:00:0")
    assert trace.control.active_region == EAST
    assert trace.control.failovers == ()


def test_it_does_not_go_home_before_the_budget_allows_to_leave_it_again() -> None:
    trace = _away(control=replace(AWAY, failovers=(START - timedelta(minutes=30),)))

    trace.run(2 * 3_600)
    assert trace.decisions == []

    trace.order(CommandKind.ACK)
    trace.run(60)
    assert K.STARTED in trace.kinds


def test_nor_in_a_maintenance_window() -> None:
    trace = _away(maintenance="Wed 12:00-14:30")

    trace.run(2 * 3_600)
    assert trace.decisions == []

    trace.run(3_600)
    assert trace.control.active_region == EAST


def test_every_break_starts_the_hour_anew() -> None:
    trace = _away()
    trace.run(3_000)
    trace.inside = False
    trace.run(15)
    trace.inside = True
    broken = trace.now

    while trace.decisions == []:
        trace.look()

    assert trace.decisions[0].at - broken >= timedelta(hours=1)


def test_it_waits_for_its_window() -> None:
    trace = _away(failback_window="Wed 15:00-15:30")

    while trace.decisions == []:
        trace.look()

    assert trace.decisions[0].at == START + timedelta(hours=3)


@pytest.mark.parametrize(
    "control",
    [
        control_made(epoch=3, active_region=WEST, freeze=frozen(START + timedelta(days=2))),
        control_made(epoch=3, active_region=WEST, phase=Phase.COOLDOWN, cooldown_until=START + timedelta(days=2)),
    ],
)
def test_a_freeze_and_a_cooldown_hold_it(control: Control) -> None:
    trace = _away(control)

    trace.run(2 * 3_600)

    assert trace.decisions == []


def test_only_the_controller_at_home_does_it() -> None:
    trace = _away(region=WEST)

    trace.run(7_200)

    assert trace.intents(Write) == []


def test_there_is_no_way_home_from_home() -> None:
    trace = _away(control_made(), region=EAST)

    trace.run(7_200)

    assert trace.decisions == []


def test_a_way_home_that_was_rolled_back_is_tried_again_after_another_clean_hour() -> None:
    trace = _away()
    trace.waiting = ("a file",)

    trace.run(3 * 3_600)

    assert trace.kinds == [K.STARTED, K.ROLLED_BACK] * 2
    first, second = (each.at for each in trace.decisions if each.kind is K.STARTED)
    assert second - first >= timedelta(hours=1)


def test_a_suspicion_is_no_time_to_go_home_by_a_planned_switch() -> None:
    trace = _away()
    trace.bad = {Signal.CALLS}
    trace.run(3_590)
    trace.outside = False
    trace.says_canary = Verdict.UNHEALTHY
    trace.run(300)

    assert trace.control.transition is not None
    assert trace.control.transition.kind is SwitchKind.FAILOVER


# --- the driver is gone -----------------------------------------------------------------------------------------------


def _switching_to_east(**changes: object) -> Trace:
    """Return what the second Region's controller sees of a switch to the first one."""
    trace = Trace(region=WEST, **changes).warm()  # pyright: ignore[reportArgumentType] - fields of Trace, by name
    transition = under_way(source=WEST, target=EAST)
    trace.control = control_made(
        epoch=4, active_region=EAST, phase=Phase.SWITCHING, transition=transition, phase_since=trace.now
    )
    return trace


def test_a_driver_that_lives_is_left_alone() -> None:
    trace = _switching_to_east()

    assert trace.run(60) == ()


def test_a_driver_that_is_silent_is_replaced() -> None:
    trace = _switching_to_east()
    trace.beats = False
    trace.run(SETTINGS.driver_seconds)
    assert trace.intents(Write) == []

    trace.run(30)

    assert trace.control.phase is not Phase.SWITCHING
    assert trace.control.transition is not None
    assert {each.by for each in trace.control.transition.steps} == {WEST}


def test_the_reconciler_of_a_silent_controller_is_replaced_too() -> None:
    trace = Trace(region=WEST).warm()
    trace.beats = False
    trace.works = True

    trace.run(60)

    assert trace.run(60) != ()
    assert trace.intents(Write) == []


def test_a_practice_run_ends_although_the_controller_at_home_is_gone_only_if_home_says_it_is_ready() -> None:
    trace = _practising(region=WEST)
    trace.beats = False

    trace.run(7_200)

    assert trace.intents(Write) == []
