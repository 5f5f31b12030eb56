"""What a takeover makes of a batch, for every state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from baton.model.batch import Batch, Counts, Failure, MailClaim, Published, Source, Step
from baton.model.control import Control, SwitchKind, Transition
from baton.model.states import CHANGES, TABLE, BatchState, needs_takeover
from baton.model.takeover import QUARANTINED, Turn, taken_over, turn_of, was_in_hand, was_moved_by
from baton.ports.preconditions import check_step

START = datetime(2026, 7, 1, tzinfo=UTC)
LATER = START + timedelta(minutes=5)
CLAIM = MailClaim(run=2, epoch=2, claimed_at=START)
PUBLISHED = Published("output/r", "output/j", "output/m", 5, "crc")
BATCH = Batch(
    batch_id="b",
    job="sales",
    source=Source("input/sales/f.csv", "v", 1),
    state=BatchState.ADMITTED,
    owner_epoch=2,
    admitted_at=START,
    updated_at=START,
    run=2,
    plan_id="p",
    chunks=3,
    records_total=9,
    counts=Counts(9, 9, 0),
    published=PUBLISHED,
    mail_claim=CLAIM,
    history=(Step(START, BatchState.ADMITTED, "us-east-1"),),
)
OPEN = {
    BatchState.ADMITTED: BatchState.ADMITTED,
    BatchState.WAITING_INPUT: BatchState.ADMITTED,
    BatchState.SPLIT: BatchState.ADMITTED,
    BatchState.PROCESSED: BatchState.ADMITTED,
    BatchState.MERGED: BatchState.MERGED,
    BatchState.NOTIFIED: BatchState.NOTIFIED,
    BatchState.PAUSED: BatchState.PAUSED,
    BatchState.QUARANTINED: BatchState.QUARANTINED,
    BatchState.FAILED: BatchState.FAILED,
}


def test_every_state_is_either_taken_over_or_settled() -> None:
    assert set(BatchState) - set(OPEN) == {BatchState.COMPLETED, BatchState.CANCELLED}


@pytest.mark.parametrize(("state", "after"), OPEN.items())
def test_an_open_batch_gets_its_owner_and_a_state_to_go_on_from(state: BatchState, after: BatchState) -> None:
    before = replace(BATCH, state=state)

    taken = taken_over(before, epoch=3, at=LATER, by="us-west-2")

    check_step(before, taken)
    assert (taken.state, taken.owner_epoch) == (after, 3)
    assert taken.history == (*BATCH.history, Step(LATER, after, "us-west-2"))
    assert taken.entered_at == taken.updated_at == LATER
    kept = (taken.plan_id, taken.chunks, taken.records_total, taken.run, taken.published, taken.mail_claim)
    assert kept == ("p", 3, 9, 2, PUBLISHED, CLAIM)


def _switch(number: int, source: str, target: str, minutes: int) -> Transition:
    at = START + timedelta(minutes=minutes)
    ended_at = at + timedelta(minutes=1)
    return Transition(f"t{number}", SwitchKind.FAILOVER, source, target, "", at, automatic=True, ended_at=ended_at)


def test_each_switch_moved_what_it_moved() -> None:
    east, west = "us-east-1", "us-west-2"
    there, back, again = _switch(1, east, west, 10), _switch(2, west, east, 20), _switch(3, east, west, 30)
    now = START + timedelta(hours=1)

    def moved(minutes: int, *switches: Transition) -> list[str]:
        """Admit a batch, let these switches move it, an operator touch it, and its owner complete it."""
        at = START + timedelta(minutes=minutes)
        batch = replace(BATCH, admitted_at=at, history=(Step(at, BatchState.ADMITTED, east),))
        for epoch, switch in enumerate(switches, start=3):
            batch = batch.moved(BatchState.PAUSED, at=switch.started_at, by="ann@desk")
            at = switch.started_at + timedelta(seconds=5)
            batch = taken_over(batch, epoch=epoch, at=at, by=switch.target)
            batch = batch.moved(BatchState.PROCESSED, at=at, by=switch.target)
        return [switch.id for switch in (there, back, again) if was_moved_by(batch, switch, now=now)]

    assert moved(0) == []
    assert moved(0, there) == ["t1"]
    assert moved(0, there, back, again) == ["t1", "t2", "t3"]
    assert moved(25, again) == ["t3"]


def test_what_the_target_admitted_was_not_moved() -> None:
    switch = _switch(1, "us-east-1", "us-west-2", 0)

    assert not was_moved_by(replace(BATCH, history=(Step(LATER, BatchState.ADMITTED, "us-west-2"),)), switch, now=LATER)


@pytest.mark.parametrize(("state", "after"), OPEN.items())
def test_what_will_be_counted_again_starts_from_nothing(state: BatchState, after: BatchState) -> None:
    taken = taken_over(replace(BATCH, state=state), epoch=3, at=LATER, by="us-west-2")

    assert taken.counts == (Counts() if after is BatchState.ADMITTED else BATCH.counts)


@pytest.mark.parametrize(
    "settled",
    [
        replace(BATCH, state=BatchState.COMPLETED),
        replace(BATCH, state=BatchState.CANCELLED),
        replace(
            BATCH,
            state=BatchState.FAILED,
            failure=Failure("header", "no"),
            mail_claim=replace(CLAIM, sent_at=START),
        ),
    ],
)
def test_a_settled_batch_is_left_alone(settled: Batch) -> None:
    with pytest.raises(ValueError, match="nothing is left"):
        taken_over(settled, epoch=3, at=LATER, by="us-west-2")


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_only_grows(epoch: int) -> None:
    with pytest.raises(ValueError, match="no later one"):
        taken_over(BATCH, epoch=epoch, at=LATER, by="us-west-2")


def test_back_to_the_start_only_leads_a_new_owner() -> None:
    takeovers = {(row.source, row.target) for row in CHANGES if row.is_takeover}

    assert takeovers == {(state, after) for state, after in OPEN.items() if after is not state}
    for source, target in takeovers:
        assert TABLE.allowed(source, target)
        assert needs_takeover(source, target)
        before = replace(BATCH, state=source)
        with pytest.raises(ValueError, match="only a new owner"):
            check_step(before, before.moved(target, at=LATER, by="us-east-1"))


# --- what was in hand ------------------------------------------------------------------------------------------------

TURN = Turn("us-east-1", LATER, is_certain=True)
WORKED_ON = {BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED, BatchState.MERGED}


@pytest.mark.parametrize("state", OPEN)
def test_what_a_service_works_on_may_have_been_in_hand_and_nothing_else(state: BatchState) -> None:
    assert was_in_hand(replace(BATCH, state=state), TURN) is (state in WORKED_ON)


def test_what_began_after_the_turn_did_not_bring_it_about() -> None:
    later = timedelta(microseconds=1)

    assert was_in_hand(replace(BATCH, admitted_at=LATER), TURN)
    assert not was_in_hand(replace(BATCH, admitted_at=LATER + later), TURN)
    assert not was_in_hand(replace(BATCH, retried_at=LATER + later), TURN)


@pytest.mark.parametrize("state", OPEN)
def test_it_goes_on_apart_under_the_switch_that_took_it_over(state: BatchState) -> None:
    taken = taken_over(replace(BATCH, state=state), epoch=3, at=LATER, by="us-west-2", turn=TURN)

    assert (taken.apart_epoch, taken.is_apart) == ((3, True) if state in WORKED_ON else (None, False))
    assert taken.state is OPEN[state]


@pytest.mark.parametrize("state", WORKED_ON)
@pytest.mark.parametrize("is_certain", [True, False])
def test_it_is_set_aside_if_the_signals_say_that_it_was_in_hand_twice(state: BatchState, *, is_certain: bool) -> None:
    before = replace(BATCH, state=state, owner_epoch=3, apart_epoch=3)

    taken = taken_over(before, epoch=4, at=LATER, by="us-east-1", turn=Turn("us-west-2", LATER, is_certain=is_certain))

    check_step(before, taken)
    assert taken.apart_epoch == 3
    assert taken.state is (BatchState.QUARANTINED if is_certain else OPEN[state])
    assert (taken.failure is not None and taken.failure.code == QUARANTINED) is is_certain


def test_once_its_result_is_out_or_it_is_over_it_is_no_longer_apart() -> None:
    apart = {state for state in BatchState if replace(BATCH, state=state, apart_epoch=3).is_apart}

    assert apart == {*WORKED_ON, BatchState.WAITING_INPUT}
    assert apart == TABLE.sources_of(BatchState.QUARANTINED)


SWITCH = Transition(
    "t", SwitchKind.FAILOVER, "us-east-1", "us-west-2", "", LATER, automatic=True, unhealthy_since=START
)


@pytest.mark.parametrize(
    ("switch", "turn"),
    [
        (None, None),
        (SWITCH, Turn("us-east-1", START, is_certain=True)),
        (replace(SWITCH, automatic=False, unhealthy_since=None), Turn("us-east-1", LATER, is_certain=False)),
        (replace(SWITCH, kind=SwitchKind.SWITCHOVER), None),
        (replace(SWITCH, kind=SwitchKind.FAILBACK), None),
        (replace(SWITCH, source="us-west-2", target="us-east-1"), None),
    ],
)
def test_a_region_is_left_for_a_fault_unless_it_was_planned(switch: Transition | None, turn: Turn | None) -> None:
    assert turn_of(Control(3, "us-west-2", transition=switch)) == turn
