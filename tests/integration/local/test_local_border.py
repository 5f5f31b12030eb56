"""The border of the composed world passes, cuts, slows and throttles traffic, as set over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from baton_local.in_containers.border import BorderChange, BorderLink, BorderPost, BorderSettings, BorderStatus
from baton_local.stand_ins import http
from baton_local.stand_ins.gates import HOST
from baton_local.switches.admin import Admin, AdminError

_WAIT_SECONDS = 0.3


class _Border:
    """A border before a server that answers everything, on free ports."""

    def __init__(self, post: BorderPost, admin: Admin, session: aiohttp.ClientSession, ports: dict[str, int]) -> None:
        self._post = post
        self.admin = admin
        self._session = session
        self._ports = ports

    async def change(self, **what: object) -> BorderStatus:
        return BorderStatus.model_validate(await self.admin.call("POST", "/change", BorderChange.model_validate(what)))

    async def ask(self, link: str) -> str | None:
        """Return what comes back over a link; None for silence."""
        url, timeout = f"http://{HOST}:{self._ports[link]}/", aiohttp.ClientTimeout(total=_WAIT_SECONDS)
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{link}/aws4_request"}
        try:
            async with self._session.post(url, data=b"{}", timeout=timeout, headers=signed) as answer:
                return await answer.text()
        except TimeoutError:
            return None


def _at_border(test: Callable[[_Border], Awaitable[None]]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def run() -> None:
        async with AsyncExitStack() as stack:
            app = web.Application()
            app.router.add_post("/", answer)
            served = await http.serve(app, 0)
            stack.push_async_callback(served.cleanup)
            target = served.addresses[0][1]
            post = BorderPost(
                [BorderLink(name=name, port=0, host=HOST, target_port=target) for name in ("ledger", "s3", "dynamodb")]
            )
            await post.start(stack)
            switches = await http.serve(post.app(), 0)
            stack.push_async_callback(switches.cleanup)
            # A connection each: one that was kept may be one that a change closed.
            session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
            )
            await test(_Border(post, Admin(f"http://{HOST}:{switches.addresses[0][1]}"), session, post.ports()))

    asyncio.run(run())


def test_a_cut_silences_what_crosses_and_not_what_stays_inside() -> None:
    async def test(border: _Border) -> None:
        assert (await border.change(cut=True)).cut

        assert await border.ask("ledger") is None
        assert await border.ask("s3") == "fine"
        assert not (await border.change(cut=False)).cut
        assert await border.ask("ledger") == "fine"

    _at_border(test)


def test_one_link_is_slowed_or_all_are() -> None:
    async def test(border: _Border) -> None:
        await border.change(link="s3", delay_seconds=5)
        assert await border.ask("s3") is None
        assert await border.ask("ledger") == "fine"

        status = await border.change(delay_seconds=0)
        assert set(status.delay_seconds.values()) == {0}
        assert await border.ask("s3") == "fine"

    _at_border(test)


def test_dynamodb_refuses_its_share_as_the_real_one_does() -> None:
    async def test(border: _Border) -> None:
        await border.change(link="dynamodb", refused_share=0.25)

        answers = [await border.ask("dynamodb") for _ in range(8)]

        refused = [answer for answer in answers if answer != "fine"]
        assert len(refused) == 2
        assert all("#ProvisionedThroughputExceededException" in (answer or "") for answer in refused)
        assert await border.ask("s3") == "fine"
        await border.change(refused_share=0)
        assert [await border.ask("dynamodb") for _ in range(8)] == ["fine"] * 8

    _at_border(test)


@pytest.mark.parametrize(
    ("link", "answer", "told"),
    [
        ("s3", "throttled", "SlowDown"),
        ("s3", "denied", "<Code>AccessDenied</Code>"),
        ("s3", "unavailable", "ServiceUnavailable"),
        ("dynamodb", "denied", "#AccessDeniedException"),
        ("dynamodb", "unavailable", "#ServiceUnavailable"),
    ],
)
def test_each_service_refuses_in_its_own_words(link: str, answer: str, told: str) -> None:
    async def test(border: _Border) -> None:
        await border.change(link=link, refused_share=1, answer=answer)

        assert told in (await border.ask(link) or "")
        await border.change(refused_share=0)
        assert await border.ask(link) == "fine"

    _at_border(test)


def test_calls_that_are_to_be_late_are_and_the_others_are_not() -> None:
    async def test(border: _Border) -> None:
        await border.change(link="s3", refused_share=0.5, answer="late")

        assert [await border.ask("s3") for _ in range(4)] == ["fine", None, "fine", None]

    _at_border(test)


def test_what_is_not_there_is_refused_with_what_is() -> None:
    async def test(border: _Border) -> None:
        with pytest.raises(AdminError, match="there are ledger, s3, dynamodb"):
            await border.change(link="sqs", delay_seconds=1)
        with pytest.raises(AdminError, match="less than or equal to 1"):
            await border.admin.call("POST", "/change", BorderChange.model_construct(refused_share=2))

    _at_border(test)


def test_links_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_BORDER_LINKS", "inward=4566:localstack-a:4566  ledger=4571:ledger:4566")

    links = BorderSettings().links  # pyright: ignore[reportCallIssue] - read from the environment

    assert links == (
        BorderLink(name="inward", port=4566, host="localstack-a", target_port=4566),
        BorderLink(name="ledger", port=4571, host="ledger", target_port=4566),
    )


@pytest.mark.parametrize("wrong", ["ledger", "ledger=4571", "ledger=4571:ledger", "ledger=x:ledger:4566"])
def test_a_link_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("BATON_BORDER_LINKS", wrong)

    with pytest.raises(ValidationError, match="is not `name=port:host:port`"):
        BorderSettings()  # pyright: ignore[reportCallIssue] - read from the environment
