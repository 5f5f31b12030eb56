"""A proxy before DynamoDB that refuses a share of all calls, as a table with too little capacity does."""

import json
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from baton_local.stand_ins.http import forwardable

_BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""More than any call may hold: 16 MiB of a batch."""
_REFUSAL: Final = {
    "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    "message": "Throttled on purpose.",
}


class Throttle:
    """Passes calls on but for a share of them: evenly, so that a share of 0.25 refuses every fourth."""

    def __init__(self, session: aiohttp.ClientSession, target: str) -> None:
        """Take the URL of the DynamoDB behind."""
        self._session = session
        self._target = target
        self._due = 0.0
        self.share = 0.0
        """From 0, all pass, to 1, none does."""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_post("/", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._due += self.share
        if self._due >= 1:
            self._due -= 1
            return web.Response(status=400, body=json.dumps(_REFUSAL), content_type="application/x-amz-json-1.0")
        # The Host header stays: it is signed.
        async with self._session.post(URL(self._target), data=body, headers=forwardable(request.headers)) as answer:
            found = await answer.read()
            return web.Response(status=answer.status, body=found, headers=forwardable(answer.headers, "content-length"))
