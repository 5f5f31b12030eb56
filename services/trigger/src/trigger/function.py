"""The trigger as a Lambda function: an S3 event in, admissions out. Without Lambda, `poller` calls the same handler.

An error makes Lambda retry the event (twice, then its dead-letter queue); the sweeper finds the object in any case.
"""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any

from baton.admission import Admitter, admit_all, admitter
from baton.aws import Aws, SystemClock
from baton.settings import WorldSettings
from baton.telemetry import configure


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
