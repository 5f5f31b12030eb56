"""Stand-in for Route 53 ARC's data plane: five endpoints, which can stop, be slow, lose answers, or return old values.

The protocol is AWS's (JSON 1.0, target `ToggleCustomerAPI`), the rules are `baton.model.routing`. AWS documents neither
how it words a refusal nor what it calls the resource of one; ours say "safety rule".
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, assert_never

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from baton.errors import SwitchRefused
from baton.model.routing import GATE, STATES_MAX, AssertionRule, Panel, failover_panel
from baton.ports.clock import Clock
from baton.requests import FIVE_REGIONS

PATH: Final = "/v1"
"""Endpoints of AWS have it as well."""
QUORUM: Final = 3
_CHANGES_PER_SECOND: Final = 3
_ASKED_KEPT: Final = 100
_CHANGES_KEPT: Final = 100
_TARGET: Final = "ToggleCustomerAPI."
_PANEL: Final = "ba70"
_STATUS: Final = 400
"""Of every error of a client, also of conflicts, throttling and what is not there."""


class Outage(StrEnum):
    """How an endpoint is down."""

    SILENT = "silent"
    """Takes connections and requests, and answers none: a black hole."""
    REFUSING = "refusing"
    """Closes every connection."""
    MAINTENANCE = "maintenance"
    """Says that another endpoint is to be asked, as real ones do every now and then."""
    DENIED = "denied"
    """Refuses every caller, as with a right that is missing or a session that is over."""


@dataclass(eq=False, slots=True)
class Endpoint:
    """One of the five."""

    number: int
    region: str
    slow_seconds: float = 0
    lag_seconds: float = 0
    """How long it reads what was, after each change."""
    answers_to_lose: int = 0
    """How many of the next changes are made without an answer."""
    outage: Outage | None = None
    _back: asyncio.Event = field(default_factory=asyncio.Event)
    _changes: deque[float] = field(default_factory=deque[float])

    def take_down(self, outage: Outage) -> None:
        """Be down in this way."""
        self.outage = outage
        self._back.clear()

    def slow_down(self, seconds: float) -> None:
        """Let every request lie for so long before it is looked at; it is done even if its sender no longer waits."""
        self.slow_seconds = seconds
        self._back.clear()

    def bring_up(self) -> None:
        """Be up, and as quick and as up to date as ever; requests that hang are dropped."""
        self.outage, self.slow_seconds, self.lag_seconds, self.answers_to_lose = None, 0, 0, 0
        self._back.set()

    async def until_up(self) -> None:
        """Return once it is up and quick."""
        await self._back.wait()

    async def lie(self) -> None:
        """Return after the time that a request lies, or once it is quick again."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._back.wait(), self.slow_seconds)

    def is_too_fast(self) -> bool:
        """Count one change; say whether it is one too many within a second."""
        now = asyncio.get_running_loop().time()
        while self._changes and self._changes[0] <= now - 1:
            self._changes.popleft()
        if len(self._changes) >= _CHANGES_PER_SECOND:
            return True
        self._changes.append(now)
        return False


class _Refused(Exception):
    """What is answered in place of a result; `fields` are those of the exception's shape."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


class _Get(BaseModel):
    RoutingControlArn: str = Field(min_length=1, max_length=255)


class _List(BaseModel):
    ControlPanelArn: str | None = None
    NextToken: str | None = Field(default=None, pattern=r"^\d+$")
    MaxResults: int = Field(default=100, ge=1)


class _Entry(_Get):
    RoutingControlState: Literal["On", "Off"]


class _Update(_Entry):
    SafetyRulesToOverride: list[str] = []


class _Updates(BaseModel):
    UpdateRoutingControlStateEntries: list[_Entry]
    SafetyRulesToOverride: list[str] = []


class Cluster:
    """One panel with Baton's controls and rules, as five endpoints see it."""

    def __init__(self, account_id: str, regions: tuple[str, str], *, clock: Clock, panel: Panel | None = None) -> None:
        self._clock = clock
        self._regions = regions
        self.panel = panel or failover_panel(regions)
        self.endpoints: Sequence[Endpoint] = tuple(
            Endpoint(n, region) for n, region in enumerate(FIVE_REGIONS, start=1)
        )
        self.panel_arn: Final = f"arn:aws:route53-recovery-control::{account_id}:controlpanel/{_PANEL}"
        self.arns: Mapping[str, str] = {name: f"{self.panel_arn}/routingcontrol/{name}" for name in self.panel.states}
        """By the name of a control: a Region, or the gate."""
        self.commit_seconds: float = 0
        """How long a change takes among the five; another one meanwhile is a conflict."""
        self.asked: deque[tuple[int, Mapping[str, bool]]] = deque(maxlen=_ASKED_KEPT)
        """The newest changes that were asked for, oldest first: number of the endpoint, states by name."""
        self.is_committing = False
        """Whether a change is under way."""
        self._past: deque[tuple[datetime, Mapping[str, bool]]] = deque(maxlen=_CHANGES_KEPT)
        """When each of the newest changes was made, and the states before it; the oldest first."""

    @property
    def controls(self) -> Mapping[str, str]:
        """ARN of each Region's routing control."""
        return {region: self.arns[region] for region in self._regions}

    @property
    def active_region(self) -> str | None:
        """The Region whose control is On; None if neither is."""
        return next((region for region in self._regions if self.panel.states[region]), None)

    @property
    def has_quorum(self) -> bool:
        return sum(endpoint.outage in {None, Outage.DENIED} for endpoint in self.endpoints) >= QUORUM

    def open_gate(self, *, is_open: bool) -> None:
        """Open or close the gate, as an operator would by the API."""
        self.panel = self.panel.updated({GATE: is_open}, self._clock.now())

    def set_wait(self, wait: timedelta) -> None:
        """Change the wait period of what is asserted. It counts from the last change, which may be long ago."""
        rules = (replace(rule, wait=wait) if isinstance(rule, AssertionRule) else rule for rule in self.panel.rules)
        self.panel = replace(self.panel, rules=tuple(rules))

    def app(self, endpoint: Endpoint) -> web.Application:
        """Return the application that is this endpoint."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(endpoint, request)

        app = web.Application()
        app.router.add_post("/{path:.*}", handle)
        return app

    async def _handle(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if endpoint.slow_seconds:
            await endpoint.lie()
        match endpoint.outage:
            case Outage.SILENT:
                await endpoint.until_up()
                return _hang_up(request)
            case Outage.REFUSING:
                return _hang_up(request)
            case Outage.MAINTENANCE | Outage.DENIED | None:
                pass
            case _:
                assert_never(endpoint.outage)
        operation = request.headers.get("X-Amz-Target", "").removeprefix(_TARGET)
        try:
            result = await self._do(endpoint, operation, body)
        except _Refused as refused:
            content = {"__type": f"com.amazonaws#{refused.code}", "message": str(refused), **refused.fields}
            return _answer(content, _STATUS)
        if operation.startswith("Update") and endpoint.answers_to_lose:
            endpoint.answers_to_lose -= 1
            return _hang_up(request)
        return _answer(result)

    async def _do(self, endpoint: Endpoint, operation: str, body: bytes) -> dict[str, Any]:
        if endpoint.outage is Outage.DENIED:
            raise _Refused("AccessDeniedException", "not authorized to perform this operation")
        if endpoint.outage or not self.has_quorum:
            raise _Refused("EndpointTemporarilyUnavailableException", "Try another cluster endpoint.")
        match operation:
            case "GetRoutingControlState":
                return self._described(endpoint, self._named(_parsed(_Get, body).RoutingControlArn))
            case "ListRoutingControls":
                return self._listed(endpoint, _parsed(_List, body))
            case "UpdateRoutingControlState":
                single = _parsed(_Update, body)
                return await self._update(endpoint, [single], single.SafetyRulesToOverride)
            case "UpdateRoutingControlStates":
                several = _parsed(_Updates, body)
                entries = several.UpdateRoutingControlStateEntries
                return await self._update(endpoint, entries, several.SafetyRulesToOverride)
            case _:
                raise _invalid("unknownOperation", f"{operation or 'a request without a target'} is no operation")

    async def _update(self, endpoint: Endpoint, entries: Sequence[_Entry], override: Sequence[str]) -> dict[str, Any]:
        if endpoint.is_too_fast():
            raise _Refused("ThrottlingException", "Rate exceeded", retryAfterSeconds=1)
        if len(entries) > STATES_MAX:
            limit = {"limitCode": "states-per-update", "serviceCode": "route53-recovery-cluster"}
            raise _Refused("ServiceLimitExceededException", f"at most {STATES_MAX} states in one update", **limit)
        wanted = {self._named(entry.RoutingControlArn): entry.RoutingControlState == "On" for entry in entries}
        if len(wanted) != len(entries) or not entries:
            raise _invalid("fieldValidationFailed", "an update names each of its controls once")
        self.asked.append((endpoint.number, wanted))
        await self._commit(wanted, [arn.rpartition("/")[2] for arn in override])
        return {}

    async def _commit(self, wanted: Mapping[str, bool], override: Sequence[str]) -> None:
        if self.is_committing:
            raise _conflict("Another change is under way. Try again.", "routing control", next(iter(wanted)))
        self.is_committing = True
        try:
            if self.commit_seconds:
                await asyncio.sleep(self.commit_seconds)
            before, now = self.panel.states, self._clock.now()
            self.panel = self.panel.updated(wanted, now, override=override)
            self._past.append((now, before))
        except SwitchRefused as refused:
            raise _conflict(str(refused), "safety rule", self.panel_arn) from refused
        finally:
            self.is_committing = False

    def _named(self, arn: str) -> str:
        name = arn.rpartition("/")[2]
        if self.arns.get(name) != arn:
            found = {"resourceId": arn, "resourceType": "routing control"}
            raise _Refused("ResourceNotFoundException", f"there is no {arn}", **found)
        return name

    def _known_to(self, endpoint: Endpoint) -> Mapping[str, bool]:
        """Return the states as this endpoint reads them: AWS does not promise that it knows the last change."""
        states, since = self.panel.states, self._clock.now() - timedelta(seconds=endpoint.lag_seconds)
        for changed_at, before in reversed(self._past):
            if changed_at <= since:
                break
            states = before
        return states

    def _described(self, endpoint: Endpoint, name: str) -> dict[str, Any]:
        state = "On" if self._known_to(endpoint)[name] else "Off"
        return {"RoutingControlArn": self.arns[name], "RoutingControlName": name, "RoutingControlState": state}

    def _listed(self, endpoint: Endpoint, asked: _List) -> dict[str, Any]:
        if asked.ControlPanelArn not in {None, self.panel_arn}:
            found = {"resourceId": asked.ControlPanelArn, "resourceType": "control panel"}
            raise _Refused("ResourceNotFoundException", f"there is no {asked.ControlPanelArn}", **found)
        begin = int(asked.NextToken or 0)
        end = begin + asked.MaxResults
        panel = {"ControlPanelArn": self.panel_arn, "ControlPanelName": "baton"}
        page = [{**panel, **self._described(endpoint, name)} for name in list(self.arns)[begin:end]]
        return {"RoutingControls": page, **({"NextToken": str(end)} if end < len(self.arns) else {})}


def _parsed[T: BaseModel](shape: type[T], body: bytes) -> T:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        fields = [{"name": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()]
        raise _invalid("fieldValidationFailed", str(error), fields=fields) from error


def _invalid(reason: str, message: str, **fields: Any) -> _Refused:
    return _Refused("ValidationException", message, reason=reason, **fields)


def _conflict(message: str, kind: str, resource: str) -> _Refused:
    return _Refused("ConflictException", message, resourceId=resource, resourceType=kind)


def _answer(content: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(content, status=status, content_type="application/x-amz-json-1.0")


def _hang_up(request: web.Request) -> web.Response:
    """End the connection; what is returned finds nobody any more."""
    if request.transport:
        request.transport.abort()
    return web.Response()
