"""What is stored has a ceiling: reasons, limits, deadlines, and the largest row of the ledger that can be."""

import json
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aio import run
from baton.aws.dynamodb.batch_item import batch_to_item
from baton.batches import REASON_CHARACTERS_MAX, Batches
from baton.errors import BatchFailed
from baton.job import DEADLINE_MINUTES_MAX, Limits
from baton.memory import MemoryClock, MemoryLedger, MemoryQueues
from baton.model.batch import Batch, Counts, MailClaim, Published, Source
from baton.model.control import Control
from baton.model.states import BatchState
from baton.topology import INITIAL_EPOCH, PROGRESS_KEPT_DAYS, REGIONS_DEFAULT, RETENTION_DAYS

ITEM_BYTES_MAX = 409_600


def _failed(reason: str) -> Batch:
    async def story() -> Batch:
        clock = MemoryClock()
        ledger = MemoryLedger(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))
        outbox = MemoryQueues(clock).outbox()
        batches = Batches(region=REGIONS_DEFAULT[0], ledger=ledger, outbox=outbox, clock=clock)
        now, key = clock.now(), "input/sales/" + "😀" * 253
        batch = Batch("b" * 64, "s" * 63, Source(key, "v" * 1_024, 2**62), BatchState.ADMITTED, 2, now, now)
        await ledger.admit(batch)
        await batches.fail(batch, BatchFailed("rule_error", reason))
        found = await ledger.get(batch.batch_id)
        assert found is not None
        return found

    return run(story())


def test_a_reason_that_quotes_a_value_is_one_line_of_a_page_at_most() -> None:
    failed = _failed("cannot judge 'a\nb\u202e" + "x" * 900_000)

    assert failed.failure is not None
    assert failed.failure.reason.startswith(r"cannot judge 'a\nb\u202exxx")
    assert len(failed.failure.reason) == REASON_CHARACTERS_MAX


def test_the_largest_row_of_the_ledger_fits_into_an_item() -> None:
    batch, clock = _failed("😀" * 10_000), MemoryClock()
    for run_number in range(300):
        at = batch.updated_at + timedelta(seconds=1)
        batch = batch.moved(BatchState.ADMITTED, at=at, by="an operator", run=run_number, owner_epoch=2**53)
        batch = batch.moved(BatchState.FAILED, at=at, by=REGIONS_DEFAULT[0])
    key = "o" * 1_024
    batch = batch.moved(
        BatchState.FAILED,
        at=clock.now(),
        by="x",
        published=Published(key, key, key, 2**62, "f" * 16),
        mail_claim=MailClaim(300, 2**53, clock.now(), clock.now()),
        counts=Counts(2**62, 2**62, 2**62),
        plan_id="f" * 16,
    )

    # The typed JSON of the wire is larger than what DynamoDB counts.
    assert len(json.dumps(batch_to_item(batch, write_id="f" * 16), ensure_ascii=False).encode()) < ITEM_BYTES_MAX / 4


@given(st.integers(0, 10**13), st.integers(0, 10_000))
def test_a_percentage_is_taken_as_it_is_written(records: int, hundredths: int) -> None:
    allowed = Limits(max_rejects_percent=hundredths / 100).rejects_allowed(records)

    assert allowed == (min(Fraction(hundredths * records, 10_000).__floor__(), records - 1) if records else 0)


def test_two_point_three_percent_of_a_hundred_thousand() -> None:
    assert Limits(max_rejects_percent=2.3).rejects_allowed(100_000) == 2_300


def test_a_deadline_ends_while_its_chunks_are_remembered() -> None:
    longest = Limits(deadline_minutes=DEADLINE_MINUTES_MAX)

    assert 2 * longest.deadline_minutes / 60 / 24 + RETENTION_DAYS < PROGRESS_KEPT_DAYS, "it may be retried once"
    with pytest.raises(ValidationError, match="deadline_minutes"):
        Limits(deadline_minutes=DEADLINE_MINUTES_MAX + 1)
