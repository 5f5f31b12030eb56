"""What a sweeper remembers of the queues."""

import asyncio
import tracemalloc
from contextlib import nullcontext
from datetime import timedelta
from typing import Final

from baton.memory import MemoryClock, MemoryQueues
from splitter.queue_watch import QueueWatch

_SWEEPS: Final = 1_000
_BYTES_MAX: Final = 15_000
"""Of so many. A moment of each would be 56,000."""


def test_a_queue_that_is_always_empty_takes_no_more_memory_sweep_by_sweep() -> None:
    async def sweeps(watch: QueueWatch, clock: MemoryClock) -> int:
        for _ in range(_SWEEPS):
            watch.want([("split", "ordinary")])
            await watch.look()
            clock.advance(30)
        return tracemalloc.get_traced_memory()[0]

    async def story() -> tuple[int, timedelta]:
        clock = MemoryClock()
        watch = QueueWatch(outbox=MemoryQueues(clock).outbox(), clock=clock, alone=lambda _: nullcontext())
        tracemalloc.start()
        before, after = await sweeps(watch, clock), await sweeps(watch, clock)
        tracemalloc.stop()
        read_up_to = watch.read_up_to([("split", "ordinary")])
        assert read_up_to is not None
        return after - before, clock.now() - read_up_to

    grown_bytes, age = asyncio.run(story())

    assert grown_bytes <= _BYTES_MAX
    assert timedelta(minutes=2) <= age <= timedelta(minutes=3)
