"""Entry point of the worker's container: consumes the chunk queue."""

import asyncio
from collections.abc import Callable
from typing import Final

from baton.context import Context
from baton.messages import APART, CANARY, LANES, Lane
from baton.offload import Offload
from baton.service import Service, run_service
from worker.compute import Compute, ProcessApart, Watchdog
from worker.handler import Worker, plans_of
from worker.room import SHARES, Room
from worker.settings import WorkerSettings
from worker.tables import Tables

SLOTS: Final = 2
"""Of each lane: one chunk in work, which keeps a vCPU busy, and one that is read or written meanwhile."""
CANARIES_KEPT: Final = 8
"""Plans of canaries: each is done within seconds."""


def build(
    context: Context, *, offload: Offload = asyncio.to_thread, compute: Callable[[Lane], Offload] | None = None
) -> Service:
    """Put the worker together. `compute`: where a lane's chunks are computed, if not as in `worker.compute`."""
    ports, settings = context.ports, WorkerSettings()
    seconds_max, watchdog = settings.compute_seconds_max, Watchdog(settings.held_seconds_max)
    own = {lane: Compute(seconds_max=seconds_max, watchdog=watchdog) for lane in LANES}
    tables, plans, room = Tables(ports.reference(), compute=offload, settings=settings), plans_of(settings), Room()
    # A canary's lane shares nothing of it, or a user's work could keep it waiting.
    own_plans, own_room = plans_of(settings.model_copy(update={"plans_cached": CANARIES_KEPT})), Room()

    def handler(lane: Lane) -> Worker:
        return Worker(
            batches=context.batches(),
            objects=ports.objects(),
            progress=ports.progress(),
            tables=tables,
            plans=own_plans if lane == CANARY else plans,
            room=own_room if lane == CANARY else room,
            share=SHARES[lane],
            catalog=context.catalog,
            clock=context.clock,
            offload=offload,
            compute=compute(lane) if compute else own[lane],
            apart=None if compute else ProcessApart(seconds_max=seconds_max),
            apart_from=1 if lane == APART else 2,
            settings=settings,
        )

    return Service({lane: handler(lane) for lane in LANES}, side_tasks=[each.watch for each in own.values()])


if __name__ == "__main__":
    run_service("worker", "chunk", build, slots=SLOTS)
