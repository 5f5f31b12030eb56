"""The inbox of the local world: stands in front of the emulator's SES and keeps each mail as it was sent.

The emulator shows texts only; whoever checks a mail wants its headers and its source as well.
"""

import base64
import email
import email.policy
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from baton_local.http import forwardable

_OK: Final = 200
_KEPT_MAX: Final = 10_000
"""The oldest mail goes first."""


class Mail(BaseModel):
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


class Mailbox:
    """An SES endpoint that forwards everything to the emulator and remembers what it accepted."""

    def __init__(self, session: aiohttp.ClientSession, emulator: str) -> None:
        self._session = session
        self._emulator = emulator
        self._mails: list[Mail] = []

    @property
    def mails(self) -> tuple[Mail, ...]:
        """Every mail, oldest first."""
        return tuple(self._mails)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/", self._post)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        form = await request.read()
        async with self._session.post(self._emulator, data=form, headers=forwardable(request.headers)) as answer:
            body = await answer.read()
            if answer.status == _OK:
                self._keep(parse_qs(form.decode()), body)
            return web.Response(status=answer.status, body=body, headers=forwardable(answer.headers, "content-length"))

    def _keep(self, form: dict[str, list[str]], answer: bytes) -> None:
        if form.get("Action") != ["SendRawEmail"]:
            return
        raw = base64.b64decode(form["RawMessage.Data"][0])
        message = email.message_from_bytes(raw, policy=email.policy.default)
        destinations = [values[0] for name, values in form.items() if name.startswith("Destinations.member.")]
        identity = ET.fromstring(answer).findtext(".//{*}MessageId")  # noqa: S314 — our own emulator's answer
        self._mails.append(
            Mail(
                number=self._mails[-1].number + 1 if self._mails else 1,
                message_id=identity or "",
                sender=form.get("Source", [str(message["From"])])[0],
                recipients=tuple(destinations or str(message["To"]).replace(" ", "").split(",")),
                subject=str(message["Subject"]),
                text=_body(message, "plain"),
                html=_body(message, "html"),
                raw=raw.decode(errors="replace"),
                received_at=datetime.fromtimestamp(time.time(), UTC),
            )
        )
        del self._mails[:-_KEPT_MAX]


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
