"""Both Regions in memory, as the operator's command sees them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from baton.catalog import Catalog, CatalogError, load_jobs, offered
from baton.errors import Unavailable
from baton.ledger_switch import LedgerSwitch
from baton.memory import (
    LoopClock,
    MemoryClock,
    MemoryEventBus,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryRoutes,
    MemorySwitch,
)
from baton.model.batch import Batch, Counts, Failure, Published, Source, Step
from baton.model.control import Control
from baton.model.states import BatchState
from baton.topology import REGIONS_DEFAULT
from baton_cli.reach.connection import Connection, Declined, RegionPorts
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

HOME, AWAY = REGIONS_DEFAULT
EPOCH = 2
"""Belongs to HOME."""
PUBLISHED = Published(
    result_key="output/sales/b/e2/result.csv",
    rejects_key="output/sales/b/e2/rejects.csv",
    manifest_key="output/sales/b/e2/manifest.json",
    result_bytes=5,
    result_crc64nvme="",
)


class Unreachable:
    """A port of a Region that is down: every call fails."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def fail(*_: object, **__: object) -> None:
            raise Unavailable(f"{name}: connection refused")

        return fail


class Silent:
    """A port of a Region that is cut off: no call ever returns."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def hang(*_: object, **__: object) -> None:
            await asyncio.get_running_loop().create_future()

        return hang


class MemoryUploader:
    """Writes to one Region's bucket, in two steps of progress."""

    def __init__(self, objects: MemoryObjectStore) -> None:
        self._objects = objects

    async def upload(self, path: Path, key: str, *, sent: Callable[[int], None]) -> str:
        body = path.read_bytes()  # noqa: ASYNC240 - a test file of a few bytes
        sent(len(body) // 2)
        sent(len(body))
        return (await self._objects.put(key, body)).version_id


def _ports(region: Region) -> RegionPorts:
    return RegionPorts(region.objects, region.queues.outbox(), region.progress, region.rejects)


@dataclass(slots=True)
class CliWorld:
    """Two Regions, one ledger, one clock."""

    clock: Any = field(default_factory=MemoryClock)
    ledger: Any = field(default_factory=lambda: MemoryLedger(Control(EPOCH, HOME)))
    journal: Any = field(default_factory=MemoryJournal)
    home: Region = field(init=False)
    away: Region = field(init=False)
    connection: Connection = field(init=False)
    switch: Any = field(init=False)
    routes: Any = field(default_factory=MemoryRoutes)
    events: MemoryEventBus = field(default_factory=MemoryEventBus)
    admin_double: Any = None
    started: bool = False
    jobs_there: Mapping[str, str] | None = None
    """Versions of the jobs that the world was started with."""

    def __post_init__(self) -> None:
        self.switch = MemorySwitch(clock=self.clock)
        self.home = Region(HOME, self.clock)
        self.away = Region(AWAY, self.clock)
        self.connection = Connection(
            environment="test",
            regions=REGIONS_DEFAULT,
            ledger=self.ledger,
            journal=self.journal,
            by_region={HOME: _ports(self.home), AWAY: _ports(self.away)},
            references=(self.home.reference, self.away.reference),
            uploader=MemoryUploader(self.home.objects),
            clock=self.clock,
            switch=lambda: self.switch,
            routes=lambda: self.routes,
            events=lambda: self.events,
        )

    def lose(self, region: str, port: Any, *names: str) -> None:
        """Replace ports of a Region, all of them by default."""
        names = names or ("objects", "outbox", "progress", "rejects")
        lost = replace(self.connection.by_region[region], **dict.fromkeys(names, port))
        self.connection = replace(self.connection, by_region={**self.connection.by_region, region: lost})

    def batch(self, batch_id: str = "b" * 20, state: BatchState = BatchState.SPLIT, **changes: Any) -> Batch:
        """Return a batch of HOME, admitted now."""
        now = self.clock.now()
        batch = Batch(
            batch_id=batch_id,
            job="sales",
            source=Source("input/sales/march.csv", "v1", 1_000),
            state=state,
            owner_epoch=EPOCH,
            admitted_at=now,
            updated_at=now,
            plan_id="plan1",
            chunks=2,
            records_total=10,
            history=(Step(now, state, HOME),),
        )
        return replace(batch, **changes)

    async def admit(self, batch: Batch) -> Batch:
        await self.ledger.admit(batch)
        return batch

    # What `baton_cli.session.Places` asks for:

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection]:
        yield self.connection

    def admin(self) -> Any:
        if self.admin_double is None:
            raise Declined("no world runs on this machine")
        return self.admin_double

    def up(self) -> Any:
        raise Declined("not on this machine")

    def down(self) -> bool:
        self.started, was = False, self.started
        return was

    def catalog(self, *, left_out: list[CatalogError] | None = None) -> Catalog:
        return offered(load_jobs("baton_jobs", left_out=left_out))

    def jobs_at_start(self) -> Mapping[str, str] | None:
        return self.jobs_there


def virtual_world() -> CliWorld:
    """Return a world whose clock is the running loop's."""
    return CliWorld(clock=LoopClock())


def failed(code: str = "chunk_failed") -> dict[str, Any]:
    """Return what a failed batch differs by."""
    return {"state": BatchState.FAILED, "failure": Failure(code, "it broke")}


def completed() -> dict[str, Any]:
    """Return what a completed batch differs by."""
    return {"state": BatchState.COMPLETED, "published": PUBLISHED, "counts": Counts(10, 8, 2)}


def connected_to(pipeline: Pipeline) -> Connection:
    """Return a connection to the one Region of a pipeline."""
    region = pipeline.region
    ports = RegionPorts(region.objects, region.queues.outbox(), region.progress, region.rejects)
    return Connection(
        environment="test",
        regions=REGIONS_DEFAULT,
        ledger=region.ledger,
        journal=MemoryJournal(),
        by_region=dict.fromkeys(REGIONS_DEFAULT, ports),
        references=(region.reference,),
        uploader=MemoryUploader(region.objects),
        clock=region.clock,
        switch=LedgerSwitch,
        routes=MemoryRoutes,
        events=MemoryEventBus,
    )
