"""Files of awkward shapes, and what the splitter and the worker need for each: memory and CPU by size.

One shape is measured in a process of its own. The real handlers do the work, on a store whose one input is held once,
outside of what is measured, and which keeps nothing that is written.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, override

from awkward_shapes import HEADER, JOB, LARGE, ROW, SHAPES, Shape
from baton.catalog import LoadedJob
from baton.memory import MemoryObjectStore
from baton.messages import ProcessChunk, SplitBatch
from baton.model.batch import Batch
from baton.model.plan import MIB, Plan
from baton.ports import ObjectInfo, ReferenceVersion, batches_of
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from peak_memory import Peak, apart
from splitter.settings import SplitterSettings

_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Spent:
    """What one shape of one size took: above what the process and the file take alone."""

    shape: str
    size_bytes: int
    outcome: str
    chunks: int
    chunk_bytes_max: int
    split_cpu_seconds: float
    split_bytes: int
    chunk_cpu_seconds: float
    """Of the largest chunk."""
    chunk_peak_bytes: int
    chunk_output_bytes: int
    """What the chunk leaves, rejects included."""

    @property
    def bytes_per_byte(self) -> float:
        """Memory of the worker by byte of its largest chunk."""
        return self.chunk_peak_bytes / max(1, self.chunk_bytes_max)


class _Store(MemoryObjectStore):
    """Holds the input and the plan, and drops everything else that is written to it."""

    body = b""
    written_bytes = 0

    @override
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        info = await super().head(key, version_id=version_id)
        return replace(info, size_bytes=len(self.body)) if info and key.startswith("input/") else info

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        for offset in range(0, len(self.body), _PIECE_BYTES):
            yield self.body[offset : offset + _PIECE_BYTES]

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        if key.startswith("input/"):
            return self.body[start:end]
        return await super().get(key, version_id=version_id, start=start, end=end)

    @override
    async def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        kept = body if key.endswith("plan.json") else b""
        self.written_bytes += len(body)
        return await super().put(key, kept, content_type=content_type, metadata=metadata)


def measured(shape: str, *mib: int) -> list[Spent]:
    """Measure one shape of these sizes in a process of its own. The first one's memory is exact.

    Of a later one it is what that took beyond what the process holds on to.
    """
    return apart(_measured, shape, mib)


def _measured(shape: str, mib: Sequence[int]) -> list[Spent]:
    async def each() -> list[Spent]:
        await warm_up()
        return [await _spend(shape, each) for each in mib]

    return asyncio.run(each())


async def _spend(name: str, mib: int) -> Spent:
    shape = {**SHAPES, **LARGE}[name]
    region = Region()
    store = _Store(region.clock, region=region.region)
    store.body = shape.body(mib * MIB)
    region.objects = store
    settings = SplitterSettings(chunk_bytes=shape.chunk_bytes)
    pipeline = Pipeline({JOB: LoadedJob(shape.job, "1")}, region=region, splitter_settings=settings)
    await _publish(region, shape)
    key = f"input/{JOB}/file.csv"
    batch = await _admitted(pipeline, store, key)
    peak, cpu = Peak(), time.process_time()
    await pipeline.process.handlers["split"].handle(
        SplitBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch), 1
    )
    split_bytes, split_cpu = peak.grown_bytes(), time.process_time() - cpu
    batch = await pipeline.batch(batch.batch_id)
    plan = await _plan(store, batch)
    sizes = [chunk.end - chunk.start for chunk in plan.chunks] if plan else [0]
    store.written_bytes = 0
    peak, cpu = Peak(), time.process_time()
    if plan:
        await _largest(pipeline, batch, sizes)
    batch = await pipeline.batch(batch.batch_id)
    return Spent(
        shape=name,
        size_bytes=len(store.body),
        outcome=batch.failure.code if batch.failure else batch.state,
        chunks=len(sizes),
        chunk_bytes_max=max(sizes),
        split_cpu_seconds=split_cpu,
        split_bytes=split_bytes,
        chunk_cpu_seconds=time.process_time() - cpu,
        chunk_peak_bytes=peak.grown_bytes(),
        chunk_output_bytes=store.written_bytes,
    )


async def _publish(region: Region, shape: Shape) -> None:
    if shape.job.lookup:
        columns = (shape.job.lookup.key, *shape.job.lookup.columns)
        version = ReferenceVersion(shape.job.lookup.dataset, "1", rows=len(shape.reference), columns=columns)
        await region.reference.publish(version, shape.reference)


async def warm_up() -> None:
    """Send a small file through first: what the libraries take at their first use is no shape's."""
    pipeline = Pipeline({JOB: LoadedJob(SHAPES["ordinary rows"].job, "1")})
    await pipeline.upload(f"input/{JOB}/small.csv", HEADER + ROW * 10 + b"x\n" + ROW[1:])
    await pipeline.drive()


async def _admitted(pipeline: Pipeline, store: _Store, key: str) -> Batch:
    info = await store.put(key, b"")
    await pipeline.announce(key, info.version_id)
    (batch,) = await batches_of(pipeline.region.ledger.list_open())
    return batch


async def _plan(store: _Store, batch: Batch) -> Plan | None:
    if batch.plan_id is None:
        return None
    (key,) = [info.key async for info in store.list("work/") if info.key.endswith("plan.json")]
    return Plan.model_validate_json(await store.get(key))


async def _largest(pipeline: Pipeline, batch: Batch, sizes: Sequence[int]) -> None:
    assert batch.plan_id is not None
    message = ProcessChunk(
        batch_id=batch.batch_id,
        owner_epoch=batch.owner_epoch,
        plan_id=batch.plan_id,
        index=sizes.index(max(sizes)),
        resume=False,
    )
    await pipeline.process.handlers["chunk"].handle(message, 1)
