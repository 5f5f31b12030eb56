"""The sweeper under bad luck: one object's trouble stays its own, and nothing is sent again by every sweep."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import override

from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryClock, MemoryObjectStore
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ObjectInfo
from baton.testing import virtual_time
from pipeline import Pipeline, Region

KEY = "input/passthrough/f.csv"
BODY = b"a\n1\n"


@dataclass(slots=True)
class Trouble:
    """What is wrong with the bucket, and how often it was asked."""

    unreadable: set[str] = field(default_factory=set[str])
    uncopyable: bool = False
    slow_seconds: float = 0
    asked: Counter[str] = field(default_factory=Counter[str])


class TroubledObjectStore(MemoryObjectStore):
    """A bucket in which some things go wrong that no adapter foresees."""

    def __init__(self, clock: MemoryClock | LoopClock, trouble: Trouble) -> None:
        super().__init__(clock)
        self._trouble = trouble

    @override
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        self._trouble.asked["head"] += 1
        if self._trouble.slow_seconds:
            await asyncio.sleep(self._trouble.slow_seconds)
        if key in self._trouble.unreadable:
            raise RuntimeError("400: encrypted with a key of the customer's own")
        return await super().head(key, version_id=version_id)

    @override
    async def copy(self, source: ObjectInfo, target_key: str) -> None:
        self._trouble.asked["copy"] += 1
        if self._trouble.uncopyable:
            raise RuntimeError("403: no key to decrypt it with")
        await super().copy(source, target_key)


def _pipeline(trouble: Trouble, clock: MemoryClock | LoopClock | None = None) -> Pipeline:
    region = Region(clock=clock or MemoryClock())
    region.objects = TroubledObjectStore(region.clock, trouble)
    return Pipeline(load_jobs("baton_jobs"), region=region)


async def _sweep(pipeline: Pipeline, *, times: int) -> None:
    for _ in range(times):
        pipeline.advance(30)
        await pipeline.process.sweeper.sweep()


def test_an_object_that_cannot_be_read_does_not_keep_others_from_being_found() -> None:
    async def story() -> Batch:
        pipeline = _pipeline(Trouble(unreadable={"input/passthrough/a.csv"}))
        await pipeline.upload("input/passthrough/a.csv", BODY, announce=False)
        batch_id = await pipeline.upload(KEY, BODY, announce=False)
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    assert asyncio.run(story()).state is BatchState.COMPLETED


def test_an_unreadable_object_never_ends_the_sweeper() -> None:
    async def story() -> bool:
        pipeline = _pipeline(Trouble(unreadable={KEY}), LoopClock())
        await pipeline.upload(KEY, BODY, announce=False)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
        await asyncio.sleep(3_600)
        alive = not sweeping.done()
        stop.set()
        await sweeping
        return alive

    assert virtual_time.run(story())


def test_batches_that_wait_for_their_turn_are_not_sent_again_by_every_sweep() -> None:
    async def story() -> int:
        pipeline = _pipeline(Trouble())
        await pipeline.upload(KEY, BODY)
        await _sweep(pipeline, times=120)
        return len(pipeline.region.queues.queued("split"))

    assert asyncio.run(story()) <= 1 + 4, "an hour of waiting is 120 sweeps; patience doubles from five minutes"


def test_an_input_that_cannot_be_archived_is_not_tried_without_end() -> None:
    async def story() -> tuple[BatchState, int]:
        trouble = Trouble(uncopyable=True)
        pipeline = _pipeline(trouble)
        batch_id = await pipeline.upload(KEY, BODY)
        for _ in range(24 * 120):
            while await pipeline.step():
                pass
            await _sweep(pipeline, times=1)
        return (await pipeline.batch(batch_id)).state, trouble.asked["copy"]

    state, tried = asyncio.run(story())

    assert state is BatchState.COMPLETED
    assert 5 <= tried <= 60, "five attempts of each message, and ever fewer messages"


def test_finished_inputs_that_stay_cost_a_listing_and_nothing_else() -> None:
    async def story() -> int:
        trouble = Trouble()
        pipeline = _pipeline(trouble)
        for number in range(200):
            await pipeline.upload(f"input/unknown/{number}.csv", BODY)
        await pipeline.drive()
        await _sweep(pipeline, times=1)
        before = trouble.asked["head"]
        await _sweep(pipeline, times=10)
        return trouble.asked["head"] - before

    assert asyncio.run(story()) == 0


def test_an_input_that_a_retry_completed_is_archived_even_if_that_message_is_lost() -> None:
    async def story() -> list[str]:
        pipeline = _pipeline(Trouble())
        ledger = pipeline.region.ledger
        batch_id = await pipeline.upload("input/passthrough/f.csv", b"")
        await pipeline.drive()
        failed = await pipeline.batch(batch_id)
        assert failed.state is BatchState.FAILED
        # A retry takes it all the way, but the notifier dies before it archives, and its message is lost with it.
        row = failed
        path = ("ADMITTED", "SPLIT", "PROCESSED", "MERGED", "NOTIFIED", "COMPLETED")
        for state in path:
            pipeline.advance(1)
            row = await ledger.update(row, row.moved(BatchState(state), at=pipeline.region.clock.now(), by="operator"))
            if state == "SPLIT":
                await pipeline.process.sweeper.sweep()
        for _ in range(20):
            await _sweep(pipeline, times=1)
            while await pipeline.step():
                pass
        return [info.key async for info in pipeline.region.objects.list("")]

    keys = asyncio.run(story())

    assert [key for key in keys if key.startswith("input/")] == []
    assert len([key for key in keys if key.startswith("archive/")]) == 1


def test_a_long_sweep_does_not_hold_up_the_stop() -> None:
    async def story() -> float:
        pipeline = _pipeline(Trouble(slow_seconds=100), LoopClock())
        for number in range(100):
            await pipeline.upload(f"input/passthrough/{number}.csv", BODY, announce=False)
        await asyncio.sleep(120)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
        await asyncio.sleep(10)
        stop.set()
        asked_at = loop.time()
        await sweeping
        return loop.time() - asked_at

    assert virtual_time.run(story()) < 1


def test_an_outage_ends_the_sweep_rather_than_time_out_at_every_object() -> None:
    async def story() -> int:
        pipeline = _pipeline(Trouble())
        region = pipeline.region
        asked = 0

        class Down(MemoryObjectStore):
            @override
            async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
                nonlocal asked
                asked += 1
                raise Unavailable(f"{key}: no answer from {version_id}")

        region.objects = Down(region.clock)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        for number in range(100):
            await pipeline.upload(f"input/passthrough/{number}.csv", BODY, announce=False)
        await _sweep(pipeline, times=3)
        return asked

    assert asyncio.run(story()) <= 2


def test_an_object_without_a_version_is_left_with_an_error_rather_than_taken_for_done() -> None:
    async def story() -> Batch | None:
        pipeline = _pipeline(Trouble())

        class Versionless(MemoryObjectStore):
            @override
            def _next_version_id(self) -> str:
                return "null"

        pipeline.region.objects = Versionless(pipeline.region.clock)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=pipeline.region)
        info = await pipeline.region.objects.put(KEY, BODY)
        return await pipeline.process.admitter.admit(info.key, None)

    assert asyncio.run(story()) is None
