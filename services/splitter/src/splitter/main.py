"""The splitter's container: consumes the split queue, sweeps beside it."""

import asyncio
from typing import Final

from baton.batches import Batches
from baton.context import Context
from baton.offload import Offload
from baton.service import Service, run_service
from splitter.admission import Admitter
from splitter.handler import Splitter
from splitter.settings import SplitterSettings
from splitter.sweeper import Sweeper

SLOTS: Final = 4
"""It waits for S3 most of the time, and holds up to seventeen ranges of 8 MiB for each file."""


def build(
    context: Context, settings: SplitterSettings | None = None, *, offload: Offload = asyncio.to_thread
) -> Service:
    """Put the splitter together."""
    settings = settings or SplitterSettings()
    ports = context.ports
    handler = Splitter(
        batches=_batches(context),
        objects=ports.objects(),
        outbox=ports.outbox(),
        progress=ports.progress(),
        heartbeats=ports.heartbeats(),
        reference=ports.reference(),
        catalog=context.catalog,
        clock=context.clock,
        offload=offload,
        settings=settings,
    )
    return Service(handler, side_tasks=[sweeper(context, settings).run])


def sweeper(context: Context, settings: SplitterSettings) -> Sweeper:
    """Put the sweeper together."""
    ports = context.ports
    return Sweeper(
        region=context.region,
        regions=context.regions,
        ledger=ports.ledger(),
        objects=ports.objects(),
        progress=ports.progress(),
        heartbeats=ports.heartbeats(),
        outbox=ports.outbox(),
        batches=_batches(context),
        admitter=admitter(context),
        catalog=context.catalog,
        clock=context.clock,
        settings=settings,
        log=context.log,
    )


def admitter(context: Context) -> Admitter:
    """Put together what admits; the trigger does so for itself, since it carries no splitter."""
    return Admitter(
        region=context.region,
        regions=context.regions,
        ledger=context.ports.ledger(),
        objects=context.ports.objects(),
        batches=_batches(context),
        clock=context.clock,
        log=context.log,
    )


def _batches(context: Context) -> Batches:
    ports = context.ports
    return Batches(region=context.region, ledger=ports.ledger(), outbox=ports.outbox(), clock=context.clock)


if __name__ == "__main__":
    run_service("splitter", "split", build, slots=SLOTS)
