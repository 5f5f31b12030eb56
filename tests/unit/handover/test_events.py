"""Every switch and every failover that is held back is told, once, with its facts."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from baton.model.control import Phase
from baton.model.events import DETAIL_TYPE_HELD, DETAIL_TYPE_SWITCH, ENTRY_BYTES_MAX, Event, Kind, entry
from baton.model.journal import CommandKind, DecisionKind
from controller_made import EAST, START, WEST, Trace, control_made, frozen, seconds
from handover.settings import ControllerSettings, Mode

HOUR = timedelta(hours=1)


def _kinds(trace: Trace) -> list[Kind]:
    return [each.kind for each in trace.told]


def _dead(trace: Trace) -> Trace:
    trace.warm().fail()
    trace.run(120)
    return trace


def _only(trace: Trace, kind: Kind) -> Event:
    (found,) = [each for each in trace.told if each.kind is kind]
    return found


def test_a_failover_is_told_when_the_epoch_moves_and_when_it_ends() -> None:
    trace = _dead(Trace())
    trace.run(300)

    assert _kinds(trace) == [Kind.COMMITTED, Kind.COMPLETED]
    committed, completed = trace.told
    assert {each.kind.detail_type for each in trace.told} == {DETAIL_TYPE_SWITCH}
    assert (committed.epoch, committed.active_region, committed.controller) == (3, WEST, WEST)
    assert committed.switch is not None
    assert (committed.switch.source, committed.switch.target, committed.switch.automatic) == (EAST, WEST, True)
    assert committed.switch.ended is None
    assert completed.switch is not None
    assert (completed.switch.id, completed.switch.ended) == (committed.switch.id, "completed")
    records = {each.id: each for each in trace.recorded}
    assert [records[each.id].kind for each in trace.told] == [DecisionKind.COMMITTED, DecisionKind.COMPLETED]


def test_a_planned_switch_is_told_from_its_drain_on() -> None:
    trace = Trace().warm()
    trace.order(CommandKind.SWITCHOVER, target=WEST)
    trace.run(300)

    assert _kinds(trace) == [Kind.STARTED, Kind.COMMITTED, Kind.COMPLETED]
    assert trace.told[0].active_region == EAST
    assert trace.told[0].switch is not None
    assert trace.told[0].switch.command_id == "c1"


def test_a_switch_that_is_rolled_back_is_told() -> None:
    trace = Trace().warm()
    trace.waiting = ("a file is not there yet",)
    trace.order(CommandKind.SWITCHOVER, target=WEST)
    trace.run(60)

    assert _kinds(trace) == [Kind.STARTED, Kind.ROLLED_BACK]
    last = _only(trace, Kind.ROLLED_BACK)
    assert (last.active_region, "a file is not there yet" in last.summary) == (EAST, True)


def test_a_switch_that_is_cut_short_is_named_by_the_one_that_does_it() -> None:
    trace = Trace().warm()
    trace.waiting = ("a file is not there yet",)
    trace.order(CommandKind.SWITCHOVER, target=WEST)
    trace.order(CommandKind.FAILOVER, target=WEST)

    started, committed = trace.told
    assert started.switch is not None
    assert committed.switch is not None
    assert (committed.switch.supersedes, started.switch.supersedes) == (started.switch.id, None)


def test_what_is_held_back_is_told_once_and_again_when_the_reason_changes_and_when_it_is_over() -> None:
    trace = _dead(Trace(control=control_made(freeze=frozen(START + HOUR))))
    trace.run(600)

    assert _kinds(trace) == [Kind.HELD]
    assert trace.told[0].held is not None
    assert (trace.told[0].held.source, trace.told[0].held.target) == (EAST, WEST)
    assert trace.told[0].held.rules == ("freeze",)
    assert trace.told[0].kind.detail_type == DETAIL_TYPE_HELD

    trace.control = trace.control.changed(freeze=None, failovers=(trace.now,))
    trace.run(60)
    assert _kinds(trace) == [Kind.HELD, Kind.HELD]
    assert trace.told[1].held is not None
    assert trace.told[1].held.rules == ("budget",)

    trace.beats, trace.outside = True, True
    trace.run(60)
    assert _kinds(trace) == [Kind.HELD, Kind.HELD, Kind.CLEARED]
    assert trace.told[2].held is not None
    assert trace.told[2].held.rules == ()


def test_a_suspicion_that_nothing_held_back_is_no_news() -> None:
    trace = Trace().warm()
    trace.fail()
    while DecisionKind.SUSPECTED not in trace.kinds:
        trace.look()
    trace.beats, trace.outside = True, True
    trace.run(60)

    assert DecisionKind.CLEARED in trace.kinds
    assert trace.told == []


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (ControllerSettings(mode=Mode.RECOMMEND), Kind.RECOMMENDED),
        (ControllerSettings(dry_run=True), Kind.WOULD_ACT),
    ],
)
def test_who_may_not_act_tells_what_he_would_do_once(settings: ControllerSettings, kind: Kind) -> None:
    trace = _dead(Trace(settings=settings))
    trace.run(300)

    assert _kinds(trace) == [kind]


def _mute(trace: Trace) -> None:
    trace.mute = True
    trace.run(10)
    trace.mute = False


def _lost(trace: Trace) -> None:
    trace.loses = True
    trace.run(10)
    trace.loses = False


@pytest.mark.parametrize("luck", [_mute, _lost])
def test_a_commit_whose_answer_or_way_is_lost_is_told_once(luck: Callable[[Trace], None]) -> None:
    trace = Trace().warm()
    trace.fail()
    while DecisionKind.SUSPECTED not in trace.kinds:
        trace.look()
    trace.run(20)
    luck(trace)
    trace.run(300)

    assert trace.control.phase is Phase.COOLDOWN
    assert _kinds(trace) == [Kind.COMMITTED, Kind.COMPLETED]
    assert len({each.id for each in trace.told}) == 2


def test_whatever_an_operator_writes_fits_into_an_event() -> None:
    trace = Trace().warm()
    trace.order(CommandKind.FAILOVER, target=WEST, reason="\U0001f4a5\x1b" * 100_000)
    trace.run(seconds(10).total_seconds())

    made = entry(trace.told[0], "prod")
    assert len(made["Detail"].encode()) < ENTRY_BYTES_MAX / 4
