"""Orders of operators: each kind, each refusal in its words, and none applied twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from baton.model.control import Ending, Phase, StepName, SwitchKind
from baton.model.journal import Command, CommandKind, DecisionKind, Verdict
from controller_made import (
    EAST,
    SETTINGS,
    START,
    WEST,
    Trace,
    control_made,
    frozen,
    ordered,
    practice,
    rule,
    seconds,
    under_way,
)
from handover.intents import Act, Settle, Write

LATER = START + timedelta(hours=2)
K = CommandKind
NOTHING_WORKS: frozenset[StepName] = frozenset()


def _answer(trace: Trace, kind: CommandKind, **changes: object) -> tuple[str, str]:
    trace.order(kind, **changes)
    (answer,) = trace.answers
    return answer


# --- each kind --------------------------------------------------------------------------------------------------------


def test_a_freeze_and_its_end() -> None:
    trace = Trace().warm()

    assert _answer(trace, K.FREEZE, until=LATER) == ("ACCEPTED", "frozen by ann until 2026-07-01 14:00 UTC: because")
    assert trace.control.freeze is not None
    assert (trace.control.freeze.by, trace.control.freeze.reason) == ("ann", "because")
    trace.order(K.UNFREEZE, reason="")

    assert trace.control.freeze is None
    assert trace.answers[-1] == ("ACCEPTED", "unfrozen by ann")
    assert trace.kinds == [DecisionKind.COMMANDED] * 2
    assert [each.command_id for each in trace.decisions] == ["c1", "c2"]


def _frozen_twice() -> Trace:
    """Return a row under ann's freeze until two, and bob's until three."""
    trace = Trace().warm()
    trace.order(K.FREEZE, by="ann", reason="release", until=LATER)
    trace.order(K.FREEZE, by="bob", reason="disks", until=LATER + seconds(3_600))
    return trace


def test_a_freeze_lies_on_another_and_both_are_listed() -> None:
    trace = _frozen_twice()

    assert trace.answers[-1][1] == "frozen by bob until 2026-07-01 15:00 UTC; 1 more is in force: disks"
    assert rule(trace.assessment.brakes, "freeze").value == (
        "by bob until 2026-07-01 15:00 UTC: disks; by ann until 2026-07-01 14:00 UTC: release"
    )


@pytest.mark.parametrize(("lifted", "left"), [("c1", ["bob"]), ("c2", ["ann"])])
def test_each_freeze_is_lifted_by_itself(lifted: str, left: list[str]) -> None:
    trace = _frozen_twice()

    trace.order(K.UNFREEZE, by="eve", reason="", freeze_id=lifted)

    assert [each.by for each in trace.control.freezes(trace.now)] == left
    assert trace.answers[-1][1].endswith(f"; still frozen by {left[0]}")
    trace.order(K.UNFREEZE, by="eve")
    assert not trace.control.frozen(trace.now)


def test_a_shorter_freeze_ends_by_itself_and_ends_no_longer_one() -> None:
    trace = Trace().warm()
    trace.order(K.FREEZE, by="bob", until=LATER + seconds(3_600))
    trace.order(K.FREEZE, by="ann", until=LATER)

    assert [each.by for each in trace.control.freezes(LATER - seconds(1))] == ["bob", "ann"]
    assert [each.by for each in trace.control.freezes(LATER)] == ["bob"]


def test_of_several_freezes_one_must_be_named() -> None:
    trace = _frozen_twice()

    trace.order(K.UNFREEZE)
    trace.order(K.UNFREEZE, freeze_id="c9")

    assert trace.answers[-2:] == [
        ("REFUSED", "2 freezes are in force: name one (c2, c1)"),
        ("REFUSED", "no freeze c9 is in force"),
    ]
    assert len(trace.control.freezes(trace.now)) == 2


def test_an_acknowledgement() -> None:
    trace = Trace().warm()

    assert _answer(trace, K.ACK)[1] == "acknowledged by ann: the budget is clear: because"
    assert trace.control.acknowledged_at == trace.looks[-1][0]


def test_a_failover_moves_the_epoch_at_once_and_spends_no_budget() -> None:
    trace = Trace().warm()

    assert _answer(trace, K.FAILOVER, target=WEST) == ("ACCEPTED", "switch t8")
    assert (trace.control.epoch, trace.control.active_region, trace.control.phase) == (3, WEST, Phase.SWITCHING)
    assert trace.control.transition is not None
    assert (trace.control.transition.kind, trace.control.transition.automatic) == (SwitchKind.FAILOVER, False)
    assert trace.control.transition.command_id == "c1"
    assert trace.control.failovers == ()
    assert trace.control.commands == ("c1",)


@pytest.mark.parametrize("kind", [K.SWITCHOVER, K.DRILL])
def test_a_planned_switch_drains_first(kind: CommandKind) -> None:
    trace = Trace().warm()

    assert _answer(trace, kind, target=WEST, until=LATER) == ("ACCEPTED", "switch t8")
    assert (trace.control.epoch, trace.control.active_region, trace.control.phase) == (2, EAST, Phase.DRAINING)
    assert not trace.control.admits(trace.now)
    assert (trace.control.drill is not None) is (kind is K.DRILL)


def test_a_failback_goes_home() -> None:
    trace = Trace(region=EAST, control=control_made(epoch=3, active_region=WEST)).warm()

    assert _answer(trace, K.FAILBACK, target=EAST)[0] == "ACCEPTED"
    assert trace.control.phase is Phase.DRAINING


@pytest.mark.parametrize("kind", [K.FREEZE, K.UNFREEZE, K.ACK])
@pytest.mark.parametrize("region", [EAST, WEST])
def test_what_changes_no_region_is_taken_by_either_controller(kind: CommandKind, region: str) -> None:
    trace = Trace(region=region).warm()

    assert _answer(trace, kind, until=LATER)[0] == "ACCEPTED"


# --- each refusal -----------------------------------------------------------------------------------------------------

STEADY = control_made()
DRAINING = control_made(phase=Phase.DRAINING, transition=under_way(SwitchKind.SWITCHOVER), phase_since=START)


@pytest.mark.parametrize(
    ("control", "command", "words"),
    [
        (STEADY, {"kind": K.FAILOVER, "target": "mars"}, f"there is no Region mars; there are {EAST} and {WEST}"),
        (STEADY, {"kind": K.FAILOVER, "target": None}, f"there is no Region None; there are {EAST} and {WEST}"),
        (STEADY, {"kind": K.SWITCHOVER, "target": EAST}, f"{EAST} is active already"),
        (STEADY, {"kind": K.FAILOVER, "target": EAST}, f"{EAST} is active already"),
        (STEADY, {"kind": K.FAILBACK, "target": WEST}, f"home is {EAST}; use switchover"),
        (
            DRAINING,
            {"kind": K.SWITCHOVER, "target": WEST},
            "a switch is under way (t1); only a failover may replace it",
        ),
        (STEADY, {"kind": K.DRILL, "target": WEST, "until": None}, "a practice run needs an end"),
        (
            replace(STEADY, drill=practice(LATER)),
            {"kind": K.DRILL, "target": WEST, "until": LATER},
            "a practice run is under way",
        ),
        (STEADY, {"kind": K.FREEZE, "until": None}, "a freeze needs an end"),
    ],
)
def test_refusals_that_any_controller_gives(control: object, command: dict[str, object], words: str) -> None:
    assert isinstance(control, type(STEADY))
    trace = Trace(control=control)
    trace.written_at = START
    kind = CommandKind(str(command.pop("kind")))

    found = _answer(trace, kind, **command)

    assert found == ("REFUSED", words)
    assert trace.decisions[-1].kind is DecisionKind.REFUSED
    assert trace.decisions[-1].summary.endswith(words)
    assert trace.decisions[-1].command_id == "c1"
    assert trace.control == control


def test_an_order_that_nobody_took_in_time_is_refused() -> None:
    trace = Trace().warm()
    trace.commands = [ordered(K.FAILOVER, trace.now - seconds(SETTINGS.command_seconds_max + 1), target=WEST)]

    trace.look()

    assert trace.answers == [("REFUSED", "no controller took it in time; order it again if it is still wanted")]


def test_a_freeze_is_never_too_late() -> None:
    trace = Trace().warm()
    trace.commands = [ordered(K.FREEZE, START - timedelta(hours=3), until=LATER)]

    trace.look()

    assert trace.control.frozen(trace.now)


@pytest.mark.parametrize(
    ("kind", "hint"), [(K.FAILOVER, "; --force overrides this"), (K.SWITCHOVER, ""), (K.DRILL, "")]
)
def test_a_target_that_proves_nothing_is_refused_with_what_it_lacks(kind: CommandKind, hint: str) -> None:
    trace = Trace(inside=None).warm()

    found = _answer(trace, kind, target=WEST, until=LATER)

    words = f"{WEST} does not prove that it is ready: own canary: not measured{hint}"
    assert found == ("REFUSED", words)


def test_force_fails_over_all_the_same() -> None:
    trace = Trace(inside=False).warm()

    assert _answer(trace, K.FAILOVER, target=WEST, force=True)[0] == "ACCEPTED"


@pytest.mark.parametrize("kind", [K.SWITCHOVER, K.DRILL])
def test_force_forces_no_planned_switch(kind: CommandKind) -> None:
    trace = Trace(inside=False).warm()

    assert _answer(trace, kind, target=WEST, until=LATER, force=True)[0] == "REFUSED"


def test_a_drill_is_refused_while_its_alarm_fires() -> None:
    trace = Trace(alarms=("lag",)).warm()

    found = _answer(trace, K.DRILL, target=WEST, until=LATER, blocking_alarm="lag")

    assert found == ("REFUSED", "the blocking alarm lag fires already")


# --- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [K.FREEZE, K.UNFREEZE, K.ACK, K.FAILOVER, K.SWITCHOVER, K.DRILL])
def test_a_command_is_applied_once_however_often_it_is_seen(kind: CommandKind) -> None:
    trace = Trace(keeps_commands=True, steps=NOTHING_WORKS, waiting=("a file",)).warm()
    trace.order(kind, target=WEST, until=LATER)
    commands, epoch = trace.control.commands, trace.control.epoch

    trace.run(20)

    assert trace.control.commands == commands == ("c1",)
    assert trace.control.epoch == epoch
    assert {settle.command.answer for settle in trace.intents(Settle)[1:]} == {"taken"}


def test_a_command_that_the_other_controller_applied_is_settled() -> None:
    trace = Trace(control=control_made(commands=("c1",))).warm()

    assert _answer(trace, K.FREEZE, until=LATER) == ("ACCEPTED", "taken")
    assert trace.intents(Write) == []


def test_one_write_a_look_the_oldest_command_first() -> None:
    trace = Trace().warm()
    trace.commands = [
        ordered(K.FREEZE, trace.now, id="a", until=LATER),
        ordered(K.FAILOVER, trace.now, id="b", target=WEST),
    ]

    assert len([intent for intent in trace.look() if isinstance(intent, Write)]) == 1
    assert [each.id for each in trace.settled] == ["a"]
    trace.look()

    assert trace.control.commands == ("a", "b")
    assert trace.control.active_region == WEST


def test_refusals_hold_no_later_command_up() -> None:
    trace = Trace().warm()
    trace.commands = [
        ordered(K.FAILOVER, trace.now, id="a", target="nowhere"),
        ordered(K.FREEZE, trace.now, id="b", until=LATER),
    ]

    trace.look()

    assert [each.state for each in trace.settled] == ["REFUSED", "ACCEPTED"]


def test_a_write_that_is_lost_leaves_the_command_pending() -> None:
    trace = Trace(loses=True).warm()
    trace.order(K.FREEZE, until=LATER)
    assert trace.answers == []

    trace.loses = False
    trace.look()

    assert trace.answers[0][0] == "ACCEPTED"
    assert trace.control.commands == ("c1",)


def test_the_row_remembers_as_many_commands_as_can_ever_be_pending() -> None:
    trace = Trace().warm()
    for _ in range(60):
        trace.order(K.ACK)

    assert trace.control.commands == tuple(f"c{number}" for number in range(11, 61))


def test_settled_commands_say_when_and_by_whom() -> None:
    trace = Trace().warm()
    trace.order(K.ACK)

    (done,) = trace.settled
    assert (done.settled_by, done.settled_at) == (WEST, trace.looks[-1][0])


# --- who takes it -----------------------------------------------------------------------------------------------------


def test_a_switch_is_left_to_the_controller_of_its_target() -> None:
    trace = Trace(region=EAST).warm()

    trace.order(K.FAILOVER, target=WEST)

    assert trace.answers == []
    assert trace.intents(Write) == []


def test_if_that_one_is_silent_the_other_one_answers() -> None:
    trace = Trace(region=EAST).warm()
    trace.beats = False
    trace.run(40)

    trace.order(K.FAILOVER, target=WEST)
    assert "--force overrides this" in trace.answers[-1][1]
    trace.order(K.FAILOVER, target=WEST, force=True)

    assert trace.control.active_region == WEST


def test_an_order_is_taken_while_frozen_for_a_human_gave_it() -> None:
    trace = Trace(control=control_made(freeze=frozen(LATER))).warm()

    assert _answer(trace, K.FAILOVER, target=WEST)[0] == "ACCEPTED"
    assert {type(intent) for intent in trace.look()} == {Act}


# --- cut short, driven on ---------------------------------------------------------------------------------------------


def test_a_failover_cuts_a_drain_short() -> None:
    trace = Trace(waiting=("a file",)).warm()
    trace.order(K.SWITCHOVER, target=WEST)

    trace.order(K.FAILOVER, target=WEST)

    assert (trace.control.phase, trace.control.active_region) == (Phase.SWITCHING, WEST)
    assert "t8 is replaced" in trace.decisions[-1].summary


def test_a_failover_back_cuts_a_switch_short() -> None:
    trace = Trace(region=EAST, steps=NOTHING_WORKS, control=control_made(epoch=3, active_region=WEST)).warm()
    trace.control = control_made(epoch=3, active_region=WEST, phase=Phase.SWITCHING, transition=under_way())

    trace.order(K.FAILOVER, target=EAST)

    assert (trace.control.epoch, trace.control.active_region, trace.control.phase) == (4, EAST, Phase.SWITCHING)


@pytest.mark.parametrize("phase", [Phase.SWITCHING, Phase.VERIFYING])
def test_a_human_drives_on_what_a_freeze_stopped(phase: Phase) -> None:
    stopped = control_made(
        epoch=3,
        active_region=WEST,
        phase=phase,
        transition=under_way(automatic=True),
        freeze=frozen(LATER),
        phase_since=START,
    )
    trace = Trace(steps=NOTHING_WORKS).warm()
    trace.control = stopped
    assert trace.run(10) == ()

    trace.order(K.FAILOVER, target=WEST)

    assert trace.answers == [("ACCEPTED", "ann drives t1 on")]
    assert trace.control.epoch == 3
    assert trace.control.transition is not None
    assert trace.control.transition.command_id == "c1"
    acts = {type(intent) for intent in trace.look()}
    assert (Act in acts) is (phase is Phase.SWITCHING)


def test_what_is_completed_cannot_be_driven_on() -> None:
    done = control_made(epoch=3, active_region=WEST, transition=under_way(ended=Ending.COMPLETED))
    trace = Trace(region=WEST, control=done).warm()

    assert _answer(trace, K.FAILOVER, target=WEST) == ("REFUSED", f"{WEST} is active already")


def test_a_refusal_says_which_part_of_readiness_is_missing() -> None:
    trace = Trace(region=EAST, says_ready=Verdict.UNHEALTHY).warm()
    command: Command = ordered(K.FAILOVER, trace.now, target=WEST, id="x")
    trace.beats = False
    trace.run(40)
    trace.commands = [replace(command, at=trace.now)]

    trace.look()

    assert "heartbeat: " in trace.answers[0][1]
