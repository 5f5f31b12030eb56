"""Two batches side by side: a large one does not make a small one wait for all of its chunks."""

import asyncio
from collections.abc import Callable

from baton.catalog import load_jobs
from baton.memory import LoopClock
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

CHUNK_SECONDS = 0.5


async def _half_a_second[T](work: Callable[[], T], /) -> T:
    await asyncio.sleep(CHUNK_SECONDS / 2)  # a chunk has two pieces of CPU work
    return work()


def test_a_batch_of_a_thousand_chunks_does_not_starve_a_batch_of_one() -> None:
    async def story() -> tuple[float, int, int]:
        pipeline = Pipeline(
            load_jobs("baton_jobs"), region=Region(clock=LoopClock()), chunk_bytes=10, compute=_half_a_second
        )
        large = await pipeline.upload("input/passthrough/large.csv", b"a\n" + b"123456789\n" * 1_000)
        loop = asyncio.get_running_loop()

        async def large_is_going() -> bool:
            batch = await pipeline.batch(large)
            tally = await pipeline.region.progress.tally(large, batch.plan_id) if batch.plan_id else None
            return tally is not None and tally.chunks_done >= 10

        await pipeline.serve(large_is_going)
        small = await pipeline.upload("input/passthrough/small.csv", b"a\n1\n")
        sent_at = loop.time()

        async def small_is_done() -> bool:
            return (await pipeline.batch(small)).state is BatchState.COMPLETED

        await pipeline.serve(small_is_done)
        plan_id = (await pipeline.batch(large)).plan_id
        assert plan_id is not None
        tally = await pipeline.region.progress.tally(large, plan_id)
        assert tally is not None
        return loop.time() - sent_at, tally.chunks_done, tally.chunks

    seconds, large_done, large_chunks = virtual_time.run(story())

    assert large_chunks == 1_000
    assert large_done < 100, "the small batch waited for the large one"
    assert seconds < 60
