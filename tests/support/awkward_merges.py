"""Measures what batches of many chunks cost the worker, by chunk, and the merger: CPU and memory.

One batch is measured in a process of its own. The real handlers do the work, and the real adapter of S3 joins the
parts, on a client that stands in for the SDK: it takes its time, and copies what is fetched.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self, override

from awkward import warm_up
from awkward_shapes import HEADER, JOB, PATIENT, ROW
from baton.aws.s3.objects import S3ObjectStore
from baton.catalog import LoadedJob
from baton.checksums import crc64nvme
from baton.memory import MemoryObjectStore
from baton.messages import MergeBatch, ProcessChunk, SplitBatch
from baton.model.batch import Batch, Counts
from baton.model.plan import MIB, Chunk, Plan
from baton.ports import ChunkDone, ObjectInfo, Piece
from baton.rejects import REJECTS_HEADER
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from peak_memory import Peak, apart
from splitter.settings import SplitterSettings
from worker.done import to_metadata

_ROWS_PER_CHUNK: Final = 8
_SEND_SECONDS: Final = 0.002
"""So that pieces wait for the network together, as many at a time as are let."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What a chunk leaves; None: what the worker makes of eight rows, of which it rejects one."""

    part: bytes | None = None
    rejects: bytes = b""
    """Of a made part: one line for each of its rows."""
    first_rejects: bytes = b""
    """Of the first chunk, with a header."""


def _rejects(line_bytes: int) -> bytes:
    line = b"1,1,a,string_pattern_mismatch,x," + b"x" * line_bytes + b",\n"
    return line * _ROWS_PER_CHUNK


_LARGE: Final = _rejects(MIB // 2)
MERGES: Final[Mapping[str, Merge]] = {
    "small chunks": Merge(),
    "parts of 4 MiB": Merge(b"x" * (4 * MIB)),
    "parts of 4 MiB, as much rejected": Merge(b"x" * (4 * MIB), _LARGE, REJECTS_HEADER + _LARGE),
}


@dataclass(frozen=True, slots=True)
class MergeSpent:
    """What one batch took. The worker is asked for each of its chunks; where parts were made, it finds them done."""

    merge: str
    chunks: int
    outcome: str
    worker_cpu_seconds: float
    worker_bytes: int
    merger_cpu_seconds: float
    merger_bytes: int
    published_bytes: int


class _Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def iter_chunks(self, size_bytes: int) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), size_bytes):
            yield self._body[at : at + size_bytes]


class _Client:
    """What the adapter calls of the SDK to join parts."""

    def __init__(self, store: "_Store") -> None:
        self._store = store
        self._sizes = dict[str, int]()

    async def get_object(self, *, Key: str, Range: str, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", Range)
        assert found is not None
        start, stop = int(found[1]), int(found[2]) + 1
        total = self._store.size_bytes(Key)
        body = await self._store.get(Key, start=start, end=stop)
        await asyncio.sleep(0)
        span = f"bytes {start}-{start + len(body) - 1}/{total}"
        return {"ContentRange": span, "ContentLength": len(body), "ETag": '"e"', "Body": _Body(body)}

    async def put_object(self, *, Key: str, Body: bytes, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        await asyncio.sleep(_SEND_SECONDS)
        self._sizes[Key] = len(Body)
        return {"ETag": '"e"'}

    async def create_multipart_upload(self, *, Key: str, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        self._sizes[Key] = 0
        return {"UploadId": "u"}

    async def upload_part(self, *, Key: str, Body: bytes, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        await asyncio.sleep(_SEND_SECONDS)
        self._sizes[Key] += len(Body)
        return {"ETag": '"e"'}

    async def upload_part_copy(self, *, Key: str, CopySource: Any, CopySourceRange: str = "", **_: Any) -> Any:  # noqa: N803 - the SDK's names
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", CopySourceRange)
        whole = self._store.size_bytes(CopySource["Key"])
        self._sizes[Key] += int(found[2]) - int(found[1]) + 1 if found else whole
        return {"CopyPartResult": {"ETag": '"e"'}}

    async def complete_multipart_upload(self, **_: Any) -> Any: ...

    async def abort_multipart_upload(self, **_: Any) -> Any: ...

    async def head_object(self, *, Key: str, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        found = self._store.clock.now()
        return {"ContentLength": self._sizes[Key], "ETag": '"e"', "LastModified": found, "Metadata": {}}


class _Store(MemoryObjectStore):
    """Holds what the worker writes, and beside it parts that were made: one body for all of them."""

    def __init__(self, region: Region) -> None:
        super().__init__(region.clock, region=region.region)
        self.clock = region.clock
        self._made = dict[str, bytes]()

        stand_in = _Client(self)

        async def client() -> Any:
            return stand_in

        self._s3 = S3ObjectStore(client, bucket="b", clock=region.clock)
        self.published_bytes = 0

    async def make(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Take an object as it is, without copying it."""
        await self.put(key, b"", metadata=metadata)
        self._made[key] = body

    def size_bytes(self, key: str) -> int:
        found = self._find(key, None)
        return len(self._made[key]) if key in self._made else found.info.size_bytes if found else 0

    @override
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        info = await super().head(key, version_id=version_id)
        return replace(info, size_bytes=len(self._made[key])) if info and key in self._made else info

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        if key in self._made:
            return bytes(memoryview(self._made[key])[start:end])
        return await super().get(key, version_id=version_id, start=start, end=end)

    @override
    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo]:
        folder = [key for key in self._made if key.startswith(prefix)]
        for key in folder:
            info = await self.head(key)
            assert info is not None
            yield info

    @override
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        written = await self._s3.compose(key, pieces, content_type=content_type)
        self.published_bytes += written.size_bytes
        return written


def measured_merge(merge: str, *chunks: int) -> list[MergeSpent]:
    """Measure a batch of so many chunks in a process of its own. The first one's memory is exact."""
    return apart(_measured, merge, chunks)


def _measured(merge: str, numbers: Sequence[int]) -> list[MergeSpent]:
    async def each() -> list[MergeSpent]:
        await warm_up()
        return [await _spend(merge, chunks) for chunks in numbers]

    return asyncio.run(each())


async def _spend(name: str, chunks: int) -> MergeSpent:
    region = Region()
    store = _Store(region)
    region.objects = store
    # As long as a chunk's rows: so the splitter's target is met by just these.
    settings = SplitterSettings(chunk_bytes=_ROWS_PER_CHUNK * len(ROW))
    pipeline = Pipeline({JOB: LoadedJob(PATIENT, "1")}, region=region, splitter_settings=settings)
    handlers = pipeline.process.handlers
    rows = ROW * (_ROWS_PER_CHUNK - 1) + ROW.replace(b"535113847", b"not a num")
    batch_id = await pipeline.upload(f"input/{JOB}/file.csv", HEADER + (rows * chunks)[: -len(ROW)])
    batch = await pipeline.batch(batch_id)
    await handlers["split"].handle(SplitBatch(batch_id=batch_id, owner_epoch=batch.owner_epoch), 1)
    batch = await pipeline.batch(batch_id)
    plan = await _plan(store)
    made = MERGES[name].part is not None
    if made:
        for chunk in plan.chunks:
            await _make(store, plan, chunk, MERGES[name])
    peak, cpu = Peak(), time.process_time()
    for chunk in plan.chunks:
        await handlers["chunk"].handle(_message(batch, plan, chunk, resume=made), 1)
    worker_cpu, worker_bytes = time.process_time() - cpu, peak.grown_bytes()
    peak, cpu = Peak(), time.process_time()
    await handlers["merge"].handle(MergeBatch(batch_id=batch_id, owner_epoch=batch.owner_epoch), 1)
    merger_cpu, merger_bytes = time.process_time() - cpu, peak.grown_bytes()
    batch = await pipeline.batch(batch_id)
    return MergeSpent(
        merge=name,
        chunks=len(plan.chunks),
        outcome=batch.failure.code if batch.failure else batch.state,
        worker_cpu_seconds=worker_cpu,
        worker_bytes=worker_bytes,
        merger_cpu_seconds=merger_cpu,
        merger_bytes=merger_bytes,
        published_bytes=store.published_bytes,
    )


async def _plan(store: _Store) -> Plan:
    (key,) = (key for key in store.history() if key.endswith("plan.json"))
    return Plan.model_validate_json(await store.get(key))


def _message(batch: Batch, plan: Plan, chunk: Chunk, *, resume: bool) -> ProcessChunk:
    return ProcessChunk(
        batch_id=batch.batch_id,
        owner_epoch=batch.owner_epoch,
        plan_id=plan.plan_id,
        index=chunk.index,
        resume=resume,
    )


async def _make(store: _Store, plan: Plan, chunk: Chunk, merge: Merge) -> None:
    """Leave what a worker would have left of this chunk before it died."""
    assert merge.part is not None
    rejects = merge.first_rejects if merge.rejects and not chunk.index else merge.rejects
    rejected = chunk.records - 1 if rejects else 0  # none let through would fail the batch
    done = ChunkDone(
        batch_id=plan.batch_id,
        plan_id=plan.plan_id,
        index=chunk.index,
        counts=Counts(chunk.records, chunk.records - rejected, rejected),
        part_bytes=len(merge.part),
        part_crc64nvme=crc64nvme(merge.part),
        rejects_bytes=len(rejects),
        rejects_crc64nvme=crc64nvme(rejects),
    )
    if rejects:
        await store.make(done.rejects_key, rejects)
    await store.make(done.part_key, merge.part, to_metadata(done))
