"""Two deliveries at once, last attempts that come late, and deployments that roll while batches are in flight."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import override

import pytest
from polars.exceptions import PanicException

from baton.catalog import LoadedJob, load_jobs
from baton.errors import Fenced, Reject
from baton.memory import LoopClock, MemoryLinks, MemoryMailer, MemoryObjectStore, MemoryProgress
from baton.messages import Kind, MergeBatch, Message, NotifyBatch, ProcessChunk, SplitBatch
from baton.model import paths
from baton.model.batch import Batch, Counts
from baton.model.states import BatchState
from baton.outcome import Outcome
from baton.ports import ChunkDone, Link, Mail, ObjectInfo, Piece, Tally
from baton.testing import virtual_time
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.sales import financial, sales_file

KEY = "input/passthrough/f.csv"
BODY = b"a\n1\n2\n"


async def _until(pipeline: Pipeline, batch_id: str, state: BatchState) -> Batch:
    while (batch := await pipeline.batch(batch_id)).state is not state:
        assert await pipeline.step()
    return batch


# --- last attempts of messages whose batch moved on -------------------------------------------------------------------


def _messages(batch: Batch) -> dict[Kind, Message]:
    name, epoch = batch.batch_id, batch.owner_epoch
    return {
        "split": SplitBatch(batch_id=name, owner_epoch=epoch),
        "chunk": ProcessChunk(batch_id=name, owner_epoch=epoch, plan_id=batch.plan_id or "", index=0),
        "merge": MergeBatch(batch_id=name, owner_epoch=epoch),
    }


@pytest.mark.parametrize("state", [BatchState.MERGED, BatchState.COMPLETED])
@pytest.mark.parametrize("kind", ["split", "chunk", "merge"])
def test_giving_up_leaves_a_batch_alone_that_went_on(kind: Kind, state: BatchState) -> None:
    async def story() -> BatchState:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), state)
        with pytest.raises(Reject):
            await pipeline.process.handlers[kind].give_up(_messages(batch)[kind], cause="an old trouble")
        return (await pipeline.batch(batch.batch_id)).state

    assert asyncio.run(story()) is state


def test_giving_up_a_chunk_that_another_delivery_has_done_fails_nothing() -> None:
    async def story() -> BatchState:
        pipeline = Pipeline(load_jobs("baton_jobs"), chunk_bytes=2)
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.SPLIT)
        chunk = _messages(batch)["chunk"]
        await pipeline.process.handlers["chunk"].handle(chunk, 1)
        with pytest.raises(Reject):
            await pipeline.process.handlers["chunk"].give_up(chunk, cause="the first delivery's trouble")
        return (await pipeline.batch(batch.batch_id)).state

    assert asyncio.run(story()) is BatchState.SPLIT


def test_giving_up_a_chunk_of_a_plan_that_was_replaced_fails_nothing() -> None:
    async def story() -> BatchState:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.SPLIT)
        old = ProcessChunk(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch, plan_id="0" * 16, index=0)
        with pytest.raises(Reject):
            await pipeline.process.handlers["chunk"].give_up(old, cause="under the old plan")
        return (await pipeline.batch(batch.batch_id)).state

    assert asyncio.run(story()) is BatchState.SPLIT


def test_a_late_chunk_of_an_old_plan_is_left() -> None:
    async def story() -> Tally | None:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.SPLIT)
        region, old = pipeline.region, "0" * 16
        plan = await region.objects.get(paths.plan_key(batch.batch_id, batch.plan_id or ""))
        await region.objects.put(paths.plan_key(batch.batch_id, old), plan)
        await region.progress.open(batch.batch_id, old, chunks=1, now=region.clock.now())
        message = ProcessChunk(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch, plan_id=old, index=0)
        with pytest.raises(Reject):
            await pipeline.process.handlers["chunk"].handle(message, 1)
        return await region.progress.tally(batch.batch_id, batch.plan_id or "")

    tally = asyncio.run(story())

    assert tally
    assert tally.chunks_done == 0


def test_the_last_chunk_delivered_again_calls_the_merger_that_nobody_called() -> None:
    async def story() -> tuple[int, int]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.PROCESSED)
        chunk, before = _messages(batch)["chunk"], len(pipeline.region.queues.queued("merge"))
        for attempt in (1, 2):
            with pytest.raises(Reject):
                await pipeline.process.handlers["chunk"].handle(chunk, attempt)
        return before, len(pipeline.region.queues.queued("merge"))

    before, after = asyncio.run(story())

    assert after == before + 1


@pytest.mark.parametrize(
    ("attempt", "spoilt", "written"),
    [(1, False, 2), (2, False, 0), (2, True, 2)],
    ids=["first delivery", "second delivery", "rejects of another size"],
)
def test_a_chunk_delivered_again_finds_its_part_unless_that_lacks_its_rejects(
    attempt: int,
    spoilt: bool,  # noqa: FBT001 - a parameter of the test
    written: int,
) -> None:
    async def story() -> int:
        pipeline = Pipeline(load_jobs("baton_jobs"), chunk_bytes=2)
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.SPLIT)
        chunk = _messages(batch)["chunk"]
        await pipeline.process.handlers["chunk"].handle(chunk, 1)
        if spoilt:
            (done,) = await pipeline.region.progress.done(batch.batch_id, batch.plan_id or "")
            await pipeline.region.objects.put(done.rejects_key, b"cut")
        before = pipeline.crash.log.count("objects.put")
        await pipeline.process.handlers["chunk"].handle(chunk, attempt)
        return pipeline.crash.log.count("objects.put") - before

    assert asyncio.run(story()) == written


def test_chunks_recorded_while_the_splitter_looks_are_in_the_counts() -> None:
    # Found by the swarm: the sums came from before, the list of finished chunks from after the last one.
    class Overtaken(MemoryProgress):
        meanwhile: ChunkDone | None = None

        @override
        async def open(self, batch_id: str, plan_id: str, *, chunks: int, now: datetime) -> Tally:
            tally = await super().open(batch_id, plan_id, chunks=chunks, now=now)
            if self.meanwhile:
                await self.complete(self.meanwhile, now=now)
            return tally

    async def story() -> Batch:
        progress = Overtaken()
        pipeline = Pipeline(load_jobs("baton_jobs"), region=Region(progress=progress))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.SPLIT)
        progress.meanwhile = ChunkDone(batch.batch_id, batch.plan_id or "", 0, Counts(2, 2, 0), 6, 0, 0, 0)
        await pipeline.process.handlers["split"].handle(_messages(batch)["split"], 2)
        return await pipeline.batch(batch.batch_id)

    batch = asyncio.run(story())

    assert (batch.state, batch.counts) == (BatchState.PROCESSED, Counts(2, 2, 0))


# --- the mail ---------------------------------------------------------------------------------------------------------


class SlowMailer(MemoryMailer):
    """Takes its time; `meanwhile` happens before it answers."""

    def __init__(self, *, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._seconds = seconds
        self._meanwhile = meanwhile

    @override
    async def send(self, mail: Mail) -> str:
        await asyncio.sleep(self._seconds)
        self._meanwhile()
        return await super().send(mail)


async def _merged(region: Region) -> tuple[Pipeline, NotifyBatch]:
    pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
    batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.MERGED)
    return pipeline, NotifyBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch)


def test_a_last_attempt_does_not_fail_a_batch_whose_mail_is_being_sent() -> None:
    async def story() -> tuple[Batch, int, Outcome]:
        region = Region(clock=LoopClock())
        region.mailer = SlowMailer(seconds=50)
        pipeline, message = await _merged(region)
        sending = asyncio.create_task(pipeline.process.handlers["notify"].handle(message, 1))
        await asyncio.sleep(10)
        region.queues.put_raw("notify", message.model_dump_json())
        (delivery, *_) = await region.queues.inbox("notify").receive(max_messages=10, wait_seconds=0)
        verdict = await pipeline.process.runners["notify"].process(replace(delivery, attempt=5))
        await sending
        return await pipeline.batch(message.batch_id), len(region.mailer.outbox), verdict.outcome

    batch, mails, outcome = virtual_time.run(story())

    assert (batch.state, mails, outcome) == (BatchState.COMPLETED, 1, Outcome.REJECTED)


def test_links_that_take_longer_than_the_lease_do_not_double_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowLinks(MemoryLinks):
        @override
        async def sign(self, key: str) -> Link:
            await asyncio.sleep(200)
            return await super().sign(key)

    monkeypatch.setattr("baton_proof.region.MemoryLinks", SlowLinks)

    async def story() -> tuple[Batch, int]:
        pipeline, message = await _merged(Region(clock=LoopClock()))
        notify = pipeline.process.handlers["notify"]
        first = asyncio.create_task(notify.handle(message, 1))
        await asyncio.sleep(130)
        second = asyncio.create_task(notify.handle(message, 2))
        results = await asyncio.gather(first, second, return_exceptions=True)
        # One tells and counts it, the other one finds it told.
        (told,) = (result for result in results if not isinstance(result, Fenced))
        assert isinstance(told, dict)
        assert told["BatchesCompleted"] == (1, "Count")
        return await pipeline.batch(message.batch_id), len(pipeline.region.mailer.outbox)

    batch, mails = virtual_time.run(story())

    assert (batch.state, mails) == (BatchState.COMPLETED, 1)


def test_a_mail_service_that_hangs_is_left_before_the_lease_ends() -> None:
    async def story() -> tuple[float, Outcome]:
        region = Region(clock=LoopClock())
        pipeline, message = await _merged(region)
        region.mailer = SlowMailer(seconds=10_000)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        region.queues.put_raw("notify", message.model_dump_json())
        (delivery, *_) = await region.queues.inbox("notify").receive(max_messages=10, wait_seconds=0)
        verdict = await pipeline.process.runners["notify"].process(delivery)
        return asyncio.get_running_loop().time(), verdict.outcome

    seconds, outcome = virtual_time.run(story())

    assert seconds < 120
    assert outcome is Outcome.UNAVAILABLE


# --- deployments that roll --------------------------------------------------------------------------------------------

SAMPLE = sales_file(records=24)


async def _split_by_the_old_version() -> tuple[Pipeline, str]:
    """Return the services of the new version, and a batch that the old one split."""
    catalog = load_jobs("baton_jobs")
    old = Pipeline(catalog)
    await financial(old.region.reference, SAMPLE)
    batch = await _until(old, await old.upload("input/sales/f.csv", SAMPLE.body), BatchState.SPLIT)
    new = Pipeline({"sales": LoadedJob(catalog["sales"].job, "another-version")}, region=old.region)
    return new, batch.batch_id


def test_a_batch_that_the_old_version_planned_is_planned_anew_and_not_failed() -> None:
    async def story() -> tuple[Batch, int, list[str], str]:
        pipeline, batch_id = await _split_by_the_old_version()
        await pipeline.drive()
        subjects = [mail.subject for mail in pipeline.region.mailer.outbox]
        batch = await pipeline.batch(batch_id)
        assert batch.published is not None, batch.failure
        manifest = json.loads(await pipeline.region.objects.get(batch.published.manifest_key))
        return batch, len(pipeline.region.queues.dead("chunk")), subjects, manifest["job_version"]

    batch, dead, subjects, job_version = asyncio.run(story())

    assert batch.state is BatchState.COMPLETED, batch.failure
    assert job_version == "another-version", "its parts were made by rules that the plan does not name"
    assert batch.counts.records_out == 24
    assert dead == 0
    assert len(subjects) == 1


def test_a_manifest_names_the_columns_of_the_result_even_if_a_newer_version_merges() -> None:
    async def story() -> tuple[bytes, bytes]:
        catalog = load_jobs("baton_jobs")
        old = Pipeline(catalog)
        await financial(old.region.reference, SAMPLE)
        batch = await _until(old, await old.upload("input/sales/f.csv", SAMPLE.body), BatchState.PROCESSED)
        job = catalog["sales"].job.model_copy(update={"output": ("uuid", "totalProfit")})
        new = Pipeline({"sales": LoadedJob(job, "another-version")}, region=old.region)
        published = (await _until(new, batch.batch_id, BatchState.COMPLETED)).published
        assert published is not None
        manifest = await new.region.objects.get(published.manifest_key)
        return manifest, await new.result(batch.batch_id)

    manifest, result = asyncio.run(story())

    assert ",".join(json.loads(manifest)["columns"]) == result.partition(b"\n")[0].decode()


def test_a_plan_of_a_later_version_of_ours_is_made_anew() -> None:
    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.SPLIT)
        key = paths.plan_key(batch.batch_id, batch.plan_id or "")
        body = await pipeline.region.objects.get(key)
        later = body.replace(b"{", b'{"field_of_next_year":1,', 1)
        await pipeline.region.objects.put(key, later)
        await pipeline.drive()
        return await pipeline.batch(batch.batch_id)

    assert asyncio.run(story()).state is BatchState.COMPLETED


def test_a_merger_that_a_retry_left_behind_does_not_write_over_the_result() -> None:
    class SlowToCompose(MemoryObjectStore):
        hold = asyncio.Event()

        @override
        async def compose(self, key: str, pieces: list[Piece], *, content_type: str = "text/csv") -> ObjectInfo:  # pyright: ignore[reportIncompatibleMethodOverride]
            if not self.hold.is_set():
                self.hold.set()
                await asyncio.sleep(10_000)
            return await super().compose(key, pieces, content_type=content_type)

    async def story() -> tuple[bytes, bytes, Batch]:
        region = Region(clock=LoopClock())
        region.objects = SlowToCompose(region.clock)
        catalog = load_jobs("baton_jobs")
        await financial(region.reference, SAMPLE)
        old = Pipeline(catalog, region=region)
        batch_id = await old.upload("input/sales/f.csv", SAMPLE.body)
        batch = await _until(old, batch_id, BatchState.PROCESSED)
        message = MergeBatch(batch_id=batch_id, owner_epoch=batch.owner_epoch)
        left_behind = asyncio.create_task(old.process.handlers["merge"].handle(message, 1))
        await asyncio.sleep(1)
        await old.process.handlers["merge"].give_up(message, cause="it hangs")
        job = catalog["sales"].job.model_copy(update={"output": ("uuid", "totalProfit")})
        new = Pipeline({"sales": LoadedJob(job, "another-version")}, region=region)
        failed = await new.batch(batch_id)
        retried = failed.moved(BatchState.ADMITTED, at=region.clock.now(), by="operator", run=2, failure=None)
        await region.ledger.update(failed, retried)
        await new.process.handlers["split"].handle(_messages(retried)["split"], 1)
        await _until(new, batch_id, BatchState.COMPLETED)
        published = await new.result(batch_id)
        with pytest.raises(Fenced):
            await left_behind
        return published, await new.result(batch_id), await new.batch(batch_id)

    published, later, batch = virtual_time.run(story())

    assert published.startswith(b"uuid,totalProfit\n")
    assert later == published, "a merger of the old plan wrote over the published result"
    assert batch.state is BatchState.COMPLETED


# --- faults of the machine room ---------------------------------------------------------------------------------------


def test_a_panic_in_polars_fails_the_batch_in_words() -> None:
    async def panics[T](work: Callable[[], T], /) -> T:
        del work
        raise PanicException("index out of bounds: the len is 3 but the index is 4")

    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"), compute=panics)
        batch_id = await pipeline.upload(KEY, BODY)
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.failure is not None
    assert batch.failure.code == "chunk_failed"
    assert "polars panicked" in batch.failure.reason


def test_a_merger_whose_plan_is_not_here_waits_for_it() -> None:
    async def story() -> tuple[Outcome, Batch]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch = await _until(pipeline, await pipeline.upload(KEY, BODY), BatchState.PROCESSED)
        key = paths.plan_key(batch.batch_id, batch.plan_id or "")
        plan = await pipeline.region.objects.head(key)
        assert plan is not None
        await pipeline.region.objects.delete(key, if_version_is=plan.version_id)
        (delivery,) = await pipeline.region.queues.inbox("merge").receive(max_messages=1, wait_seconds=0)
        verdict = await pipeline.process.runners["merge"].process(delivery)
        return verdict.outcome, await pipeline.batch(batch.batch_id)

    outcome, batch = asyncio.run(story())

    assert outcome is Outcome.RETRY
    assert batch.state is BatchState.PROCESSED
