"""A file of thousands of chunks goes through every service, and none of them holds its event loop for long."""

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator
from typing import Any, cast, override

import pytest

from baton.catalog import load_jobs
from baton.checksums import crc64nvme
from baton.memory import MemoryObjectStore
from baton.messages import KINDS, OF_USERS, Kind, Lane
from baton.model.batch import Batch, Counts
from baton.model.paths import plan_key
from baton.model.plan import MIB, Plan
from baton.model.states import BatchState
from baton.ports import ChunkDone, RejectCount
from baton.testing.faults import CrashPlan
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from loop_steps import LOOP_SECONDS_MAX, steps_of

CHUNKS = 8_990
KINDS_OF_REJECTS = 10_000


class _Elsewhere(CrashPlan):
    """Has what the ports do done away from the loop, as a network does."""

    @override
    def wrap[P](self, port: P, name: str) -> P:
        return cast("P", _Remote(port))


class _Remote:
    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if not inspect.iscoroutinefunction(member):
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(asyncio.run, member(*args, **kwargs))

        return call


class _S3Like(MemoryObjectStore):
    """Gives pieces as large as an HTTP response does, each as soon as it is asked for."""

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        body = await self.get(key, version_id=version_id, start=start, end=end)
        for at in range(0, len(body), 256 * 1024):
            yield body[at : at + 256 * 1024]


async def _handle_one(pipeline: Pipeline, kind: Kind) -> None:
    lane: Lane = next(lane for lane in OF_USERS if pipeline.region.queues.waiting(kind, lane))
    inbox = pipeline.region.queues.inbox(kind, lane)
    (delivery,) = await inbox.receive(max_messages=1, wait_seconds=0)
    await pipeline.process.lanes[kind, lane].process(delivery)
    await inbox.delete([delivery])


async def _finish_all_but_the_first(pipeline: Pipeline, batch: Batch) -> None:
    """Do what workers do with chunks of two records, of which one breaks a rule of many."""
    assert batch.plan_id
    region, part, rejects = pipeline.region, b"1\n", b"1,1,a,r,v,l,\n"
    sums = len(part), crc64nvme(part), len(rejects), crc64nvme(rejects)
    for index in range(1, CHUNKS):
        where = batch.batch_id, batch.plan_id, index
        kinds = range(20 * index, 20 * index + 20)
        reasons = tuple(RejectCount(f"column {kind % KINDS_OF_REJECTS}", "string_too_short", 1) for kind in kinds)
        done = ChunkDone(*where, Counts(2, 1, 1), *sums, reasons)
        await region.objects.put(done.part_key, part)
        await region.objects.put(done.rejects_key, rejects)
        await region.progress.complete(done, now=region.clock.now())


def _pipeline(region: Region | None = None, *, chunk_bytes: int = 16 * MIB) -> Pipeline:
    beside = asyncio.to_thread
    return Pipeline(
        load_jobs("baton_jobs"),
        region=region,
        crash=_Elsewhere(at=None),
        chunk_bytes=chunk_bytes,
        offload=beside,
        compute=beside,
    )


def _seconds_to_read_a_plan(pipeline: Pipeline, batch: Batch) -> float:
    """Return the least that this machine needs: what is done beside the loop takes at least as long."""
    body = asyncio.run(pipeline.region.objects.get(plan_key(batch.batch_id, batch.plan_id or "")))
    took = list[float]()
    for _ in range(3):
        started = time.thread_time()
        Plan.model_validate_json(body)
        took.append(time.thread_time() - started)
    return min(took)


def test_no_service_holds_its_loop_for_long_over_a_file_of_thousands_of_chunks() -> None:
    pipeline = _pipeline(chunk_bytes=4)
    _, large = (
        asyncio.run(pipeline.upload(f"input/passthrough/{chunks}.csv", b"a\n" + b"1\n2\n" * chunks))
        for chunks in (1, CHUNKS)
    )
    held = dict[Kind, float]()

    for kind in KINDS:
        asyncio.run(_handle_one(pipeline, kind))  # of the small file: what is imported and compiled once
        _, seconds = steps_of(_handle_one(pipeline, kind))
        held[kind] = max(seconds)
        if kind == "split":
            asyncio.run(_finish_all_but_the_first(pipeline, asyncio.run(pipeline.batch(large))))

    batch = asyncio.run(pipeline.batch(large))
    assert (batch.state, batch.chunks, batch.counts.rejects) == (BatchState.COMPLETED, CHUNKS, CHUNKS - 1)
    assert max(held.values()) < min(LOOP_SECONDS_MAX, _seconds_to_read_a_plan(pipeline, batch)), held


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"a,b\n" + b'5" pipe,"x"\n' * MIB, id="the slow way"),
        pytest.param(b"\n" * (64 * MIB) + b"a,b\n1,2\n", id="blank lines"),
    ],
)
def test_a_scan_never_holds_the_event_loop(body: bytes) -> None:
    region = Region()
    region.objects = _S3Like(region.clock)
    pipeline = _pipeline(region)
    batch_id = asyncio.run(pipeline.upload("input/passthrough/f.csv", body))

    _, seconds = steps_of(_handle_one(pipeline, "split"))

    assert asyncio.run(pipeline.batch(batch_id)).state is BatchState.SPLIT
    assert max(seconds) < LOOP_SECONDS_MAX
