"""Who admits what and when: while a switch drains, around the moment of a switch, and on behalf of the other Region."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from baton.admission import admit_all
from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import LoopClock
from baton.messages import KINDS
from baton.model.batch import Batch, Step
from baton.model.control import Phase
from baton.model.identity import batch_id_of, next_epoch
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import measured, recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.two_regions import EAST, WEST, TwoRegions
from splitter.batch_sweep import OpenReport

KEY = "input/passthrough/f.csv"
BODY = b"a\n1\n2\n"
S = BatchState


def _world(lines: list[dict[str, Any]] | None = None) -> TwoRegions:
    return TwoRegions(load_jobs("baton_jobs"), log=recording_log(lines) if lines is not None else None)


async def _sent(pipeline: Pipeline, *, announce: bool = False) -> str:
    return await pipeline.upload(KEY, BODY, announce=announce)


# --- while a planned switch drains ------------------------------------------------------------------------------------


def test_a_region_that_drains_admits_nothing_and_keeps_the_event() -> None:
    async def story() -> tuple[bool, BatchState]:
        world = _world()
        batch_id = await _sent(world.east)
        await world.control(phase=Phase.DRAINING, drains_until=world.clock.now() + timedelta(hours=1))
        record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": KEY}}}
        with pytest.raises(Unavailable, match="planned switch"):
            await admit_all({"Records": [record]}, world.east.process.admitter)
        await world.pass_time(300, region=EAST)
        await world.pass_time(600, region=WEST)
        drained = await world.east.region.ledger.get(batch_id) is None
        await world.control(phase=Phase.STEADY)
        await world.east.drive()
        return drained, (await world.east.batch(batch_id)).state

    assert asyncio.run(story()) == (True, S.COMPLETED)


def test_batches_that_were_admitted_before_go_on_while_it_drains() -> None:
    async def story() -> BatchState:
        world = _world()
        batch_id = await _sent(world.east, announce=True)
        await world.control(phase=Phase.DRAINING)
        await world.east.drive()
        return (await world.east.batch(batch_id)).state

    assert asyncio.run(story()) is S.COMPLETED


@pytest.mark.parametrize("told", [True, False])
def test_a_drain_that_no_controller_ends_is_over_for_the_services_at_its_deadline(*, told: bool) -> None:
    """By the deadline in the row; of a row without one, which an older version wrote, after five minutes."""

    async def story() -> tuple[bool, BatchState]:
        world = _world()
        began = world.clock.now()
        await world.control(
            phase=Phase.DRAINING, phase_since=began, drains_until=began + timedelta(seconds=30) if told else None
        )
        batch_id = await _sent(world.east)
        early = await world.east.region.ledger.get(batch_id) is not None
        await world.pass_time(29 if told else 299, region=EAST)
        early = early or await world.east.region.ledger.get(batch_id) is not None
        await world.pass_time(120, region=EAST)
        await world.east.drive()
        return early, (await world.east.batch(batch_id)).state

    assert asyncio.run(story()) == (False, S.COMPLETED)


# --- on behalf of the active Region -----------------------------------------------------------------------------------


def test_a_file_that_only_the_standby_has_gets_a_row_and_waits_for_its_replica() -> None:
    async def story() -> tuple[Batch | None, Batch, int, Batch, Batch]:
        world = _world()
        batch_id = await _sent(world.west, announce=True)
        await world.pass_time(270)
        early = await world.west.region.ledger.get(batch_id)
        await world.pass_time(60)
        admitted = await world.west.batch(batch_id)
        sent = sum(len(each.region.queues.queued(kind)) for each in world.pipelines.values() for kind in KINDS)
        await world.pass_time(900, region=EAST)
        waiting = await world.west.batch(batch_id)
        world.replicate()
        await world.east.drive()
        return early, admitted, sent, waiting, await world.east.batch(batch_id)

    early, admitted, sent, waiting, ended = asyncio.run(story())

    assert early is None
    assert (admitted.state, admitted.owner_epoch, sent) == (S.ADMITTED, 2, 0)
    assert admitted.history == (Step(admitted.admitted_at, S.ADMITTED, WEST),)
    assert waiting.state is S.WAITING_INPUT
    assert ended.state is S.COMPLETED


def test_a_replica_of_what_the_active_region_has_in_hand_is_left_alone() -> None:
    async def story() -> tuple[Batch, Batch, int]:
        world = _world()
        batch_id = await _sent(world.east, announce=True)
        world.replicate()
        world.link.set(cut=True)
        await world.east.drive()
        before = await world.east.batch(batch_id)
        # Its delete marker is late: completed over there, and still in `input/` here.
        await world.pass_time(3_600)
        sent = sum(len(world.west.region.queues.queued(kind)) for kind in KINDS)
        return before, await world.west.batch(batch_id), sent

    before, after, sent = asyncio.run(story())

    assert before.state is S.COMPLETED
    assert after == before
    assert sent == 0


def test_what_is_so_old_that_its_row_may_be_forgotten_is_not_started_again() -> None:
    async def story() -> bool:
        world = _world()
        batch_id = await _sent(world.west)
        world.clock.advance(13.1 * 86_400)
        await world.pass_time(600)
        return await world.west.region.ledger.get(batch_id) is None

    assert asyncio.run(story())


def test_a_file_of_the_standby_is_its_own_once_it_is_active() -> None:
    async def story() -> tuple[Batch, int]:
        world = _world()
        batch_id = await _sent(world.west)
        await world.activate(WEST)
        await world.west.process.sweeper.sweep(just_activated=True)
        admitted = await world.west.batch(batch_id)
        await world.west.drive()
        return admitted, len(world.mails)

    admitted, mails = asyncio.run(story())

    assert (admitted.owner_epoch, mails) == (3, 1)


def test_no_region_admits_twice_what_both_can_see() -> None:
    async def story() -> tuple[Batch, int]:
        world = _world()
        batch_id = await _sent(world.west)
        await world.pass_time(330)
        world.replicate()
        info = await world.east.region.objects.head(KEY)
        assert info is not None
        await world.east.announce(KEY, info.version_id)
        await world.activate(WEST)
        await world.west.process.sweeper.sweep(just_activated=True)
        taken = await world.take_over(await world.west.batch(batch_id))
        await world.west.drive()
        await world.pass_time(600, region=EAST)
        assert taken.owner_epoch == 3
        return await world.west.batch(batch_id), len(world.mails)

    batch, mails = asyncio.run(story())

    assert (batch.state, mails) == (S.COMPLETED, 1)


# --- around a switch --------------------------------------------------------------------------------------------------


def _seconds_until_admitted(*, here: str) -> float:
    """Let the West become active; return how long a file that lies in `here` then waits for its row."""

    async def story() -> float:
        region = Region(region=here, clock=LoopClock())
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
        await asyncio.sleep(1_001)
        control = await region.ledger.control()
        info = await region.objects.put(KEY, BODY)
        await asyncio.sleep(1)
        epoch = next_epoch(control.epoch, WEST, REGIONS_DEFAULT)
        await region.ledger.set_control(control.changed(epoch=epoch, active_region=WEST), before=control)
        loop = asyncio.get_running_loop()
        switched = loop.time()
        batch_id = batch_id_of(info.key, info.version_id)
        while await region.ledger.get(batch_id) is None:  # noqa: ASYNC110 - virtual time: a poll costs nothing
            await asyncio.sleep(0.1)
        seconds = loop.time() - switched
        stop.set()
        await sweeping
        return seconds

    return virtual_time.run(story())


def test_a_region_that_becomes_active_admits_at_once_what_lies_there() -> None:
    assert _seconds_until_admitted(here=WEST) <= 5.2


def test_a_region_that_is_no_longer_active_is_in_no_hurry() -> None:
    assert _seconds_until_admitted(here=EAST) > 270


# --- what waits is measured -------------------------------------------------------------------------------------------


def test_a_sweep_logs_what_is_open_and_measures_what_there_is_of_it() -> None:
    async def story() -> list[tuple[float, ...]]:
        lines: list[dict[str, Any]] = []
        world = _world(lines)
        batch_id = await _sent(world.east, announce=True)
        await world.west.process.sweeper.sweep()
        await world.take_over(await world.east.batch(batch_id))
        await world.settle(WEST)
        world.clock.advance(100)
        await world.west.process.sweeper.sweep()
        await world.east.process.sweeper.sweep()
        swept = [line for line in lines if line["event"] == "swept"]
        assert [sorted(name for name, _ in measured([line])) for line in swept] == [
            [],
            ["BatchesWaitingInput", "OldestBatch", "OldestWaitingInput", "OpenBatches"],
            [],
        ]
        names = list(OpenReport(world.clock.now()).metrics)
        return [tuple(line[name] for name in names) for line in swept]

    waiting_for, open_for = pytest.approx(100), pytest.approx(100, abs=1)
    assert asyncio.run(story()) == [(0, 0, 0, 0, 0, 0), (1, open_for, 1, waiting_for, 0, 0), (0, 0, 0, 0, 0, 0)]
