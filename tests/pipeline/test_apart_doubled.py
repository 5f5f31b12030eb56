"""A queue delivers a message twice: in the lane apart that is no second fault, as long as the first attempt lives."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import override

from baton.catalog import load_jobs
from baton.memory import LoopClock, MemoryObjectStore
from baton.messages import APART, SplitBatch
from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.model.states import FINAL, BatchState
from baton.settings import RunnerSettings
from baton.testing import virtual_time
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

READ_SECONDS = 300.0
"""Of the file: longer than any visibility that is set once."""


class _Slow(MemoryObjectStore):
    """Takes its time to read a file, and counts who reads at once."""

    now = most = 0

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(READ_SECONDS)
        self.now -= 1
        async for piece in super().read(key, version_id=version_id, start=start, end=end):
            yield piece


async def _suspected(region: Region, pipeline: Pipeline) -> Batch:
    """Return a batch that was taken over, and whose message waits in the lane apart."""
    info = await region.objects.put("input/passthrough/f.csv", b"a\n1\n")
    await pipeline.process.admitter.admit(info.key, info.version_id)
    batch = await pipeline.batch(batch_id_of(info.key, info.origin))
    (delivery,) = await region.queues.inbox("split").receive(max_messages=1, wait_seconds=0)
    await region.queues.inbox("split").delete([delivery])
    await asyncio.sleep(1)
    apart = replace(batch, apart_epoch=batch.owner_epoch, updated_at=region.clock.now())
    return await region.ledger.update(batch, apart)


def test_two_deliveries_to_processes_that_live_set_nothing_aside_and_are_handled_one_at_a_time() -> None:
    async def story() -> tuple[Batch, int]:
        region = Region(clock=LoopClock())
        store = region.objects = _Slow(region.clock)
        # Two tasks of each service, on the same queues.
        settings = RunnerSettings(wait_seconds=1)
        first, second = (Pipeline(load_jobs("baton_jobs"), region=region, runner_settings=settings) for _ in range(2))
        batch = await _suspected(region, first)
        message = SplitBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch, apart=True)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for pipeline in (first, second):
                for runner in pipeline.process.lanes.values():
                    group.create_task(runner.run(stop))
            await region.queues.outbox().send([message])
            await asyncio.sleep(READ_SECONDS / 4)
            region.queues.show_again("split", APART)
            while (batch := await first.batch(batch.batch_id)).state not in FINAL | {BatchState.QUARANTINED}:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(1)
            stop.set()
        return batch, store.most

    batch, at_once = virtual_time.run(story())

    assert (batch.state, batch.failure) == (BatchState.COMPLETED, None)
    assert at_once == 1
