"""A service that answers every call of every protocol with one error, as AWS writes it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class Refusing:
    """What is answered, and what was asked."""

    code: str = "AccessDenied"
    status: int = 403
    url: str = ""
    asked: list[str] = field(default_factory=list[str])
    """Name of the service of each call."""

    def answer(self, request: web.Request) -> web.Response:
        # The credential of a signature names key, day, Region and service.
        scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        service = scope[3] if len(scope) > 3 else "unsigned"
        self.asked.append(service)
        if request.method == "HEAD":
            return web.Response(status=self.status)
        if service in {"s3", "unsigned"}:
            return self._xml(f"<Error><Code>{self.code}</Code><Message>no</Message></Error>")
        if service in {"ses", "sts", "monitoring"} and "X-Amz-Target" not in request.headers:
            error = f"<Error><Type>Sender</Type><Code>{self.code}</Code><Message>no</Message></Error>"
            return self._xml(f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")
        body = json.dumps({"__type": f"com.amazonaws#{self.code}", "message": "no"})
        return web.Response(status=self.status, body=body, content_type="application/x-amz-json-1.0")

    def _xml(self, body: str) -> web.Response:
        return web.Response(status=self.status, body=body, content_type="application/xml")


@asynccontextmanager
async def refusing() -> AsyncGenerator[Refusing]:
    """Listen on a free port of 127.0.0.1, in the running loop."""
    service = Refusing()

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return service.answer(request)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        await runner.cleanup()
