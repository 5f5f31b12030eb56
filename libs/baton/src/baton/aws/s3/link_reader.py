"""Opens links as their recipients do: by HTTP, without credentials."""

from typing import Final

import aiohttp

from baton.aws.sdk.failures import BROKEN
from baton.errors import NotFound, Refused, Unavailable
from baton.ports.links import Link

_MISSING: Final = 404
_OF_CALLER: Final = range(400, 429)
"""Statuses that refuse a request, and would refuse it again; 429 and more are no answer."""


class HttpLinkReader:
    """Opens each link by a connection of its own, as somebody would who got it by mail."""

    async def read(self, link: Link, *, bytes_max: int) -> bytes:
        try:
            async with aiohttp.ClientSession() as session, session.get(link.url) as answer:
                body = await answer.content.read(bytes_max)
        except BROKEN as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        if answer.ok:
            return body
        told = f"{answer.status} {answer.reason}"
        if answer.status == _MISSING:
            raise NotFound(told)
        raise (Refused if answer.status in _OF_CALLER else Unavailable)(told)
