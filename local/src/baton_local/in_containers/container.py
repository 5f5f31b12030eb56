"""Runs a stand-in as a container of its own: serves until SIGTERM and answers `/healthz`."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from aiohttp import web

from baton.health import health_server
from baton.settings import RunnerSettings
from baton_local.stand_ins import http

_log = logging.getLogger(__name__)

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - inside a container: who may come in is for its networks to say


def run(start: Callable[[AsyncExitStack], Awaitable[Sequence[Coroutine[Any, Any, None]]]]) -> None:
    """Start what `start` sets up, run what it returns until SIGTERM or SIGINT, and raise what any of it died of.

    Healthy means that `start` is done: containers that depend on it wait for that.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(start))


async def serve(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    """Serve an application to the container's networks until the stack is closed."""
    runner = await http.serve(app, port, listens_on=EVERYWHERE)
    stack.push_async_callback(runner.cleanup)


async def _serve(start: Callable[[AsyncExitStack], Awaitable[Sequence[Coroutine[Any, Any, None]]]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = RunnerSettings()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in await start(stack)]
        await stack.enter_async_context(health_server(settings.health_host, settings.health_port, lambda: (True, {})))
        _log.info("ready")
        await stop.wait()
        for task in running:
            task.cancel()
