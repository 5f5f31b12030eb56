"""The splitter's container: consumes the split queue, sweeps beside it."""

from typing import Final

from baton.batches import Batches
from baton.service import Context, Service, run_service
from splitter.admission import Admitter
from splitter.handler import Splitter
from splitter.settings import SplitterSettings
from splitter.sweeper import Sweeper

SLOTS: Final = 4
"""It waits for S3 most of the time, and holds two ranges of 8 MiB for each file."""


def build(context: Context) -> Service:
    """Put the splitter together."""
    aws, world, clock, log = context.aws, context.world, context.clock, context.log
    settings = SplitterSettings()
    ledger, objects, outbox, progress = aws.ledger(), aws.objects(), aws.outbox(), aws.progress()
    batches = Batches(region=world.region, ledger=ledger, outbox=outbox, clock=clock)
    admitter = Admitter(
        region=world.region,
        regions=world.regions,
        ledger=ledger,
        objects=objects,
        batches=batches,
        clock=clock,
        log=log,
    )
    sweeper = Sweeper(
        region=world.region,
        regions=world.regions,
        ledger=ledger,
        objects=objects,
        progress=progress,
        batches=batches,
        admitter=admitter,
        catalog=context.catalog,
        clock=clock,
        settings=settings,
        log=log,
    )
    handler = Splitter(
        batches=batches,
        objects=objects,
        outbox=outbox,
        progress=progress,
        reference=aws.reference(),
        catalog=context.catalog,
        clock=clock,
        settings=settings,
    )
    return Service(handler, side_tasks=[sweeper.run])


if __name__ == "__main__":
    run_service("splitter", "split", build, slots=SLOTS)
