"""The ledger is restored to an earlier moment while buckets, queues and tables of the Region are not."""

import asyncio

import pytest

from baton.catalog import load_jobs
from baton.model.states import BatchState
from baton_proof.sales import financial, sales_file
from baton_proof.two_regions import EAST, TwoRegions

SAMPLE = sales_file(records=24, bad=3)
KEY = "input/sales/july.csv"
S = BatchState


async def _world() -> TwoRegions:
    world = TwoRegions(load_jobs("baton_jobs"))
    for pipeline in (world.east, world.west):
        await financial(pipeline.region.reference, SAMPLE)
    return world


@pytest.mark.parametrize("state", [S.ADMITTED, S.SPLIT, S.PROCESSED, S.MERGED])
def test_what_was_mailed_and_archived_is_not_mailed_again(state: BatchState) -> None:
    async def story() -> None:
        world = await _world()
        batch_id = await world.east.upload(KEY, SAMPLE.body)
        await world.until(batch_id, state)
        restore = world.east.region.ledger.saved()
        await world.settle(EAST)
        result = await world.east.result(batch_id)
        assert len(world.mails) == 1

        restore()
        await world.pass_time(1_800, region=EAST, every_seconds=300)

        assert (await world.east.batch(batch_id)).state is S.COMPLETED
        assert await world.east.result(batch_id) == result
        assert len(world.mails) == 1

    asyncio.run(story())


def test_what_was_admitted_later_and_is_done_is_made_again_and_not_mailed_again() -> None:
    async def story() -> None:
        world = await _world()
        restore = world.east.region.ledger.saved()
        batch_id = await world.east.upload(KEY, SAMPLE.body)
        await world.settle(EAST)

        restore()
        await world.pass_time(1_800, region=EAST, every_seconds=300)

        assert (await world.east.batch(batch_id)).state is S.COMPLETED
        assert len(world.mails) == 1

    asyncio.run(story())


def test_what_was_admitted_later_and_is_not_done_is_found_again() -> None:
    async def story() -> None:
        world = await _world()
        restore = world.east.region.ledger.saved()
        batch_id = await world.east.upload(KEY, SAMPLE.body)
        await world.until(batch_id, S.PROCESSED)

        restore()
        await world.pass_time(1_800, region=EAST, every_seconds=300)

        assert (await world.east.batch(batch_id)).state is S.COMPLETED
        assert len(world.mails) == 1

    asyncio.run(story())


def test_messages_of_a_later_epoch_than_the_rows_change_nothing() -> None:
    async def story() -> None:
        world = await _world()
        batch_id = await world.east.upload(KEY, SAMPLE.body)
        batch = await world.until(batch_id, S.SPLIT)
        restore = world.east.region.ledger.saved()
        world.replicate()
        await world.take_over(batch)  # the West has its message, under a later epoch
        restore()
        there = await world.west.batch(batch_id)

        while await world.west.step():
            pass

        assert await world.west.batch(batch_id) == there
        assert world.mails == []

    asyncio.run(story())
