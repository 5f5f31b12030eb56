"""Files of awkward shapes, and what the splitter and the worker spend on each: memory and CPU by size.

Run as a program it measures one shape in a process of its own, since a peak of memory never falls:
`python awkward.py SHAPE MIB` prints one line of JSON. The real handlers do the work, on a store whose one input is held
once, outside of what is measured, and which keeps nothing that is written.
"""

import asyncio
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Final, override

from pydantic import AfterValidator, Field, create_model

from baton.catalog import LoadedJob
from baton.job import Job, Limits, Lookup, Record
from baton.memory import MemoryObjectStore
from baton.messages import ProcessChunk, SplitBatch
from baton.model.batch import Batch
from baton.model.plan import MIB, Plan
from baton.ports import ObjectInfo, ReferenceVersion, Row, batches_of
from pipeline import Pipeline, Region
from splitter.settings import SplitterSettings

JOB: Final = "shape"
_RECIPIENTS: Final = ("nobody@example.com",)
_COLUMNS: Final = tuple("abcdefgh")
_HEADER: Final = b"a,b,c,d,e,f,g,h\n"
_ROW: Final = b"535113847,Azerbaijan,Snacks,Online,C,10/8/14,Middle East,10/23/14\n"
_PIECE_BYTES: Final = 64 * 1024


class _Eight(Record):
    """Eight columns, the first of which must hold nine digits."""

    a: Annotated[str, Field(pattern="^[0-9]{9}$")]
    b: str
    c: str
    d: str
    e: str
    f: str
    g: str
    h: str


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must be filled in: ask the department that owns this column for it")
    return text


def _number(text: str) -> str:
    int(text)  # says which text is no number: a wording for each
    return text


def _of_columns(names: Sequence[str], type_: Any, lookup: Lookup | None = None) -> Job:
    fields: dict[str, Any] = dict.fromkeys(names, (type_, ...))
    record = create_model("Columns", __base__=Record, **fields)
    limits = Limits(max_rejects_percent=100)
    return Job(name=JOB, record=record, lookup=lookup, limits=limits, recipients=_RECIPIENTS)


_TEN_THOUSAND: Final = tuple(f"c{n}" for n in range(10_000))
_HUNDRED: Final = tuple(f"customer_attribute_{n:03}" for n in range(100))
_THIRTY: Final = tuple(f"attribute_{n:02}" for n in range(30))
_STRICT: Final = Job(name=JOB, record=_Eight, recipients=_RECIPIENTS)
_PATIENT: Final = Job(name=JOB, record=_Eight, limits=Limits(max_rejects_percent=100), recipients=_RECIPIENTS)
_ANY: Final = Job(name=JOB, record=None, limits=Limits(max_rejects_percent=100), recipients=_RECIPIENTS)
_WORDY: Final = tuple(f"word_{n}" for n in range(10))
_WORDY_LOOKUP: Final = Lookup(dataset="wordy", key="key", columns=_WORDY)
_WORDY_ROWS: Final = {
    f"{key:07}": {"key": f"{key:07}"} | {name: f"{name} of {key:07}: ".ljust(100, "x") for name in _WORDY}
    for key in range(1_000)
}
_SHORT_ROWS: Final = b"".join(b"%07d\n" % (key % 1_000) for key in range(8_192))


@dataclass(frozen=True, slots=True)
class Shape:
    """A file by its size in bytes, and the job that it is sent to."""

    job: Job
    body: Callable[[int], bytes]
    chunk_bytes: int = 16 * MIB
    reference: Mapping[str, Row] = field(default_factory=dict[str, Row])
    """What the job's lookup finds, by key."""


def _lines(line: bytes, *, first: bytes = _HEADER + _ROW) -> Callable[[int], bytes]:
    return lambda size: first + line * (size // len(line))


def _blank_between(size: int) -> bytes:
    return _HEADER + _ROW * 10 + b"\n" * size + _ROW * 10


def _quoted(size: int) -> bytes:
    field = b'"' + b"free, text\n" * (900 * 1024 // 11) + b'"'
    return b"first,second\n" + (field + b",1\n") * max(1, size // len(field))


def _wide(size: int) -> bytes:
    row = b",".join([b"12345"] * 10_000) + b"\n"
    return _titled(_TEN_THOUSAND) + row * max(1, size // len(row))


def _worded(size: int) -> bytes:
    return b"a\n" + b"1\n" + b"".join(b"x%06d\n" % n for n in range(size // 8))


def _some_empty(size: int) -> bytes:
    dice = random.Random(1)
    rows = (b",".join(dice.choice((b"", b"x")) for _ in _THIRTY) + b"\n" for _ in range(size // 45))
    return _titled(_THIRTY) + b",".join([b"x"] * 30) + b"\n" + b"".join(rows)


def _titled(names: Sequence[str]) -> bytes:
    return ",".join(names).encode() + b"\n"


_EMPTY_HUNDRED: Final = _lines(b"," * 99 + b"\n", first=_titled(_HUNDRED) + b",".join([b"x"] * 100) + b"\n")

SHAPES: Final[Mapping[str, Shape]] = {
    "ordinary rows": Shape(_STRICT, _lines(_ROW)),
    "empty rows of a sheet": Shape(_STRICT, _lines(b",,,,,,,\n")),
    "empty rows, all allowed": Shape(_PATIENT, _lines(b",,,,,,,\n")),
    "rows of another width": Shape(_STRICT, _lines(b"x\n")),
    "rows of another width, all allowed": Shape(_PATIENT, _lines(b"x\n")),
    "rows of one byte": Shape(_ANY, _lines(b"x\n", first=b"a\n")),
    "blank lines before the header": Shape(_STRICT, lambda size: b"\n" * size + _HEADER + _ROW),
    "blank lines between": Shape(_STRICT, _blank_between),
    "blank lines behind": Shape(_STRICT, lambda size: _HEADER + _ROW * 10 + b"\r\n" * (size // 2)),
    "all rejected by a rule": Shape(_STRICT, _lines(_ROW[1:])),
    "all rejected by a rule, all allowed": Shape(_PATIENT, _lines(_ROW[1:])),
    "none can be decoded, all allowed": Shape(_PATIENT, _lines(_ROW[:-1] + b"\xff\n")),
    "a literal quote in each row": Shape(_STRICT, _lines(_ROW[:12] + b'5" ' + _ROW[12:])),
    "giant quoted fields": Shape(_ANY, _quoted),
    "10,000 columns": Shape(_ANY, _wide),
    "100 empty columns": Shape(_of_columns(_HUNDRED, Annotated[str, Field(min_length=1)]), _EMPTY_HUNDRED),
    "100 empty columns in own words": Shape(
        _of_columns(_HUNDRED, Annotated[str, AfterValidator(_filled)]), _EMPTY_HUNDRED
    ),
    "10,000 empty columns": Shape(
        _of_columns(_TEN_THOUSAND, Annotated[str, Field(min_length=1)]),
        _lines(b"," * 9_999 + b"\n", first=_titled(_TEN_THOUSAND) + b",".join([b"x"] * 10_000) + b"\n"),
    ),
    "a wording for each value": Shape(_of_columns(("a",), Annotated[str, AfterValidator(_number)]), _worded),
    "1,000 bytes looked up for each 8": Shape(
        _of_columns(("key",), str, _WORDY_LOOKUP),
        _lines(_SHORT_ROWS, first=b"key\n"),
        chunk_bytes=MIB,
        reference=_WORDY_ROWS,
    ),
    "any of 30 columns empty": Shape(_of_columns(_THIRTY, Annotated[str, Field(min_length=1)]), _some_empty),
    "9,000 chunks": Shape(_STRICT, _lines(_ROW), chunk_bytes=1),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What one shape of one size took: above what the process and the file take by themselves."""

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
    """Holds the input and the plan, and forgets everything else that is written to it."""

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


def measured(shape: str, mib: int) -> Spent:
    """Measure one shape in a process of its own."""
    command = [sys.executable, __file__, shape, str(mib)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this very module
    return Spent(**json.loads(done.stdout))


async def _spend(name: str, mib: int) -> Spent:
    shape = SHAPES[name]
    await _warm_up()
    region = Region()
    store = _Store(region.clock, region=region.region)
    store.body = shape.body(mib * MIB)
    region.objects = store
    pipeline = Pipeline(
        {JOB: LoadedJob(shape.job, "1")},
        region=region,
        splitter_settings=SplitterSettings(chunk_bytes=shape.chunk_bytes),
    )
    if shape.job.lookup:
        columns = (shape.job.lookup.key, *shape.job.lookup.columns)
        version = ReferenceVersion(shape.job.lookup.dataset, "1", rows=len(shape.reference), columns=columns)
        await region.reference.publish(version, shape.reference)
    key = f"input/{JOB}/file.csv"
    batch = await _admitted(pipeline, store, key)
    before, cpu = _peak_bytes(), time.process_time()
    await pipeline.process.handlers["split"].handle(
        SplitBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch), attempt=1
    )
    split_bytes, split_cpu = _peak_bytes() - before, time.process_time() - cpu
    batch = await pipeline.batch(batch.batch_id)
    plan = await _plan(store, batch)
    sizes = [chunk.end - chunk.start for chunk in plan.chunks] if plan else [0]
    store.written_bytes = 0
    before, cpu = _peak_bytes(), time.process_time()
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
        chunk_peak_bytes=_peak_bytes() - before,
        chunk_output_bytes=store.written_bytes,
    )


async def _warm_up() -> None:
    """Send a small file through first: what the libraries take at their first use is no shape's."""
    pipeline = Pipeline({JOB: LoadedJob(_STRICT, "1")})
    await pipeline.upload(f"input/{JOB}/small.csv", _HEADER + _ROW * 10 + b"x\n" + _ROW[1:])
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
    await pipeline.process.handlers["chunk"].handle(message, attempt=1)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(_spend(sys.argv[1], int(sys.argv[2]))))))
