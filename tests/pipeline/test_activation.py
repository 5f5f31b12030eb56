"""How soon a Region that becomes active admits what waits in its bucket, among very many inputs that are done."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, override

import pytest

from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryLedger, MemoryObjectStore
from baton.memory.clock import START
from baton.model.batch import Batch, Source
from baton.model.control import Control
from baton.model.identity import batch_id_of, next_epoch
from baton.model.states import BatchState
from baton.ports import ListedVersion, ObjectInfo, VersionPage
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from logs import recording_log
from pipeline import Pipeline, Region

EAST, WEST = REGIONS_DEFAULT
_PAGE: Final = 500
_ADMITTED_SECONDS_MAX: Final = 5
_DONE: Final = Batch("0", "passthrough", Source("0", "v", 4), BatchState.CANCELLED, INITIAL_EPOCH, START, START)


class ManyInputs(MemoryObjectStore):
    """So many failed inputs that stay, made up page by page, each after 100 ms; those that wait lie among them."""

    def __init__(self, clock: LoopClock, *, inputs: int) -> None:
        super().__init__(clock, region=WEST)
        self._now = clock.now
        self._inputs = inputs
        self._waiting: dict[int, ObjectInfo] = {}
        self.lists = 0
        self.page_seconds = 0.1
        self.silent: Collection[int] = ()
        """Of pages, by the number that they begin with: those for which nobody answers."""

    def put_among(self, number: int) -> ObjectInfo:
        """Put one that nobody announces, right behind that number."""
        info = ObjectInfo(f"input/passthrough/{number:08d}-waits.csv", f"{WEST}-{number}", 4, self._now())
        self._waiting[number] = info
        return info

    @override
    async def list_versions(self, prefix: str, *, cursor: str | None = None) -> VersionPage:
        if not prefix.startswith("input/"):
            return VersionPage([], None)
        await asyncio.sleep(self.page_seconds)
        self.lists += 1
        start = int(cursor or 0)
        if start in self.silent:
            raise Unavailable(f"page {start}")
        end = min(start + _PAGE, self._inputs)
        written_at = self._now() - timedelta(days=2)
        infos: list[ObjectInfo] = []
        for number in range(start, end):
            infos.append(ObjectInfo(f"input/passthrough/{number:08d}.csv", "v", 4, written_at))
            if number in self._waiting:
                infos.append(self._waiting[number])
        versions = [ListedVersion(info, is_current=True) for info in infos]
        return VersionPage(versions, str(end) if end < self._inputs else None)


class DoneButSome(MemoryLedger):
    """Every batch that it is asked about failed long ago, unless nobody admitted it."""

    unadmitted: Collection[str] = ()

    @override
    async def get_many(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | None]:
        rows = {**await super().get_many([each for each in batch_ids if each in self.unadmitted])}
        return rows | dict.fromkeys(set(batch_ids) - set(self.unadmitted), _DONE)


class World:
    """The West, standing by, with very many inputs."""

    def __init__(self, *, inputs: int) -> None:
        clock = LoopClock()
        self.lines: list[dict[str, Any]] = []
        region = Region(region=WEST, clock=clock)
        self.objects = region.objects = ManyInputs(clock, inputs=inputs)
        self.ledger = region.ledger = DoneButSome(Control(INITIAL_EPOCH, EAST), region=WEST)
        self.pipeline = Pipeline(load_jobs("baton_jobs"), region=region, log=recording_log(self.lines))

    def put_among(self, numbers: Collection[int]) -> list[str]:
        """Put inputs that nobody announces; return their batches' ids."""
        infos = [self.objects.put_among(number) for number in numbers]
        self.ledger.unadmitted = ids = [batch_id_of(info.key, info.origin) for info in infos]
        return ids

    async def activate(self) -> None:
        control = await self.ledger.control()
        epoch = next_epoch(control.epoch, WEST, REGIONS_DEFAULT)
        await self.ledger.set_control(control.changed(epoch=epoch, active_region=WEST), before=control)

    async def seconds_until_admitted(self, ids: Collection[str]) -> float:
        """Return how long it takes until each of these has a row."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while any([await self.ledger.get(batch_id) is None for batch_id in ids]):  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.1)
        return loop.time() - began


@pytest.mark.parametrize("inputs", [20_000, 60_000])
def test_what_nobody_announced_is_admitted_at_once_wherever_it_lies(inputs: int) -> None:
    async def story() -> float:
        world = World(inputs=inputs)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(world.pipeline.process.sweeper.run(stop))
        await asyncio.sleep(60)
        ids = world.put_among([0, inputs // 3, inputs // 2, inputs - 1])
        await world.activate()
        seconds = await world.seconds_until_admitted(ids)
        stop.set()
        await sweeping
        return seconds

    assert virtual_time.run(story()) <= _ADMITTED_SECONDS_MAX


def test_a_page_that_nobody_answers_for_holds_up_no_other_and_is_measured() -> None:
    async def story() -> None:
        world = World(inputs=20_000)
        sweeper = world.pipeline.process.sweeper
        await sweeper.sweep()
        before, first, other = world.objects.lists, *world.put_among([10_100, 19_000])
        world.objects.silent = [10_000]
        await world.activate()
        for _ in range(2):
            await sweeper.sweep(just_activated=True)
        assert await world.ledger.get(other) is not None
        assert await world.ledger.get(first) is None
        assert world.objects.lists - before <= 20_000 / _PAGE + 3, "what was gone through is not begun again"
        world.objects.silent = ()
        await sweeper.sweep(just_activated=True)
        assert await world.ledger.get(first) is not None

    virtual_time.run(story())


def test_a_pass_of_hours_is_no_silence_as_long_as_its_pages_go_through() -> None:
    async def story() -> list[float]:
        world = World(inputs=20_000)
        world.objects.page_seconds = 120
        world.objects.silent = [19_500]
        await world.activate()
        for _ in range(2):
            await world.pipeline.process.sweeper.sweep(just_activated=True)
        return [line["InputSweepAge"] for line in world.lines if line["event"] == "inputs_swept"]

    assert virtual_time.run(story()) == pytest.approx([120, 240])
