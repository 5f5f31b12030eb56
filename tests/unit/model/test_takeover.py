"""What a takeover makes of a batch, for every state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from baton.model.batch import Batch, Counts, Failure, MailClaim, Published, Source, Step
from baton.model.states import CHANGES, TABLE, BatchState, needs_takeover
from baton.model.takeover import taken_over
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
