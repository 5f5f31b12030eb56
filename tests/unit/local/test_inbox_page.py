"""The inbox as its reader sees it: real mails through the mailbox, whose mail service is a page that says yes."""

import base64
import io
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
from baton_local.stand_ins import inbox_page
from baton_local.stand_ins.mailbox import Mailbox, SentMail

HOSTILE: Final = """</title></pre></strong><script>alert(1)</script>" onload="alert(1)'>&amp;"""
ACCEPTED: Final = '<R xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendRawEmailResult><MessageId>m</MessageId></SendRawEmailResult></R>'


@dataclass(frozen=True, slots=True)
class Site:
    """The pages, and the mailbox that fills them."""

    session: aiohttp.ClientSession
    pages: BaseTestServer
    mails: BaseTestServer
    mailbox: Mailbox

    async def post(self, raw: bytes, *to: str) -> tuple[int, str]:
        """Send a mail as the SDK does; return the service's answer."""
        form = {
            "Action": "SendRawEmail",
            "Source": "baton@example.com",
            "RawMessage.Data": base64.b64encode(raw).decode(),
        }
        form |= {f"Destinations.member.{number}": each for number, each in enumerate(to, 1)}
        async with self.session.post(self.mails.make_url("/"), data=io.BytesIO(urlencode(form).encode())) as answer:
            return answer.status, await answer.text()

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

    async def account(request: web.Request) -> web.Response:
        return web.json_response({"asked": request.path})

    service = web.Application()
    service.router.add_post("/", accept)
    service.router.add_get("/v2/email/account", account)
    async with TestServer(service) as emulator, aiohttp.ClientSession() as session:
        mailbox = Mailbox(session, str(emulator.make_url("/")))
        app = web.Application()
        app.add_routes(inbox_page.routes(mailbox))
        async with TestServer(app) as pages, TestServer(mailbox.app()) as mails:
            yield Site(session, pages, mails, mailbox)


def pages_after(mails: Sequence[bytes], *paths: str, to: str = "ops@example.org") -> list[Page]:
    """Return pages as they are once these mails came."""

    async def story() -> list[Page]:
        async with site() as s:
            for number, raw in enumerate(mails):
                s.mailbox.keep(SentMail("baton@example.com", (to,), raw), str(number))
            return [await s.get(path) for path in paths]

    return run(story())


def test_what_is_asked_of_the_account_is_passed_on_to_the_mail_service() -> None:
    async def story() -> object:
        async with site() as s, s.session.get(s.mails.make_url("/v2/email/account")) as answer:
            return await answer.json()

    assert run(story()) == {"asked": "/v2/email/account"}


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


def test_nothing_in_a_mail_turns_the_direction_of_reading_or_writes_a_line_of_its_own() -> None:
    subject = "=?utf-8?q?invoice_=E2=80=AEfdp.csv_=0Aread_this=07?="
    text = base64.b64encode("one\u202e two\x1b[2J\nthree\n".encode()).decode()
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64"
    raw = f"Subject: {subject}\r\n{kind}\r\n\r\n{text}"

    for page in pages_after([raw.encode()], "/", "/mails/1", to="a\u202eb@example.org"):
        assert all(letter.isprintable() or letter == "\n" for letter in page.source)
        assert "\\u202efdp" in page.source


RAW = b"From: baton@example.com\r\nTo: ops@example.org\r\nSubject: s\r\n\r\nx"


@pytest.mark.parametrize(
    ("raw", "to", "why"),
    [
        pytest.param(RAW, [f"u{number}@example.org" for number in range(51)], "51 recipients", id="over fifty"),
        pytest.param(RAW, ["info@bücher.example"], "no address", id="a domain that is not encoded"),
        pytest.param(RAW, ["Jane <jane@example.org>"], "no address", id="a name in the envelope"),
        pytest.param(RAW, ["a@example.org, b@example.org"], "no address", id="two in one"),
        pytest.param(RAW.replace(b"ops@", "jörg@".encode()), ["a@example.org"], "not encoded", id="a bare header"),
        pytest.param(
            RAW.replace(b"ops@example.org", b"info@=?utf-8?q?b=C3=BCcher?=.example"),
            ["a@example.org"],
            "no address",
            id="an encoded word for a domain",
        ),
        pytest.param(RAW.replace(b"To:", b"Xo:"), ["a@example.org"], "no To", id="a header left out"),
        pytest.param(RAW + b"x" * 1_000, ["a@example.org"], "998 bytes", id="a line without end"),
        pytest.param(RAW + b"x\r\n" * 4_000_000, ["a@example.org"], "more than 10,485,760", id="over ten megabytes"),
    ],
)
def test_what_the_mail_service_refuses_is_refused_here_too(raw: bytes, to: list[str], why: str) -> None:
    async def story() -> tuple[int, str, int]:
        async with site() as s:
            status, text = await s.post(raw, *to)
            return status, text, len(s.mailbox.mails)

    status, text, kept = run(story())

    assert (status, kept) == (400, 0)
    assert "<Code>InvalidParameterValue</Code>" in text
    assert why in text


def test_what_it_takes_is_kept_with_the_addresses_of_its_envelope_or_else_of_its_headers() -> None:
    async def story() -> list[tuple[str, ...]]:
        async with site() as s:
            assert (await s.post(RAW, "a@example.org", "b@example.org"))[0] == 200
            named = RAW.replace(b"ops@example.org", b'"Doe, Jane" <jane@example.org>, ops@example.org')
            assert (await s.post(named))[0] == 200
            return [mail.recipients for mail in s.mailbox.mails]

    assert run(story()) == [("a@example.org", "b@example.org"), ("jane@example.org", "ops@example.org")]


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
