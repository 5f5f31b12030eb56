"""A retried chunk is computed in a process of its own, which nothing ends but the chunk itself."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import override

import pytest

from baton.batches import Batches
from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import Refusal
from baton.messages import LARGE, Message
from baton_proof.pipeline import Pipeline, inline
from worker.compute import ProcessApart
from worker.handler import Worker, plans_of
from worker.room import SHARES, Room
from worker.settings import WorkerSettings
from worker.tables import Tables


class _Apart(ProcessApart):
    """Computes here, once it is told to, and says whether it was ended meanwhile."""

    def __init__(self) -> None:
        super().__init__(seconds_max=60)
        self.begun, self.released = threading.Event(), threading.Event()
        self.ends: list[str] = []
        self._works = False

    @override
    def __call__[T](self, work: Callable[[], T], /) -> T:
        self._works = True
        self.begun.set()
        self.released.wait()
        try:
            return work()
        finally:
            self._works = False

    @override
    def end(self, *, within_seconds: float = 0) -> int | None:
        del within_seconds
        self.ends.append("at work" if self._works else "idle")
        return None


def _worker(pipeline: Pipeline, apart: ProcessApart, room: Room | None = None) -> Worker:
    region, settings = pipeline.region, WorkerSettings()
    outbox = region.queues.outbox()
    return Worker(
        batches=Batches(region=region.region, ledger=region.ledger, outbox=outbox, clock=region.clock),
        objects=region.objects,
        progress=region.progress,
        tables=Tables(region.reference, compute=inline, settings=settings),
        plans=plans_of(settings),
        room=room or Room(),
        share=SHARES[LARGE],
        catalog=load_jobs("baton_jobs"),
        clock=region.clock,
        offload=inline,
        compute=asyncio.to_thread,
        apart=apart,
        settings=settings,
    )


async def _planned() -> tuple[Pipeline, Sequence[Message]]:
    """Return a batch whose chunks are queued, and these."""
    pipeline = Pipeline(load_jobs("baton_jobs"), chunk_bytes=4)
    await pipeline.upload("input/passthrough/f.csv", b"a\n1\n2\n3\n4\n")
    while len(queued := pipeline.region.queues.queued("chunk")) < 2:
        await pipeline.step()
    return pipeline, queued


def test_it_has_all_the_memory_that_is_there_beyond_shares() -> None:
    async def story() -> bool:
        (pipeline, queued), apart, room = await _planned(), _Apart(), Room()
        retried = asyncio.create_task(_worker(pipeline, apart, room).handle(queued[0], 2))
        await asyncio.to_thread(apart.begun.wait)
        try:
            async with room.place(SHARES[LARGE]) as other, asyncio.timeout(0):
                await other.hold_anything()
        except TimeoutError:
            return True
        else:
            return False
        finally:
            apart.released.set()
            await retried

    assert asyncio.run(story()), "its process needs as much again, and may have ended one by it"


def test_another_chunk_that_cannot_be_read_leaves_it_alone() -> None:
    async def story() -> list[str]:
        (pipeline, queued), apart = await _planned(), _Apart()
        worker = _worker(pipeline, apart)
        retried = asyncio.create_task(worker.handle(queued[0], 2))
        await asyncio.to_thread(apart.begun.wait)

        pipeline.region.objects.refusals.refuse("get", by=Refusal.THROTTLED)
        with pytest.raises(Unavailable):
            await worker.handle(queued[1], 1)
        pipeline.region.objects.refusals.allow()

        apart.released.set()
        await retried
        return apart.ends

    assert asyncio.run(story()) == ["idle"]
