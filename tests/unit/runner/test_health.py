"""The health page and the talk with the ECS agent, over real HTTP on the loopback."""

import asyncio
import json
from typing import Any, override

import aiohttp
import pytest
from aiohttp import web

from baton.health import TaskProtection, health_server, restarts
from baton_proof.logs import recording_log, silent_log


@pytest.mark.parametrize(("healthy", "status"), [(True, 200), (False, 503)])
def test_healthz_says_how_the_loop_is(healthy: bool, status: int) -> None:  # noqa: FBT001 - a parameter of the test
    async def story() -> tuple[int, dict[str, Any]]:
        facts: dict[str, object] = {"running": 3}
        async with (
            health_server("127.0.0.1", 0, lambda: (healthy, facts)) as port,
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/healthz") as answer,
        ):
            return answer.status, await answer.json()

    assert asyncio.run(story()) == (status, {"running": 3})


def _agent(answers: int) -> tuple[web.Application, list[dict[str, Any]]]:
    asked: list[dict[str, Any]] = []

    async def put(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.Response(status=answers, text=json.dumps({}))

    app = web.Application()
    app.router.add_put("/api/task-protection/v1/state", put)
    return app, asked


async def _talk(answers: int, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    app, asked = _agent(answers)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        uri = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
        protection = TaskProtection(uri, expires_minutes=60, log=recording_log(lines))
        await protection.set(busy=True)
        await protection.set(busy=False)
    finally:
        await runner.cleanup()
    return asked


def test_a_busy_task_is_protected_and_an_idle_one_is_not() -> None:
    asked = asyncio.run(_talk(200, []))

    assert asked == [{"ProtectionEnabled": True, "ExpiresInMinutes": 60}, {"ProtectionEnabled": False}]


def test_a_refusal_is_logged_and_not_fatal() -> None:
    lines: list[dict[str, Any]] = []

    asyncio.run(_talk(400, lines))

    assert [line["event"] for line in lines] == ["task_protection_refused"] * 2


def test_an_agent_that_is_not_there_is_not_fatal() -> None:
    lines: list[dict[str, Any]] = []
    nobody = TaskProtection("http://127.0.0.1:9", expires_minutes=60, log=recording_log(lines))

    asyncio.run(nobody.set(busy=True))

    assert [line["event"] for line in lines] == ["task_protection_unreachable"]


def test_without_an_agent_nothing_is_asked() -> None:
    asyncio.run(TaskProtection(None, expires_minutes=60, log=silent_log()).set(busy=True))


def test_a_task_is_protected_while_any_of_its_lanes_works() -> None:
    class Told(TaskProtection):
        def __init__(self) -> None:
            super().__init__("http://agent", expires_minutes=60, log=silent_log())
            self.told: list[object] = []

        @override
        async def tell(self, body: dict[str, object]) -> None:
            self.told.append(body["ProtectionEnabled"])

    async def story() -> list[object]:
        protection = Told()
        await protection.set(busy=True, by="large")
        await protection.set(busy=False, by="ordinary")
        await protection.set(busy=True, by="ordinary")
        await protection.set(busy=False, by="large")
        assert protection.told == [True]
        await protection.set(busy=False, by="ordinary")
        return protection.told

    assert asyncio.run(story()) == [True, False]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ('{"DockerId": "d", "Name": "worker", "RestartCount": 2}', 2),
        ('{"DockerId": "d", "Name": "worker"}', None),
        ("[]", None),
        ("not JSON", None),
    ],
)
def test_ecs_says_how_often_it_has_restarted_a_container(answers: str, found: int | None) -> None:
    async def metadata(_: web.Request) -> web.Response:
        return web.Response(text=answers)

    async def story() -> int | None:
        app = web.Application()
        app.router.add_get("/v4/container", metadata)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            return await restarts(f"http://127.0.0.1:{runner.addresses[0][1]}/v4/container")
        finally:
            await runner.cleanup()

    assert asyncio.run(story()) == found


@pytest.mark.parametrize("uri", [None, "http://127.0.0.1:9"])
def test_without_ecs_nothing_is_known_of_restarts(uri: str | None) -> None:
    assert asyncio.run(restarts(uri)) is None
