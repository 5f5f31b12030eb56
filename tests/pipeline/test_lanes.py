"""No load makes a canary late: real services with their slots, and compute and scans that take their time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import override

import pytest

from baton.canary import canary_key
from baton.catalog import load_jobs
from baton.memory import LoopClock, MemoryObjectStore
from baton.memory.objects import Version
from baton.messages import Lane, ProcessChunk, SplitBatch
from baton.model.batch import LARGE_FROM_BYTES
from baton.model.identity import batch_id_of
from baton.model.journal import Verdict
from baton.model.states import BatchState
from baton.offload import Offload
from baton.settings import RunnerSettings
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from handover_shell.canary import BatchCanary, Probe

HOME, S = REGIONS_DEFAULT[0], BatchState
DEADLINE_SECONDS = 10.0
SLOW_SECONDS = 300.0
"""Of one chunk, or one scan, of a user's batch: the longest that is let be."""
LARGE = b"a\n" + b"1\n" * (LARGE_FROM_BYTES // 2)


class _OneThread:
    """Computes one chunk after the other, each for as long as a slow rule takes; a canary's for no time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._free = asyncio.Lock()

    async def __call__[T](self, work: Callable[[], T], /) -> T:
        async with self._free:
            await asyncio.sleep(self._seconds)
            return work()


class _SlowScans(MemoryObjectStore):
    """Takes its time to read large files."""

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        if "large" in key:
            await asyncio.sleep(SLOW_SECONDS)
        async for piece in super().read(key, version_id=version_id, start=start, end=end):
            yield piece


@dataclass
class _World:
    """One Region at work, with a controller's canary."""

    slow: frozenset[Lane] = frozenset({"ordinary", "large"})
    """Whose rules are."""
    region: Region = field(default_factory=lambda: Region(clock=LoopClock()))
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.region.objects = _SlowScans(self.region.clock, region=HOME)
        self.pipeline = self._pipeline()
        self.region.objects.listen(self._told)
        self._events: set[asyncio.Task[object]] = set()

    def _pipeline(self) -> Pipeline:
        return Pipeline(
            load_jobs("baton_jobs"),
            region=self.region,
            compute_of=self._compute_of,
            # As in production: the worker has two slots, the splitter four.
            runner_settings=RunnerSettings(slots=2, wait_seconds=20),
        )

    def _compute_of(self, lane: Lane) -> Offload:
        return _OneThread(SLOW_SECONDS if lane in self.slow else 0.1)

    def _told(self, version: Version) -> None:
        """Be S3: send an event of what came."""
        info = version.info
        if version.body is not None:
            admitting = asyncio.ensure_future(self.pipeline.process.admitter.admit(info.key, info.version_id))
            self._events.add(admitting)
            admitting.add_done_callback(self._events.discard)

    async def probes(self, load: Callable[["_World"], Awaitable[object]]) -> list[Probe]:
        """Return what canaries find, one every 15 s for five minutes, beside the load."""
        canary = BatchCanary(
            sender="us-west-2",
            ledger=self.region.ledger,
            objects={HOME: self.region.objects},
            clock=self.region.clock,
            instance="i",
        )
        stop = asyncio.Event()
        found: list[Probe] = []
        async with asyncio.TaskGroup() as group:
            for runner in self.pipeline.process.lanes.values():
                group.create_task(runner.run(stop))
            await load(self)
            await asyncio.sleep(1)
            for _ in range(20):
                found.append(await canary.probe(HOME, seconds_max=DEADLINE_SECONDS))
                await asyncio.sleep(15)
            stop.set()
        return found

    async def put(self, name: str, body: bytes) -> None:
        await self.region.objects.put(f"input/passthrough/{name}.csv", body)


async def _four_large_files(world: _World) -> None:
    for number in range(4):
        await world.put(f"large{number}", LARGE)


async def _a_slow_job(world: _World) -> None:
    await world.put("slow", b"a\n" + b"1\n" * 5_000)


async def _many_small_files(world: _World) -> None:
    for number in range(1_000):
        await world.put(f"small{number}", b"a\n1\n")


async def _blank_lines(world: _World) -> None:
    await world.put("blank", b"\n" * 2 * LARGE_FROM_BYTES + b"a\n1\n")


async def _dead_letters(world: _World) -> None:
    for _ in range(21):
        world.region.queues.put_raw("chunk", "no message of ours")
        world.region.queues.put_raw("chunk", "no message of ours", lane="large")


async def _poison(world: _World) -> None:
    """Be messages of batches that nobody knows: whatever takes them gets nowhere."""
    for number in range(50):
        await world.region.queues.outbox().send(
            [
                SplitBatch(batch_id=f"b{number}", owner_epoch=2),
                ProcessChunk(batch_id=f"b{number}", owner_epoch=2, plan_id="p", index=0, large=number % 2 == 0),
            ]
        )


@pytest.mark.parametrize(
    "load", [_four_large_files, _a_slow_job, _many_small_files, _blank_lines, _dead_letters, _poison]
)
def test_no_load_makes_a_canary_late(load: Callable[[_World], Awaitable[object]]) -> None:
    async def story() -> list[Probe]:
        return await _World().probes(load)

    probes = virtual_time.run(story())

    assert [probe for probe in probes if probe.verdict is not Verdict.HEALTHY] == []


def test_a_small_batch_waits_for_no_large_one() -> None:
    async def story() -> tuple[BatchState, float]:
        world = _World(slow=frozenset({"large"}))
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for runner in world.pipeline.process.lanes.values():
                group.create_task(runner.run(stop))
            await _four_large_files(world)
            await asyncio.sleep(1)
            sent_at = loop.time()
            info = await world.region.objects.put("input/passthrough/small.csv", b"a\n1\n")
            await asyncio.sleep(1)
            batch_id = batch_id_of(info.key, info.origin)
            while (state := (await world.pipeline.batch(batch_id)).state) is not S.COMPLETED:  # noqa: ASYNC110 - virtual
                await asyncio.sleep(0.1)
            stop.set()
            return state, loop.time() - sent_at

    state, seconds = virtual_time.run(story())

    assert state is S.COMPLETED
    assert seconds < 10


def test_a_canarys_key_is_what_puts_it_in_its_lane() -> None:
    async def story() -> tuple[int, int]:
        world = _World()
        await world.region.objects.put(canary_key(HOME, "x"), b"number,word\n")
        await asyncio.sleep(1)
        queues = world.region.queues
        return len(queues.queued("split")), len(queues.queued("split", "canary"))

    assert virtual_time.run(story()) == (0, 1)
