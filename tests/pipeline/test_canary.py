"""Canaries go the whole way through their own Region, are not mailed, and leave nothing behind."""

import asyncio

import pytest

from baton.canary import EXPECTED_REJECTS, EXPECTED_RESULT, INPUT, canary_epoch, canary_key, clear_away
from baton.catalog import load_jobs
from baton.model.batch import Batch
from baton.model.control import Phase
from baton.model.states import BatchState
from baton.topology import REGIONS_DEFAULT
from baton_proof.pipeline import Pipeline
from baton_proof.two_regions import EAST, WEST, TwoRegions

S = BatchState
STATES = [S.ADMITTED, S.SPLIT, S.PROCESSED, S.MERGED, S.COMPLETED]


def _world() -> TwoRegions:
    return TwoRegions(load_jobs("baton_jobs"))


async def _objects(pipeline: Pipeline) -> list[str]:
    return [info.key async for info in pipeline.region.objects.list("")]


async def _sent(world: TwoRegions, region: str = WEST, name: str = "east-1") -> str:
    return await world.pipelines[region].upload(canary_key(region, name), INPUT)


@pytest.mark.parametrize("region", REGIONS_DEFAULT)
@pytest.mark.parametrize("phase", Phase)
def test_a_canary_goes_the_whole_way_whatever_region_is_active_and_whatever_is_under_way(
    region: str, phase: Phase
) -> None:
    async def story() -> None:
        world = _world()
        await world.control(phase=phase)
        pipeline = world.pipelines[region]
        batch_id = await _sent(world, region)
        await world.settle(region)

        batch = await pipeline.batch(batch_id)
        assert (batch.state, batch.failure) == (S.COMPLETED, None)
        assert (batch.job, batch.owner_epoch) == ("canary", canary_epoch(region, REGIONS_DEFAULT))
        assert batch.is_canary
        assert await pipeline.result(batch_id) == EXPECTED_RESULT
        assert batch.counts.rejects == EXPECTED_REJECTS
        assert batch.is_announced
        assert world.mails == []
        assert {key.partition("/")[0] for key in await _objects(pipeline)} == {"canary-work"}
        assert all(f"canary-work/{batch_id}/" in key for key in await _objects(pipeline))
        assert world.link.backlog() == {EAST: 0, WEST: 0}

    asyncio.run(story())


def test_a_canary_of_another_region_is_left_alone() -> None:
    async def story() -> bool:
        world = _world()
        batch_id = await world.east.upload(canary_key(WEST, "x"), INPUT)
        await world.pass_time(600, region=EAST)
        return await world.east.region.ledger.get(batch_id) is None

    assert asyncio.run(story())


def test_a_canary_whose_event_was_lost_proves_nothing_by_being_found() -> None:
    async def story() -> bool:
        world = _world()
        batch_id = await world.east.upload(canary_key(EAST, "x"), INPUT, announce=False)
        await world.pass_time(600, region=EAST)
        return await world.east.region.ledger.get(batch_id) is None

    assert asyncio.run(story())


def test_a_canary_that_is_cleared_away_leaves_nothing_and_no_late_event_brings_it_back() -> None:
    async def story() -> None:
        world = _world()
        key = canary_key(WEST, "x")
        info = await world.west.region.objects.put(key, INPUT)
        batch = await world.west.process.admitter.admit(key, info.version_id)
        assert batch is not None
        await world.settle(WEST)
        region = world.west.region
        for _ in range(2):
            done = await region.ledger.get(batch.batch_id) or batch.moved(S.COMPLETED, at=batch.updated_at, by=WEST)
            await clear_away(done, ledger=region.ledger, objects=region.objects)
        await world.west.announce(key, info.version_id)
        await world.settle(WEST)
        assert await _objects(world.west) == []
        assert await region.ledger.get(batch.batch_id) is None

    asyncio.run(story())


@pytest.mark.parametrize("state", STATES)
def test_a_canary_that_nobody_looks_after_is_gone_after_a_quarter_of_an_hour(state: BatchState) -> None:
    async def story() -> None:
        world = _world()
        batch_id = await _sent(world)
        batch = await world.until(batch_id, state, region=WEST)
        region = world.west.region
        for _ in range(29):
            world.clock.advance(30)
            await world.west.process.sweeper.sweep()
            await world.east.process.sweeper.sweep()
        assert await region.ledger.get(batch_id) == batch, "it was touched before its time"
        world.clock.advance(40)
        await world.east.process.sweeper.sweep()
        await world.west.process.sweeper.sweep()
        assert await region.ledger.get(batch_id) is None
        assert await _objects(world.west) == []
        assert world.mails == []

    asyncio.run(story())


def test_a_file_that_no_row_knows_is_removed_as_well() -> None:
    async def story() -> list[str]:
        world = _world()
        await world.west.upload(canary_key(WEST, "x"), INPUT, announce=False)
        world.clock.advance(1_000)
        await world.west.process.sweeper.sweep()
        return await _objects(world.west)

    assert asyncio.run(story()) == []


def test_a_failed_canary_is_told_to_nobody() -> None:
    async def story() -> Batch:
        world = _world()
        batch_id = await world.west.upload(canary_key(WEST, "x"), b"")
        await world.settle(WEST)
        assert world.mails == []
        return await world.west.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.state is S.FAILED
    assert batch.is_settled


@pytest.mark.parametrize("state", STATES)
def test_a_canary_is_never_taken_over(state: BatchState) -> None:
    async def story() -> None:
        world = _world()
        batch = await world.until(await _sent(world), state, region=WEST)
        with pytest.raises(ValueError, match="canary"):
            await world.batches(EAST).take_over(batch, epoch=4)

    asyncio.run(story())


def test_only_canaries_are_cleared_away() -> None:
    async def story() -> None:
        world = _world()
        batch_id = await world.east.upload("input/passthrough/f.csv", b"a\n1\n")
        batch = await world.until(batch_id, S.COMPLETED)
        with pytest.raises(ValueError, match="no canary"):
            await clear_away(batch, ledger=world.east.region.ledger, objects=world.east.region.objects)

    asyncio.run(story())


def test_a_file_sent_to_the_canaries_job_is_an_unknown_job_and_told_to_the_operators() -> None:
    async def story() -> tuple[Batch, list[str]]:
        world = _world()
        batch_id = await world.east.upload("input/canary/f.csv", INPUT)
        await world.east.drive()
        return await world.east.batch(batch_id), [each.spec for each in world.east.region.mailer.outbox[0].recipients]

    batch, recipients = asyncio.run(story())

    assert batch.failure is not None
    assert batch.failure.code == "unknown_job"
    assert "canary." not in batch.failure.reason
    assert recipients == ["operators@example.com"]
