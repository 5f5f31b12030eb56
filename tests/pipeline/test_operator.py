"""What an operator does to a running batch, by the command's own actions, on the whole pipeline."""

import asyncio
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from baton.batches import Batches
from baton.catalog import Catalog, LoadedJob, load_jobs
from baton.errors import BatchFailed
from baton.job import Limits
from baton.messages import Kind
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ReferenceVersion
from baton.testing.faults import CrashPlan
from baton.topology import REGIONS_DEFAULT
from baton_cli.batches import actions
from baton_proof.pipeline import Pipeline
from baton_proof.sales import FINANCIAL, SalesFile, financial, sales_file
from cli_world import connected_to

SAMPLE = sales_file(records=24)
KEY = "input/sales/f.csv"
OUTCOMES = (Path(__file__).parents[2] / "docs/outcomes.md").read_text()


def _batches(pipeline: Pipeline) -> Batches:
    region = pipeline.region
    return Batches(region=REGIONS_DEFAULT[0], ledger=region.ledger, outbox=region.queues.outbox(), clock=region.clock)


async def _started(sample: SalesFile = SAMPLE, *, catalog: Catalog | None = None) -> tuple[Pipeline, str]:
    pipeline = Pipeline(catalog or load_jobs("baton_jobs"), crash=CrashPlan(at=None))
    await financial(pipeline.region.reference, sample)
    return pipeline, await pipeline.upload(KEY, sample.body)


async def _until_chunks_done(pipeline: Pipeline, batch_id: str, chunks: int) -> None:
    while True:
        batch = await pipeline.batch(batch_id)
        tally = await pipeline.region.progress.tally(batch_id, batch.plan_id) if batch.plan_id else None
        if tally and tally.chunks_done >= chunks:
            return
        assert await pipeline.step()


def _parts_written(pipeline: Pipeline) -> int:
    return Counter(pipeline.crash.log)["progress.complete"]


def test_a_retry_does_only_the_chunks_that_are_not_done() -> None:
    async def story() -> tuple[Batch, int, int, list[str]]:
        pipeline, batch_id = await _started()
        await _until_chunks_done(pipeline, batch_id, 1)
        batch = await pipeline.batch(batch_id)
        await _batches(pipeline).fail(batch, BatchFailed("chunk_failed", "chunk 2 of 3: the disk is full"))
        await pipeline.drive()
        before = _parts_written(pipeline)
        await actions.retry(connected_to(pipeline), batch_id)
        await pipeline.drive()
        mails = [mail.message_id for mail in pipeline.region.mailer.outbox]
        return await pipeline.batch(batch_id), before, _parts_written(pipeline) - before, mails

    batch, before, after, mails = asyncio.run(story())

    assert batch.state is BatchState.COMPLETED
    assert batch.counts.records_out == 24
    assert (before, after) == (1, batch.chunks - 1)
    assert len(mails) == len(set(mails)) == 2, "one of the failure, one of the retry's success"
    assert [step.by for step in batch.history].count("operator") == 1


def test_a_retry_uses_reference_data_that_was_loaded_again_with_all_columns() -> None:
    async def story() -> tuple[Batch, Batch]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        sample = sales_file(records=24)
        columns = tuple(name for name in FINANCIAL if name != "unitPrice")
        fewer = {key: {name: row[name] for name in columns if name in row} for key, row in sample.reference.items()}
        await pipeline.region.reference.publish(ReferenceVersion("financial", "fewer", len(fewer), columns), fewer)
        batch_id = await pipeline.upload("input/sales/f.csv", sample.body)
        await pipeline.drive()
        failed = await pipeline.batch(batch_id)
        await financial(pipeline.region.reference, sample)
        await actions.retry(connected_to(pipeline), batch_id)
        await pipeline.drive()
        return failed, await pipeline.batch(batch_id)

    failed, batch = asyncio.run(story())

    assert failed.failure
    assert failed.failure.code == "reference_columns"
    assert (batch.state, batch.counts.records_out) == (BatchState.COMPLETED, 24)


def test_a_batch_over_its_limits_does_not_pass_by_a_retry() -> None:
    async def story() -> Batch:
        pipeline, batch_id = await _started(sales_file(records=24, bad=20))
        await pipeline.drive()
        await actions.retry(connected_to(pipeline), batch_id)
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.failure
    assert (batch.state, batch.run, batch.published) == (BatchState.FAILED, 2, None)
    assert batch.failure.code == "too_many_rejects"


def test_a_retry_under_raised_limits_passes_with_the_rules_of_the_new_job() -> None:
    async def story() -> Batch:
        pipeline, batch_id = await _started(sales_file(records=24, bad=20))
        await pipeline.drive()
        sales = load_jobs("baton_jobs")["sales"]
        generous = sales.job.model_copy(update={"limits": Limits(max_rejects_percent=100)})
        changed = Pipeline({"sales": LoadedJob(generous, "another-version")}, region=pipeline.region)
        await actions.retry(connected_to(changed), batch_id)
        await changed.drive()
        return await changed.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.state is BatchState.COMPLETED
    assert batch.counts.rejects == 20


def test_a_cancelled_batch_publishes_nothing_and_mails_nobody() -> None:
    async def story() -> tuple[Batch, int]:
        pipeline, batch_id = await _started()
        await _until_chunks_done(pipeline, batch_id, 1)
        await actions.cancel(connected_to(pipeline), batch_id)
        await pipeline.drive()
        return await pipeline.batch(batch_id), len(pipeline.region.mailer.outbox)

    batch, mails = asyncio.run(story())

    assert (batch.state, batch.published, mails) == (BatchState.CANCELLED, None, 0)


def test_a_paused_batch_stands_still_and_goes_on_where_it_stood() -> None:
    async def story() -> tuple[BatchState, int, Batch]:
        pipeline, batch_id = await _started()
        await _until_chunks_done(pipeline, batch_id, 1)
        await actions.pause(connected_to(pipeline), batch_id)
        while await pipeline.step():
            pass
        paused = await pipeline.batch(batch_id)
        before = _parts_written(pipeline)
        await actions.resume(connected_to(pipeline), batch_id)
        await pipeline.drive()
        return paused.state, before, await pipeline.batch(batch_id)

    paused, done_before, batch = asyncio.run(story())

    assert (paused, done_before) == (BatchState.PAUSED, 1)
    assert batch.state is BatchState.COMPLETED
    assert batch.counts.records_out == 24


def test_a_mail_that_is_refused_fails_the_batch_and_a_retry_sends_it() -> None:
    async def story() -> tuple[Batch, Batch, list[str]]:
        pipeline, batch_id = await _started()
        pipeline.region.mailer.refuses.add("sales-ops@example.com")
        await pipeline.drive()
        refused = await pipeline.batch(batch_id)
        pipeline.region.mailer.refuses.clear()
        await actions.retry(connected_to(pipeline), batch_id)
        await pipeline.drive()
        subjects = [mail.subject for mail in pipeline.region.mailer.outbox]
        return refused, await pipeline.batch(batch_id), subjects

    refused, batch, subjects = asyncio.run(story())

    assert refused.failure is not None
    assert (refused.failure.code, refused.published is not None) == ("mail_refused", True)
    assert batch.state is BatchState.COMPLETED
    assert len(subjects) == 1
    assert subjects[0].startswith("Done")


RETRIED = sorted(set(re.findall(r"^\| `(\w+)` \|.*`baton retry ID`", OUTCOMES, re.MULTILINE)))
DAY_SECONDS = 86_400


@pytest.mark.parametrize("code", RETRIED)
@pytest.mark.parametrize("steps", [0, 4])
def test_a_retry_after_the_deadline_has_the_whole_time_again(code: str, steps: int) -> None:
    """Whatever made it fail, and with a sweep between any two steps."""

    async def story() -> tuple[Batch, list[str]]:
        pipeline, batch_id = await _started()
        for _ in range(steps):
            await pipeline.step()
        await _batches(pipeline).fail(await pipeline.batch(batch_id), BatchFailed(code, "said before"))
        await pipeline.drive()
        for days in (3, 5):
            pipeline.advance(days * DAY_SECONDS)
            await actions.retry(connected_to(pipeline), batch_id)
            await pipeline.process.sweeper.sweep()
            if days == 3:  # it fails again, much later
                await _batches(pipeline).fail(await pipeline.batch(batch_id), BatchFailed(code, "said again"))
                await pipeline.drive()
        while await pipeline.step():
            await pipeline.process.sweeper.sweep()
        await pipeline.drive()
        return await pipeline.batch(batch_id), [mail.subject for mail in pipeline.region.mailer.outbox]

    batch, subjects = asyncio.run(story())

    assert (batch.state, batch.run, batch.failure) == (BatchState.COMPLETED, 3, None)
    assert [subject.partition(":")[0] for subject in subjects] == ["FAILED", "FAILED", "Done"]


def test_the_deadline_of_a_retry_is_kept_as_well() -> None:
    async def story() -> tuple[BatchState, Batch]:
        pipeline, batch_id = await _started()
        await pipeline.step()
        await actions.pause(connected_to(pipeline), batch_id)
        pipeline.advance(2 * DAY_SECONDS)
        await pipeline.drive()
        await actions.retry(connected_to(pipeline), batch_id)
        await actions.pause(connected_to(pipeline), batch_id)
        pipeline.advance(DAY_SECONDS - 60)
        await pipeline.process.sweeper.sweep()
        before = (await pipeline.batch(batch_id)).state
        pipeline.advance(120)
        await pipeline.drive()
        return before, await pipeline.batch(batch_id)

    before, batch = asyncio.run(story())

    assert before is BatchState.PAUSED
    assert batch.failure
    assert (batch.run, batch.failure.code) == (2, "deadline")


def test_the_messages_of_an_owner_that_was_replaced_change_nothing() -> None:
    async def story(kind: Kind) -> tuple[Batch, int, list[str]]:
        pipeline, batch_id = await _started()
        while not pipeline.region.queues.queued(kind):
            assert await pipeline.step()
        batch = await pipeline.batch(batch_id)
        taken = replace(batch.moved(batch.state, at=batch.updated_at, by="us-west-2"), owner_epoch=3)
        await pipeline.region.ledger.update(batch, taken)
        effects = len(pipeline.crash.log)
        while await pipeline.step():
            pass
        after = [effect for effect in pipeline.crash.log[effects:] if not effect.startswith("inbox.")]
        assert taken == await pipeline.batch(batch_id)
        return taken, len(pipeline.region.mailer.outbox), after

    for kind in ("split", "chunk", "merge", "notify"):
        _, mails, effects = asyncio.run(story(kind))

        assert (mails, effects) == (0, []), kind
