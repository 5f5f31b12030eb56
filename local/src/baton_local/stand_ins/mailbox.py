"""The inbox of the local world: a proxy before the emulator's SES that keeps each mail as it was sent.

The emulator shows texts only; to check a mail one needs its headers and its source as well.
"""

import base64
import email
import email.policy
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Final
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from baton.mime import refusal
from baton_local.stand_ins.http import forwardable

_OK: Final = 200
_BAD: Final = 400
_KEPT_MAX: Final = 10_000
"""The oldest mail goes first."""


class ReceivedMail(BaseModel):
    """One mail. `message_id` is the mail service's own, without brackets; `raw` is the whole source.

    `number` counts every mail that was accepted, from 1.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    raw: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail on its way: envelope and bytes."""

    source: str
    destinations: tuple[str, ...]
    raw: bytes


class Mailbox:
    """An SES endpoint: it refuses what SES would, forwards the rest to the emulator and remembers what that took."""

    def __init__(self, session: aiohttp.ClientSession, emulator: str) -> None:
        self._session = session
        self._emulator = emulator
        self._mails: list[ReceivedMail] = []

    @property
    def mails(self) -> tuple[ReceivedMail, ...]:
        """Every mail, oldest first."""
        return tuple(self._mails)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/", self._post)
        app.router.add_get("/v2/email/account", self._account)
        return app

    async def _account(self, request: web.Request) -> web.Response:
        """Pass on what a controller asks of the account, by SES v2."""
        url = f"{self._emulator.rstrip('/')}{request.path}"
        async with self._session.get(url, headers=forwardable(request.headers)) as answer:
            headers = forwardable(answer.headers, "content-length")
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)

    async def _post(self, request: web.Request) -> web.Response:
        form = await request.read()
        sent = _sent(parse_qs(form.decode()))
        # The emulator takes more than SES does.
        if sent and (why := refusal(sent.source, sent.destinations, sent.raw)):
            error = (
                f"<Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>{escape(why)}</Message></Error>"
            )
            return web.Response(status=_BAD, text=f"<ErrorResponse>{error}</ErrorResponse>", content_type="text/xml")
        async with self._session.post(self._emulator, data=form, headers=forwardable(request.headers)) as answer:
            body = await answer.read()
            if answer.status == _OK and sent:
                identity = ET.fromstring(body).findtext(".//{*}MessageId")  # noqa: S314 — our own emulator's answer
                self.keep(sent, identity or "")
            return web.Response(status=answer.status, body=body, headers=forwardable(answer.headers, "content-length"))

    def keep(self, sent: SentMail, message_id: str) -> None:
        """Put a mail that the service took under this id into the inbox."""
        message = email.message_from_bytes(sent.raw, policy=email.policy.default)
        self._mails.append(
            ReceivedMail(
                number=self._mails[-1].number + 1 if self._mails else 1,
                message_id=message_id,
                sender=sent.source,
                recipients=sent.destinations,
                subject=str(message["Subject"]),
                text=_body(message, "plain"),
                html=_body(message, "html"),
                raw=sent.raw.decode(errors="replace"),
                received_at=datetime.fromtimestamp(time.time(), UTC),
            )
        )
        del self._mails[:-_KEPT_MAX]


def _sent(form: dict[str, list[str]]) -> SentMail | None:
    """Return what `SendRawEmail` asks for; None for any other call. Whom the envelope leaves out, the headers name."""
    if form.get("Action") != ["SendRawEmail"]:
        return None
    raw = base64.b64decode(form["RawMessage.Data"][0])
    message = email.message_from_bytes(raw, policy=email.policy.default)
    destinations = [values[0] for name, values in form.items() if name.startswith("Destinations.member.")]
    source = form.get("Source") or _addresses(message, "From")
    return SentMail("".join(source[:1]), tuple(destinations or _addresses(message, "To")), raw)


def _addresses(message: EmailMessage, name: str) -> list[str]:
    return [spec for _, spec in getaddresses([str(message[name] or "")])]


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
