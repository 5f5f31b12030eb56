"""A batch's steps."""

from datetime import UTC, datetime, timedelta

from baton.model.batch import Batch, Source, Step
from baton.model.states import BatchState

START = datetime(2026, 7, 1, tzinfo=UTC)
BATCH = Batch(
    batch_id="b",
    job="sales",
    source=Source("input/sales/f.csv", "v", 1),
    state=BatchState.ADMITTED,
    owner_epoch=2,
    admitted_at=START,
    updated_at=START,
)


def test_a_step_is_in_the_history_of_the_row_that_it_wrote() -> None:
    later = START + timedelta(seconds=5)

    split = BATCH.moved(BatchState.SPLIT, at=later, by="us-east-1", chunks=3)

    assert (split.state, split.chunks, split.updated_at) == (BatchState.SPLIT, 3, later)
    assert split.history == (Step(later, BatchState.SPLIT, "us-east-1"),)


def test_a_change_within_a_state_is_no_step() -> None:
    changed = BATCH.moved(BatchState.ADMITTED, at=START + timedelta(seconds=5), by="us-east-1", chunks=1)

    assert changed.history == ()
    assert changed.chunks == 1


def test_another_owner_is_a_step_even_within_a_state() -> None:
    later = START + timedelta(seconds=5)

    taken = BATCH.moved(BatchState.ADMITTED, at=later, by="us-west-2", owner_epoch=3)

    assert taken.history == (Step(later, BatchState.ADMITTED, "us-west-2"),)


def test_the_row_grows_newer_even_if_the_clock_went_back() -> None:
    moved = BATCH.moved(BatchState.SPLIT, at=START - timedelta(hours=1), by="us-east-1")

    assert moved.updated_at == START + timedelta(microseconds=1)


def test_a_history_is_bounded() -> None:
    batch = BATCH
    for _ in range(300):
        batch = batch.moved(BatchState.PAUSED, at=batch.updated_at, by="operator")
        batch = batch.moved(BatchState.ADMITTED, at=batch.updated_at, by="operator")

    assert len(batch.history) == 200
