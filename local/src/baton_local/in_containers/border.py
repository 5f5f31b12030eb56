"""One Region's border in the composed world: `python -m baton_local.in_containers.border`, a container of its own.

All traffic that enters or leaves the Region passes through it, so the Region can be cut off here: silently by a switch,
or by disconnecting this container from the outer network. The Region's own calls to S3 and DynamoDB pass here too and
are not cut off, but can be slowed, and a share of them refused or made late, as well as of what is asked from outside.
"""

from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from baton_local.in_containers import container
from baton_local.stand_ins import http
from baton_local.stand_ins.gates import HOST, Gate
from baton_local.stand_ins.refuser import RefusalKind, Refuser

S3: Final = "s3"
DYNAMODB: Final = "dynamodb"
_INSIDE: Final = frozenset({S3, DYNAMODB})
"""Links from the Region to itself: no cut touches them."""
INWARD: Final = "inward"
"""The link of all who ask from outside: the other Region, users, replication."""
REFUSABLE: Final = _INSIDE | {INWARD}
"""Links whose calls can be refused."""


class BorderLink(BaseModel):
    """A way through the border: what comes to `port` goes to `host:target_port`."""

    model_config = ConfigDict(frozen=True)

    name: str
    port: int
    host: str
    target_port: int

    @classmethod
    def parsed(cls, text: str) -> "BorderLink":
        """Return the link that `name=port:host:port` describes. Raises `ValueError` if it describes none."""
        name, _, way = text.partition("=")
        try:
            port, host, target_port = way.split(":")
            return cls(name=name, port=int(port), host=host, target_port=int(target_port))
        except ValueError as error:
            raise ValueError(f"BATON_BORDER_LINKS: `{text}` is not `name=port:host:port`") from error


class BorderSettings(BaseSettings):
    """What a border reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="BATON_BORDER_", extra="ignore", frozen=True)

    links: Annotated[tuple[BorderLink, ...], NoDecode]
    """`name=port:host:port`, separated by blanks."""
    admin_port: int = 4569

    @field_validator("links", mode="before")
    @classmethod
    def _split_links(cls, value: object) -> object:
        return tuple(map(BorderLink.parsed, value.split())) if isinstance(value, str) else value


class BorderChange(BaseModel):
    """The wanted state of the border's links; None leaves it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cut: bool | None = None
    link: str | None = None
    """Which one is slowed, or has calls refused. None: all."""
    delay_seconds: float | None = Field(default=None, ge=0)
    """How long each piece of a request lies there."""
    refused_share: float | None = Field(default=None, ge=0, le=1)
    """Of the calls on the link that are hit."""
    answer: RefusalKind = RefusalKind.THROTTLED
    """What happens to those."""


class BorderStatus(BaseModel):
    """How the border stands."""

    model_config = ConfigDict(frozen=True)

    cut: bool
    delay_seconds: dict[str, float]
    """By link."""
    refused_share: dict[str, float]
    """The same, of those whose calls can be refused."""


class BorderPost:
    """The gates of one Region."""

    def __init__(self, links: Sequence[BorderLink]) -> None:
        self._links = {link.name: link for link in links}
        self._gates: Mapping[str, Gate] = {
            link.name: Gate(link.target_port, link.host, listens_on=container.EVERYWHERE) for link in links
        }
        self._refusers: dict[str, tuple[Refuser, int]] = {}
        """By link, with the port that each listens on."""

    async def start(self, stack: AsyncExitStack) -> None:
        """Open every link; closed with the stack."""
        for name, gate in self._gates.items():
            await gate.start(self._links[name].port)
            stack.push_async_callback(gate.close)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, timeout=timeout, connector=connector)
        )
        for name in REFUSABLE & self._links.keys():
            link = self._links[name]
            refuser = Refuser(session, f"http://{link.host}:{link.target_port}")
            runner = await http.serve(refuser.app(), 0)
            stack.push_async_callback(runner.cleanup)
            self._refusers[name] = refuser, runner.addresses[0][1]

    def ports(self) -> dict[str, int]:
        """Return the port of each link."""
        return {name: gate.port for name, gate in self._gates.items()}

    def change(self, change: BorderChange) -> None:
        """Cut the Region off or heal it, slow links, refuse calls. Raises `KeyError` for a link not here."""
        if change.cut is not None:
            for gate in self._crossing():
                if change.cut:
                    gate.cut()
                else:
                    gate.heal()
        if change.delay_seconds is not None:
            for gate in self._gates.values() if change.link is None else [self._gates[change.link]]:
                gate.delay_seconds = change.delay_seconds
        if change.refused_share is not None:
            for name in self._refusers if change.link is None else [change.link]:
                self._refuse(name, change.refused_share, change.answer)

    def status(self) -> BorderStatus:
        return BorderStatus(
            cut=any(gate.is_cut for gate in self._crossing()),
            delay_seconds={name: gate.delay_seconds for name, gate in self._gates.items()},
            refused_share={name: refuser.share for name, (refuser, _) in self._refusers.items()},
        )

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/status", self._answer_status), web.post("/change", self._answer_change)])
        return app

    def _crossing(self) -> list[Gate]:
        return [gate for name, gate in self._gates.items() if name not in _INSIDE]

    def _refuse(self, name: str, share: float, answer: RefusalKind) -> None:
        refuser, port = self._refusers[name]
        if not share and not refuser.share:
            return  # nobody has to come again
        refuser.share, refuser.answer = share, answer
        link = self._links[name]
        # Bytes are passed on unread unless some calls are to be refused.
        self._gates[name].lead_to(*((port, HOST) if share else (link.target_port, link.host)))

    async def _answer_status(self, _: web.Request) -> web.Response:
        return web.json_response(text=self.status().model_dump_json())

    async def _answer_change(self, request: web.Request) -> web.Response:
        try:
            self.change(BorderChange.model_validate_json(await request.read()))
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        except KeyError as error:
            raise web.HTTPNotFound(text=f"no link {error}; there are {', '.join(self._gates)}") from error
        return await self._answer_status(request)


async def _start(stack: AsyncExitStack) -> Sequence[Coroutine[Any, Any, None]]:
    settings = BorderSettings()  # pyright: ignore[reportCallIssue] - read from the environment
    border = BorderPost(settings.links)
    await border.start(stack)
    await container.serve(stack, border.app(), settings.admin_port)
    return []


if __name__ == "__main__":
    container.run(_start)
