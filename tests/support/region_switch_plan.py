"""Stand-in for ARC Region switch by AWS's protocol: one plan, with a data plane in each of its two Regions."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.session import AioSession
from aiohttp import web

from baton.aws import Aws
from baton.aws.switch.hedged import Times
from baton.aws.switch.region_switch import RegionSwitch
from baton.model.control import SwitchBackend
from baton.settings import SwitchSettings, WorldSettings
from baton.topology import REGIONS_DEFAULT
from baton_local.stand_ins import http
from baton_local.stand_ins.gates import HOST
from emulator_process import ACCOUNT_ID

PLAN_ARN = f"arn:aws:arc-region-switch::{ACCOUNT_ID}:plan/baton-test-switch:0a1b2c"
_TARGET = "ArcRegionSwitch."


@dataclass(slots=True)
class Plan:
    """The plan, and how it is disturbed."""

    status: dict[str, str] = field(default_factory=lambda: dict.fromkeys(REGIONS_DEFAULT, "unknown"))
    down: set[str] = field(default_factory=set[str])
    """Regions whose data plane hangs up."""
    denied: set[str] = field(default_factory=set[str])
    """Regions whose data plane refuses every caller."""
    answers_to_lose: int = 0
    """How many of the next executions are started without an answer."""
    has_refused: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once an execution was asked for while another one was under way."""
    asked: set[str] = field(default_factory=set[str])
    """Every operation that was called."""
    runs_until: asyncio.Event | None = None
    """An execution ends when this is set; None: at once."""
    started: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Each execution: where it was asked for, and which Region it activates."""
    has_started: asyncio.Event = field(default_factory=asyncio.Event)
    modes: list[str] = field(default_factory=list[str])
    """Of each execution."""
    is_state: str = "inProgress"
    """Of the execution that runs."""
    lists_to_refuse: int = 0
    """How often executions are not listed."""
    running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def app(self, region: str) -> web.Application:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(region, request)

        app = web.Application()
        app.router.add_post("/", handle)
        return app

    async def _handle(self, region: str, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        if region in self.down:
            return _hang_up(request)
        if region in self.denied:
            return _answer({"__type": "AccessDeniedException", "message": "not authorized"}, 403)
        operation = request.headers["X-Amz-Target"].removeprefix(_TARGET)
        self.asked.add(operation)
        if asked.get("planArn", asked.get("arn")) != PLAN_ARN:
            return _answer({"__type": "ResourceNotFoundException", "message": "no such plan"}, 404)
        match operation:
            case "ListRoute53HealthChecksInRegion":
                checks = [
                    {"hostedZoneId": "Z1", "recordName": "active", "region": each, "status": status}
                    for each, status in self.status.items()
                ]
                return _answer({"healthChecks": checks})
            case "StartPlanExecution":
                self.modes.append(asked["mode"])
                return self._start(region, asked["targetRegion"], request)
            case "ListPlanExecutions":
                return self._list()
            case _:
                return _answer({"__type": "UnknownOperationException"}, 400)

    def _start(self, region: str, target: str, request: web.Request) -> web.StreamResponse:
        if self.running:
            self.has_refused.set()
            return _answer({"__type": "ConflictException", "message": "an execution is in progress"}, 409)
        self.started.append((region, target))
        self.has_started.set()
        task = asyncio.create_task(self._execute(target))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            return _hang_up(request)
        return _answer({"executionId": f"e{len(self.started)}"})

    def _list(self) -> web.Response:
        if self.lists_to_refuse:
            self.lists_to_refuse -= 1
            return _answer({"__type": "AccessDeniedException", "message": "not authorized"}, 403)
        items = [
            {
                "planArn": PLAN_ARN,
                "executionId": f"e{number}",
                "startTime": 1_800_000_000 + number,
                "mode": "graceful",
                "executionState": self.is_state if self.running and number == len(self.started) else "completed",
                "executionAction": "activate",
                "executionRegion": target,
            }
            for number, (_, target) in reversed(list(enumerate(self.started, 1)))
        ]
        return _answer({"items": items})

    async def _execute(self, target: str) -> None:
        if self.runs_until is not None:
            await self.runs_until.wait()
        self.status = {region: "healthy" if region == target else "unhealthy" for region in self.status}


@asynccontextmanager
async def region_switch(session: AioSession, *, times: Times) -> AsyncGenerator[tuple[Plan, RegionSwitch]]:
    """Start the plan's two data planes in the running loop, and put the real adapter before them."""
    plan = Plan()
    runners = {region: await http.serve(plan.app(region), 0) for region in REGIONS_DEFAULT}
    urls = {region: f"http://{HOST}:{runner.addresses[0][1]}" for region, runner in runners.items()}
    settings = SwitchSettings(kind=SwitchBackend.REGION_SWITCH, plan=PLAN_ARN, endpoints=urls)
    world = WorldSettings.model_validate({"account_id": ACCOUNT_ID, "region": REGIONS_DEFAULT[0]})
    try:
        async with Aws(world, session=session, dice=random.Random(1)) as aws:
            switch = aws.switch(settings, times=times)
            assert isinstance(switch, RegionSwitch)
            yield plan, switch
    finally:
        if plan.runs_until:
            plan.runs_until.set()
        for runner in runners.values():
            await runner.cleanup()


def _answer(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(content), status=status, content_type="application/x-amz-json-1.0")


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.close()
    return web.Response()
