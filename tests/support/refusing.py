"""A service that answers every call of every protocol with one error, as AWS writes it."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class Refusing:
    """What is answered, and what was asked."""

    code: str = "AccessDenied"
    status: int = 403
    of_service: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    """Code and status of services that have an error code of their own for it."""
    reasons: Sequence[str] = ()
    """Codes for which a transaction is cancelled, one for each of its writes."""
    url: str = ""
    asked: list[str] = field(default_factory=list[str])
    """Name of the service of each call."""

    def answer(self, request: web.Request) -> web.Response:
        # The credential of a signature names key, day, Region and service.
        scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
        service = scope[3] if len(scope) > 3 else "unsigned"
        self.asked.append(service)
        code, status = self.of_service.get(service, (self.code, self.status))
        if request.method == "HEAD":
            return web.Response(status=status)
        if service in {"s3", "unsigned"}:
            return _xml(f"<Error><Code>{code}</Code><Message>no</Message></Error>", status)
        if service in {"ses", "sts", "monitoring"} and "X-Amz-Target" not in request.headers:
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>"
            return _xml(f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>", status)
        told: dict[str, object] = {"__type": f"com.amazonaws#{code}", "message": "no"}
        if self.reasons:
            told["CancellationReasons"] = [{"Code": reason} for reason in self.reasons]
        return web.Response(status=status, body=json.dumps(told), content_type="application/x-amz-json-1.0")


def _xml(body: str, status: int) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/xml")


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
