"""How soon a Region that becomes active admits what waits in its bucket, among very many inputs that are done."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, override

import pytest

from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryArrivals, MemoryLedger, MemoryObjectStore, Refusal
from baton.memory.clock import START
from baton.model.batch import Batch, Source
from baton.model.control import Control
from baton.model.identity import batch_id_of, next_epoch
from baton.model.states import BatchState
from baton.ports import ListedVersion, ObjectInfo, PageEnd, VersionPage
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.two_regions import TwoRegions

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
    async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
        if not prefix.startswith("input/"):
            return VersionPage([], None)
        await asyncio.sleep(self.page_seconds)
        self.lists += 1
        start = int(after.version_id) if after else 0
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
        return VersionPage(versions, PageEnd(infos[-1].key, str(end)) if end < self._inputs else None)


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
        self.ledger = region.ledger = DoneButSome(Control(INITIAL_EPOCH, EAST))
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
        """Return how long it takes until each of these has a row; nothing here is worth more than half a minute."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while any([await self.ledger.get(batch_id) is None for batch_id in ids]):
            await asyncio.sleep(0.1)
            if loop.time() > began + 30:
                break
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


# --- what was announced -----------------------------------------------------------------------------------------------


_TEN_MILLION: Final = 10_000_000
KEY: Final = "input/passthrough/f.csv"


def test_what_was_announced_is_admitted_at_once_among_ten_million_inputs() -> None:
    async def story() -> tuple[float, int]:
        world = World(inputs=_TEN_MILLION)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(world.pipeline.process.sweeper.run(stop))
        await asyncio.sleep(60)
        world.ledger.unadmitted = ids = [
            await world.pipeline.upload(f"input/passthrough/{number}.csv", b"a\n1\n") for number in range(100)
        ]
        await world.activate()
        seconds = await world.seconds_until_admitted(ids)
        sent = {message.batch_id for message in world.pipeline.region.queues.queued("split")}
        stop.set()
        await sweeping
        assert sent == set(ids)
        return seconds, (await world.pipeline.batch(ids[0])).owner_epoch

    seconds, epoch = virtual_time.run(story())

    assert seconds <= _ADMITTED_SECONDS_MAX
    assert epoch == INITIAL_EPOCH + 1


def test_the_standby_admits_for_the_active_region_after_minutes_among_ten_million_inputs() -> None:
    async def story() -> tuple[bool, Batch]:
        world = World(inputs=_TEN_MILLION)
        world.objects.page_seconds = 10
        stop = asyncio.Event()
        sweeping = asyncio.create_task(world.pipeline.process.sweeper.run(stop))
        world.ledger.unadmitted = [batch_id] = [await world.pipeline.upload(KEY, b"a\n1\n")]
        await asyncio.sleep(280)
        is_early = await world.ledger.get(batch_id) is not None
        await asyncio.sleep(80)
        stop.set()
        await sweeping
        return is_early, await world.pipeline.batch(batch_id)

    is_early, batch = virtual_time.run(story())

    assert not is_early
    assert (batch.state, batch.owner_epoch) == (BatchState.ADMITTED, INITIAL_EPOCH)


def test_a_file_that_is_noted_when_its_region_has_become_active_is_admitted_by_its_event() -> None:
    class Late(MemoryArrivals):
        """Written when the Region has been made active, and has looked."""

        world: TwoRegions

        @override
        async def note(self, info: ObjectInfo, *, at: datetime) -> None:
            await self.world.activate(WEST)
            await self.world.west.process.sweeper.sweep(just_activated=True)
            await super().note(info, at=at)

    class Unlisted(MemoryObjectStore):
        @override
        async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
            return VersionPage([], None)

    async def story() -> Batch:
        world = TwoRegions(load_jobs("baton_jobs"))
        region = world.west.region
        region.objects = Unlisted(world.clock, region=WEST)
        region.arrivals = arrivals = Late()
        arrivals.world = world
        world.west.restart()
        return await world.west.batch(await world.west.upload(KEY, b"a\n1\n"))

    assert asyncio.run(story()).owner_epoch == INITIAL_EPOCH + 1


def test_a_replica_of_what_the_active_region_admitted_is_not_noted() -> None:
    async def story() -> list[str]:
        world = TwoRegions(load_jobs("baton_jobs"))
        west = world.west.region
        await world.east.upload(KEY, b"a\n1\n")
        await world.east.upload("input/passthrough/unseen.csv", b"a\n1\n", announce=False)
        await world.east.upload("input/passthrough/.keep", b"", announce=False)
        world.replicate()
        for key in west.objects.history():
            info = await west.objects.head(key)
            assert info is not None
            await world.west.announce(key, info.version_id)
        return [info.key async for page in west.arrivals.noted(since=START) for info in page]

    assert asyncio.run(story()) == ["input/passthrough/unseen.csv"]


def test_a_note_that_is_written_later_than_it_says_is_found() -> None:
    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        await pipeline.process.sweeper.sweep()
        batch_id = await pipeline.upload("input/passthrough/f.csv", b"a\n1\n", announce=False)
        (info,) = [each.info for each in pipeline.region.objects.history()["input/passthrough/f.csv"]]
        await pipeline.region.arrivals.note(info, at=pipeline.region.clock.now() - timedelta(seconds=60))
        pipeline.advance(30)  # it is too young for the list of all inputs
        await pipeline.process.sweeper.sweep()
        return await pipeline.batch(batch_id)

    assert asyncio.run(story()).state is BatchState.ADMITTED


def test_notes_that_cannot_be_read_keep_no_list_from_being_swept() -> None:
    async def story() -> BatchState:
        pipeline = Pipeline(load_jobs("baton_jobs"), region=Region())
        pipeline.region.arrivals.refusals.refuse("noted", by=Refusal.THROTTLED)
        batch_id = await pipeline.upload(KEY, b"a\n1\n", announce=False)
        await pipeline.drive()
        return (await pipeline.batch(batch_id)).state

    assert asyncio.run(story()) is BatchState.COMPLETED
