"""Measures the sweeper's calls, cost, CPU and memory: `make bench NAME=sweep`. Arguments: open batches, inputs.

The real sweeper on stores that make up what they are asked for, so that ten million inputs take no room but its own.
CPU is ours alone: what the SDK adds for each call is in docs/performance.md.
"""

import asyncio
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final, override

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
_PAGE_BATCHES: Final = 800
_PAGE_VERSIONS: Final = 500


@dataclass(slots=True)
class World:
    """What there is, and what was asked of it."""

    open_batches: int = 0
    settled: int = 0
    """Batches that settled 14 days ago."""
    inputs: int = 0
    clock: MemoryClock = field(default_factory=MemoryClock)
    calls: Counter[str] = field(default_factory=Counter[str])

    def batch(self, number: int | str, *, settled: bool) -> Batch:
        """Make up one that failed, and is announced, or one whose chunks are in hand."""
        at = self.clock.now() - (timedelta(days=RETENTION_DAYS, minutes=1) if settled else timedelta(minutes=20))
        states = (BatchState.ADMITTED, BatchState.SPLIT, *((BatchState.FAILED,) if settled else ()))
        return Batch(
            batch_id=f"{number:032x}" if isinstance(number, int) else number,
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

    async def pages(self, count: int, *, settled: bool) -> AsyncIterator[BatchPage]:
        """Make up so many batches, page by page."""
        for start in range(0, max(1, count), _PAGE_BATCHES):
            numbers = range(start, min(start + _PAGE_BATCHES, count))
            self.calls["dynamodb.Query"] += 1 if settled else 8
            self.calls["dynamodb.Query (rows)"] += len(numbers)
            yield BatchPage([self.batch(number, settled=settled) for number in numbers])


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
        return self._world.pages(self._world.open_batches, settled=False)

    @override
    def list_settled(self, day: date) -> AsyncIterator[BatchPage]:
        is_due = day == (self._world.clock.now() - timedelta(days=RETENTION_DAYS, minutes=1)).date()
        return self._world.pages(self._world.settled if is_due else 0, settled=True)

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
    busy = sweeper_of(world)
    await measured(f"{open_batches:,} open batches that wait in queues, a sweep", partial(sweep, world, busy))
    for _ in range(5):
        await sweep(world, busy)  # until the queues were seen empty for long enough
    await measured(f"{open_batches:,} open batches in hand, a sweep", partial(sweep, world, busy))
    await held(partial(sweep, world, busy))

    world = World(settled=open_batches)
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
