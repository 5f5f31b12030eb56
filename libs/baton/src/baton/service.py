"""What every container does around its handler: settings, logs, signals, adapters, health, the runner, side tasks.

`main.py` of a service is the composition root: it says which handler consumes which queue, and nothing else.
"""

import asyncio
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from baton.aws import Aws, SystemClock
from baton.catalog import load_jobs
from baton.context import Context
from baton.health import TaskProtection, health_server
from baton.messages import Kind
from baton.runner import Handler, Runner
from baton.settings import RunnerSettings, WorldSettings
from baton.telemetry import Log, configure

type SideTask = Callable[[asyncio.Event], Awaitable[None]]
"""Runs beside the consumer until the event is set; if it ends early or raises, the service stops."""


class AgentSettings(BaseSettings):
    """What ECS tells a task."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    ecs_agent_uri: str | None = Field(default=None, validation_alias="ECS_AGENT_URI")


@dataclass(frozen=True, slots=True)
class Service:
    """A handler and what runs beside it."""

    handler: Handler
    side_tasks: Sequence[SideTask] = field(default=())


def run_service(name: str, kind: Kind, build: Callable[[Context], Service], *, slots: int) -> None:
    """Run a service until SIGTERM or SIGINT. Exits 0 after a graceful stop, 1 after a failure, 2 on bad settings.

    `slots`: how many messages it handles at once unless the environment says otherwise.
    """
    try:
        world, runner = WorldSettings(), RunnerSettings()  # pyright: ignore[reportCallIssue] - from the environment
    except ValidationError as error:
        sys.exit(f"{name}: settings: {error}")
    if "slots" not in runner.model_fields_set:
        runner = runner.model_copy(update={"slots": slots})
    log = configure(log_format=world.log_format, service=name, region=world.region)
    try:
        asyncio.run(_serve(name, kind, build, world, runner, log))
    except Exception as error:
        log.critical("service_died", exc_info=error)
        raise SystemExit(1) from error


async def _serve(
    name: str,
    kind: Kind,
    build: Callable[[Context], Service],
    world: WorldSettings,
    settings: RunnerSettings,
    log: Log,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        aws = await stack.enter_async_context(Aws(world))
        clock = SystemClock()
        context = Context(world.region, world.regions, aws, clock, load_jobs(world.jobs_package), log)
        service = build(context)
        runner = Runner(
            service=name,
            region=world.region,
            inbox=aws.inbox(kind),
            handler=service.handler,
            settings=settings,
            clock=clock,
            dice=random.Random(),  # noqa: S311 - jitter, no secret
            log=log,
            protection=TaskProtection(AgentSettings().ecs_agent_uri, expires_minutes=60, log=log),
        )
        port = await stack.enter_async_context(health_server(settings.health_host, settings.health_port, runner.health))
        log.info("service_started", health_port=port, slots=settings.slots)
        await run_together(stop, [runner.run, *service.side_tasks])
        log.info("service_stopped")


async def run_together(stop: asyncio.Event, tasks: Sequence[SideTask]) -> None:
    """Run all until `stop`; when one ends or dies, stop the others gracefully, then raise what it died of."""

    async def one(task: SideTask) -> None:
        try:
            await task(stop)
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        pending = [group.create_task(_shield_siblings(one(task))) for task in tasks]
    errors = [error for done in pending if (error := done.result()) is not None]
    if errors:
        raise ExceptionGroup("a part of the service died", errors)


async def _shield_siblings(work: Awaitable[None]) -> Exception | None:
    """Return the error instead of raising it, so that the group does not cancel the others in their drain."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - collected and raised by run_together
        return error
    return None
