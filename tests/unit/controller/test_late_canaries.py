"""A late canary counts against its Region, whatever else gets through there, unless it cannot be seen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import override

import pytest

from baton.canary import canary_epoch, canary_key
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryLedger, MemoryObjectStore
from baton.model.batch import Batch, Source, Step
from baton.model.identity import batch_id_of
from baton.model.journal import Verdict
from baton.model.states import INITIAL, BatchState
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from handover_shell.canary import BatchCanary, Probe

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

    def __post_init__(self) -> None:
        self.objects = MemoryObjectStore(clock=self.clock)

    def batch(self, batch_id: str, *, state: BatchState = INITIAL) -> Batch:
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
            history=(Step(now, state, HOME),),
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


async def _beside(stood: BatchState | None, state: BatchState) -> Probe:
    """Return what a canary says while another batch gets to `state` in that Region."""
    scene = _Scene()
    return await _probed(scene, stood, lambda: scene.ledger.admit(scene.batch("b1", state=state)))


@pytest.mark.parametrize("state", [None, BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED])
def test_a_canary_that_stands_still_is_held_against_the_region(state: BatchState | None) -> None:
    probe = virtual_time.run(_probed(_Scene(), state, _nothing))

    assert probe.verdict is Verdict.UNHEALTHY
    assert "after 10 s" in probe.value


@pytest.mark.parametrize(
    ("stood", "state"),
    [
        (None, BatchState.ADMITTED),
        (BatchState.ADMITTED, BatchState.SPLIT),
        (BatchState.SPLIT, BatchState.PROCESSED),
        (BatchState.PROCESSED, BatchState.COMPLETED),
    ],
)
def test_what_gets_through_in_another_lane_is_no_excuse(stood: BatchState | None, state: BatchState) -> None:
    assert virtual_time.run(_beside(stood, state)).verdict is Verdict.UNHEALTHY


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

    assert virtual_time.run(play()) == Probe(Verdict.UNHEALTHY, "its bucket accepts no file: 503")
