"""A proxy before an emulator that loses answers, breaks bodies and answers on its own, as a test orders."""

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from baton.aws import Aws

type LossyAws = Callable[[], AbstractAsyncContextManager[tuple[Aws, Lossy]]]
"""Gives adapters behind a proxy that the test tells what to break."""
type Fault = Callable[[bytes], web.Response | None]
"""Looks at a request's body; answers it in the emulator's place, or lets it pass."""


@dataclass(slots=True)
class Lossy:
    """What is to go wrong. Operations are DynamoDB's and SQS's names, such as `PutItem`, or an HTTP method."""

    url: str = ""
    lose_answers: dict[str, int] = field(default_factory=dict[str, int])
    """How many answers to an operation get lost after the emulator did what was asked."""
    break_bodies_after: list[int] = field(default_factory=list[int])
    """Bytes after which the next GET's body breaks off, one entry for each."""
    answers: dict[str, list[Fault]] = field(default_factory=dict[str, list[Fault]])
    """Per operation: what looks at its next requests, one entry for each."""
    seen: list[str] = field(default_factory=list[str])
    ranges: list[str] = field(default_factory=list[str])
    """Of every GET that asked for one."""

    def next_fault(self, operation: str, body: bytes) -> web.Response | None:
        waiting = self.answers.get(operation)
        return waiting.pop(0)(body) if waiting else None

    def loses(self, operation: str) -> bool:
        left = self.lose_answers.get(operation, 0)
        self.lose_answers[operation] = max(0, left - 1)
        return left > 0


def error(code: str, *, text: str = "made up", status: int = 400) -> Fault:
    """Return a fault that answers with an error in the form of the JSON protocols."""
    return lambda _: web.json_response({"__type": f"com.amazonaws#{code}", "message": text}, status=status)


@asynccontextmanager
async def lossy_proxy(upstream: str) -> AsyncGenerator[Lossy]:
    """Listen on a free port of 127.0.0.1, in the running loop."""
    lossy = Lossy()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", _handler(lossy, session, upstream))
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port: int = runner.addresses[0][1]
            lossy.url = f"http://127.0.0.1:{port}"
            yield lossy
        finally:
            await runner.cleanup()


def _handler(
    lossy: Lossy, session: aiohttp.ClientSession, upstream: str
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        operation = request.headers.get("X-Amz-Target", request.method).rpartition(".")[2]
        body = await request.read()
        lossy.seen.append(operation)
        if asked := request.headers.get("Range"):
            lossy.ranges.append(asked)
        if (answer := lossy.next_fault(operation, body)) is not None:
            return answer
        headers = {name: value for name, value in request.headers.items() if name.lower() != "transfer-encoding"}
        url = URL(upstream + request.raw_path, encoded=True)
        async with session.request(request.method, url, headers=headers, data=io.BytesIO(body)) as real:
            content = await real.read()
        if lossy.loses(operation):
            _hang_up(request)
        if request.method == "GET" and real.ok and lossy.break_bodies_after:
            return await _broken(request, real, content, lossy.break_bodies_after.pop(0))
        kept = {name: value for name, value in real.headers.items() if name.lower() not in _HOP_BY_HOP}
        return web.Response(status=real.status, headers=kept, body=content)

    return handle


_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


async def _broken(request: web.Request, real: aiohttp.ClientResponse, content: bytes, after: int) -> web.StreamResponse:
    kept = {name: value for name, value in real.headers.items() if name.lower() not in _HOP_BY_HOP}
    response = web.StreamResponse(status=real.status, headers={**kept, "Content-Length": str(len(content))})
    await response.prepare(request)
    await response.write(content[:after])
    _hang_up(request)
    return response


def _hang_up(request: web.Request) -> None:
    """Close the connection without another byte."""
    assert isinstance(request.transport, asyncio.Transport)
    request.transport.close()
    raise ConnectionResetError("the proxy hung up")
