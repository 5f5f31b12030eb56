"""Lost inputs are found, lost messages are sent again, and what cannot continue ends FAILED with a reason."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from baton.catalog import load_jobs
from baton.memory import MemoryLedger, MemoryObjectStore, Refusal
from baton.memory.objects import Version
from baton.messages import KINDS, Kind
from baton.model.batch import Batch
from baton.model.identity import next_epoch
from baton.model.states import BatchState
from baton.topology import REGIONS_DEFAULT
from baton_proof.pipeline import Pipeline
from baton_proof.sales import financial, sales_file

SAMPLE = sales_file(records=24)
KEY = "input/sales/f.csv"


async def _pipeline() -> Pipeline:
    pipeline = Pipeline(load_jobs("baton_jobs"))
    await financial(pipeline.region.reference, SAMPLE)
    return pipeline


async def _drop(pipeline: Pipeline, kind: Kind) -> int:
    """Lose every message of a queue, as a purge or a dead-lettered consumer would; return how many."""
    inbox = pipeline.region.queues.inbox(kind)
    lost = 0
    while deliveries := await inbox.receive(max_messages=10, wait_seconds=0):
        await inbox.delete(deliveries)
        lost += len(deliveries)
    return lost


async def _step_until_queued(pipeline: Pipeline, kind: Kind) -> None:
    while not pipeline.region.queues.queued(kind):
        assert await pipeline.step()


@pytest.mark.parametrize("kind", KINDS)
def test_lost_messages_of_any_queue_are_sent_again(kind: Kind) -> None:
    async def story() -> tuple[int, Batch, int]:
        pipeline = await _pipeline()
        batch_id = await pipeline.upload(KEY, SAMPLE.body)
        await _step_until_queued(pipeline, kind)
        lost = await _drop(pipeline, kind)
        await pipeline.drive()
        return lost, await pipeline.batch(batch_id), len(pipeline.region.mailer.outbox)

    lost, batch, mails = asyncio.run(story())

    assert lost >= 1
    assert batch.state is BatchState.COMPLETED
    assert batch.counts.records_out == 24
    assert mails == 1


@pytest.mark.parametrize("by", [Refusal.FORBIDDEN, Refusal.THROTTLED])
def test_a_queue_that_cannot_be_counted_hides_no_message_that_another_one_lost(by: Refusal) -> None:
    async def story() -> tuple[Batch, Batch]:
        pipeline = await _pipeline()
        done = await pipeline.upload(KEY, SAMPLE.body)
        await _step_until_queued(pipeline, "notify")
        await _drop(pipeline, "notify")
        standing = await pipeline.upload("input/sales/other.csv", SAMPLE.body)
        await _step_until_queued(pipeline, "chunk")
        pipeline.region.queues.refusals.refuse("backlog", by=by, key="chunk")
        for _ in range(20):
            pipeline.advance(30)
            await pipeline.process.sweeper.sweep()
        while pipeline.region.queues.queued("notify"):
            assert await pipeline.step()
        return await pipeline.batch(done), await pipeline.batch(standing)

    done, standing = asyncio.run(story())

    assert done.state is BatchState.COMPLETED
    assert standing.state is not BatchState.FAILED


def test_a_canary_that_nobody_may_look_at_keeps_no_other_from_being_removed() -> None:
    async def story() -> list[str]:
        pipeline = await _pipeline()
        folder = f"canary/{pipeline.region.region}/"
        for name in ("a", "b", "c"):
            await pipeline.upload(f"{folder}{name}.csv", b"number,word\n1,one\n", announce=False)
        pipeline.region.objects.refusals.refuse("head", by=Refusal.KMS, key=f"{folder}a.csv")
        pipeline.advance(3_600)
        await pipeline.process.sweeper.sweep()
        return [info.key.removeprefix(folder) async for info in pipeline.region.objects.list(folder)]

    assert asyncio.run(story()) == ["a.csv"]


def test_a_batch_that_never_moves_again_ends_failed_and_announced() -> None:
    async def story() -> tuple[Batch, int]:
        pipeline = await _pipeline()
        batch_id = await pipeline.upload(KEY, SAMPLE.body)
        for _ in range(2_000):
            if (await pipeline.batch(batch_id)).state is BatchState.FAILED:
                break
            await _drop(pipeline, "split")
            pipeline.advance(30)
            await pipeline.process.sweeper.sweep()
        await pipeline.drive()
        return await pipeline.batch(batch_id), len(pipeline.region.mailer.outbox)

    batch, mails = asyncio.run(story())

    assert batch.failure is not None
    assert batch.failure.code == "stalled"
    assert mails == 1


def test_a_file_that_has_not_reached_this_region_is_waited_for() -> None:
    async def story() -> tuple[BatchState, Batch]:
        pipeline = await _pipeline()
        region = pipeline.region
        there = MemoryObjectStore(region.clock, region=REGIONS_DEFAULT[1])
        written: list[Version] = []
        there.listen(written.append)
        original = await there.put(KEY, SAMPLE.body)
        info = await region.objects.put(KEY, SAMPLE.body)
        admitted = await pipeline.process.admitter.admit(KEY, info.version_id)
        assert admitted is not None
        # The row speaks of a version of the other Region that is not here yet.
        elsewhere = replace(admitted.source, version_id=original.version_id)
        moved = replace(admitted, source=elsewhere, updated_at=admitted.updated_at + timedelta(seconds=1))
        await region.ledger.update(admitted, moved)
        while await pipeline.step():
            pass
        waiting = await pipeline.batch(admitted.batch_id)
        region.objects.replicate(written[0])
        await pipeline.drive()
        return waiting.state, await pipeline.batch(admitted.batch_id)

    waiting, batch = asyncio.run(story())

    assert waiting is BatchState.WAITING_INPUT
    assert batch.state is BatchState.COMPLETED


def test_a_file_that_never_arrives_fails_at_the_deadline() -> None:
    async def story() -> Batch:
        pipeline = await _pipeline()
        info = await pipeline.region.objects.put(KEY, SAMPLE.body)
        admitted = await pipeline.process.admitter.admit(KEY, info.version_id)
        assert admitted is not None
        elsewhere = replace(admitted.source, version_id="never-comes")
        moved = replace(admitted, source=elsewhere, updated_at=admitted.updated_at + timedelta(seconds=1))
        await pipeline.region.ledger.update(admitted, moved)
        for _ in range(24 * 60 + 10):
            while await pipeline.step():
                pass
            pipeline.advance(60)
            await pipeline.process.sweeper.open_batches.sweep()
        return await pipeline.batch(admitted.batch_id)

    batch = asyncio.run(story())

    assert batch.failure is not None
    assert batch.failure.code == "deadline"
    assert "never reached" in batch.failure.reason


def test_a_region_that_is_not_active_admits_nothing() -> None:
    async def story() -> bool:
        pipeline = await _pipeline()
        await _activate(pipeline.region.ledger, REGIONS_DEFAULT[1])
        batch_id = await pipeline.upload(KEY, SAMPLE.body)
        await pipeline.drive()
        return await pipeline.region.ledger.get(batch_id) is None

    assert asyncio.run(story())


def test_a_file_is_admitted_when_its_region_becomes_active_later() -> None:
    async def story() -> Batch:
        pipeline = await _pipeline()
        ledger = pipeline.region.ledger
        await _activate(ledger, REGIONS_DEFAULT[1])
        batch_id = await pipeline.upload(KEY, SAMPLE.body)
        await _activate(ledger, REGIONS_DEFAULT[0])
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    assert asyncio.run(story()).state is BatchState.COMPLETED


def test_rows_of_finished_batches_are_forgotten_after_fourteen_days_and_not_before() -> None:
    async def story() -> tuple[bool, bool, bool]:
        pipeline = await _pipeline()
        done = await pipeline.upload(KEY, SAMPLE.body)
        failed = await pipeline.upload("input/sales/bad.csv", b"no;header\n")
        await pipeline.drive()
        pipeline.advance(14 * 86_400 - 3_600)
        await pipeline.process.sweeper.sweep()
        before = await pipeline.region.ledger.get(done) is not None
        pipeline.advance(2 * 86_400)
        await pipeline.process.sweeper.sweep()
        gone = await pipeline.region.ledger.get(done) is None
        # A failed file lies in `input/` until somebody retries or removes it: without its row it would start again.
        kept = await pipeline.region.ledger.get(failed) is not None
        return before, gone, kept

    assert asyncio.run(story()) == (True, True, True)


async def _activate(ledger: MemoryLedger, region: str) -> None:
    control = await ledger.control()
    moved = control.changed(epoch=next_epoch(control.epoch, region, REGIONS_DEFAULT), active_region=region)
    await ledger.set_control(moved, before=control)
