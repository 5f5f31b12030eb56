"""Many workers finish chunks of one batch at once: the sums keep up with them, and each chunk counts once."""

import asyncio
import random
import sys
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import pytest

from baton.aws.dynamodb.progress import DynamoProgress
from baton.errors import Conflict
from baton.memory import LoopClock
from baton.model.batch import Counts
from baton.ports import ChunkDone, RejectCount, Tally
from baton.testing.virtual_time import run
from fake_dynamodb import BusyTable
from loop_steps import LOOP_SECONDS_MAX, steps_of

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
    # Not one too early, and the writer of the last chunk knows that it was the last.
    assert max(tally.chunks_done for tally in tallies) == CHUNKS
    assert any(tally.complete for tally in tallies)


def test_thousands_of_chunks_are_read_without_holding_the_event_loop() -> None:
    table, now = BusyTable(), datetime(2026, 1, 1, tzinfo=UTC)
    reasons = tuple(RejectCount(f"column {number}", "string_too_short", 1) for number in range(20))
    progress = _progress(table, 1)

    async def finish() -> None:
        await progress.open("b", "p", chunks=3_000, now=now)
        for some in batched(range(3_000), 15):
            await asyncio.gather(*(progress.complete(replace(_done(n), reject_counts=reasons), now=now) for n in some))

    run(finish())
    done, seconds = steps_of(progress.done("b", "p"))

    assert [each.index for each in done] == list(range(3_000))
    assert done[-1].reject_counts == reasons
    assert max(seconds) < LOOP_SECONDS_MAX


def test_equal_reasons_of_many_chunks_are_held_once() -> None:
    table, now, chunks = BusyTable(), datetime(2026, 1, 1, tzinfo=UTC), 200
    progress = _progress(table, 1)

    async def finish() -> None:
        await progress.open("b", "p", chunks=chunks, now=now)
        for index in range(chunks):  # each with texts of its own, as off the wire
            reasons = tuple(RejectCount(f"column {number:090}", f"rule {number:090}", 1) for number in range(20))
            await progress.complete(replace(_done(index), reject_counts=reasons), now=now)

    run(finish())
    done = run(progress.done("b", "p"))

    held = {id(text): text for each in done for count in each.reject_counts for text in (count.column, count.rule)}
    assert sum(map(sys.getsizeof, held.values())) < 40 * 200


def test_a_sum_that_is_always_taken_is_a_conflict_and_no_outage() -> None:
    async def scenario() -> None:
        table, clock = BusyTable(busy=True), LoopClock()
        progress = _progress(table, 1)
        await progress.open("b", "p", chunks=1, now=clock.now())

        with pytest.raises(Conflict, match="12 conflicts"):
            await progress.complete(_done(0), now=clock.now())

    run(scenario())
