"""The inbox as its reader sees it: real mails through the mailbox, whose mail service is a page that says yes."""

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Final, override
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from aio import run
from baton_local import inbox_page
from baton_local.mailbox import Mailbox

HOSTILE: Final = """</title></pre></strong><script>alert(1)</script>" onload="alert(1)'>&amp;"""
ACCEPTED: Final = '<R xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendRawEmailResult><MessageId>m</MessageId></SendRawEmailResult></R>'


@dataclass(frozen=True, slots=True)
class Site:
    """The pages, and the mailbox that fills them."""

    session: aiohttp.ClientSession
    pages: BaseTestServer
    mails: BaseTestServer

    async def send(self, raw: bytes, *, to: str = "ops@example.org") -> None:
        form = {
            "Action": "SendRawEmail",
            "Source": "baton@example.com",
            "Destinations.member.1": to,
            "RawMessage.Data": base64.b64encode(raw).decode(),
        }
        async with self.session.post(self.mails.make_url("/"), data=urlencode(form)) as answer:
            assert answer.status == 200

    async def get(self, path: str) -> "Page":
        async with self.session.get(self.pages.make_url(path)) as answer:
            return Page(answer.status, await answer.text(), dict(answer.headers))


class Page(HTMLParser):
    """A page as a browser reads it: its elements, and the text between them."""

    def __init__(self, status: int, source: str, headers: dict[str, str]) -> None:
        super().__init__()
        self.status = status
        self.source = source
        self.headers = headers
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    @override
    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def mail(subject: str, *, text: str = "", html: str = "") -> bytes:
    message = EmailMessage()
    message["Subject"] = subject
    if text:
        message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


@asynccontextmanager
async def site() -> AsyncGenerator[Site]:
    async def accept(_: web.Request) -> web.Response:
        return web.Response(text=ACCEPTED, content_type="text/xml")

    service = web.Application()
    service.router.add_post("/", accept)
    async with TestServer(service) as emulator, aiohttp.ClientSession() as session:
        mailbox = Mailbox(session, str(emulator.make_url("/")))
        app = web.Application()
        app.add_routes(inbox_page.routes(mailbox))
        async with TestServer(app) as pages, TestServer(mailbox.app()) as mails:
            yield Site(session, pages, mails)


def pages_after(mails: Sequence[bytes], *paths: str, to: str = "ops@example.org") -> list[Page]:
    """Return pages as they are once these mails came."""

    async def story() -> list[Page]:
        async with site() as s:
            for raw in mails:
                await s.send(raw, to=to)
            return [await s.get(path) for path in paths]

    return run(story())


def test_an_empty_inbox_says_so_and_looks_again_by_itself() -> None:
    (page,) = pages_after([], "/")

    assert page.status == 200
    assert page.all("li") == []
    assert any("No mail yet" in text for text in page.texts)
    assert {"http-equiv": "refresh", "content": "5"} in page.all("meta")


def test_the_newest_mail_comes_first_with_its_time_and_recipient() -> None:
    (page,) = pages_after([mail("older"), mail("newer")], "/")

    assert [a["href"] for a in page.all("a")] == ["/mails/2", "/mails/1"]
    assert [text for text in page.texts if text in {"older", "newer"}] == ["newer", "older"]
    assert len(page.all("time")) == 2
    assert sum("ops@example.org" in text for text in page.texts) == 2


def test_a_mail_is_shown_in_a_sandbox_whose_links_open_in_a_new_tab() -> None:
    html = '<!doctype html><p>Done & "good" &lt;3</p><a href="http://localhost/result">get</a>'

    (page,) = pages_after([mail("Done — 9", text="9 rows — good", html=html)], "/mails/1")

    (frame,) = page.all("iframe")
    assert frame["sandbox"] == "allow-popups allow-popups-to-escape-sandbox allow-downloads"
    assert frame["srcdoc"] == f'<base target="_blank">{html}\n'
    assert "Done — 9" in page.texts
    assert "9 rows — good\n" in page.texts
    assert not [meta for meta in page.all("meta") if "http-equiv" in meta], "nobody reads a page that reloads"


@pytest.mark.parametrize(("path", "times"), [("/", 2), ("/mails/1", 4)])
def test_a_hostile_mail_stays_text(path: str, times: int) -> None:
    (page,) = pages_after([mail(HOSTILE, text=HOSTILE, html=HOSTILE)], path, to=HOSTILE)
    (plain,) = pages_after([mail("subject", text="text", html="html")], path)

    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [sorted(attributes) for _, attributes in page.elements] == [
        sorted(attributes) for _, attributes in plain.elements
    ]
    assert sum(HOSTILE in text for text in page.texts) == times
    assert "<script" not in page.source


@pytest.mark.parametrize("subject", [b"=?utf-8?b?/w==?=", b"\xff\xfe", b"=?nonsense?q?=ff?="])
def test_a_subject_that_cannot_be_decoded_breaks_no_page(subject: bytes) -> None:
    listed, single = pages_after([b"Subject: " + subject + b"\r\n\r\n\xff"], "/", "/mails/1")

    assert (listed.status, single.status) == (200, 200)


def test_a_mail_of_text_alone_has_no_frame() -> None:
    (page,) = pages_after([mail("plain", text="only text")], "/mails/1")

    assert page.all("iframe") == []
    assert "only text\n" in page.texts


@pytest.mark.parametrize("path", ["/mails/0", "/mails/2", "/mails/x", f"/mails/{'9' * 5_000}", "/mails/-1"])
def test_a_mail_that_is_not_there_is_not_found(path: str) -> None:
    (page,) = pages_after([mail("the only one")], path)

    assert page.status == 404


def test_a_full_inbox_lists_its_newest_mails_and_counts_the_others() -> None:
    (page,) = pages_after([mail(f"mail {number}") for number in range(203)], "/")

    assert len(page.all("li")) == 200
    assert page.all("a")[0]["href"] == "/mails/203"
    assert any("3 older ones" in text for text in page.texts)


def test_a_page_runs_no_script_and_loads_nothing() -> None:
    pages = pages_after([mail("one", html='<img src="http://tracker.example/p.gif">')], "/", "/mails/1")

    for page in pages:
        assert not {"script", "link", "img"} & {tag for tag, _ in page.elements}
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
