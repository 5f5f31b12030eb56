"""Measures the sweeper's calls, cost, CPU and memory: `make bench NAME=sweep`. Arguments: open batches, inputs.

The real sweeper on stores that make up what they are asked for, so that ten million inputs take no room but its own.
CPU is ours alone: what the SDK adds for each call is in docs/performance.md.
"""

import asyncio
import hashlib
import random
import resource
import sys
import time
import tracemalloc
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast, override

from baton.aws.dynamodb.batch_item import batch_pk, batch_to_item, listed_at, listing
from baton.aws.dynamodb.items import Item, to_item
from baton.aws.dynamodb.ledger import DynamoLedger
from baton.catalog import load_jobs
from baton.memory import MemoryClock, MemoryHeartbeats, MemoryLedger, MemoryObjectStore, MemoryProgress
from baton.model.batch import Batch, Failure, MailClaim, Source, Step
from baton.model.control import Control
from baton.model.states import BatchState
from baton.ports import BatchPage, ListedVersion, ObjectInfo, PageEnd, Signs, Tally, VersionPage
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT, RETENTION_DAYS
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from splitter.settings import SplitterSettings
from splitter.sweeper import Sweeper

_READ_USD: Final = 0.125e-6
"""A strong read of up to 4 kB. Prices are those of us-east-1, 2026-11, kept by hand."""
USD: Final[Mapping[str, float]] = {
    "s3.ListObjectVersions": 5e-6,
    "s3.HeadObject": 0.4e-6,
    "sqs.GetQueueAttributes": 0.4e-6,
    "dynamodb.GetItem": _READ_USD,
    "dynamodb.BatchGetItem (rows)": _READ_USD,
    "dynamodb.Query (rows)": _READ_USD / 8,  # 1 kB of an index that need not be up to date
    "dynamodb.DeleteItem": 3 * 2 * 0.625e-6,  # 3 kB, in both Regions
}
_PAGE_VERSIONS: Final = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the list of batches, as the adapter of DynamoDB reads it from the index."""

    batch_ids: Sequence[str]
    queries: int
    rows: int


@dataclass(slots=True)
class World:
    """What there is, and what was asked of it."""

    open_batches: int = 0
    settled: int = 0
    """Batches that settled 14 days ago."""
    inputs: int = 0
    clock: MemoryClock = field(default_factory=MemoryClock)
    calls: Counter[str] = field(default_factory=Counter[str])
    _listed: dict[bool, Sequence[Listed]] = field(default_factory=dict[bool, Sequence[Listed]])

    def batch(self, number: int | str, *, settled: bool) -> Batch:
        """Make up one that failed, and is announced, or one whose chunks are in hand."""
        at = self.clock.now() - (timedelta(days=RETENTION_DAYS, minutes=1) if settled else timedelta(minutes=20))
        states = (BatchState.ADMITTED, BatchState.SPLIT, *((BatchState.FAILED,) if settled else ()))
        return Batch(
            batch_id=number if isinstance(number, str) else batch_id_of(number),
            job="passthrough",
            source=Source(f"input/passthrough/{number}.csv", "v" * 32, 1_000),
            state=states[-1],
            owner_epoch=INITIAL_EPOCH,
            admitted_at=at,
            updated_at=at,
            plan_id="f" * 16,
            history=tuple(Step(at, state, REGIONS_DEFAULT[0]) for state in states),
            failure=Failure("header", "x") if settled else None,
            mail_claim=MailClaim(1, INITIAL_EPOCH, at, at) if settled else None,
        )

    async def pages(self, *, settled: bool) -> AsyncIterator[BatchPage]:
        """Make up the batches that are open, or those that settled, page by page."""
        for page in await self.listed(settled=settled):
            self.calls["dynamodb.Query"] += page.queries
            self.calls["dynamodb.Query (rows)"] += page.rows
            yield BatchPage([self.batch(batch_id, settled=settled) for batch_id in page.batch_ids])

    async def listed(self, *, settled: bool) -> Sequence[Listed]:
        """Return how these batches are listed. It is found out once, since to read rows is the SDK's work, not ours."""
        if settled not in self._listed:
            count = self.settled if settled else self.open_batches
            self._listed[settled] = await listed(self.batch("", settled=settled), count)
        return self._listed[settled]


def batch_id_of(number: int) -> str:
    """Return an id as a batch has one: a digest, so that the shards of the list are as uneven as they are."""
    return hashlib.sha256(number.to_bytes(8)).hexdigest()[:32]


async def listed(batch: Batch, count: int) -> Sequence[Listed]:
    """Return the pages in which DynamoDB's adapter lists so many batches like this one."""
    index = _Index(batch, count)

    async def client() -> Any:
        return index

    ledger = DynamoLedger(cast("Any", client), table="t", clock=MemoryClock(), dice=random.SystemRandom())
    found: list[Listed] = []
    async for page in ledger.list_settled(batch.updated_at.date()) if batch.is_settled else ledger.list_open():
        found.append(Listed([each.batch_id for each in page.batches], index.queries, index.rows))
        index.queries = index.rows = 0
    return found


class _Index:
    """Stands in for the SDK's client: the index of batches, and how often it was asked for how many rows."""

    def __init__(self, batch: Batch, count: int) -> None:
        self.queries = self.rows = 0
        self._partitions: defaultdict[str, list[tuple[str, Item]]] = defaultdict(list)
        row = batch_to_item(batch, write_id="w")
        for one in (replace(batch, batch_id=batch_id_of(number)) for number in range(count)):
            item = row | to_item({"pk": batch_pk(one.batch_id), "batch_id": one.batch_id, "listed_at": listed_at(one)})
            self._partitions[listing(one)].append((item["listed_at"]["S"], item))
        for rows in self._partitions.values():
            rows.sort(key=_place)

    def get_paginator(self, operation: str) -> "_Index":
        assert operation == "query"
        return self

    async def paginate(self, **asked: Any) -> AsyncGenerator[dict[str, Any]]:
        values, most = asked["ExpressionAttributeValues"], asked["PaginationConfig"]["MaxItems"]
        assert not asked["ScanIndexForward"], "newest first"
        rows = self._partitions[values[":listing"]["S"]]
        end = bisect_right(rows, values[":cursor"]["S"], key=_place)
        items = [item for _, item in reversed(rows[max(0, end - most) : end])]
        self.queries += 1
        self.rows += len(items)
        yield {"Items": items}


def _place(row: tuple[str, Item]) -> str:
    return row[0]


class _Ledger(MemoryLedger):
    def __init__(self, world: World) -> None:
        super().__init__(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))
        self._world = world

    @override
    async def control(self) -> Control:
        self._world.calls["dynamodb.GetItem"] += 1
        return await super().control()

    @override
    async def get(self, batch_id: str) -> Batch | None:
        self._world.calls["dynamodb.GetItem"] += 1
        return self._world.batch(batch_id, settled=False)

    @override
    async def get_many(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | None]:
        self._world.calls["dynamodb.BatchGetItem"] += -(-len(batch_ids) // 100)
        self._world.calls["dynamodb.BatchGetItem (rows)"] += len(batch_ids)
        one = self._world.batch("", settled=True)
        return {batch_id: replace(one, batch_id=batch_id) for batch_id in batch_ids}

    @override
    def list_open(self) -> AsyncIterator[BatchPage]:
        return self._world.pages(settled=False)

    @override
    async def list_settled(self, day: date) -> AsyncIterator[BatchPage]:
        if self._world.settled and day == (self._world.clock.now() - timedelta(days=RETENTION_DAYS, minutes=1)).date():
            async for page in self._world.pages(settled=True):
                yield page
        else:
            self._world.calls["dynamodb.Query"] += 1
            yield BatchPage([])

    @override
    async def delete(self, batch: Batch) -> None:
        self._world.calls["dynamodb.DeleteItem"] += 1


class _Objects(MemoryObjectStore):
    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self._world = world

    @override
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        self._world.calls["s3.HeadObject"] += 1
        return None

    @override
    async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
        self._world.calls["s3.ListObjectVersions"] += 1
        if not prefix.startswith("input/"):
            return VersionPage([], None)
        at, start = self._world.clock.now() - timedelta(days=400), int(after.version_id) if after else 0
        end = min(start + _PAGE_VERSIONS, self._world.inputs)
        infos = (ObjectInfo(f"input/passthrough/{n:08d}.csv", "v" * 32, 1_000, at) for n in range(start, end))
        versions = [ListedVersion(info, is_current=True) for info in infos]
        return VersionPage(versions, PageEnd(versions[-1].info.key, str(end)) if end < self._world.inputs else None)


class _Heartbeats(MemoryHeartbeats):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @override
    async def signs(self, batch_id: str) -> Signs:
        self._world.calls["dynamodb.GetItem"] += 1
        return Signs(worked_at=self._world.clock.now(), nudges=None)


class _Progress(MemoryProgress):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @override
    async def tally(self, batch_id: str, plan_id: str) -> Tally | None:
        self._world.calls["dynamodb.GetItem"] += 1
        return None


def sweeper_of(world: World, *, pages_max: int | None = None) -> Sweeper:
    """Put the sweeper together as the splitter does."""
    region = Region(clock=world.clock)
    region.ledger, region.objects = _Ledger(world), _Objects(world)
    region.heartbeats, region.progress = _Heartbeats(world), _Progress(world)
    settings = SplitterSettings() if pages_max is None else SplitterSettings(sweep_pages_max=pages_max)
    return Pipeline(load_jobs("baton_jobs"), region=region, splitter_settings=settings).process.sweeper


async def sweep(world: World, sweeper: Sweeper) -> Counter[str]:
    """Sweep once, half a minute later; return its calls."""
    world.clock.advance(30)
    world.calls.clear()
    await sweeper.sweep()
    return world.calls.copy()


def usd(calls: Counter[str]) -> float:
    """Return the list price of these calls."""
    return sum(USD.get(call, 0) * count for call, count in calls.items())


async def measured(what: str, work: Callable[[], Awaitable[Counter[str]]], *, times: int = 1) -> None:
    """Do the work so many times; print what one of them took on average."""
    calls = Counter[str]()
    began = time.process_time()
    for _ in range(times):
        calls += await work()
    seconds = (time.process_time() - began) / times
    shown = ", ".join(f"{count / times:,.6g} {call}" for call, count in sorted(calls.items()))
    print(f"{what}: {seconds:.2f} s CPU, ${usd(calls) / times:.6f}, {shown}", flush=True)


async def held(work: Callable[[], Awaitable[Counter[str]]]) -> None:
    """Print the most that one more of it holds at a time."""
    tracemalloc.start()
    await work()
    print(f"  at most {tracemalloc.get_traced_memory()[1] / 2**20:.1f} MiB in hand meanwhile", flush=True)
    tracemalloc.stop()


async def main(open_batches: int, inputs: int) -> None:
    """Print the costs of each kind of sweep."""
    world = World()
    idle = sweeper_of(world)
    await sweep(world, idle)
    await measured("nothing, a sweep", partial(sweep, world, idle))

    world = World(open_batches=open_batches)
    await world.listed(settled=False)
    busy = sweeper_of(world)
    await measured(f"{open_batches:,} open batches that wait in queues, a sweep", partial(sweep, world, busy))
    for _ in range(5):
        await sweep(world, busy)  # until the queues were seen empty for long enough
    await measured(f"{open_batches:,} open batches in hand, a sweep", partial(sweep, world, busy))
    await held(partial(sweep, world, busy))

    world = World(settled=open_batches)
    await world.listed(settled=True)
    old = sweeper_of(world)
    await measured(f"deleting {open_batches:,} old rows, and a look at 400 days", partial(sweep, world, old))

    world = World(inputs=inputs)
    full, empty_mib = sweeper_of(world), resident_mib()
    sweeps = -(-inputs // (_PAGE_VERSIONS * SplitterSettings().sweep_pages_max))
    await measured(
        f"{inputs:,} inputs, each of {sweeps} sweeps of a first pass", partial(sweep, world, full), times=sweeps
    )
    await measured("  each of a later pass", partial(sweep, world, full), times=min(sweeps, 10))
    await held(partial(sweep, world, full))
    print(f"  the process holds {resident_mib():,.0f} MiB, {resident_mib() - empty_mib:,.0f} more than before")


def resident_mib() -> float:
    """Return what this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:3] if len(sys.argv) > 2 else ("100000", "1000000"))))
