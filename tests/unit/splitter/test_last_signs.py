"""What counts as a sign of life, and how long a batch may do without one. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from baton.model.batch import Batch, Counts, Source, Step
from baton.model.states import BatchState
from baton.ports import Nudges, Signs, Tally
from splitter.liveness import QUEUES, BatchSeen, may_be_lost, silence_max
from splitter.settings import SplitterSettings

START = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = SplitterSettings(stalled_seconds=300, sweep_seconds=30, nudges_max=6)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def batch(state: BatchState = BatchState.SPLIT, *, entered: float = 0) -> Batch:
    at = after(entered)
    return Batch(
        batch_id="b1",
        job="plain",
        source=Source("input/plain/f.csv", "v1", 1),
        state=state,
        owner_epoch=2,
        admitted_at=START,
        updated_at=at,
        history=(Step(at, state, "us-east-1"),),
    )


def nudges(count: int, *, at: float, entered: float = 0) -> Nudges:
    return Nudges(entered_at=after(entered), count=count, last_at=after(at))


def tally(at: float) -> Tally:
    return Tally("b1", "p1", chunks=9, chunks_done=1, counts=Counts(), updated_at=after(at))


@pytest.mark.parametrize(
    ("seen", "at"),
    [
        (BatchSeen(batch(entered=7), Signs()), 7),
        (BatchSeen(batch(), Signs(worked_at=after(50))), 50),
        (BatchSeen(batch(), Signs(nudges=nudges(1, at=60))), 60),
        (BatchSeen(batch(), Signs(), tally(70)), 70),
        (BatchSeen(batch(entered=99), Signs(after(50), nudges(1, at=60)), tally(70)), 99),
    ],
    ids=["its row", "its message in hand", "its message sent again", "its chunks", "the latest of all"],
)
def test_the_last_sign_is_the_latest_of_any_kind(seen: BatchSeen, at: float) -> None:
    assert seen.last_sign == after(at)


@pytest.mark.parametrize(
    ("seen", "count"),
    [
        (BatchSeen(batch(), Signs()), 0),
        (BatchSeen(batch(), Signs(nudges=nudges(3, at=60))), 3),
        (BatchSeen(batch(), Signs(after(70), nudges(3, at=60))), 3),
        (BatchSeen(batch(entered=80), Signs(nudges=nudges(3, at=60))), 0),
        (BatchSeen(batch(), Signs(nudges=nudges(3, at=60)), tally(50)), 3),
        (BatchSeen(batch(), Signs(nudges=nudges(3, at=60)), tally(70)), 0),
    ],
    ids=["none", "three", "in hand, yet not done", "of an earlier step", "older chunks", "a chunk since"],
)
def test_nudges_count_until_the_batch_moves(seen: BatchSeen, count: int) -> None:
    assert seen.nudges == count
    assert seen.nudged(after(100)) == Nudges(seen.batch.entered_at, count + 1, after(100))


def test_the_wait_doubles_with_each_nudge_and_not_endlessly() -> None:
    seconds = [
        silence_max(BatchSeen(batch(), Signs(nudges=nudges(n, at=1))), SETTINGS).total_seconds() for n in range(9)
    ]

    assert seconds == [300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 19_200, 19_200]


@pytest.mark.parametrize(
    ("signs", "seconds"),
    [
        (Signs(), 30),
        (Signs(after(60), nudges(5, at=50)), 30),
        (Signs(after(40), nudges(5, at=50)), 300),
        (Signs(None, nudges(1, at=50)), 300),
        (Signs(None, nudges(5, at=50, entered=-10)), 30),
    ],
    ids=["not asked yet", "answered", "asked and silent", "never in hand", "asked in an earlier step"],
)
def test_a_batch_that_waits_for_its_file_is_asked_again_once_it_has_answered(signs: Signs, seconds: float) -> None:
    waiting = BatchSeen(batch(BatchState.WAITING_INPUT), signs)

    assert silence_max(waiting, SETTINGS).total_seconds() == seconds


def test_who_waits_for_long_is_asked_seldom() -> None:
    asked = [0.0]
    while asked[-1] < 86_400:
        answered = Signs(after(asked[-1] + 1), nudges(len(asked), at=asked[-1]))
        seen = BatchSeen(batch(BatchState.WAITING_INPUT), answered)
        asked.append(asked[-1] + silence_max(seen, SETTINGS).total_seconds())

    assert asked[1:21] == [30.0 * number for number in range(1, 21)]
    assert next(at for at in asked if at > 3_600) < 3_600 + 180
    assert asked[-1] - asked[-2] == 720


@pytest.mark.parametrize("state", BatchState)
def test_only_a_state_whose_message_is_somewhere_can_lose_it(state: BatchState) -> None:
    old = may_be_lost(batch(state), after(301), SETTINGS)

    assert old == (state in QUEUES)
    assert state in QUEUES or state in (BatchState.PAUSED, BatchState.QUARANTINED, BatchState.CANCELLED)
    assert not may_be_lost(batch(state), after(30), SETTINGS)
