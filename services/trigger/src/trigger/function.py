"""The trigger as a Lambda function: an S3 event in, admissions out. Without Lambda, `poller` calls the same handler.

An error makes Lambda retry the event (twice, then its dead-letter queue); the sweeper finds the object in any case.
"""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any

from baton.admission import Admitter, admitter
from baton.aws import Aws, SystemClock
from baton.errors import Unavailable
from baton.settings import WorldSettings
from baton.telemetry import configure
from trigger.events import created_objects


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
    aws = await Aws(world).__aenter__()
    return admitter(aws, region=world.region, regions=world.regions, clock=SystemClock(), log=log)


def handler(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """Lambda entry point."""
    del context
    runner, admitter = _environment()
    return {"batches": runner.run(admit_all(event, admitter))}
