"""Entry point of the merger's container: consumes the merge queue."""

import asyncio
from typing import Final

from baton.context import Context
from baton.messages import CANARY, LANES, Lane
from baton.offload import Offload
from baton.service import Service, run_service
from merger.bounds import Bounds
from merger.handler import Merger

SLOTS: Final = 8
"""Of each lane. It waits for the store nearly all the time; deletes and receives are shared by ten."""


def build(context: Context, *, offload: Offload = asyncio.to_thread) -> Service:
    """Put the merger together."""
    ports = context.ports
    # What is joined at a time is bound by the store, the rest by these: by one for all users, and a canary's own.
    objects, bounds = ports.objects(), Bounds()
    own_objects, own_bounds = ports.objects(), Bounds()

    def handler(lane: Lane) -> Merger:
        return Merger(
            batches=context.batches(),
            objects=own_objects if lane == CANARY else objects,
            progress=ports.progress(),
            rejects=ports.rejects(),
            catalog=context.catalog,
            offload=offload,
            bounds=own_bounds if lane == CANARY else bounds,
        )

    return Service({lane: handler(lane) for lane in LANES})


if __name__ == "__main__":
    run_service("merger", "merge", build, slots=SLOTS)
