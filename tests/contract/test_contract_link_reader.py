"""What every reader of links makes of an answer."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aio import run
from baton.aws import HttpLinkReader
from baton.errors import NotFound, Refused, Unavailable
from baton.memory import MemoryLinkReader, Refusal
from baton.ports import Link, LinkReader

BODY = b"number,word\n1,one\n"
_STATUSES = {"refused": 403, "bad": 400, "down": 503, "throttled": 429}


@dataclass(frozen=True, slots=True)
class Site:
    """Somewhere that links lead to."""

    reader: LinkReader
    base_url: str

    def link(self, name: str) -> Link:
        return Link(f"{self.base_url}/{name}?signature=1", datetime(2026, 7, 1, tzinfo=UTC))


type Sites = Callable[[], AbstractAsyncContextManager[Site]]


@asynccontextmanager
async def _in_memory() -> AsyncGenerator[Site]:
    reader, base = MemoryLinkReader(), "https://links.invalid"
    reader.behind[f"{base}/there"] = BODY
    for name, status in _STATUSES.items():
        by = Refusal.FORBIDDEN if status < 429 else Refusal.THROTTLED
        reader.refusals.refuse("read", by=by, key=f"{base}/{name}")
    yield Site(reader, base)


@asynccontextmanager
async def _by_http() -> AsyncGenerator[Site]:
    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "there":
            return web.Response(body=BODY)
        return web.Response(status=_STATUSES.get(name, 404), text="<Error/>")

    app = web.Application()
    app.router.add_get("/{name}", answer)
    async with TestServer(app) as server:
        yield Site(HttpLinkReader(), str(server.make_url("")).rstrip("/"))


@pytest.fixture(params=[_in_memory, _by_http], ids=["memory", "http"])
def sites(request: pytest.FixtureRequest) -> Sites:
    """Give each reader in turn."""
    return request.param


def _read(sites: Sites, name: str, *, bytes_max: int = 1_000) -> bytes:
    async def main() -> bytes:
        async with sites() as site:
            return await site.reader.read(site.link(name), bytes_max=bytes_max)

    return run(main())


def test_a_link_opens_what_it_leads_to_and_no_more_of_it_than_asked_for(sites: Sites) -> None:
    assert _read(sites, "there") == BODY
    assert _read(sites, "there", bytes_max=6) == BODY[:6]


@pytest.mark.parametrize(
    ("name", "error"),
    [("refused", Refused), ("bad", Refused), ("gone", NotFound), ("down", Unavailable), ("throttled", Unavailable)],
)
def test_what_is_no_answer_is_told_from_what_is_refused(sites: Sites, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        _read(sites, name)


def test_where_nobody_listens_nobody_answers() -> None:
    link = Link("http://127.0.0.1:9/x", datetime(2026, 7, 1, tzinfo=UTC))

    with pytest.raises(Unavailable):
        run(HttpLinkReader().read(link, bytes_max=1))
