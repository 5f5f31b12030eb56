"""What every progress table does."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from baton.errors import NotFound
from baton.model.batch import Counts
from baton.ports import ChunkDone, RejectCount
from worlds import Ports, in_world


def done(index: int, *, plan_id: str = "p1") -> ChunkDone:
    return ChunkDone(
        batch_id="b1",
        plan_id=plan_id,
        index=index,
        counts=Counts(records_in=100 + index, records_out=90 + index, rejects=10),
        part_bytes=5_000_000_000 + index,
        part_crc64nvme=2**64 - 1 - index,
        rejects_bytes=0,
        rejects_crc64nvme=0,
    )


@in_world
async def test_a_plan_is_opened_once(ports: Ports) -> None:
    now = ports.clock.now()

    opened = await ports.progress.open("b1", "p1", chunks=3, now=now)
    await ports.progress.complete(done(0), now=now)
    again = await ports.progress.open("b1", "p1", chunks=3, now=now + timedelta(hours=1))

    assert (opened.chunks, opened.chunks_done, opened.counts, opened.updated_at) == (3, 0, Counts(), now)
    assert (again.chunks_done, again.counts) == (1, done(0).counts)


@in_world
async def test_a_chunk_counts_once_however_often_it_is_done(ports: Ports) -> None:
    now = ports.clock.now()
    await ports.progress.open("b1", "p1", chunks=2, now=now)

    once = await ports.progress.complete(done(0), now=now + timedelta(seconds=1))
    twice = await ports.progress.complete(done(0), now=now + timedelta(seconds=2))
    both = await ports.progress.complete(done(1), now=now + timedelta(seconds=3))

    assert once == twice
    assert (once.complete, both.complete) == (False, True)
    assert both.counts == done(0).counts + done(1).counts
    assert both.updated_at == now + timedelta(seconds=3)
    assert await ports.progress.tally("b1", "p1") == both


@in_world
async def test_plans_do_not_mix(ports: Ports) -> None:
    now = ports.clock.now()
    await ports.progress.open("b1", "p1", chunks=2, now=now)
    await ports.progress.open("b1", "p2", chunks=5, now=now)

    await ports.progress.complete(done(0, plan_id="p2"), now=now)

    first, second = await ports.progress.tally("b1", "p1"), await ports.progress.tally("b1", "p2")
    assert (first and first.chunks_done, second and second.chunks_done) == (0, 1)
    assert not await ports.progress.is_done("b1", "p1", 0)
    assert await ports.progress.is_done("b1", "p2", 0)


@in_world
async def test_a_plan_that_was_never_opened_takes_no_chunk(ports: Ports) -> None:
    with pytest.raises(NotFound):
        await ports.progress.complete(done(0), now=ports.clock.now())

    assert await ports.progress.tally("b1", "p1") is None
    assert list(await ports.progress.done("b1", "p1")) == []
    assert not await ports.progress.is_done("b1", "p1", 0)


@in_world
async def test_finished_chunks_come_back_whole_and_by_index(ports: Ports) -> None:
    now = ports.clock.now()
    await ports.progress.open("b1", "p1", chunks=12, now=now)
    for index in (11, 2, 0, 10, 1):
        await ports.progress.complete(done(index), now=now)

    finished = await ports.progress.done("b1", "p1")

    assert list(finished) == [done(index) for index in (0, 1, 2, 10, 11)]


@in_world
async def test_a_plan_of_many_chunks_is_opened_counted_and_read_as_a_small_one(ports: Ports) -> None:
    now = ports.clock.now()
    with pytest.raises(NotFound):
        await ports.progress.complete(done(99), now=now)
    assert not await ports.progress.is_done("b1", "p1", 99)
    await ports.progress.open("b1", "p1", chunks=100, now=now)

    tallies = [
        await ports.progress.complete(done(99 - second), now=now + timedelta(seconds=second))
        for second in range(100)
        for _ in range(2)
    ]

    assert [tally.chunks_done for tally in tallies] == [count for count in range(1, 101) for _ in range(2)]
    assert {tally.chunks for tally in tallies} == {100}
    assert tallies[-1].counts == sum((done(index).counts for index in range(100)), Counts())
    assert tallies[-1].updated_at == now + timedelta(seconds=99)
    assert list(await ports.progress.done("b1", "p1")) == [done(index) for index in range(100)]
    assert await ports.progress.is_done("b1", "p1", 99)
    assert list(await ports.progress.done("b1", "p")) == []


@in_world
async def test_the_most_frequent_reasons_of_a_chunk_are_kept(ports: Ports) -> None:
    now = ports.clock.now()
    counts = tuple(RejectCount(f"c{number}" * 60, "r" * 101, records=99 - number) for number in range(30))
    await ports.progress.open("b1", "p1", chunks=1, now=now)

    await ports.progress.complete(replace(done(0), reject_counts=counts), now=now)

    (found,) = await ports.progress.done("b1", "p1")
    assert found.reject_counts == tuple(RejectCount(each.column[:100], "r" * 100, each.records) for each in counts[:20])


@in_world
async def test_chunks_that_finish_at_once_all_count(ports: Ports) -> None:
    now = ports.clock.now()
    await ports.progress.open("b1", "p1", chunks=32, now=now)

    tallies = await asyncio.gather(*(ports.progress.complete(done(index), now=now) for index in range(32)))

    tally = await ports.progress.tally("b1", "p1")
    assert tally is not None
    assert tally.complete
    assert tally.counts == sum((done(index).counts for index in range(32)), Counts())
    # The worker of the last chunk must see it, or the batch would never be merged.
    assert any(each.complete for each in tallies)


@in_world
async def test_one_chunk_done_by_many_at_once_counts_once(ports: Ports) -> None:
    now = ports.clock.now()
    await ports.progress.open("b1", "p1", chunks=2, now=now)

    tallies = await asyncio.gather(*(ports.progress.complete(done(0), now=now) for _ in range(16)))

    assert {each.chunks_done for each in tallies} == {1}
    assert {each.counts for each in tallies} == {done(0).counts}
