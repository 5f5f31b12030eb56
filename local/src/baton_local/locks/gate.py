"""The lock itself: judges each call before its emulator sees it, within the emulator's own process.

A proxy of its own would read and write every byte of every object once more. Here a call costs the decision alone, and
the content of objects is not touched.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

from baton_local.locks.guard import AccessDenied, Guard
from baton_local.locks.requests import EmulatorPlace, Request
from baton_local.locks.roles import Caller, Roles

_log = logging.getLogger(__name__)

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Message, Receive, Send], Awaitable[None]]
type Answer = tuple[int, Mapping[str, str], bytes]
type Answering = Callable[[AccessDenied, Mapping[str, str]], Answer]
"""Writes a refusal as its service does, for a request with these headers."""

_OWN: Final = "/_ministack/"
_NOT_FOUND: Final = 404
granted: Final = ContextVar[str]("granted")
"""The token of the session that is made in the course of this call."""


class Lock:
    """An ASGI application before another one."""

    def __init__(self, app: App, guard: Guard, answer: Answering) -> None:
        self._app = app
        self._guard = guard
        self._answer = answer

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, and what is no call of AWS."""
        if scope["type"] != "http" or scope["path"].startswith(_OWN):
            await self._app(scope, receive, send)
            return
        request = _head(scope)
        try:
            caller = self._guard.caller(request)
            if request.is_judged_by_its_body:
                body = await _whole(receive)
                request, receive = replace(request, body=body), _again(body, receive)
            granted.set(self._guard.judge(request, caller))
        except AccessDenied as refused:
            await _drain(receive)
            await self._refuse(refused, request, send)
            return
        await self._app(scope, receive, send if caller is None else self._hiding(request, caller, send))

    def _hiding(self, request: Request, caller: Caller, send: Send) -> Send:
        """Return a way to answer that says 403 instead of 404 to a caller that may not list, as S3 does."""
        if not request.is_of_object:
            return send
        is_hidden = False

        async def sent(message: Message) -> None:
            nonlocal is_hidden
            if message["type"] == "http.response.start" and message["status"] == _NOT_FOUND:
                try:
                    self._guard.tell_missing(request, caller)
                except AccessDenied as refused:
                    is_hidden = True
                    await self._refuse(refused, request, send)
            if not is_hidden:
                await send(message)

        return sent

    async def _refuse(self, refused: AccessDenied, request: Request, send: Send) -> None:
        _log.warning("lock_refused %s %s: %s", request.method, request.path, refused)
        status, headers, body = self._answer(refused, request.headers)
        named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        sized = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*named, sized]})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})


def before(app: App, roles: Roles, region: str, answer: Answering) -> Lock:
    """Return a lock before an emulator of this Region; of none, if it is the global one."""
    return Lock(app, Guard(roles, EmulatorPlace(roles.account_id, region, roles.key_alias, roles.access_point)), answer)


def _head(scope: Message) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"]
    parameters = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}
    return Request(scope["method"], scope["path"], parameters, headers)


async def _whole(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more; after it, what comes: that the caller went away."""
    waiting = [body]

    async def received() -> Message:
        return {"type": "http.request", "body": waiting.pop(), "more_body": False} if waiting else await receive()

    return received


async def _drain(receive: Receive) -> None:
    """Read the whole request first: otherwise the caller sees a broken connection in place of the refusal."""
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        continue
