"""No load that a Region gets through makes it look unhealthy: real services and both controllers, on a virtual clock.

What takes time takes it: a scan, a chunk, a task that dies and starts again. Each table row is one load.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, override

import pytest

from baton.catalog import load_jobs
from baton.memory import LoopClock, MemoryObjectStore, MemoryReplication
from baton.messages import OF_USERS, ORDINARY, Lane, Message
from baton.model.identity import batch_id_of
from baton.model.journal import DecisionKind, Verdict
from baton.model.states import FINAL
from baton.requests import PAGE_BATCHES
from baton.settings import RunnerSettings
from baton.testing import virtual_time
from baton.testing.faults import Crash
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.sales import financial, sales_file
from baton_proof.simulation.network import Life
from baton_proof.simulation.schedule import HOME, WARM_SECONDS, Schedule
from baton_proof.simulation.world import World, expected_result
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover.settings import ControllerSettings
from handover_shell.canary import Canary, Probe
from splitter.settings import SplitterSettings

JOBS: Final = load_jobs("baton_jobs")
RESTART_SECONDS: Final = (2.0, 5.0)
"""Of a container, in its task."""
SETTINGS: Final = ControllerSettings(oldest_batch_seconds=300)
"""Those of production, but that a batch is late after minutes instead of an hour, which would take long to play."""
SMALL_SECONDS_MAX: Final = 30.0
"""For a small file beside large ones: its own calls, and the trigger's."""
CHUNK: Final = 64 * 1024
"""What stands for a chunk of 16 MiB: a file of 10 GB has as many chunks here as there."""
QUICK_SECONDS: Final = 0.1
"""What each step of a canary takes, and of a small file."""
MIB: Final = 1024 * 1024


_in_hand: Final[ContextVar[str]] = ContextVar("_in_hand", default="")
"""Key of the file whose chunk was read last in this task: what is computed next is of it."""


def _is_loaded(key: str) -> bool:
    """Say whether it is a file of the load, and neither a canary nor a small one beside it."""
    return key.startswith("input/") and "small" not in key


class _OneThread:
    """Computes one chunk after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._free = asyncio.Lock()

    async def __call__[T](self, work: Callable[[], T], /) -> T:
        async with self._free:
            await asyncio.sleep(self._seconds if _is_loaded(_in_hand.get()) else QUICK_SECONDS)
            return work()


class _TakesTime(MemoryObjectStore):
    """Takes its time for scans of users' files."""

    def __init__(self, clock: LoopClock, scan_seconds: float, region: str) -> None:
        super().__init__(clock, region=region)
        self._scan_seconds = scan_seconds

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        await asyncio.sleep(self._scan_seconds if _is_loaded(key) else QUICK_SECONDS)
        async for piece in super().read(key, version_id=version_id, start=start, end=end):
            yield piece

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        _in_hand.set(key)
        return await super().get(key, version_id=version_id, start=start, end=end)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, how long its parts take, and for how long it is watched."""

    name: str
    send: Callable[["LoadedWorld"], Awaitable[object]]
    scan_seconds: float = 1.0
    """For each file."""
    chunk_seconds: float = 5.0
    """For each of the two pieces of CPU work of a chunk."""
    watched_seconds: float = 300.0
    in_one_lane: bool = True
    """Whether the Region is suspected where canaries share a lane with it."""
    failed_percent_max: float = 1.0
    """How many canaries may be lost: those that a process had in hand when it died."""
    in_order: bool = True
    """Whether small files beside it wait for nothing."""


@dataclass(slots=True)
class _Noted:
    """A canary of production; what it found is noted."""

    canary: Canary
    probes: list[Probe]

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        probe = await self.canary.probe(region, seconds_max=seconds_max)
        self.probes.append(probe)
        return probe


class LoadedWorld(World):
    """Both Regions with nothing broken, each service as large as in production, and one load."""

    load: Load
    probes: list[Probe]
    small_seconds: list[float]
    """How long small files took."""

    def __init__(self, load: Load) -> None:
        super().__init__(
            Schedule(1, (), (), (), SETTINGS, real_canary=True, restart_seconds=RESTART_SECONDS),
            make_controller=self._controller_made,
            page_batches=PAGE_BATCHES,
        )
        self.load, self.probes, self.small_seconds = load, [], []
        self.healed = True  # every event of a bucket arrives
        for side in self.sides.values():
            side.objects = _TakesTime(self.clock, load.scan_seconds, side.region)
            side.objects.listen(partial(self._written, side.region))
        self.replication = MemoryReplication({name: side.objects for name, side in self.sides.items()}, self.clock)

    def _controller_made(self, *, reach: Reach, **rest: Any) -> Controller:
        return Controller(reach=replace(reach, canary=_Noted(reach.canary, self.probes)), **rest)

    @override
    def process_of(self, region: str, life: Life) -> Pipeline:
        return Pipeline(
            JOBS,
            region=self.sides[region],
            crash=life,
            splitter_settings=SplitterSettings(chunk_bytes=CHUNK),
            # As in production: the worker has two slots, and one thread that computes for each lane.
            runner_settings=RunnerSettings(slots=2),
            compute_of=lambda _: _OneThread(self.load.chunk_seconds),
            log=recording_log(self.lines),
        )

    @override
    async def _trigger(self, region: str, key: str, version_id: str) -> None:
        """Let a canary's event wait in its queue for a splitter that lives."""
        await asyncio.sleep(self.dice.uniform(0.1, 2))
        while True:
            with contextlib.suppress(Crash):
                await self.processes[region].process.admitter.admit(key, version_id)
                return
            await asyncio.sleep(1)

    async def put(self, name: str, body: bytes, job: str = "passthrough") -> str:
        info = await self.sides[HOME].objects.put(f"input/{job}/{name}.csv", body)
        return batch_id_of(info.key, info.origin)

    async def played(self) -> "LoadedWorld":
        """Play the load, with small files beside it."""
        stop = asyncio.Event()
        for side in self.sides.values():
            await financial(side.reference, sales_file(records=1))
        lives = [asyncio.create_task(self.replication.run(stop))]
        for region in REGIONS_DEFAULT:
            lives += [asyncio.create_task(live(region, stop)) for live in (self.live_services, self.live_controller)]
        await asyncio.sleep(WARM_SECONDS)
        await self.load.send(self)
        lives.append(asyncio.create_task(self._small_files()))
        until = asyncio.get_running_loop().time() + self.load.watched_seconds
        while asyncio.get_running_loop().time() < until and not self.judged:  # noqa: ASYNC110 - virtual time: a poll costs nothing
            await asyncio.sleep(SETTINGS.beat_seconds)
        stop.set()
        for life in self.lives:
            life.killed.set()
        for task in (*lives, *self.background):
            task.cancel()
        ended = await asyncio.gather(*lives, *self.background, return_exceptions=True)
        assert not [each for each in ended if isinstance(each, Exception)]
        return self

    async def _small_files(self) -> None:
        loop = asyncio.get_running_loop()
        for number in range(100_000):
            sent_at = loop.time()
            batch_id = await self.put(f"small{number}", b"a\n1\n")
            while (row := await self.ledger.get(batch_id)) is None or row.state not in FINAL:  # noqa: ASYNC110 - virtual
                await asyncio.sleep(1)
            self.small_seconds.append(loop.time() - sent_at)
            await asyncio.sleep(60)

    @property
    def judged(self) -> list[str]:
        """What was decided that nobody may decide while nothing is broken."""
        wrong = {DecisionKind.SUSPECTED, DecisionKind.INTENDED, DecisionKind.COMMITTED, DecisionKind.HELD}
        return [f"{each.kind}: {each.summary}" for each in self.watch.decisions if each.kind in wrong]

    @property
    def failed(self) -> list[str]:
        """What canaries found that did not come through."""
        return [probe.value for probe in self.probes if probe.verdict is not Verdict.HEALTHY]


# --- the loads --------------------------------------------------------------------------------------------------------


def _file(chunks: int, *, name: str = "large") -> Callable[[LoadedWorld], Awaitable[object]]:
    async def send(world: LoadedWorld) -> None:
        await world.put(name, b"a\n" + b"123456789\n" * (chunks * CHUNK // 10))

    return send


async def _four_large_files(world: LoadedWorld) -> None:
    for number in range(4):
        await _file(40, name=f"large{number}")(world)


async def _many_small_files(world: LoadedWorld) -> None:
    for number in range(1_000):
        await world.put(f"many{number}", b"a\n1\n")


async def _all_rejected(world: LoadedWorld) -> None:
    await world.put("rejected", sales_file(records=30_000, bad=30_000).body, "sales")


async def _empty_rows(world: LoadedWorld) -> None:
    sample = sales_file(records=1)
    await world.put("emptied", sample.body + b",,,,,,,\n" * 1_048_575, "sales")


async def _blank_lines(world: LoadedWorld) -> None:
    for number in range(2):  # as many as a service has slots here
        await world.put(f"blank{number}", b"\n" * (12 * MIB) + b"a\n1\n")


async def _poison(world: LoadedWorld) -> None:
    await asyncio.sleep(5)  # so that it kills while canaries are on their way
    world.network.poison = "input/passthrough/poison.csv"
    await world.put("poison", b"a\n1\n")


async def _dead_letters(world: LoadedWorld) -> None:
    for lane in OF_USERS:
        for _ in range(21):
            world.sides[HOME].queues.put_raw("chunk", "no message of ours", lane=lane)


LOADS: Final = (
    Load("a file of 300 MB", _file(18), scan_seconds=2),
    Load("a file of 10 GB", _file(600), scan_seconds=70, chunk_seconds=1, watched_seconds=1_500),
    Load("four large files", _four_large_files, scan_seconds=160, watched_seconds=600),
    Load("1,000 small files", _many_small_files, chunk_seconds=2, watched_seconds=150, in_order=False),
    Load("a file all rejected", _all_rejected, chunk_seconds=60),
    Load("a sheet of a million empty rows", _empty_rows, chunk_seconds=60),
    Load("a sea of blank lines", _blank_lines, scan_seconds=120),
    Load("a poison batch", _poison, watched_seconds=600, in_one_lane=False, failed_percent_max=25, in_order=False),
    Load("a batch of hours", _file(30), chunk_seconds=145, watched_seconds=900),
    Load("21 dead letters", _dead_letters, in_one_lane=False),
)


def _played(load: Load) -> LoadedWorld:
    expected_result()

    async def story() -> LoadedWorld:
        return await LoadedWorld(load).played()

    return virtual_time.run(story())


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_no_load_makes_a_region_suspect(load: Load) -> None:
    world = _played(load)

    assert world.judged == []
    assert len(world.probes) > load.watched_seconds / SETTINGS.probe_seconds
    assert len(world.failed) <= load.failed_percent_max * len(world.probes) / 100, world.failed
    assert max(probe.seconds or 0.0 for probe in world.probes) < SETTINGS.probe_deadline_seconds
    if load.in_order:
        assert max(world.small_seconds) < SMALL_SECONDS_MAX


@pytest.mark.parametrize("load", [load for load in LOADS if load.in_one_lane], ids=lambda load: load.name)
def test_the_same_loads_do_where_all_share_one_lane(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant the fault that lanes are there for: it is noticed for every load that occupies slots."""

    def one_lane(message: Message) -> Lane:
        del message
        return ORDINARY

    monkeypatch.setattr("baton.memory.queues.lane_of", one_lane)

    assert _played(load).judged != []
