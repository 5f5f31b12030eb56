"""Many workers finish chunks of one batch at once: the sums keep up with them, and each chunk counts once."""

import asyncio
import random
from collections import deque
from typing import Any

import pytest

from baton.aws.progress import DynamoProgress
from baton.errors import Conflict
from baton.memory import LoopClock
from baton.model.batch import Counts
from baton.ports import ChunkDone, Tally
from baton.testing.virtual_time import run
from fake_dynamodb import BusyTable

CHUNKS = 3_000
WORKERS = 200
CHUNK_SECONDS = 0.4


def _progress(table: BusyTable, seed: int) -> DynamoProgress:
    async def client() -> Any:
        return table

    return DynamoProgress(client, table="progress", dice=random.Random(seed))


def _done(index: int) -> ChunkDone:
    return ChunkDone("b", "p", index, Counts(7, 6, 1), 100, index, 10, index)


async def _work(table: BusyTable) -> tuple[list[Tally], float]:
    """Let the workers do all chunks, every twentieth of them twice; return what each saw, and how long it took."""
    loop, clock = asyncio.get_running_loop(), LoopClock()
    await _progress(table, 0).open("b", "p", chunks=CHUNKS, now=clock.now())
    queue = deque(index for index in range(CHUNKS) for _ in range(1 + (index % 20 == 0)))
    tallies: list[Tally] = []

    async def worker(seed: int) -> None:
        progress = _progress(table, seed)
        dice = random.Random(seed)
        while queue:
            index = queue.popleft()
            await asyncio.sleep(CHUNK_SECONDS * dice.uniform(0.7, 1.3))
            tallies.append(await progress.complete(_done(index), now=clock.now()))

    started = loop.time()
    await asyncio.gather(*map(worker, range(WORKERS)))
    return tallies, loop.time() - started


def test_two_hundred_workers_count_over_four_hundred_chunks_a_second() -> None:
    table = BusyTable()

    tallies, seconds = run(_work(table))

    rate = CHUNKS / seconds
    assert rate > 400, f"{rate:.0f} chunks/s, {table.conflicts} conflicts in {table.transactions} transactions"
    # A partition takes 1,000 units a second: more would be throttled however few conflicts there are.
    assert max(table.writes.values()) < 1_000
    last = tallies[-1]
    assert (last.chunks_done, last.counts) == (CHUNKS, Counts(7 * CHUNKS, 6 * CHUNKS, CHUNKS))
    # Not one too early, and whoever recorded the last chunk knows that it was the last.
    assert max(tally.chunks_done for tally in tallies) == CHUNKS
    assert any(tally.complete for tally in tallies)


def test_a_sum_that_is_always_taken_is_a_conflict_and_no_outage() -> None:
    async def scenario() -> None:
        table, clock = BusyTable(busy=True), LoopClock()
        progress = _progress(table, 1)
        await progress.open("b", "p", chunks=1, now=clock.now())

        with pytest.raises(Conflict, match="12 conflicts"):
            await progress.complete(_done(0), now=clock.now())

    run(scenario())
