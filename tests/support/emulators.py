"""The emulators of the contract suite: how each is started from its image, and what AWS has no call for."""

import asyncio
import email
import json
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.policy import default as modern
from email.utils import getaddresses
from typing import Any, Final

from docker.errors import DockerException
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from baton.address import Address
from baton.ports import Mail
from emulator_process import ACCOUNT_ID

_PORT: Final = 4566
_HEALTH: Final = "/_localstack/health"
"""MiniStack answers under LocalStack's path too."""
_START_SECONDS_MAX: Final = 90
"""Both take 2 s on an idle machine. Less than a test's own deadline, so that this one is what fails, with the log."""
_POLL_SECONDS: Final = 0.1
_LABELS: Final = {"baton.purpose": "contract-tests"}
"""Finds what a killed test run left behind."""


class Images(BaseSettings):
    """Which images the tests marked `docker` run on; a mirror's name or a digest will do as well."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    localstack: str = Field(default="localstack/localstack:4.14.0", validation_alias="LOCALSTACK_IMAGE")
    """The last version that starts without a token."""
    ministack: str = Field(default="ministack:1.5.33", validation_alias="MINISTACK_IMAGE")
    """The version that the suite runs as a process."""


@contextmanager
def container_of(image: str) -> Generator[str]:
    """Yield the URL of an emulator in a container, which goes with its volumes in the end."""
    is_healthy = HttpWaitStrategy(_PORT, _HEALTH).for_status_code(200)
    is_healthy.with_startup_timeout(_START_SECONDS_MAX).with_poll_interval(_POLL_SECONDS)
    try:
        container = DockerContainer(image)
    except DockerException as error:
        # Without the five exceptions behind it, which bury this line in pages.
        raise RuntimeError(f"no Docker engine answers, which tests marked `docker` need: {error}") from None
    container.with_exposed_ports(_PORT).with_kwargs(labels=_LABELS).waiting_for(is_healthy)
    # The second is LocalStack's: it need not tell its makers of a test.
    container.with_envs(MINISTACK_ACCOUNT_ID=ACCOUNT_ID, DISABLE_EVENTS="1")
    with container:
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(_PORT)}"


@dataclass(frozen=True, slots=True)
class Emulator:
    """How one emulator differs from the other where AWS has no call for it."""

    name: str
    """As the marker `differs` calls it."""
    sent: Callable[[str], Awaitable[Sequence[Mail]]]
    """Mails that went out of the emulator at that URL, without their ids."""


async def _sent_by_ministack(url: str) -> Sequence[Mail]:
    kept: list[dict[str, Any]] = (await _fetched(f"{url}/_ministack/ses/messages"))["messages"].get(ACCOUNT_ID, [])
    return [
        # It cuts the header at every comma.
        Mail("", Address.parse(each["Source"]), _addresses(", ".join(each["To"])), *(each[name] for name in _SHOWN))
        for each in kept
    ]


_SHOWN: Final = ("Subject", "BodyText", "BodyHtml")


def _addresses(header: str) -> tuple[Address, ...]:
    return tuple(Address.parse(spec) for _, spec in getaddresses([header]))


async def _sent_by_localstack(url: str) -> Sequence[Mail]:
    kept: list[dict[str, Any]] = (await _fetched(f"{url}/_aws/ses"))["messages"]
    return [_parsed(each["Source"], each["RawData"]) for each in kept]


def _parsed(sender: str, raw: str) -> Mail:
    """Read a mail that LocalStack keeps as it was sent, without the list of those it was for."""
    message = email.message_from_bytes(raw.encode(), policy=modern)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    recipients = _addresses(str(message["To"]))
    return Mail("", Address.parse(sender), recipients, message["Subject"], text.get_content(), html.get_content())


async def _fetched(url: str) -> dict[str, Any]:
    def fetch() -> bytes:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http, to ourselves
            return answer.read()

    return json.loads(await asyncio.to_thread(fetch))


MINISTACK: Final = Emulator("ministack", _sent_by_ministack)
LOCALSTACK: Final = Emulator("localstack", _sent_by_localstack)
