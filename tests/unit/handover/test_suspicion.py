"""From a Region that is declared unhealthy to a failover, and everything that prevents one."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from baton.model.control import Phase, SwitchKind
from baton.model.journal import CommandKind, DecisionKind, Overlay, Signal, Verdict
from baton.ports import Endpoints
from controller_made import EAST, SETTINGS, START, WEST, Trace, control_made, frozen, practice, seconds
from handover.intents import Act, Note, Write
from handover.settings import ControllerSettings, Mode

K = DecisionKind


def _dead(**changes: object) -> Trace:
    """Return a trace in which all was well, and then the active Region died."""
    trace = Trace(**changes).warm()  # pyright: ignore[reportArgumentType] - fields of Trace, by name
    trace.fail()
    return trace


def _until(trace: Trace, done: Callable[[], bool], *, at_most: float = 600) -> None:
    until = trace.now + seconds(at_most)
    while not done():
        assert trace.now < until, "it never came"
        trace.look()


# --- it fails over ----------------------------------------------------------------------------------------------------


def test_a_dead_region_is_failed_over_from_once_it_was_held_long_enough() -> None:
    trace = _dead()
    died = trace.now

    _until(trace, lambda: trace.control.epoch == 3)

    suspected, committed = trace.decisions
    assert [suspected.kind, committed.kind] == [K.SUSPECTED, K.COMMITTED]
    assert seconds(SETTINGS.hold_seconds) <= committed.at - suspected.at <= seconds(SETTINGS.hold_seconds + 5)
    assert committed.at - died <= seconds(3 * 15 + 15 + 5)
    assert (trace.control.active_region, trace.control.phase) == (WEST, Phase.SWITCHING)


def test_the_row_says_what_happened_and_the_record_says_why() -> None:
    trace = _dead()
    _until(trace, lambda: trace.control.epoch == 3)

    transition = trace.control.transition
    assert transition is not None
    assert (transition.kind, transition.source, transition.target) == (SwitchKind.FAILOVER, EAST, WEST)
    assert transition.automatic
    assert transition.command_id is None
    assert trace.control.failovers == (trace.decisions[-1].at,)
    record = trace.decisions[-1]
    assert record.assessment is not None
    assert record.summary.startswith(f"failover from {EAST} to {WEST}: {EAST} fails its users: outside canary: v")
    assert "silence" in record.summary
    assert record.transition_id == transition.id


def test_only_the_standby_acts() -> None:
    trace = Trace(region=EAST).warm()
    trace.inside = False
    trace.bad = {Signal.CALLS, Signal.THROUGHPUT}

    trace.run(600)

    assert trace.intents(Write) == []
    assert trace.assessment.conclusion == "this Region's own signals declare it unhealthy; its standby decides"


@pytest.mark.parametrize("bad", [Signal.OUTSIDE_CANARY, Signal.SILENCE])
def test_one_kind_alone_never_acts(bad: Signal) -> None:
    trace = Trace().warm()
    trace.outside = bad is not Signal.OUTSIDE_CANARY
    trace.beats = bad is not Signal.SILENCE

    trace.run(3_600)

    assert trace.decisions == []


# --- it takes it back -------------------------------------------------------------------------------------------------


def test_a_signal_that_comes_back_while_it_is_held_takes_it_back() -> None:
    trace = _dead()
    _until(trace, lambda: trace.kinds == [K.SUSPECTED])

    trace.beats = True
    trace.look()

    assert trace.kinds == [K.SUSPECTED, K.CLEARED]
    assert trace.decisions[-1].summary == "the signals recovered"
    trace.run(3_600)
    assert K.COMMITTED not in trace.kinds


def test_the_hold_starts_anew_after_it_was_taken_back() -> None:
    trace = _dead()
    _until(trace, lambda: trace.kinds == [K.SUSPECTED])
    trace.run(5)
    trace.beats = True
    trace.look()
    trace.beats = False

    _until(trace, lambda: K.COMMITTED in trace.kinds)

    assert trace.kinds == [K.SUSPECTED, K.CLEARED, K.SUSPECTED, K.COMMITTED]
    assert trace.decisions[3].at - trace.decisions[2].at >= seconds(SETTINGS.hold_seconds)


def test_a_suspicion_that_a_switch_overtakes_is_not_said_to_have_passed() -> None:
    trace = _dead()
    _until(trace, lambda: trace.kinds == [K.SUSPECTED])

    trace.order(CommandKind.FAILOVER, target=WEST)
    trace.look()

    assert [each.summary for each in trace.decisions if each.kind is K.CLEARED] == ["overtaken by a switch"]


# --- it is held -------------------------------------------------------------------------------------------------------


def _held(trace: Trace) -> list[str]:
    """Run for long; return what was put on record besides the suspicion. Nothing may have been written."""
    trace.run(1_200)
    assert trace.intents(Write) == []
    return [f"{each.kind}: {each.summary}" for each in trace.decisions if each.kind is not K.SUSPECTED]


def test_both_unhealthy_is_held_once_and_recorded_once() -> None:
    trace = Trace().warm()
    trace.fail()
    trace.inside = False

    (held,) = _held(trace)

    assert held.startswith("held: both Regions are unhealthy: own canary: own (4 of the last 4 bad) (asked: goes the")
    assert Overlay.BOTH_UNHEALTHY in trace.assessment.overlays


def test_a_standby_that_proves_nothing_is_not_gone_to() -> None:
    trace = Trace(inside=None).warm()
    trace.fail()

    assert _held(trace) == [
        "held: readiness is not proved: own canary: not measured (asked: goes the whole way, fresh)"
    ]


def test_too_few_endpoints_of_the_switch_may_mean_that_the_trouble_is_ours() -> None:
    trace = Trace(endpoints=Endpoints(2, 5)).warm()
    trace.fail()

    assert _held(trace) == [
        "held: both Regions are unhealthy: switch endpoints: 2 of 5 answer (asked: at least 3)",
    ]


def test_a_freeze_holds_and_names_who_froze() -> None:
    until = START + timedelta(days=1)

    (held,) = _held(_dead(control=control_made(freeze=frozen(until))))

    assert held.startswith("held: a brake is on: freeze: by bob until 2026-07-02 12:00 UTC: works")


def test_maintenance_holds() -> None:
    (held,) = _held(_dead(settings=ControllerSettings(maintenance="Wed 11:00-14:00")))

    assert "maintenance: Wed 11:00-14:00" in held


def test_a_spent_budget_holds_until_a_human_acknowledges_it() -> None:
    trace = _dead(control=control_made(failovers=(START - timedelta(hours=1),)))
    (held,) = _held(trace)
    assert "`baton ack` clears it" in held
    assert Overlay.BUDGET_SPENT in trace.assessment.overlays

    trace.order(CommandKind.ACK)
    trace.look()

    assert trace.control.active_region == WEST


def test_a_cooldown_holds() -> None:
    cooling = control_made(phase=Phase.COOLDOWN, cooldown_until=START + timedelta(hours=1))

    (held,) = _held(_dead(control=cooling))

    assert held.startswith("held: a brake is on: cooldown: until 13:00:00")


def test_a_practice_run_holds_as_long_as_its_way_home_may_do() -> None:
    drill = control_made(drill=practice(START + timedelta(days=1)))

    (held,) = _held(_dead(control=drill))

    assert "drill" in held


def test_a_reason_is_on_record_again_when_it_is_another_one() -> None:
    trace = _dead(control=control_made(freeze=frozen(START + timedelta(seconds=600))))
    trace.inside = False
    _until(trace, lambda: K.HELD in trace.kinds)
    trace.run(120)
    assert trace.kinds.count(K.HELD) == 1

    trace.inside = True
    trace.run(360)  # the standby is healthy again, the freeze is still on

    assert [each.summary.split(":")[0] for each in trace.decisions if each.kind is K.HELD] == [
        "both Regions are unhealthy",
        "readiness is not proved",
        "a brake is on",
    ]
    trace.run(600)
    assert trace.kinds[-1] is not K.HELD
    assert trace.control.active_region == WEST


# --- recommend, dry run, isolated -------------------------------------------------------------------------------------


def test_in_recommend_mode_it_asks_a_human_once() -> None:
    trace = _dead(settings=ControllerSettings(mode=Mode.RECOMMEND))

    assert _held(trace) == [f"recommended: waiting for you: `baton failover --to {WEST}`"]
    trace.order(CommandKind.FAILOVER, target=WEST)
    assert trace.control.active_region == WEST


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    trace = _dead(settings=ControllerSettings(dry_run=True))

    assert _held(trace) == [f"would act: dry run: would fail over to {WEST}"]
    assert trace.order(CommandKind.FAILOVER, target=WEST, force=True) == ()
    assert {type(intent) for _, intents in trace.looks for intent in intents} == {Note}


def test_a_dry_run_still_holds_what_it_would_hold() -> None:
    settings = ControllerSettings(dry_run=True)

    (held,) = _held(_dead(settings=settings, control=control_made(freeze=frozen(START + timedelta(days=1)))))

    assert held.startswith("held: a brake is on: freeze")


def test_who_cannot_write_the_ledger_intends_nothing() -> None:
    trace = _dead()
    trace.writes = False
    trace.run(20)
    before = len(trace.decisions)

    trace.run(600)
    trace.order(CommandKind.FAILOVER, target=WEST, force=True)

    assert len(trace.decisions) == before
    assert trace.intents(Write) == []
    assert trace.answers == []
    assert trace.assessment.conclusion == "this controller cannot write the ledger: it takes no action"


def test_who_cannot_read_the_ledger_intends_nothing() -> None:
    trace = _dead()
    trace.reads = False

    trace.run(600)

    assert all(intents == () for at, intents in trace.looks if at > START + seconds(60))
    assert (trace.assessment.state, trace.assessment.overlays) == (None, (Overlay.ISOLATED,))


@pytest.mark.parametrize("blind", [20, 60])
def test_who_was_cut_off_holds_anew_when_it_is_back(blind: float) -> None:
    trace = _dead()
    _until(trace, lambda: trace.kinds == [K.SUSPECTED])
    trace.reads = False
    trace.run(blind)
    trace.reads = True
    back = trace.now

    _until(trace, lambda: trace.control.epoch == 3)

    assert trace.decisions[-1].at >= back + seconds(SETTINGS.hold_seconds)


def test_a_write_that_another_one_overtook_is_decided_anew() -> None:
    trace = _dead(loses=True)
    trace.run(300)
    lost = [write for write in trace.intents(Write) if write.after.epoch == 3]
    assert len(lost) > 1
    assert trace.control.epoch == 2

    trace.loses = False
    _until(trace, lambda: trace.control.epoch == 3)


def test_the_reconciler_looks_after_the_active_region_from_there() -> None:
    trace = Trace(region=EAST)
    trace.run(60)
    assert len(trace.intents(Act)) == 3 * 2

    standby = Trace(region=WEST).warm()
    assert standby.intents(Act) == []


def test_all_unknown_declares_nothing_unhealthy_and_says_so() -> None:
    trace = Trace(outside=None)
    trace.look()

    assert trace.decisions == []
    assert Verdict.UNHEALTHY not in {each.verdict for each in trace.assessment.evidence}
