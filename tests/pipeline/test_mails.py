"""Mails of whole batches: what they link to, and what happens to them when the mail service accepts none."""

import asyncio
import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Self, override

import pytest
from pydantic import model_validator

from baton.catalog import LoadedJob, load_jobs
from baton.errors import Retry
from baton.job import Job, Record
from baton.memory import LoopClock, MemoryLedger, Refusal
from baton.messages import NotifyBatch
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control
from baton.model.states import BatchState
from baton.ports import Mail
from baton.rejects import REJECT_COLUMNS
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.sales import SalesFile, financial, sales_file

KEY = "input/sales/july.csv"


async def _pipeline(sample: SalesFile, region: Region | None = None) -> Pipeline:
    pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
    await financial(pipeline.region.reference, sample)
    return pipeline


async def _until(pipeline: Pipeline, batch_id: str, state: BatchState) -> Batch:
    while (batch := await pipeline.batch(batch_id)).state is not state:
        assert await pipeline.step(), f"it stands in {batch.state}"
    return batch


def test_the_mail_of_too_many_rejects_shows_them_and_links_to_all_that_are_there() -> None:
    sample = sales_file(records=60, bad=40)

    async def story() -> tuple[Batch, Mail, bytes]:
        pipeline = await _pipeline(sample)
        batch_id = await pipeline.upload(KEY, sample.body)
        await pipeline.drive()
        (mail,) = pipeline.region.mailer.outbox
        batch = await pipeline.batch(batch_id)
        (key,) = [key for key in pipeline.region.objects.history() if key.endswith("failed-1/rejects.csv")]
        assert key in mail.text
        return batch, mail, await pipeline.region.objects.get(key)

    batch, mail, written = asyncio.run(story())

    assert batch.failure is not None
    assert batch.failure.code == "too_many_rejects"
    header, *rows = csv.reader(io.StringIO(written.decode(), newline=""))
    assert header == list(REJECT_COLUMNS)
    assert rows
    for body in (mail.text, mail.html):
        for words in (rows[0][0], "Item Type", "literal_error", "Weapons", f"{len(rows)}"):
            assert words in body


@pytest.mark.parametrize(
    ("key", "to"), [(KEY, "sales-ops@example.com"), ("input/no-such-job/july.csv", "operators@example.com")]
)
def test_a_mail_goes_to_the_people_of_its_job_or_else_to_the_operators(key: str, to: str) -> None:
    sample = sales_file(records=3)

    async def story() -> Mail:
        pipeline = await _pipeline(sample)
        await pipeline.upload(key, sample.body)
        await pipeline.drive()
        (mail,) = pipeline.region.mailer.outbox
        return mail

    assert [each.spec for each in asyncio.run(story()).recipients] == [to]


@pytest.mark.parametrize("chunk_bytes", [1_000, 16 * 1024**2])
def test_the_mail_of_too_many_rejects_says_that_there_may_be_more(chunk_bytes: int) -> None:
    sample = sales_file(records=60, bad=40)

    async def story() -> tuple[Batch, Mail]:
        pipeline = Pipeline(load_jobs("baton_jobs"), chunk_bytes=chunk_bytes)
        await financial(pipeline.region.reference, sample)
        batch_id = await pipeline.upload(KEY, sample.body)
        await pipeline.drive()
        return await pipeline.batch(batch_id), pipeline.region.mailer.outbox[0]

    batch, mail = asyncio.run(story())

    assert batch.counts.rejects > 30, "the row tells them, so that a list of batches does"
    checked = batch.counts.records_in
    stopped = {
        True: "perhaps before every rule was applied and every key looked up in 'financial'.",
        False: f"when {checked} of 60 records had been checked, and perhaps not every key looked up in 'financial'.",
    }
    assert (checked == 60) is (chunk_bytes > 1_000)
    for body in (mail.text, mail.html.replace("&#39;", "'")):
        assert "There may be more: processing stopped" in body
        assert stopped[checked == 60] in body


def test_a_record_that_breaks_a_rule_of_its_own_has_no_empty_value() -> None:
    class Span(Record):
        low: str
        high: str

        @model_validator(mode="after")
        def _in_order(self) -> Self:
            if self.low > self.high:
                raise ValueError("low must not be above high")
            return self

    async def story() -> Mail:
        job = Job(name="spans", record=Span, recipients=("a@example.com",))
        pipeline = Pipeline({"spans": LoadedJob(job, "1")})
        await pipeline.upload("input/spans/f.csv", b"low,high\n1,2\n3,2\n1,9\n")
        await pipeline.drive()
        return pipeline.region.mailer.outbox[0]

    mail = asyncio.run(story())

    assert "record 2, the record, value_error: low must not be above high\n" in mail.text
    assert "empty" not in mail.text + mail.html


def test_a_header_that_fails_needs_no_rejects() -> None:
    sample = sales_file(records=5)

    async def story() -> tuple[Mail, list[str]]:
        pipeline = await _pipeline(sample)
        await pipeline.upload(KEY, b"a,b\n1,2\n")
        await pipeline.drive()
        (mail,) = pipeline.region.mailer.outbox
        return mail, [key for key in pipeline.region.objects.history() if key.startswith("output/")]

    mail, written = asyncio.run(story())

    assert "https://" not in mail.text
    assert written == []


# --- a mail service that takes none now ------------------------------------------------------------------------------


async def _merged(sample: SalesFile, region: Region) -> tuple[Pipeline, NotifyBatch]:
    pipeline = await _pipeline(sample, region)
    batch = await _until(pipeline, await pipeline.upload(KEY, sample.body), BatchState.MERGED)
    return pipeline, NotifyBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch)


def test_a_throttled_mail_comes_back_at_once_when_the_rate_is_over() -> None:
    sample = sales_file(records=20)

    async def story() -> tuple[timedelta, Batch, Batch, int]:
        pipeline, message = await _merged(sample, Region())
        before = pipeline.region.clock.now()
        pipeline.region.mailer.refusals.refuse("send", by=Refusal.THROTTLED)
        while await pipeline.step():
            pass
        held = await pipeline.batch(message.batch_id)
        pipeline.region.mailer.refusals.allow()
        pipeline.advance(60)
        while await pipeline.step():
            pass
        after = await pipeline.batch(message.batch_id)
        return pipeline.region.clock.now() - before, held, after, len(pipeline.region.mailer.outbox)

    took, held, after, mails = asyncio.run(story())

    assert (held.state, held.mail_claim) == (BatchState.MERGED, None)
    assert (after.state, mails, took) == (BatchState.COMPLETED, 1, timedelta(seconds=60))


def test_each_attempt_of_a_mail_that_is_not_taken_waits_longer() -> None:
    sample = sales_file(records=20)

    async def story() -> list[int]:
        pipeline, message = await _merged(sample, Region())
        pipeline.region.mailer.refusals.refuse("send", by=Refusal.THROTTLED)
        delays = list[int]()
        for attempt in range(1, 6):
            with pytest.raises(Retry) as later:
                await pipeline.process.handlers["notify"].handle(message, attempt)
            delays.append(later.value.delay_seconds)
        return delays

    assert asyncio.run(story()) == [60, 600, 6_000, 36_000, 36_000]


def test_a_mail_that_is_never_taken_ends_failed_with_its_result_and_is_told_when_it_can_be() -> None:
    sample = sales_file(records=20)

    async def story() -> tuple[Batch, list[Mail]]:
        pipeline, message = await _merged(sample, Region())
        pipeline.region.mailer.refusals.refuse("send", by=Refusal.THROTTLED)
        while (await pipeline.batch(message.batch_id)).state is BatchState.MERGED:
            if not await pipeline.step():
                pipeline.advance(60)
        pipeline.region.mailer.refusals.allow()
        await pipeline.drive()
        return await pipeline.batch(message.batch_id), pipeline.region.mailer.outbox

    batch, mails = asyncio.run(story())

    assert batch.failure is not None
    assert (batch.state, batch.failure.code, len(mails)) == (BatchState.FAILED, "mail_failed", 1)
    assert "Download the result" in mails[0].text


# --- the claim -------------------------------------------------------------------------------------------------------


def test_a_claim_of_a_faster_clock_is_waited_for_no_longer_than_a_lease() -> None:
    sample = sales_file(records=20)

    async def story() -> int:
        pipeline, message = await _merged(sample, Region())
        batch = await pipeline.batch(message.batch_id)
        ahead = pipeline.region.clock.now() + timedelta(hours=1)
        await pipeline.region.ledger.claim_mail(batch, MailClaim(batch.run, batch.owner_epoch, ahead))
        with pytest.raises(Retry, match="claim") as later:
            await pipeline.process.handlers["notify"].handle(message, 1)
        return later.value.delay_seconds

    assert asyncio.run(story()) <= 121


def test_a_claim_of_an_earlier_run_holds_up_no_mail_of_the_next() -> None:
    sample = sales_file(records=20)

    async def story() -> tuple[BatchState, int]:
        pipeline, message = await _merged(sample, Region())
        ledger, now = pipeline.region.ledger, pipeline.region.clock.now()
        batch = await pipeline.batch(message.batch_id)
        # The notifier of the first run died with its claim; the operator retried at once.
        claimed = await ledger.claim_mail(batch, MailClaim(batch.run, batch.owner_epoch, now))
        await ledger.update(claimed, claimed.moved(claimed.state, at=now, by="operator", run=batch.run + 1))
        await pipeline.process.handlers["notify"].handle(message, 1)
        return (await pipeline.batch(message.batch_id)).state, len(pipeline.region.mailer.outbox)

    assert asyncio.run(story()) == (BatchState.COMPLETED, 1)


class LateLedger(MemoryLedger):
    """Answers a claim after most of its lease."""

    @override
    async def claim_mail(self, before: Batch, claim: MailClaim) -> Batch:
        claimed = await super().claim_mail(before, claim)
        await asyncio.sleep(100)
        return claimed


def test_nothing_is_sent_under_a_claim_that_is_nearly_over() -> None:
    sample = sales_file(records=20)

    async def story() -> tuple[int, str]:
        region = Region(clock=LoopClock())
        region.ledger = LateLedger(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))
        pipeline, _ = await _merged(sample, region)
        (delivery, *_) = await region.queues.inbox("notify").receive(max_messages=10, wait_seconds=0)
        verdict = await pipeline.process.runners["notify"].process(replace(delivery, attempt=1))
        return len(region.mailer.outbox), verdict.reason

    mails, reason = virtual_time.run(story())

    assert mails == 0
    assert "lease" in reason
