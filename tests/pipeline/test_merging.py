"""What the merger refuses to publish, and what it reads of the rejects."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Annotated, override

from pydantic import Field

from baton.catalog import Catalog, LoadedJob
from baton.errors import Conflict
from baton.job import Job, Limits, Record
from baton.memory import MemoryObjectStore, MemoryProgress
from baton.model.plan import MIB
from baton.model.states import BatchState
from baton.outcome import Outcome
from baton.ports import ChunkDone, ObjectInfo, Piece, StoredReject, Tally
from baton.topology import REJECTS_INDEXED_MAX
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

KEY = "input/numbers/f.csv"


class _Number(Record):
    number: Annotated[str, Field(pattern="^[0-9]+$")]


def _jobs(limits: Limits = Limits(max_rejects_percent=99)) -> Catalog:  # noqa: B008 - frozen
    job = Job(name="numbers", record=_Number, limits=limits, recipients=("a@example.com",))
    return {"numbers": LoadedJob(job, "1")}


def test_a_retry_does_not_publish_a_batch_over_its_limit() -> None:
    async def story() -> Pipeline:
        pipeline = Pipeline(_jobs(Limits(max_rejects=1)))
        batch_id = await pipeline.upload(KEY, b"number\n1\nx\ny\n4\n5\n")
        await pipeline.drive()
        failed = await pipeline.batch(batch_id)
        assert failed.failure is not None
        assert failed.failure.code == "too_many_rejects"
        retried = failed.moved(BatchState.ADMITTED, at=pipeline.region.clock.now(), by="operator", run=2, failure=None)
        await pipeline.region.ledger.update(failed, retried)
        await pipeline.process.sweeper.sweep()
        await pipeline.drive()

        again = await pipeline.batch(batch_id)
        assert again.run == 2
        assert again.state is BatchState.FAILED
        assert again.failure is not None
        assert again.failure.code == "too_many_rejects"
        assert again.published is None
        return pipeline

    asyncio.run(story())


def test_a_result_of_another_size_than_its_parts_is_not_published() -> None:
    class OneByteMore(MemoryObjectStore):
        @override
        async def compose(self, key: str, pieces: list[Piece], *, content_type: str = "text/csv") -> ObjectInfo:  # pyright: ignore[reportIncompatibleMethodOverride]
            written = await super().compose(key, pieces, content_type=content_type)
            return replace(written, size_bytes=written.size_bytes + 1)

    async def story() -> None:
        region = Region()
        region.objects = OneByteMore(region.clock)
        pipeline = Pipeline(_jobs(), region=region)
        batch_id = await pipeline.upload(KEY, b"number\n1\n")
        await pipeline.drive()

        batch = await pipeline.batch(batch_id)
        assert batch.failure is not None
        assert batch.failure.code == "conservation"
        assert batch.published is None

    asyncio.run(story())


def test_of_large_rejects_no_more_is_read_than_the_bound() -> None:
    read: list[int] = []

    class Measured(MemoryObjectStore):
        @override
        async def get(
            self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
        ) -> bytes:
            body = await super().get(key, version_id=version_id, start=start, end=end)
            if "/rejects/" in key:
                read.append(len(body))
            return body

    async def story() -> list[StoredReject]:
        region = Region()
        region.objects = Measured(region.clock)
        pipeline = Pipeline(_jobs(), region=region, chunk_bytes=16 * MIB)
        # Ten kilobytes in the rejects part each: 8 MiB, of which only the beginning is read.
        lines = [f"x{index:04d}".ljust(5_000, "x") if index % 3 else str(index) for index in range(1_200)]
        batch_id = await pipeline.upload(KEY, "\n".join(["number", *lines]).encode())
        await pipeline.drive()
        batch = await pipeline.batch(batch_id)
        assert batch.state is BatchState.COMPLETED
        return list(await region.rejects.list(batch_id, batch.plan_id or "", limit=5_000))

    indexed = asyncio.run(story())

    assert 300 < len(indexed) < 800
    assert [each.record_number for each in indexed[:3]] == [2, 3, 5]
    assert sum(read) <= 4 * MIB


def test_no_more_than_a_thousand_rejects_are_kept_for_queries() -> None:
    async def story() -> list[StoredReject]:
        pipeline = Pipeline(_jobs(), chunk_bytes=1_000)
        batch_id = await pipeline.upload(KEY, b"number\n1\n" + b"x\n" * 2_500 + b"1\n" * 100)
        await pipeline.drive()
        plan_id = (await pipeline.batch(batch_id)).plan_id or ""
        return list(await pipeline.region.rejects.list(batch_id, plan_id, limit=5_000))

    assert [each.record_number for each in asyncio.run(story())] == list(range(2, 2 + REJECTS_INDEXED_MAX))


def test_a_chunk_that_finds_the_sums_taken_waits_and_holds_nobody_up() -> None:
    class Taken(MemoryProgress):
        times = 3

        @override
        async def complete(self, done: ChunkDone, *, now: datetime) -> Tally:
            if self.times:
                self.times -= 1
                raise Conflict("others were quicker")
            return await super().complete(done, now=now)

    async def story() -> None:
        region = Region()
        region.progress = Taken()
        pipeline = Pipeline(_jobs(), region=region)
        batch_id = await pipeline.upload(KEY, b"number\n1\n")
        (split,) = await region.queues.inbox("split").receive(max_messages=1, wait_seconds=0)
        await pipeline.process.runners["split"].process(split)
        (chunk,) = await region.queues.inbox("chunk").receive(max_messages=1, wait_seconds=0)

        verdict = await pipeline.process.runners["chunk"].process(chunk)

        assert verdict.outcome is Outcome.RETRY
        await region.queues.inbox("chunk").set_visibility(chunk, seconds=0)
        await pipeline.drive()
        assert (await pipeline.batch(batch_id)).state is BatchState.COMPLETED

    asyncio.run(story())
