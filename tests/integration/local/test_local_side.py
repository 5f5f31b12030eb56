"""A delete is replicated to an emulator that knows no conditional delete, as LocalStack: of the version named only."""

import asyncio
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import web

from baton_local.stand_ins import http
from baton_local.stand_ins.side import Described, Side

_KEY = "input/sales/a b.csv"


class _Unconditional:
    """An S3 with one key, whose newest version is the last of a list; a delete with a condition is not implemented."""

    def __init__(self, versions: Sequence[str]) -> None:
        self.versions = list(versions)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(headers={"x-amz-version-id": self.versions[-1]})
        if "If-Match" in request.headers:
            return web.Response(status=501)
        self.versions.append("marker")
        return web.Response(status=204, headers={"x-amz-version-id": "marker"})


async def _hide(emulator: _Unconditional, version_id: str) -> bool:
    runner = await http.serve(emulator.app(), 0)
    try:
        async with aiohttp.ClientSession() as session:
            side = Side(session, f"http://127.0.0.1:{runner.addresses[0][1]}", "data", region="r", key_id="1")
            hidden = await side.hide(_KEY, Described(version_id, version_id, 1, '"tag"', {}))
            assert side.wrote(_KEY, "marker") is hidden, "its own event must not go back"
            return hidden
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("versions", "is_hidden"), [(["one"], True), (["one", "two"], False)], ids=["it is the newest", "a newer one stays"]
)
def test_a_version_is_hidden_where_no_condition_can_be_given(versions: list[str], is_hidden: bool) -> None:  # noqa: FBT001 - a parameter
    emulator = _Unconditional(versions)

    assert asyncio.run(_hide(emulator, "one")) is is_hidden
    assert (emulator.versions[-1] == "marker") is is_hidden
