"""What happens to a batch whose computation takes its process with it."""

import asyncio
from collections.abc import Callable

import pytest

from baton.catalog import load_jobs
from baton.errors import BatonError
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton_proof.pipeline import Pipeline
from worker.compute import ComputationDiedError, ComputationHungError


@pytest.mark.parametrize(
    ("error", "attempts", "code", "reason"),
    [
        (
            ComputationHungError("a computation did not end within 300 s"),
            2,
            "rule_hangs",
            "a rule of the job 'passthrough' hangs: a computation did not end within 300 s, in chunk 1 of 1",
        ),
        (
            ComputationDiedError("the process that computed it was ended by signal 9"),
            5,
            "chunk_failed",
            "chunk 1 of 1, job 'passthrough': ComputationDiedError: the process that computed it was ended by signal 9",
        ),
    ],
    ids=["hangs", "is killed"],
)
def test_it_ends_failed_with_the_jobs_name(error: BatonError, attempts: int, code: str, reason: str) -> None:
    tried: list[object] = []

    async def compute[T](work: Callable[[], T], /) -> T:
        tried.append(work)
        raise error

    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"), compute=compute)
        batch_id = await pipeline.upload("input/passthrough/f.csv", b"a\n1\n2\n")
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.failure
    assert (batch.state, batch.failure.code, batch.failure.reason) == (BatchState.FAILED, code, reason)
    assert len(tried) == attempts


def test_what_waited_behind_it_goes_first_when_the_worker_is_started_again() -> None:
    async def hangs[T](_work: Callable[[], T], /) -> T:
        raise ComputationHungError("a computation did not end within 300 s")

    async def story() -> tuple[int, int]:
        pipeline = Pipeline(load_jobs("baton_jobs"), compute=hangs)
        await pipeline.upload("input/passthrough/f.csv", b"a\n1\n2\n")
        while not pipeline.region.queues.queued("chunk"):
            await pipeline.step()
        await pipeline.step()
        inbox = pipeline.region.queues.inbox("chunk")
        pipeline.advance(15)
        early = await inbox.receive(max_messages=10, wait_seconds=0)
        pipeline.advance(10)
        return len(early), len(await inbox.receive(max_messages=10, wait_seconds=0))

    assert asyncio.run(story()) == (0, 1)
