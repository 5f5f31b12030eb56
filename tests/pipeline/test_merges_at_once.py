"""What a merger reads for the index of rejects is bounded, however many batches it merges at once."""

import asyncio
from typing import Annotated

import pytest
from pydantic import Field

from baton.catalog import Catalog, LoadedJob
from baton.job import Job, Limits, Record
from baton.model.states import BatchState
from baton_proof.pipeline import Pipeline
from merger.handler import PARTS_INDEXED_AT_ONCE

BATCHES = 3


class Digits(Record):
    left: Annotated[str, Field(pattern="^[0-9]+$")]


_JOB = Job(name="p", record=Digits, limits=Limits(max_rejects_percent=100), recipients=("a@example.com",))
CATALOG: Catalog = {"p": LoadedJob(_JOB, "1")}


def test_parts_of_one_batch_at_a_time_are_read_for_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(CATALOG, chunk_bytes=200)
    objects = pipeline.region.objects
    plain, reading, most = objects.get, 0, 0

    async def get(key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        nonlocal reading, most
        if "rejects" not in key:
            return await plain(key, version_id=version_id, start=start, end=end)
        reading += 1
        most = max(most, reading)
        for _ in range(100):  # as many turns as the others need to get here
            await asyncio.sleep(0)
        reading -= 1
        return await plain(key, start=start, end=end)

    monkeypatch.setattr(objects, "get", get)

    async def work() -> list[BatchState]:
        body = b"left\n" + b"1\nx\n" * 1_000
        ids = [await pipeline.upload(f"input/p/{number}.csv", body) for number in range(BATCHES)]
        queues = pipeline.region.queues
        while len(queues.queued("merge")) < BATCHES:
            for kind in ("split", "chunk"):
                for delivery in await queues.inbox(kind).receive(max_messages=10, wait_seconds=0):
                    assert (await pipeline.process.runners[kind].process(delivery)).delete
                    await queues.inbox(kind).delete([delivery])
        merges = await queues.inbox("merge").receive(max_messages=10, wait_seconds=0)
        await asyncio.gather(*map(pipeline.process.runners["merge"].process, merges))
        return [(await pipeline.batch(batch_id)).state for batch_id in ids]

    assert asyncio.run(work()) == [BatchState.MERGED] * BATCHES
    assert most == PARTS_INDEXED_AT_ONCE
