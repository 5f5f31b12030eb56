"""The merger's container: consumes the merge queue."""

from typing import Final

from baton.batches import Batches
from baton.service import Context, Service, run_service
from merger.handler import Merger

SLOTS: Final = 8
"""It waits for the store nearly all the time; deletes and receives are shared by ten."""


def build(context: Context) -> Service:
    """Put the merger together."""
    aws = context.aws
    handler = Merger(
        batches=Batches(region=context.world.region, ledger=aws.ledger(), outbox=aws.outbox(), clock=context.clock),
        objects=aws.objects(),
        progress=aws.progress(),
        rejects=aws.rejects(),
        catalog=context.catalog,
    )
    return Service(handler)


if __name__ == "__main__":
    run_service("merger", "merge", build, slots=SLOTS)
