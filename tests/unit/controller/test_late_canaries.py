"""A late canary counts against a Region that does no work, never against one that is busy or cannot be seen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import override

import pytest

from baton.canary import canary_epoch, canary_key
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryLedger, MemoryObjectStore, MemoryProgress
from baton.model.batch import Batch, Counts, Source, Step
from baton.model.identity import batch_id_of
from baton.model.journal import Verdict
from baton.model.states import INITIAL, BatchState
from baton.ports.progress import ChunkDone
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from failover_controller.canary import BatchCanary, Probe

HOME, AWAY = REGIONS_DEFAULT
SECONDS = 10.0


class _Ledger(MemoryLedger):
    """Falls silent when it is told to, as behind a cut."""

    silent_from: float = float("inf")

    @override
    async def get(self, batch_id: str) -> Batch | None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self.silent_from:
            await asyncio.Event().wait()
        return await super().get(batch_id)


@dataclass
class _Scene:
    """A Region with one canary in it that never comes back, and one batch of somebody else."""

    clock: LoopClock = field(default_factory=LoopClock)
    ledger: _Ledger = field(default_factory=_Ledger)
    objects: MemoryObjectStore = field(init=False)
    progress: MemoryProgress = field(default_factory=MemoryProgress)

    def __post_init__(self) -> None:
        self.objects = MemoryObjectStore(clock=self.clock)

    def batch(self, batch_id: str, *, state: BatchState = INITIAL, by: str = HOME) -> Batch:
        now = self.clock.now()
        return Batch(
            batch_id=batch_id,
            job="sales",
            source=Source(f"input/sales/{batch_id}.csv", "v1", 1),
            state=state,
            owner_epoch=canary_epoch(HOME, REGIONS_DEFAULT),
            admitted_at=now,
            updated_at=now,
            plan_id="p1" if state is BatchState.SPLIT else None,
            history=(Step(now, state, by),),
        )

    async def admit_canary(self, state: BatchState) -> None:
        """Be the trigger, and whatever comes before the stage that is dead or busy."""
        key = canary_key(HOME, "us-west-2-i-1")
        info = await self.objects.head(key)
        assert info is not None
        batch_id = batch_id_of(key, info.version_id)
        await self.ledger.admit(replace(self.batch(batch_id, state=state), source=Source(key, info.version_id, 1)))

    async def probe(self) -> Probe:
        canary = BatchCanary(
            sender="us-west-2",
            ledger=self.ledger,
            objects={HOME: self.objects},
            clock=self.clock,
            instance="i",
            progress={HOME: self.progress},
        )
        return await canary.probe(HOME, seconds_max=SECONDS)


async def _probed(scene: _Scene, state: BatchState | None, meanwhile: Callable[[], Awaitable[object]]) -> Probe:
    """Return what a canary says that got as far as `state`, while that happened to others."""
    probing = asyncio.create_task(scene.probe())
    await asyncio.sleep(1)
    if state is not None:
        await scene.admit_canary(state)
    await asyncio.sleep(4)
    await meanwhile()
    return await probing


async def _nothing() -> None:
    pass


async def _beside(stood: BatchState | None, state: BatchState, by: str = HOME) -> Probe:
    """Return what a canary says while another batch gets to `state` in that Region."""
    scene = _Scene()
    return await _probed(scene, stood, lambda: scene.ledger.admit(scene.batch("b1", state=state, by=by)))


async def _beside_chunks(*, sees_chunks: bool) -> Probe:
    """Return what a canary says while a chunk of a large batch is done."""
    scene = _Scene()
    long_ago = scene.clock.now() - timedelta(hours=1)
    large = scene.batch("b1", state=BatchState.SPLIT)
    await scene.ledger.admit(replace(large, history=(Step(long_ago, BatchState.SPLIT, HOME),)))
    await scene.progress.open("b1", "p1", chunks=5_000, now=long_ago)
    done = ChunkDone("b1", "p1", 0, Counts(1, 1, 0), 1, 1, 0, 0)
    counted, scene.progress = scene.progress, scene.progress if sees_chunks else MemoryProgress()
    return await _probed(scene, BatchState.SPLIT, lambda: counted.complete(done, now=scene.clock.now()))


@pytest.mark.parametrize("state", [None, BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED])
def test_a_canary_that_stands_still_where_nobody_passes_is_held_against_the_region(state: BatchState | None) -> None:
    probe = virtual_time.run(_probed(_Scene(), state, _nothing))

    assert probe.verdict is Verdict.UNHEALTHY
    assert "after 10 s" in probe.value


@pytest.mark.parametrize(
    ("stood", "passed"),
    [
        (None, BatchState.ADMITTED),
        (BatchState.ADMITTED, BatchState.SPLIT),
        (BatchState.SPLIT, BatchState.PROCESSED),
        (BatchState.PROCESSED, BatchState.COMPLETED),
    ],
)
def test_a_canary_in_a_line_that_moves_says_nothing(stood: BatchState | None, passed: BatchState) -> None:
    probe = virtual_time.run(_beside(stood, passed))

    assert probe.verdict is Verdict.UNKNOWN
    assert "in a queue that moves: b1" in probe.value


@pytest.mark.parametrize(
    ("stood", "state", "by"),
    [
        (BatchState.SPLIT, BatchState.SPLIT, HOME),
        (BatchState.PROCESSED, BatchState.SPLIT, HOME),
        (BatchState.SPLIT, BatchState.PROCESSED, AWAY),
        (BatchState.SPLIT, BatchState.FAILED, HOME),
        (None, BatchState.ADMITTED, AWAY),
    ],
)
def test_what_stops_at_the_same_place_or_moves_elsewhere_is_no_excuse(
    stood: BatchState | None, state: BatchState, by: str
) -> None:
    assert virtual_time.run(_beside(stood, state, by)).verdict is Verdict.UNHEALTHY


@pytest.mark.parametrize(("sees_chunks", "verdict"), [(True, Verdict.UNKNOWN), (False, Verdict.UNHEALTHY)])
def test_workers_that_finish_chunks_of_a_large_batch_are_alive(*, sees_chunks: bool, verdict: Verdict) -> None:
    assert virtual_time.run(_beside_chunks(sees_chunks=sees_chunks)).verdict is verdict


@pytest.mark.parametrize("silent_from", [0.0, 4.0])
def test_a_ledger_that_falls_silent_hides_the_canary(silent_from: float) -> None:
    async def play() -> Probe:
        scene = _Scene()
        scene.ledger.silent_from = asyncio.get_running_loop().time() + silent_from
        return await scene.probe()

    assert virtual_time.run(play()) == Probe(Verdict.UNKNOWN, "the ledger did not answer")


def test_a_bucket_that_takes_nothing_is_held_against_the_region_whatever_moves() -> None:
    class _Shut(MemoryObjectStore):
        @override
        async def put(self, *args: object, **kwargs: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride] - never returns
            raise Unavailable("503")

    async def play() -> Probe:
        scene = _Scene()
        scene.objects = _Shut(clock=scene.clock)
        await scene.ledger.admit(scene.batch("b1", state=BatchState.PROCESSED))
        return await scene.probe()

    assert virtual_time.run(play()) == Probe(Verdict.UNHEALTHY, "its bucket takes no file: 503")


# --- more batches than a page holds ----------------------------------------------------------------------------------


async def _behind(newer: int, meanwhile: Callable[[_Scene, list[Batch]], Awaitable[object]]) -> Probe:
    """Return what a canary says in SPLIT, with so many newer batches than the 50 that something happens to."""
    scene = _Scene()
    old = [scene.batch(f"old{number}", state=BatchState.SPLIT) for number in range(50)]
    old = [replace(batch, admitted_at=batch.admitted_at - timedelta(hours=1)) for batch in old]
    for batch in (*old, *(scene.batch(f"new{number}", state=BatchState.SPLIT) for number in range(newer))):
        await scene.ledger.admit(batch)
    return await _probed(scene, BatchState.SPLIT, lambda: meanwhile(scene, old))


async def _moves(scene: _Scene, old: list[Batch]) -> None:
    now = scene.clock.now()
    for batch in old:
        step = Step(now, BatchState.PROCESSED, HOME)
        after = replace(batch, state=BatchState.PROCESSED, updated_at=now, history=(*batch.history, step))
        await scene.ledger.update(batch, after)


async def _settles(scene: _Scene, old: list[Batch]) -> None:
    await _moves(scene, old)
    for batch in old:
        row = await scene.ledger.get(batch.batch_id)
        assert row is not None
        await scene.ledger.update(
            row, replace(row, state=BatchState.CANCELLED, updated_at=row.updated_at + timedelta(seconds=1))
        )


async def _does_a_chunk(scene: _Scene, old: list[Batch]) -> None:
    now = scene.clock.now()
    await scene.progress.open(old[0].batch_id, "p1", chunks=5, now=now)
    await scene.progress.complete(ChunkDone(old[0].batch_id, "p1", 0, Counts(1, 1, 0), 1, 1, 0, 0), now=now)


@pytest.mark.parametrize("newer", [20, 99, 100, 250])
@pytest.mark.parametrize("meanwhile", [_moves, _settles, _does_a_chunk])
def test_a_region_is_busy_however_many_newer_batches_wait(
    newer: int, meanwhile: Callable[[_Scene, list[Batch]], Awaitable[object]]
) -> None:
    probe = virtual_time.run(_behind(newer, meanwhile))

    assert probe.verdict is Verdict.UNKNOWN, probe.value
    assert "in a queue that moves" in probe.value
