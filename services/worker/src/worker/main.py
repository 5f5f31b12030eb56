"""The worker's container: consumes the chunk queue."""

import asyncio
import functools

from baton.batches import Batches
from baton.service import Context, Service, run_service
from worker.handler import Worker
from worker.settings import WorkerSettings


def build(context: Context) -> Service:
    """Put the worker together."""
    aws, clock = context.aws, context.clock
    handler = Worker(
        batches=Batches(region=context.world.region, ledger=aws.ledger(), outbox=aws.outbox(), clock=clock),
        objects=aws.objects(),
        progress=aws.progress(),
        reference=aws.reference(),
        catalog=context.catalog,
        clock=clock,
        offload=functools.partial(asyncio.to_thread),
        settings=WorkerSettings(),
    )
    return Service(handler)


if __name__ == "__main__":
    run_service("worker", "chunk", build)
