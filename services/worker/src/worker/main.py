"""Entry point of the worker's container: consumes the chunk queue."""

import asyncio
from functools import partial
from typing import Final

from baton.context import Context
from baton.offload import Offload
from baton.service import Service, run_service
from worker.compute import Compute, apart
from worker.handler import Worker
from worker.settings import WorkerSettings

SLOTS: Final = 2
"""One chunk in work, which keeps a vCPU busy, and one that is read or written meanwhile."""


def build(context: Context, *, offload: Offload = asyncio.to_thread, compute: Offload | None = None) -> Service:
    """Put the worker together. `compute`: where chunks are computed, if not as in a container (`worker.compute`)."""
    ports, settings = context.ports, WorkerSettings()
    own = Compute(seconds_max=settings.compute_seconds_max)
    handler = Worker(
        batches=context.batches(),
        objects=ports.objects(),
        progress=ports.progress(),
        reference=ports.reference(),
        catalog=context.catalog,
        clock=context.clock,
        offload=offload,
        compute=compute or own,
        apart=None if compute else partial(apart, seconds_max=settings.compute_seconds_max),
        settings=settings,
    )
    return Service(handler, side_tasks=[own.watch])


if __name__ == "__main__":
    run_service("worker", "chunk", build, slots=SLOTS)
