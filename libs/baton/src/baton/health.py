"""The container's health page, its ECS task protection, and whether ECS has restarted it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ValidationError

from baton.telemetry import Log


@asynccontextmanager
async def health_server(
    host: str, port: int, is_healthy: Callable[[], tuple[bool, dict[str, object]]]
) -> AsyncGenerator[int]:
    """Serve `/healthz` while the block runs, yield the port: 200 or 503 with a JSON body that says why."""

    async def healthz(_: web.Request) -> web.Response:
        healthy, facts = is_healthy()
        return web.Response(status=200 if healthy else 503, text=json.dumps(facts), content_type="application/json")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class TaskProtection:
    """Asks ECS not to scale in this task while it works. Without an agent (no `ECS_AGENT_URI`) it does nothing.

    May be called at every step: it asks on idle -> busy and busy -> idle only, as the endpoint is rate-limited, and
    while busy again at half of the expiry. A refusal is logged and never fatal: an unprotected task that is stopped
    hands its messages back. Source: ECS task scale-in protection endpoint.
    """

    def __init__(self, agent_uri: str | None, *, expires_minutes: int, log: Log) -> None:
        self._url = f"{agent_uri}/task-protection/v1/state" if agent_uri else None
        self._expires_minutes = expires_minutes
        self._log = log
        self._busy_since: float | None = None
        """When the agent was last told that we are busy, in the loop's seconds; None: it considers us idle."""
        self._at_work: set[object] = set()

    async def set(self, *, busy: bool, by: object = None) -> None:
        """Let the agent know whether this task is busy, unless it knows: it is while any of its parts is."""
        (self._at_work.add if busy else self._at_work.discard)(by)
        busy = bool(self._at_work)
        now = asyncio.get_running_loop().time()
        told = self._busy_since
        known = told is not None and now - told < self._expires_minutes * 60 / 2 if busy else told is None
        if known:
            return
        self._busy_since = now if busy else None
        body: dict[str, object] = {"ProtectionEnabled": busy}
        if busy:
            body["ExpiresInMinutes"] = self._expires_minutes
        await self.tell(body)

    async def tell(self, body: dict[str, object]) -> None:
        """Ask the agent. Never raises."""
        if self._url is None:
            return
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.put(self._url, json=body) as answer:
                if not answer.ok:
                    self._log.warning("task_protection_refused", status=answer.status, answer=await answer.text())
        except (aiohttp.ClientError, TimeoutError) as error:
            self._log.warning("task_protection_unreachable", error=str(error))


async def restarts(metadata_uri: str | None) -> int | None:
    """Return how many times ECS has restarted this container in its task; None without ECS, or if it does not say.

    Source: `RestartCount` of a container, Amazon ECS task metadata endpoint version 4.
    """
    if metadata_uri is None:
        return None
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(metadata_uri) as answer:
            return _Container.model_validate_json(await answer.read()).RestartCount
    except (aiohttp.ClientError, TimeoutError, ValidationError):
        return None


class _Container(BaseModel):
    RestartCount: int | None = None
