"""A worker's container that ends in the middle of a chunk: another one finishes, and the bytes are the same."""

import pytest

from aio import run
from baton.messages import LARGE, MergeBatch
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.topology import INITIAL_EPOCH
from baton_proof.sales import SalesFile, sales_file
from service_containers import Region, Running, Stage

# The first test builds all images; where nothing is cached that takes minutes.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

_CPU_SHARE = 0.05
"""Of one CPU, for a worker that is to be met in the middle of a chunk: of half a second it makes ten."""
_VISIBILITY_SECONDS = 6


def _large(*, records: int) -> SalesFile:
    """Return a file of many records of which few differ: large to read and write, quick to make."""
    small = sales_file(records=1_000, bad=10)
    header, _, rows = small.body.partition(b"\n")
    return SalesFile(header + b"\n" + rows * (records // 1_000), (), small.reference)


_SAMPLE = _large(records=600_000)
_CHUNK_BYTES = len(_SAMPLE.body) // 3 + 1
"""Three chunks: a worker takes two of them at once."""


def test_stopped_in_the_middle_it_finishes_what_it_has_in_hand(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES, lane=LARGE) as region:
            with stage.running("worker", BATON_RUNNER_GRACE_SECONDS="60") as worker:
                batch = await _met_in_the_middle(region, worker)
                worker.hold_back(0.5)
                ended = await worker.stop(seconds=70)
                draining = worker.said("draining")
            plan = await region.plan(await region.batch(batch.batch_id))

            assert draining
            assert draining["running"] == 2
            assert ended.exit_code == 0
            assert ended.seconds < 60
            assert len(await region.parts(plan)) == 2
            assert await region.queued("chunk") == (1, 0)
            await _finished_by_another(stage, region, batch)

    run(story(), timeout_seconds=400)


def test_stopped_with_less_grace_than_a_chunk_takes_it_hands_the_chunk_back(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES, lane=LARGE) as region:
            with stage.running("worker", BATON_RUNNER_GRACE_SECONDS="1") as worker:
                batch = await _met_in_the_middle(region, worker)
                worker.hold_back(_CPU_SHARE / 2)
                ended = await worker.stop(seconds=60)
                assert worker.said("service_stopped")

            assert ended.exit_code == 0
            assert ended.seconds < 10, "what was handed back is not waited for"
            assert await region.queued("chunk") == (3, 0), "handed back, so that nobody waits for a dead man"
            await _finished_by_another(stage, region, batch)

    run(story(), timeout_seconds=400)


def test_killed_in_the_middle_its_messages_come_back(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES, lane=LARGE) as region:
            await region.hide_for("chunk", _VISIBILITY_SECONDS)
            with stage.running("worker", BATON_RUNNER_VISIBILITY_SECONDS=f"{_VISIBILITY_SECONDS}") as worker:
                batch = await _met_in_the_middle(region, worker)
                worker.kill()
                assert (await worker.until_ended())["ExitCode"] == 137
            plan = await region.plan(await region.batch(batch.batch_id))

            assert not await region.parts(plan)
            assert sum(await region.queued("chunk")) == 3, "none is lost, though some are not seen yet"
            await _finished_by_another(stage, region, batch)

    run(story(), timeout_seconds=400)


def test_killed_for_its_memory_it_leaves_the_chunk_to_one_that_has_enough(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=len(_SAMPLE.body), lane=LARGE) as region:
            await region.hide_for("chunk", _VISIBILITY_SECONDS)
            hidden = {"BATON_RUNNER_VISIBILITY_SECONDS": f"{_VISIBILITY_SECONDS}"}
            with stage.running("worker", memory_mib=192, **hidden) as worker:
                await worker.until_ready()
                batch = await region.sent(_SAMPLE)
                await region.does("split")
                state = await worker.until_ended()

            assert (state["ExitCode"], state["OOMKilled"]) == (137, True)
            assert sum(await region.queued("chunk")) == 1
            await _finished_by_another(stage, region, batch)

    run(story(), timeout_seconds=400)


async def _met_in_the_middle(region: Region, worker: Running) -> Batch:
    """Queue three chunks for a slow worker; return when it has two of them in hand."""
    await worker.until_ready()
    worker.hold_back(_CPU_SHARE)
    batch = await region.sent(_SAMPLE)
    await region.does("split")
    await region.until_queued("chunk", waiting=1, in_hand=2)
    return batch


async def _finished_by_another(stage: Stage, region: Region, batch: Batch) -> None:
    with stage.running("worker") as another:
        batch = await region.until(batch, BatchState.PROCESSED)
        assert (await another.stop()).exit_code == 0
    plan = await region.plan(batch)
    expected = region.expected(plan, _SAMPLE)

    assert await region.parts(plan) == {index: chunk.part for index, chunk in expected.items()}
    assert (batch.counts.records_in, batch.counts.rejects) == (600_000, 6_000)
    assert await region.queued("chunk") == (0, 0)
    merge = MergeBatch(batch_id=batch.batch_id, owner_epoch=INITIAL_EPOCH, large=True)
    assert merge in await region.taken("merge")
