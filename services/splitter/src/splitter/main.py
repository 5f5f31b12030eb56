"""Entry point of the splitter's container: consumes the split queue and runs the sweeper."""

import asyncio
import random
from functools import partial
from typing import Final

from baton.context import Context
from baton.messages import LANES
from baton.offload import Offload
from baton.ports import Inbox
from baton.region_order import refuse_another_order
from baton.runner import Runner
from baton.s3_events import Event, log_fields, parse
from baton.service import Service, run_service
from baton.settings import RunnerSettings
from splitter.alone import Alone
from splitter.arrival_sweep import ArrivalSweep
from splitter.batch_sweep import BatchSweep
from splitter.canaries import CanarySweep
from splitter.canary_events import CanaryEvents
from splitter.handler import Splitter
from splitter.input_sweep import InputSweep
from splitter.retention import Retention
from splitter.settings import SplitterSettings
from splitter.sweeper import Sweeper

SLOTS: Final = 4
"""Of each lane. It waits for S3 most of the time."""
LARGE_AT_ONCE: Final = 4
"""Large files that are scanned at a time, of whatever lane their messages are: of each up to seventeen ranges of 4 MiB
are held. Of any other one there is not more than `LARGE_FROM_BYTES`."""


def build(
    context: Context, settings: SplitterSettings | None = None, *, offload: Offload = asyncio.to_thread
) -> Service:
    """Put the splitter together."""
    settings = settings or SplitterSettings()
    ports, large = context.ports, asyncio.Semaphore(LARGE_AT_ONCE)

    def handler() -> Splitter:
        return Splitter(
            batches=context.batches(),
            objects=ports.objects(),
            outbox=ports.outbox(),
            progress=ports.progress(),
            heartbeats=ports.heartbeats(),
            reference=ports.reference(),
            catalog=context.catalog,
            clock=context.clock,
            offload=offload,
            large=large,
            settings=settings,
        )

    guard = partial(refuse_another_order, ledger=ports.ledger(), regions=context.regions)
    return Service(
        {lane: handler() for lane in LANES},
        side_tasks=[guard, sweeper(context, settings).run],
        canary_events=partial(canary_events, context),
    )


def canary_events(context: Context, inbox: Inbox) -> Runner[Event]:
    """Build what reads S3's events of canaries."""
    return Runner(
        service="splitter",
        region=context.region,
        inbox=inbox,
        handler=CanaryEvents(context.admitter(), log=context.log),
        parse=parse,
        log_fields=log_fields,
        settings=RunnerSettings(measures_done=False),
        clock=context.clock,
        dice=random.Random(),  # noqa: S311 - jitter, no secret
        log=context.log,
    )


def sweeper(context: Context, settings: SplitterSettings) -> Sweeper:
    """Put the sweeper together."""
    ports, region, clock, log = context.ports, context.region, context.clock, context.log
    ledger, objects, batches = ports.ledger(), ports.objects(), context.batches()
    canaries = CanarySweep(
        region=region, ledger=ledger, objects=objects, batches=batches, clock=clock, alone=Alone(log)
    )
    open_batches = BatchSweep(
        region=region,
        regions=context.regions,
        ledger=ledger,
        progress=ports.progress(),
        heartbeats=ports.heartbeats(),
        outbox=ports.outbox(),
        batches=batches,
        canaries=canaries,
        catalog=context.catalog,
        clock=clock,
        settings=settings,
        log=log,
        alone=Alone(log),
    )
    return Sweeper(
        region=region,
        ledger=ledger,
        open_batches=open_batches,
        canaries=canaries,
        arrivals=_arrivals(context, settings),
        inputs=_inputs(context, settings, open_batches),
        retention=Retention(
            region=region, regions=context.regions, ledger=ledger, objects=objects, clock=clock, log=log
        ),
        clock=clock,
        settings=settings,
        log=log,
    )


def _arrivals(context: Context, settings: SplitterSettings) -> ArrivalSweep:
    return ArrivalSweep(
        region=context.region,
        ledger=context.ports.ledger(),
        arrivals=context.ports.arrivals(),
        admitter=context.admitter(),
        clock=context.clock,
        settings=settings,
        log=context.log,
    )


def _inputs(context: Context, settings: SplitterSettings, open_batches: BatchSweep) -> InputSweep:
    return InputSweep(
        region=context.region,
        ledger=context.ports.ledger(),
        objects=context.ports.objects(),
        admitter=context.admitter(),
        open_batches=open_batches,
        clock=context.clock,
        settings=settings,
        log=context.log,
    )


if __name__ == "__main__":
    run_service("splitter", "split", build, slots=SLOTS)
