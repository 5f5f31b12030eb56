"""The trigger: an S3 event in, admissions out. One handler, and its Lambda; where there is none, see `poller`.

Raising makes Lambda try the event again (twice, then its dead-letter queue); the sweeper finds the object without it.
"""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any

from baton.aws import Aws, SystemClock
from baton.batches import Batches
from baton.errors import Unavailable
from baton.ports import Clock
from baton.settings import WorldSettings
from baton.telemetry import Log, configure
from splitter.admission import Admitter
from splitter.events import created_objects


async def admit_all(event: Mapping[str, Any], admitter: Admitter) -> int:
    """Admit every created object of the event; return how many batches there are for them.

    Raises what went wrong once all were tried: one that cannot be admitted keeps no other from it. An outage stays
    `Unavailable`, however many objects it met. Raises `pydantic.ValidationError` for what is no event of S3, be it a
    part of one.
    """
    objects, unreadable = created_objects(event)
    admitted = await asyncio.gather(
        *(
            admitter.admit(each.key, each.version_id, size_bytes=each.size_bytes, created_at=each.created_at)
            for each in objects
        ),
        return_exceptions=True,
    )
    errors = [*unreadable, *(result for result in admitted if isinstance(result, Exception))]
    if len(errors) == 1 or (errors and all(isinstance(error, Unavailable) for error in errors)):
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{len(errors)} of {len(objects) + len(unreadable)} objects were not admitted", errors)
    return sum(batch is not None for batch in admitted)


def admitter(aws: Aws, *, clock: Clock, log: Log) -> Admitter:
    """Put together what admits; the splitter does so for itself, since it knows no AWS."""
    world, ledger = aws.settings, aws.ledger()
    return Admitter(
        region=world.region,
        regions=world.regions,
        ledger=ledger,
        objects=aws.objects(),
        arrivals=aws.arrivals(),
        batches=Batches(region=world.region, ledger=ledger, outbox=aws.outbox(), clock=clock),
        clock=clock,
        log=log,
    )


@functools.cache
def _environment() -> tuple[asyncio.Runner, Admitter]:
    # Once per Lambda environment, at its first event. The loop and its connections stay for the warm ones; one that
    # died while the environment was frozen is replaced by the client's own retry.
    runner = asyncio.Runner()
    return runner, runner.run(_build())


async def _build() -> Admitter:
    world = WorldSettings()  # pyright: ignore[reportCallIssue] - from the environment
    namespace = world.topology.metrics_namespace
    log = configure(log_format=world.log_format, service="trigger", region=world.region, namespace=namespace)
    return admitter(await Aws(world).__aenter__(), clock=SystemClock(), log=log)


def handler(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """Lambda entry point."""
    del context
    runner, admitter = _environment()
    return {"batches": runner.run(admit_all(event, admitter))}
