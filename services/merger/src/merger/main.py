"""Entry point of the merger's container: consumes the merge queue."""

import asyncio
from typing import Final

from baton.context import Context
from baton.messages import LANES
from baton.offload import Offload
from baton.service import Service, run_service
from merger.handler import Merger

SLOTS: Final = 8
"""It waits for the store nearly all the time; deletes and receives are shared by ten."""


def build(context: Context, *, offload: Offload = asyncio.to_thread) -> Service:
    """Put the merger together."""
    ports = context.ports

    def handler() -> Merger:
        return Merger(
            batches=context.batches(),
            objects=ports.objects(),
            progress=ports.progress(),
            rejects=ports.rejects(),
            catalog=context.catalog,
            offload=offload,
        )

    return Service({lane: handler() for lane in LANES})


if __name__ == "__main__":
    run_service("merger", "merge", build, slots=SLOTS)
