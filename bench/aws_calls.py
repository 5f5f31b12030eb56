"""Counts the AWS calls of a batch, and computes what they cost.

`make bench NAME=aws_calls`. The real services, as their own `main.py` builds them, work on an emulator; every call of
the SDK is counted by a hook in the session. A test compares the counts with `expected_calls`.
"""

import argparse
import asyncio
import csv
import math
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aiobotocore.session import AioSession

import merger.main
import notifier.main
import splitter.main
import worker.main
from baton.admission import Admitter
from baton.assembly import rejects_parts
from baton.aws import Aws, SystemClock
from baton.aws.bootstrap import create_global, create_region
from baton.aws.dynamodb.progress import SHARDS, UNSHARDED_CHUNKS
from baton.aws.s3.ranged import RANGE_BYTES
from baton.catalog import load_jobs
from baton.context import Context
from baton.messages import CANARY, KINDS, LANES, OF_USERS, Kind, Lane, Message, parse
from baton.model.journal import Verdict
from baton.model.states import BatchState
from baton.ports import Inbox, ObjectInfo, ObjectStore
from baton.ports.preconditions import PART_BYTES_MIN
from baton.runner import Handler
from baton.service import Service
from baton.topology import REGIONS_DEFAULT, REJECTS_INDEXED_MAX
from baton_local.sales import sample
from baton_proof.logs import silent_log
from baton_proof.sales import FINANCIAL, SalesFile, financial, sales_file
from emulator_process import ministack
from handover_shell.canary import BatchCanary
from merger.domain import rejects_wanted
from splitter.settings import SplitterSettings
from splitter.sweeper import Sweeper
from worlds import aws_at

_EAST: Final = REGIONS_DEFAULT[0]
_MESSAGES_MAX: Final = 10_000

LEDGER_ROW_UNITS: Final = 3
"""A batch's row with its history stays below 3 kB: three write units."""
LEDGER_REPLICAS: Final = 2
"""A write to the ledger is charged in both Regions."""

USD_PER_CALL: Final = {
    "s3.PutObject": 5.0e-6,  # PUT, COPY, POST: $0.005 per 1,000
    "s3.CopyObject": 5.0e-6,
    "s3.CreateMultipartUpload": 5.0e-6,
    "s3.UploadPart": 5.0e-6,
    "s3.UploadPartCopy": 5.0e-6,
    "s3.CompleteMultipartUpload": 5.0e-6,
    "s3.ListObjectsV2": 5.0e-6,
    "s3.ListObjectVersions": 5.0e-6,
    "s3.GetObject": 0.4e-6,  # GET, HEAD: $0.0004 per 1,000
    "s3.HeadObject": 0.4e-6,
    "s3.DeleteObject": 0.0,
    "sqs.SendMessageBatch": 0.4e-6,  # $0.40 per million
    "sqs.ReceiveMessage": 0.4e-6,
    "sqs.DeleteMessageBatch": 0.4e-6,
    "dynamodb.GetItem": 0.125e-6,  # strong read of up to 4 kB
    "dynamodb.BatchGetItem": (1 + SHARDS) * 0.125e-6,
    "dynamodb.Query": 4 * 0.125e-6,
    "dynamodb.PutItem": LEDGER_ROW_UNITS * LEDGER_REPLICAS * 0.625e-6,  # on demand, per unit of up to 1 kB
    "dynamodb.BatchWriteItem": 25 * 0.625e-6,
    "dynamodb.TransactWriteItems": 4 * 0.625e-6,  # two items, twice each
    "ses.SendRawEmail": 100e-6,  # $0.10 per 1,000 mails
    "sts.AssumeRole": 0.0,
}
"""List prices of us-east-1, 2026-11, kept by hand: check them before you quote a sum."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a batch's calls depend on. Its records do not appear: they cost CPU, not calls."""

    chunks: int
    rejects_parts: int
    """Chunks that wrote rejects; the first one always writes at least the header."""
    reject_writes: int
    """Batch writes of at most 25 rejects each into the table for queries."""
    indexed_parts: int
    """Rejects parts that hold the first 1,000 rejects."""
    rejects: bool
    source_ranges: int
    """Of 4 MiB, in which the splitter reads the file."""
    copied: bool
    """Parts of 5 MiB and more: joined by the store. Smaller ones pass through the merger."""


def expected_calls(shape: Shape) -> Counter[str]:
    """Return the calls of a batch without faults, by one warm process per service.

    `docs/performance.md` says what each is for. Not in it: empty receives, and what a process does once (queue URLs;
    16 queries per version of a reference table).
    """
    c, r = shape.chunks, shape.rejects_parts
    sharded = c > UNSHARDED_CHUNKS
    calls = Counter(
        {
            "s3.HeadObject": 6,
            # the file, the plan twice, chunks, a range of each part with rejects for queries (a thousand are enough)
            # and one for the examples in the mail
            "s3.GetObject": shape.source_ranges + 2 + c + shape.indexed_parts + shape.rejects,
            "s3.PutObject": 2 + c + r,  # plan, manifest, parts
            "s3.CopyObject": 1,  # to the archive
            "s3.DeleteObject": 1,
            "sqs.SendMessageBatch": 3 + math.ceil(c / 10),
            "sqs.ReceiveMessage": 3 + c,
            "sqs.DeleteMessageBatch": 3 + c,
            "dynamodb.GetItem": 5 + c + (1 if sharded else c),
            "dynamodb.BatchGetItem": c if sharded else 0,
            "dynamodb.PutItem": 8,
            "dynamodb.Query": (1 + SHARDS if sharded else 1) * (1 + shape.rejects),  # for the books, and for the mail
            "dynamodb.TransactWriteItems": c,
            "dynamodb.BatchWriteItem": shape.reject_writes,
            "sts.AssumeRole": 2 if shape.rejects else 1,
            "ses.SendRawEmail": 1,
        }
    )
    return +(calls + _joined(c, copied=shape.copied) + _joined(r, copied=False))


def _joined(parts: int, *, copied: bool) -> Counter[str]:
    """Return the calls that make one object of so many parts."""
    if copied and parts == 1:
        return Counter({"s3.CopyObject": 1, "s3.HeadObject": 1})
    if copied:
        upload = {"s3.CreateMultipartUpload": 1, "s3.UploadPartCopy": parts, "s3.CompleteMultipartUpload": 1}
        return Counter(upload | {"s3.HeadObject": 1})
    return Counter({"s3.GetObject": parts, "s3.PutObject": 1})


CANARY_CALLS: Final = Counter(
    {
        # Its file, the plan, part and rejects, both joined, the manifest
        "s3.PutObject": 7,
        # its file twice, the plan twice, the part, its rejects twice, and the result by the controller
        "s3.GetObject": 8,
        # its file, by what admits it, splitter, worker, twice by the notifier that deletes it, and by the controller
        "s3.HeadObject": 6,
        "s3.DeleteObject": 7,
        "s3.ListObjectsV2": 1,
        "sqs.SendMessageBatch": 4,
        "sqs.ReceiveMessage": 4,
        "sqs.DeleteMessageBatch": 4,
        "dynamodb.GetItem": 6,
        "dynamodb.Query": 1,
        "dynamodb.PutItem": 8,
        "dynamodb.TransactWriteItems": 1,
        "dynamodb.BatchWriteItem": 1,
        "dynamodb.DeleteItem": 1,
        "sts.AssumeRole": 1,
    }
)
"""Calls of one canary, from the controller's file to the last object that it deletes; without its event."""
IDLE_SWEEP_CALLS: Final = Counter({"s3.ListObjectVersions": 1, "dynamodb.Query": 11, "dynamodb.GetItem": 1})
"""Calls of a pass of the sweeper in which it finds nothing."""
CANARY_SWEEP_CALLS: Final = Counter({"s3.ListObjectsV2": 2})
"""Calls of a sweep for what canaries left, which is not part of every pass."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One batch's calls, by `service.Operation`, and what they depend on."""

    calls: Mapping[str, int]
    shape: Shape
    records: int


class Counting:
    """A session whose every call is counted while `on`."""

    def __init__(self) -> None:
        self.session = AioSession()
        self.calls: Counter[str] = Counter()
        self.on = False
        self.session.get_component("event_emitter").register("before-call", self._count)

    def _count(self, model: Any, **_: object) -> None:
        if self.on:
            self.calls[f"{model.service_model.service_name}.{model.name}"] += 1


@dataclass(frozen=True, slots=True)
class World:
    """Every service on one emulator."""

    aws: Aws
    counting: Counting
    handlers: Mapping[tuple[Kind, Lane], Handler[Message]]
    inboxes: Mapping[tuple[Kind, Lane], Inbox]
    admitter: Admitter
    sweeper: Sweeper


@asynccontextmanager
async def services_at(url: str, environment: str) -> AsyncGenerator[World]:
    """Give the services as their `main.py` builds them, on a fresh environment of an emulator."""
    counting, clock, log = Counting(), SystemClock(), silent_log()
    async with aws_at(url, environment, session=counting.session) as aws:
        await create_global(aws, senders=["baton@example.com"])
        await create_region(aws, _EAST)
        context = Context(_EAST, REGIONS_DEFAULT, aws, clock, load_jobs("baton_jobs"), log)
        services: dict[Kind, Service] = {
            "split": splitter.main.build(context),
            "chunk": worker.main.build(context),
            "merge": merger.main.build(context),
            "notify": notifier.main.build(context),
        }
        handlers: dict[tuple[Kind, Lane], Handler[Message]] = {
            (kind, lane): services[kind].handlers[lane] for kind in KINDS for lane in LANES
        }
        inboxes: dict[tuple[Kind, Lane], Inbox] = {
            (kind, lane): aws.inbox(kind, lane) for kind in KINDS for lane in LANES
        }
        sweeper = splitter.main.sweeper(context, SplitterSettings())
        yield World(aws, counting, handlers, inboxes, context.admitter(), sweeper)


async def count_one(world: World, sample: SalesFile, *, name: str) -> Counted:
    """Run one sales batch through the services, one message after the other, and count its calls.

    Every message costs one receive and one delete here; a busy consumer shares both among up to ten messages.
    """
    info = await world.aws.objects().put(f"input/sales/{name}.csv", sample.body)
    world.counting.calls.clear()
    world.counting.on = True
    batch = await world.admitter.admit(info.key, info.version_id)
    assert batch is not None
    await _drive(world, OF_USERS)
    world.counting.on = False
    return await _counted(world, batch.batch_id)


async def count_canary(world: World) -> Counter[str]:
    """Send a canary as a controller does, and count all calls until nothing of it is left.

    The controller asks once for its state, since the canary is through by then. Its event is not in it: none is sent.
    """
    objects = cast("ObjectStore", _Processed(world))
    ledger = world.aws.ledger()
    canary = BatchCanary(sender=_EAST, ledger=ledger, objects={_EAST: objects}, clock=SystemClock(), instance="counted")
    world.counting.calls.clear()
    world.counting.on = True
    probe = await canary.probe(_EAST, seconds_max=60)
    world.counting.on = False
    assert probe.verdict is Verdict.HEALTHY, probe.value
    return +world.counting.calls


async def _counted(world: World, batch_id: str) -> Counted:
    batch = await world.aws.ledger().get(batch_id)
    assert batch is not None
    assert batch.state is BatchState.COMPLETED, batch.failure
    assert batch.plan_id is not None
    done = await world.aws.progress().done(batch_id, batch.plan_id)
    shape = Shape(
        chunks=batch.chunks,
        rejects_parts=sum(chunk.rejects_bytes > 0 for chunk in done),
        reject_writes=math.ceil(min(batch.counts.rejects, REJECTS_INDEXED_MAX) / 25),
        indexed_parts=len(rejects_wanted(done, rejects_parts(done))),
        rejects=batch.counts.rejects > 0,
        source_ranges=math.ceil(batch.source.size_bytes / RANGE_BYTES),
        copied=any(chunk.part_bytes >= PART_BYTES_MIN for chunk in done),
    )
    return Counted(+world.counting.calls, shape, batch.counts.records_in)


async def count_idle_sweep(world: World) -> Counter[str]:
    """Sweep a Region in which there is nothing to do, and count the calls of the second pass."""
    await world.sweeper.sweep()
    world.counting.calls.clear()
    world.counting.on = True
    await world.sweeper.sweep()
    world.counting.on = False
    return +world.counting.calls


class _Processed:
    """An object store: what is put into it is processed as a canary before the call returns."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects = world.aws.objects()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    async def put(self, key: str, body: bytes) -> ObjectInfo:
        info = await self._objects.put(key, body)
        await self._world.admitter.admit(info.key, info.version_id)
        await _drive(self._world, (CANARY,))
        return info


async def _drive(world: World, lanes: Sequence[Lane]) -> None:
    for _ in range(_MESSAGES_MAX):
        if not any([await _handle_one(world, kind, lane) for kind in KINDS for lane in lanes]):
            return
    raise AssertionError("the batch never comes to rest")


async def _handle_one(world: World, kind: Kind, lane: Lane) -> bool:
    inbox = world.inboxes[kind, lane]
    deliveries = await inbox.receive(max_messages=1, wait_seconds=0)
    if not deliveries:
        world.counting.calls["sqs.ReceiveMessage"] -= 1  # an empty receive belongs to no batch
        return False
    await world.handlers[kind, lane].handle(parse(deliveries[0].body), 1)
    await inbox.delete(deliveries)
    return True


def cost_usd(calls: Mapping[str, int]) -> float:
    """Return the list price of these calls."""
    return sum(count * USD_PER_CALL[call] for call, count in calls.items())


async def _main(records: int) -> None:
    large = _large_sample(records)
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as url:
        async with services_at(url, "calls") as world:
            print("| batch | calls | as the formula says | S3 | SQS | DynamoDB | list cost | per million records |")
            print("|---|---:|---|---:|---:|---:|---:|---:|")
            for name, sample in (("1 kB, 12 records", sales_file(records=12)), (f"{records:,} records", large)):
                await financial(world.aws.reference(), sample, version=str(len(sample.rows)))
                await count_one(world, sample, name=f"warm-{len(sample.rows)}")
                _print(name, await count_one(world, sample, name=f"counted-{len(sample.rows)}"))


def _print(name: str, counted: Counted) -> None:
    by_service = Counter[str]()
    for call, count in counted.calls.items():
        by_service[call.partition(".")[0]] += count
    same = "yes" if counted.calls == expected_calls(counted.shape) else "NO"
    cost = cost_usd(counted.calls)
    print(
        f"| {name}, {counted.shape.chunks} chunks | {sum(counted.calls.values())} | {same} | {by_service['s3']} "
        f"| {by_service['sqs']} | {by_service['dynamodb']} | ${cost:.5f} | ${cost / counted.records * 10**6:.4f} |"
    )


def _large_sample(records: int) -> SalesFile:
    """Return a sample of any size made as the `baton sample` command makes it, with few distinct keys."""
    with tempfile.TemporaryDirectory() as folder:
        file, reference = Path(folder) / "sales.csv", Path(folder) / "financial.csv"
        sample.write_sales(file, reference, records=records, seed=1, bad_percent=0.01, keys=1_000)
        with reference.open(newline="") as text:
            rows = {row["uuid"]: row for row in csv.DictReader(text)}
        assert set(next(iter(rows.values()))) == set(FINANCIAL)
        return SalesFile(file.read_bytes(), (), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    asyncio.run(_main(parser.parse_args().records))
