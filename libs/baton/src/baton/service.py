"""Runs a container: settings, logs, signals, adapters, health page, the runner, side tasks.

`main.py` of a service is the composition root: it says which handler consumes which queue (or which tasks run), and
nothing else.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from baton.aws import Aws, SystemClock
from baton.catalog import load_jobs
from baton.context import Context
from baton.health import TaskProtection, health_server, restarts
from baton.messages import CANARY, ORDINARY, Kind, Lane, Message, log_fields, parse
from baton.ports import Inbox
from baton.runner import Handler, Runner
from baton.settings import RunnerSettings, WorldSettings
from baton.telemetry import Log, configure

_BAD_SETTINGS: Final = 2
CANARY_SLOTS: Final = 4
"""Two controllers send canaries, each two at a time if some failed lately."""

APART_SLOTS: Final = 1
"""So that it is known with which batch in hand a process died."""

type SideTask = Callable[[asyncio.Event], Awaitable[None]]
"""Runs beside the consumer until the event is set; if it ends early or raises, the service stops."""


class AgentSettings(BaseSettings):
    """What ECS tells a task."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    ecs_agent_uri: str | None = Field(default=None, validation_alias="ECS_AGENT_URI")
    ecs_metadata_uri: str | None = Field(default=None, validation_alias="ECS_CONTAINER_METADATA_URI_V4")


@dataclass(frozen=True, slots=True)
class Service:
    """A handler for each lane, and what runs beside them. Handlers share nothing that one could keep from another."""

    handlers: Mapping[Lane, Handler[Message]]
    side_tasks: Sequence[SideTask] = field(default=())
    canary_events: Callable[[Inbox], Runner[Any]] | None = None
    """Makes what reads the events of canaries: of the one service that admits them."""

    @property
    def handler(self) -> Handler[Message]:
        """The handler of the ordinary lane."""
        return self.handlers[ORDINARY]


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process without a queue: tasks that run until it is stopped, and whether they are healthy."""

    tasks: Sequence[SideTask]
    health: Callable[[], tuple[bool, dict[str, object]]]


@dataclass(frozen=True, slots=True)
class Process:
    """What a daemon is built from: settings of its environment, and its adapters."""

    world: WorldSettings
    aws: Aws
    clock: SystemClock
    log: Log


def run_daemon(name: str, build: Callable[[Process], Daemon]) -> None:
    """Run a daemon until SIGTERM or SIGINT; exit statuses as of `run_service`."""
    world, runner = _settings(name)
    log = _log(world, name)

    async def serve(stack: AsyncExitStack, stop: asyncio.Event) -> None:
        aws = await stack.enter_async_context(Aws(world))
        daemon = build(Process(world, aws, SystemClock(), log))
        port = await stack.enter_async_context(health_server(runner.health_host, runner.health_port, daemon.health))
        log.info("service_started", health_port=port)
        await run_together(stop, daemon.tasks)

    _run(serve, log)


def run_service(name: str, kind: Kind, build: Callable[[Context], Service], *, slots: int) -> None:
    """Run a service until SIGTERM or SIGINT. Exits 0 after a graceful stop, 1 after a failure, 2 on bad settings.

    `slots`: how many messages of each of the users' lanes it handles at once, unless the environment says otherwise.
    """
    world, runner = _settings(name, slots)
    log = _log(world, name)
    protection = TaskProtection(AgentSettings().ecs_agent_uri, expires_minutes=60, log=log)

    async def serve(stack: AsyncExitStack, stop: asyncio.Event) -> None:
        aws = await stack.enter_async_context(Aws(world))
        context = Context(world.region, world.regions, aws, SystemClock(), load_jobs(world.jobs_package), log)
        service = build(context)

        def consumer(lane: Lane) -> Runner[Message]:
            return Runner(
                service=name,
                region=world.region,
                inbox=aws.inbox(kind, lane),
                handler=service.handlers[lane],
                parse=parse,
                log_fields=log_fields,
                settings=settings_of(lane, runner),
                clock=context.clock,
                dice=random.Random(),  # noqa: S311 - jitter, no secret
                log=log,
                protection=None if lane == CANARY else protection,  # one comes every few seconds, and may be lost
                beat=context.beat,
                attempts=context,
            )

        consumers: list[Runner[Any]] = [consumer(lane) for lane in service.handlers]
        if service.canary_events:
            consumers.append(service.canary_events(aws.canary_events()))
        health = partial(health_of, consumers)
        port = await stack.enter_async_context(health_server(runner.health_host, runner.health_port, health))
        log.info("service_started", health_port=port, slots=runner.slots)
        await run_together(stop, [*(each.run for each in consumers), *service.side_tasks])

    _run(serve, log)


def settings_of(lane: Lane, settings: RunnerSettings) -> RunnerSettings:
    """Return how a lane is consumed where `settings` say how those of ordinary and large batches are.

    What is suspected continues one after the other.
    """
    match lane:
        case "canary":
            return settings.model_copy(update={"slots": CANARY_SLOTS, "measures_done": False})
        case "apart":
            return settings.model_copy(
                update={"slots": APART_SLOTS, "counted_from": 1, "deaths_max": 1, "sets_aside": True}
            )
        case _:
            return settings


def health_of(consumers: Sequence[Runner[Any]]) -> tuple[bool, dict[str, object]]:
    """Return whether all are healthy, and the facts of each."""
    found = [each.health() for each in consumers]
    return all(healthy for healthy, _ in found), {"lanes": [facts for _, facts in found]}


def _settings(name: str, slots: int | None = None) -> tuple[WorldSettings, RunnerSettings]:
    try:
        world, runner = WorldSettings(), RunnerSettings()  # pyright: ignore[reportCallIssue] - from the environment
    except ValidationError as error:
        sys.stderr.write(f"{name}: settings: {error}\n")
        raise SystemExit(_BAD_SETTINGS) from error
    if slots and "slots" not in runner.model_fields_set:
        runner = runner.model_copy(update={"slots": slots})
    return world, runner


def _log(world: WorldSettings, name: str) -> Log:
    namespace = world.topology.metrics_namespace
    return configure(log_format=world.log_format, service=name, region=world.region, namespace=namespace)


def _run(serve: Callable[[AsyncExitStack, asyncio.Event], Awaitable[None]], log: Log) -> NoReturn:
    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if times := await restarts(AgentSettings().ecs_metadata_uri):
            # A killed process cannot log its own end, and ECS reports none while the task continues.
            log.error("container_restarted", times=times)
        async with AsyncExitStack() as stack:
            await serve(stack, stop)
            log.info("service_stopped")

    status = 0
    try:
        asyncio.run(main())
    except BaseException as error:  # a SystemExit would choose the status, and say nothing
        log.critical("service_died", exc_info=error)
        status = 1
    sys.stdout.flush()
    # The interpreter's own way out waits for every thread, beyond any grace: one may still compute for a message that
    # was handed back.
    os._exit(status)


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
