"""A file that kills what touches it costs one Region, and one process of the other; those beside it continue."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, override

import pytest

from baton.catalog import load_jobs
from baton.memory import MemoryClock, MemoryObjectStore
from baton.messages import APART, KINDS, LARGE, ORDINARY
from baton.model.batch import LARGE_FROM_BYTES, Batch
from baton.model.control import SwitchKind
from baton.model.states import BatchState
from baton.testing.faults import Crash
from baton_proof.logs import recording_log
from baton_proof.two_regions import EAST, WEST, TwoRegions

S: Final = BatchState
BODY: Final = b"a\n1\n2\n"
DEADLINE: Final = timedelta(days=1)
"""Of the job, from when its batch was set aside."""


@dataclass(slots=True)
class _Poison:
    """At whose bytes every process dies: on its way through the splitter, or through the worker."""

    step: str = "split"
    touched: list[str] = field(default_factory=list[str])
    """By which Region, each time."""
    is_cured: bool = False

    def bite(self, region: str, key: str, step: str) -> None:
        if "poison" in key and key.startswith("input/") and step == self.step and not self.is_cured:
            self.touched.append(region)
            raise Crash(f"at {key}")


class _Deadly(MemoryObjectStore):
    """A bucket in which there may be poison."""

    def __init__(self, poison: _Poison, clock: MemoryClock, region: str) -> None:
        super().__init__(clock, region=region)
        self._poison = poison

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        self._poison.bite(self._region, key, "split")
        async for block in super().read(key, version_id=version_id, start=start, end=end):
            yield block

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        self._poison.bite(self._region, key, "chunk")
        return await super().get(key, version_id=version_id, start=start, end=end)


@dataclass(slots=True)
class _Story:
    """Two Regions, a poison that has been tried in the East, and whatever else was in hand there."""

    poison: _Poison = field(default_factory=_Poison)
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    ids: dict[str, str] = field(default_factory=dict[str, str])
    world: TwoRegions = field(init=False)

    async def begin(self, *names: str, body: bytes = BODY) -> "_Story":
        """Have these files in hand in the East: each message is received once, and the East does not come back."""
        self.world = TwoRegions(
            load_jobs("baton_jobs"), log=recording_log(self.lines), objects_of=partial(_Deadly, self.poison)
        )
        for name in names:
            await self.send(name, body)
        self.world.replicate()
        while "poison" in self.ids and not self.poison.touched:
            assert await self.world.east.step()
        return self

    async def send(self, name: str, body: bytes = BODY, *, region: str = EAST) -> None:
        pipeline = self.world.pipelines[region]
        self.ids[name] = await pipeline.upload(f"input/passthrough/{name}.csv", body)

    async def batch(self, name: str) -> Batch:
        return await self.world.west.batch(self.ids[name])

    async def states(self) -> dict[str, BatchState]:
        return {name: (await self.batch(name)).state for name in self.ids}

    async def change(self, name: str, state: BatchState, **changes: Any) -> None:
        """Be an operator."""
        batch = await self.batch(name)
        moved = batch.moved(state, at=self.world.clock.now(), by="operator", **changes)
        moved = await self.world.west.region.ledger.update(batch, moved)
        await self.world.batches(WEST).nudge(moved)

    async def retry(self, name: str) -> None:
        run, now = (await self.batch(name)).run + 1, self.world.clock.now()
        await self.change(name, S.ADMITTED, run=run, retried_at=now, failure=None)


def _played[T](story: Callable[[_Story], Awaitable[T]], step: str = "split") -> tuple[T, _Story]:
    told = _Story(_Poison(step))
    return asyncio.run(_awaited(story, told)), told


async def _awaited[T](story: Callable[[_Story], Awaitable[T]], told: _Story) -> T:
    return await story(told)


@pytest.mark.parametrize("step", ["split", "chunk"])
def test_a_poison_costs_the_second_region_one_process_and_no_other_batch(step: str) -> None:
    async def story(told: _Story) -> dict[str, BatchState]:
        await told.begin("one", "poison", "two")
        await told.world.fail_over(WEST)
        await told.send("three", region=WEST)
        await told.world.pass_time(300)
        return await told.states()

    states, told = _played(story, step)
    reason = asyncio.run(told.batch("poison")).failure

    assert states == {"one": S.COMPLETED, "poison": S.QUARANTINED, "two": S.COMPLETED, "three": S.COMPLETED}
    assert told.poison.touched == [EAST, WEST]
    assert len(told.world.west.crashes) == 1
    assert reason
    assert reason.code == "quarantined"
    assert "in hand when a Region turned unhealthy, and after its takeover its process died once" in reason.reason


def test_what_is_set_aside_is_counted_for_an_alarm_and_touched_by_nothing() -> None:
    async def story(told: _Story) -> dict[str, BatchState]:
        await told.begin("poison")
        await told.world.fail_over(WEST)
        await told.world.pass_time(20 * 3_600, every_seconds=600)
        return await told.states()

    states, told = _played(story)
    swept = [line for line in told.lines if line["event"] == "swept" and line["Region"] == WEST]
    queues = told.world.west.region.queues

    assert states == {"poison": S.QUARANTINED}
    assert told.poison.touched == [EAST, WEST]
    assert (swept[0]["QuarantinedBatches"], swept[-1]["QuarantinedBatches"]) == (0, 1)
    assert swept[-1]["OldestBatch"] == 0
    assert not any(queues.queued(kind, lane) for kind in KINDS for lane in (ORDINARY, LARGE, APART))


def test_nobody_decides_so_it_fails_at_its_deadline_and_its_sender_is_told() -> None:
    async def story(told: _Story) -> Batch:
        await told.begin("poison")
        told.world.clock.advance(20 * 3_600)  # it is old already, and its time to be decided about is not
        await told.world.fail_over(WEST)
        await told.world.pass_time(23 * 3_600, every_seconds=600)
        assert (await told.batch("poison")).state is S.QUARANTINED
        await told.world.pass_time(2 * 3_600, every_seconds=600)
        return await told.batch("poison")

    batch, told = _played(story)

    assert batch.failure
    assert (batch.state, batch.failure.code, batch.is_announced) == (S.FAILED, "deadline", True)
    assert "set aside, and nobody retried it" in batch.failure.reason
    assert told.poison.touched == [EAST, WEST]


def test_one_fault_alone_sets_nothing_aside_wherever_each_batch_stood() -> None:
    async def story(told: _Story) -> dict[str, BatchState]:
        await told.begin("admitted", "split", "processed", "merged")
        for name, state in (("split", S.SPLIT), ("processed", S.PROCESSED), ("merged", S.MERGED)):
            await told.world.until(told.ids[name], state)
        told.world.replicate()
        await told.world.fail_over(WEST)
        assert all([(await told.batch(name)).apart_epoch for name in ("admitted", "split")])
        await told.world.pass_time(300)
        return await told.states()

    states, told = _played(story)

    assert set(states.values()) == {S.COMPLETED}
    assert len(told.world.mails) == 4


def test_a_host_that_is_lost_while_nothing_suspected_is_in_hand_sets_nothing_aside() -> None:
    async def story(told: _Story) -> dict[str, BatchState]:
        await told.begin("one")
        await told.world.fail_over(WEST)
        await told.send("poison", region=WEST)
        await told.world.settle(WEST)
        told.poison.is_cured = True
        await told.world.pass_time(300)
        return await told.states()

    states, told = _played(story)

    assert states == {"one": S.COMPLETED, "poison": S.COMPLETED}
    assert told.poison.touched == [WEST]


def test_a_message_that_comes_twice_is_no_death() -> None:
    async def story(told: _Story) -> dict[str, BatchState]:
        await told.begin("one")
        await told.world.fail_over(WEST)
        batch = await told.batch("one")
        heartbeats, now = told.world.west.region.heartbeats, told.world.clock.now()
        step = f"split#{batch.owner_epoch}"
        # Another process has it in hand for ten minutes, and the queue delivers it again all the same.
        await heartbeats.attempt_begun(batch.batch_id, step, by="another", at=now)
        for _ in range(30):
            await told.world.pass_time(20, every_seconds=20)
            await heartbeats.attempt_alive(batch.batch_id, step, by="another", at=told.world.clock.now())
        before = await told.states()
        await heartbeats.attempt_ended(batch.batch_id, step, by="another", at=told.world.clock.now(), for_good=False)
        await told.world.pass_time(1_200)
        return before | {"then": (await told.batch("one")).state}

    states, _ = _played(story)

    assert states == {"one": S.ADMITTED, "then": S.COMPLETED}


def test_on_a_repaired_job_a_retry_continues_apart_and_completes() -> None:
    async def story(told: _Story) -> Batch:
        await told.begin("poison")
        await told.world.fail_over(WEST)
        await told.world.pass_time(300)
        told.poison.is_cured = True
        await told.retry("poison")
        assert told.world.west.region.queues.queued("split", APART)
        await told.world.pass_time(300)
        return await told.batch("poison")

    batch, told = _played(story)

    assert (batch.state, batch.failure, batch.run) == (S.COMPLETED, None, 2)
    assert len(told.world.mails) == 1


def test_a_retry_in_vain_costs_one_process_more_and_no_more() -> None:
    async def story(told: _Story) -> dict[str, BatchState]:
        await told.begin("poison")
        await told.world.fail_over(WEST)
        await told.world.pass_time(300)
        await told.retry("poison")
        await told.world.pass_time(300)
        return await told.states()

    states, told = _played(story)

    assert states == {"poison": S.QUARANTINED}
    assert told.poison.touched == [EAST, WEST, WEST]


def test_taken_over_again_it_stays_set_aside_and_can_be_retried_there() -> None:
    async def story(told: _Story) -> tuple[Batch, Batch]:
        await told.begin("poison")
        await told.world.fail_over(WEST)
        await told.world.pass_time(300)
        told.world.replicate()
        await told.world.fail_over(EAST)
        taken = await told.batch("poison")
        await told.world.pass_time(600, region=EAST)
        assert (await told.batch("poison")).state is S.QUARANTINED
        told.poison.is_cured = True
        run, now = taken.run + 1, told.world.clock.now()
        again = taken.moved(S.ADMITTED, at=now, by="operator", run=run, retried_at=now, failure=None)
        await told.world.batches(EAST).nudge(await told.world.east.region.ledger.update(taken, again))
        await told.world.pass_time(600, region=EAST)
        return taken, await told.batch("poison")

    (taken, ended), told = _played(story)

    assert (taken.state, taken.owner_epoch) == (S.QUARANTINED, 4)
    assert (ended.state, told.poison.touched) == (S.COMPLETED, [EAST, WEST])


@pytest.mark.parametrize(
    ("kind", "automatic", "state"),
    [
        (SwitchKind.FAILOVER, True, S.QUARANTINED),
        (SwitchKind.FAILOVER, False, S.ADMITTED),  # an order proves no fault
        (SwitchKind.FAILBACK, True, S.ADMITTED),
    ],
)
def test_in_hand_when_the_second_region_is_left_as_well(
    kind: SwitchKind, state: BatchState, *, automatic: bool
) -> None:
    """Say nothing dies: what it does to a Region takes time, and the signals say what it was."""

    async def story(told: _Story) -> Batch:
        await told.begin("old")
        await told.world.fail_over(WEST)
        told.world.clock.advance(60)
        await told.world.fail_over(EAST, kind=kind, automatic=automatic)
        return await told.batch("old")

    batch, told = _played(story)

    assert (batch.state, batch.apart_epoch) == (state, 3)
    assert bool(told.world.east.region.queues.queued("split", APART)) is (state is S.ADMITTED)


def test_a_large_batch_goes_apart_as_well_and_not_by_the_lane_of_large_ones() -> None:
    async def story(told: _Story) -> None:
        await told.begin("large", body=b"a\n" + b"1\n" * (LARGE_FROM_BYTES // 2))
        await told.world.fail_over(WEST)
        queues = told.world.west.region.queues
        assert [len(queues.queued("split", lane)) for lane in (ORDINARY, LARGE, APART)] == [0, 0, 1]
        await told.world.pass_time(300)
        assert (await told.batch("large")).state is S.COMPLETED

    _played(story)
