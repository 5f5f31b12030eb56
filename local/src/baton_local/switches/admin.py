"""Client of a world's fault switches: what is running, cut a Region, kill a service, slow the replication."""

from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from baton_local.stand_ins.arc import Outage
from baton_local.stand_ins.refuser import RefusalKind


class ProcessStatus(BaseModel):
    """One supervised process. `region` is "global" for the third emulator; `state` is a `ProcessState`."""

    model_config = ConfigDict(frozen=True)

    region: str
    name: str
    pid: int | None
    state: str
    restarts: int


class RegionLinks(BaseModel):
    """One Region's links. `dial` is its share of the front door's requests: 0 or 100."""

    model_config = ConfigDict(frozen=True)

    cut: bool
    dial: int


class ReplicationStatus(BaseModel):
    """Replication both ways. `backlog` counts events not yet copied, by source Region."""

    model_config = ConfigDict(frozen=True)

    lag_seconds: float
    cut: bool
    backlog: dict[str, int]
    oldest_seconds: float
    """Age of the oldest of them."""


class ArcEndpointStatus(BaseModel):
    """One endpoint of the routing-control cluster. `state` is `up`, `slow` or an `Outage`."""

    model_config = ConfigDict(frozen=True)

    number: int
    region: str
    state: str


class ArcStatus(BaseModel):
    """The routing-control cluster."""

    model_config = ConfigDict(frozen=True)

    states: dict[str, bool]
    """By Region: whether its control is On."""
    gate_open: bool
    endpoints: tuple[ArcEndpointStatus, ...]


class SupervisorStatus(BaseModel):
    """The whole world at one moment."""

    model_config = ConfigDict(frozen=True)

    processes: tuple[ProcessStatus, ...]
    regions: dict[str, RegionLinks]
    replication: ReplicationStatus
    arc: ArcStatus


class ArcChange(BaseModel):
    """What to do to one endpoint of the cluster; None leaves it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outage: Outage | None = None
    """How it is to be down."""
    slow_seconds: float | None = Field(default=None, ge=0)
    """How long each request is to lie there."""
    lose_answers: int | None = Field(default=None, ge=0)
    """How many of the next changes are to be made without an answer."""
    lag_seconds: float | None = Field(default=None, ge=0)
    """How long it is to read what was, after each change."""


class ArcWait(BaseModel):
    """The wait period of the routing controls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(ge=0)


class DialsChange(BaseModel):
    """The wanted state of the access point's dials; None leaves it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn_seconds: float | None = Field(default=None, ge=0)
    """How long they are to turn."""
    refused: bool | None = None
    """Whether reading and turning them is to be refused, as without a right to it."""


class RegionChange(BaseModel):
    """The wanted state of a Region's links."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay_seconds: float = Field(ge=0)


class ReplicationChange(BaseModel):
    """What to change; None leaves it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lag_seconds: float | None = None
    cut: bool | None = None


class ServiceAction(StrEnum):
    """What can be done to a service."""

    KILL = "kill"
    PAUSE = "pause"
    RESUME = "resume"


class AdminError(Exception):
    """The supervisor refused (no such Region or service), or does not answer."""


class Admin:
    """Client of a supervisor. Usable as it is, or as an async context manager that keeps its connection."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def status(self) -> SupervisorStatus:
        """Return processes, Regions, replication and routing controls."""
        return SupervisorStatus.model_validate(await self.call("GET", "/status"))

    async def cut(self, region: str) -> None:
        """Cut every link across the Region's border, silently. What runs inside keeps running."""
        await self.call("POST", f"/regions/{region}/cut")

    async def heal(self, region: str) -> None:
        """Restore the Region's links, at full speed."""
        await self.call("POST", f"/regions/{region}/heal")

    async def slow(self, region: str, seconds: float, link: str | None = None) -> None:
        """Delay each piece of a request on the Region's links for so long. `link`: only there; see `border`."""
        if link is not None:
            raise AdminError("single links can be slowed in the composed world only")
        await self.call("POST", f"/regions/{region}/slow", RegionChange(delay_seconds=seconds))

    async def throttle(self, region: str, share: float) -> None:
        """Make the Region's DynamoDB refuse a share of all calls."""
        raise AdminError(f"in the composed world only: nothing here stands before DynamoDB ({region}, {share:.0%})")

    async def refuse(self, region: str, link: str, share: float, answer: RefusalKind) -> None:
        """Answer a share of all calls on a link (`s3`, `dynamodb`, `inward`; see `border`) in the emulator's place."""
        raise AdminError(
            f"in the composed world only: nothing here stands before {link} ({region}, {share:.0%} {answer})"
        )

    async def kill(self, region: str, service: str) -> None:
        """SIGKILL; the supervisor starts a service again (an emulator never: its data are gone)."""
        await self._act(region, service, ServiceAction.KILL)

    async def pause(self, region: str, service: str) -> None:
        """SIGSTOP: the process exists and does nothing."""
        await self._act(region, service, ServiceAction.PAUSE)

    async def resume(self, region: str, service: str) -> None:
        """SIGCONT."""
        await self._act(region, service, ServiceAction.RESUME)

    async def replication(self, lag_seconds: float | None = None, cut: bool | None = None) -> ReplicationStatus:  # noqa: FBT001 — a field of the request, always named
        """Change how replication behaves, both ways; return how it stands."""
        change = ReplicationChange(lag_seconds=lag_seconds, cut=cut)
        return ReplicationStatus.model_validate(await self.call("POST", "/replication", change))

    async def arc_down(self, number: int, outage: Outage = Outage.SILENT) -> None:
        """Take an endpoint of the routing-control cluster down, by its number from 1 to 5."""
        await self.call("POST", f"/arc/{number}/down", ArcChange(outage=outage))

    async def arc_up(self, number: int) -> None:
        """Bring an endpoint up, without delays or lost answers."""
        await self.call("POST", f"/arc/{number}/up")

    async def arc_lag(self, number: int, seconds: float) -> None:
        """Make this endpoint read what was for so long after each change."""
        await self.call("POST", f"/arc/{number}/lag", ArcChange(lag_seconds=seconds))

    async def dials(self, *, turn_seconds: float | None = None, refused: bool | None = None) -> None:
        """Let the access point's dials turn slowly, or refuse to read and turn them."""
        await self.call("POST", "/dials", DialsChange(turn_seconds=turn_seconds, refused=refused))

    async def arc_gate(self, *, is_open: bool) -> None:
        """Open or close the gate before both routing controls."""
        await self.call("POST", f"/arc/gate/{'open' if is_open else 'close'}")

    async def inbox(self) -> list[dict[str, Any]]:
        """Return every mail, oldest first: the fields of `mailbox.ReceivedMail`."""
        return await self.call("GET", "/inbox")

    async def shutdown(self) -> None:
        """Ask the supervisor to stop everything; returns before it has."""
        await self.call("POST", "/shutdown")

    async def _act(self, region: str, service: str, act: ServiceAction) -> None:
        await self.call("POST", f"/regions/{region}/services/{service}/{act}")

    async def call(self, method: str, path: str, body: BaseModel | None = None) -> Any:
        """Ask; return the JSON that is answered. Raises `AdminError` for a refusal, and if nobody answers."""
        if self._session is None:
            async with self:
                return await self.call(method, path, body)
        payload = body.model_dump(mode="json") if body else None
        try:
            async with self._session.request(
                method, self._endpoint + path, json=payload, timeout=aiohttp.ClientTimeout(total=10)
            ) as answer:
                if not answer.ok:
                    raise AdminError(await answer.text())
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AdminError(f"the supervisor at {self._endpoint} does not answer: {error!r}") from error
