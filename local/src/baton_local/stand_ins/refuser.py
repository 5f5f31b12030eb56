"""A proxy before an emulator that answers a share of all calls in its place, or passes them on late."""

import asyncio
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from baton_local.stand_ins.http import forwardable

LATE_SECONDS: Final = 3.0
"""Less than a client waits for an answer, and more than any user would call quick."""


class RefusalKind(StrEnum):
    """What happens to the calls that are hit."""

    THROTTLED = "throttled"
    DENIED = "denied"
    """No right to it."""
    UNAVAILABLE = "unavailable"
    LATE = "late"
    """Passed on after `LATE_SECONDS`."""


_OF_S3: Final[Mapping[RefusalKind, tuple[int, str]]] = {
    RefusalKind.THROTTLED: (503, "SlowDown"),
    RefusalKind.DENIED: (403, "AccessDenied"),
    RefusalKind.UNAVAILABLE: (503, "ServiceUnavailable"),
}
_OF_OTHERS: Final[Mapping[RefusalKind, tuple[int, str]]] = {
    RefusalKind.THROTTLED: (400, "ThrottlingException"),
    RefusalKind.DENIED: (400, "AccessDeniedException"),
    RefusalKind.UNAVAILABLE: (503, "ServiceUnavailable"),
}
_OF_DYNAMODB: Final = {**_OF_OTHERS, RefusalKind.THROTTLED: (400, "ProvisionedThroughputExceededException")}
"""Status and code, as each service writes them."""


class Refuser:
    """Hits a share of all calls: evenly, so that a share of 0.25 hits every fourth."""

    def __init__(self, session: aiohttp.ClientSession, target: str) -> None:
        """Take a session that neither decompresses nor times out, and the URL of the emulator behind."""
        self._session = session
        self._target = target
        self._due = 0.0
        self.share = 0.0
        """From 0, all pass, to 1, none does."""
        self.answer = RefusalKind.THROTTLED

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:(?s:.*)}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._due += self.share
        if self._due >= 1:
            self._due -= 1
            if self.answer is not RefusalKind.LATE:
                return _refusal(_service_of(request), self.answer, request.method)
            await asyncio.sleep(LATE_SECONDS)
        return await self._pass_on(request)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        data = request.content if request.body_exists else None
        target = URL(self._target + request.raw_path, encoded=True)
        # The Host header stays: it is signed.
        headers = forwardable(request.headers)
        asked = self._session.request(request.method, target, headers=headers, data=data, allow_redirects=False)
        async with asked as answer:
            response = web.StreamResponse(status=answer.status, headers=forwardable(answer.headers, "date", "server"))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def _service_of(request: web.Request) -> str:
    """Return the service that a call is signed for: a credential names key, day, Region and service."""
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
    return scope[3] if len(scope) > 3 else "s3"  # noqa: PLR2004 - the fourth part; what is signed in its query is S3's


def _refusal(service: str, how: RefusalKind, method: str) -> web.Response:
    if service == "s3":
        status, code = _OF_S3[how]
        body = "" if method == "HEAD" else f"<Error><Code>{code}</Code><Message>Refused on purpose.</Message></Error>"
        return web.Response(status=status, body=body.encode(), content_type="application/xml")
    status, code = (_OF_DYNAMODB if service == "dynamodb" else _OF_OTHERS)[how]
    told = {"__type": f"com.amazonaws.{service}#{code}", "message": "Refused on purpose."}
    return web.Response(status=status, body=json.dumps(told), content_type="application/x-amz-json-1.0")
