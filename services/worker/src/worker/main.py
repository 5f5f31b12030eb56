"""The worker's container: consumes the chunk queue."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from baton.batches import Batches
from baton.context import Context
from baton.offload import Offload
from baton.service import Service, run_service
from worker.handler import Worker
from worker.settings import WorkerSettings

SLOTS: Final = 2
"""One chunk in work, which keeps a vCPU busy, and one that is read or written meanwhile."""


def build(context: Context, *, offload: Offload | None = None) -> Service:
    """Put the worker together."""
    ports, clock = context.ports, context.clock
    handler = Worker(
        batches=Batches(region=context.region, ledger=ports.ledger(), outbox=ports.outbox(), clock=clock),
        objects=ports.objects(),
        progress=ports.progress(),
        reference=ports.reference(),
        catalog=context.catalog,
        clock=clock,
        offload=offload or _one_at_a_time(),
        settings=WorkerSettings(),
    )
    return Service(handler)


def _one_at_a_time() -> Offload:
    """Return what runs work in one thread of its own, while the next chunk is read.

    A task has one vCPU: two chunks at once would take as long, and twice the memory.
    """
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chunk")

    def offload[T](work: Callable[[], T], /) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(thread, work)

    return offload


if __name__ == "__main__":
    run_service("worker", "chunk", build, slots=SLOTS)
