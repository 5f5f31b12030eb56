"""Stand-in for the Multi-Region Access Point: S3 for one bucket, answered by the Region whose dial is at 100.

It replaces the access point's name by the bucket's, and a signature by one of its own: requests to an access point are
signed for any Region, by more than one algorithm (SigV4A), and no emulator checks them. A link, which is signed in its
query, is really checked: the global emulator, which issued the signer's credentials, is asked.
"""

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from typing import Final
from urllib.parse import quote, unquote, unquote_plus
from xml.etree import ElementTree as ET

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from baton.model.identity import ORIGIN_VERSION_METADATA
from baton.topology import Topology
from baton_local.locks.guard import IN_HEADER, IN_LINK
from baton_local.locks.requests import ACCESS_POINT
from baton_local.stand_ins.gates import Gate
from baton_local.stand_ins.http import forwardable
from baton_local.stand_ins.side import is_of_object

CUT_SECONDS_MAX: Final = 5
"""How long a request waits for a Region that is cut."""
_DIAL_ON: Final = 100
_DIAL_OFF: Final = 0
_CONTROL: Final = "/v20180820/mrap/instances/"
_NAMESPACE: Final = "http://awss3control.amazonaws.com/doc/2018-08-20/"
_SIGNED: Final = ("algorithm", "credential", "date", "expires", "signature", "signedheaders")
_SIGNATURE: Final = frozenset(f"x-amz-{name}" for name in (*_SIGNED, "security-token", "region-set"))
_AUTHORIZED: Final = "AWS4-HMAC-SHA256 Credential={account}/20000101/{region}/s3/aws4_request, Signature=checked"
"""Stands for a signature of any kind. S3 refuses `response-…` parameters on a request that has none."""
_OURS_ALONE: Final = f"x-amz-meta-{ORIGIN_VERSION_METADATA}"
"""Replication says with it which version a replica is of. Nobody else may."""
_COPY_SOURCE: Final = "x-amz-copy-source"
_DIRECTIVE: Final = "x-amz-metadata-directive"
_FORM: Final = "multipart/form-data"
_NOT_FOUND: Final = 404


class _Unreachable(Exception):
    """The active Region does not answer."""


class FrontDoor:
    """Routes requests for `topology.mrap` to the active Region's data bucket."""

    def __init__(
        self,
        topology: Topology,
        gates: Mapping[str, Gate],
        session: aiohttp.ClientSession,
        verifier: str,
        *,
        is_locked: bool = False,
    ) -> None:
        """Take the gates into the Regions, a session that neither decompresses nor times out, and who checks links.

        `is_locked`: the Regions judge each call by its caller, so the caller is named to them.
        """
        self._topology = topology
        self._gates = gates
        self._session = session
        self._verifier = verifier
        self._is_locked = is_locked
        self.routes: Mapping[str, int] = dict(zip(topology.regions, (_DIAL_ON, _DIAL_OFF), strict=True))
        """As they were asked for last. Requests follow, and reads say so, once they have turned."""
        self.turn_seconds: float = 0
        """How long the dials take to turn: S3 takes up to two minutes."""
        self.refuses_control: bool = False
        """Whether nobody may read or turn the dials."""
        self._turned = self.routes
        self._turned_at = 0.0
        """By the event loop's time."""

    @property
    def active_region(self) -> str:
        """The Region that answers: the first one whose dial is on."""
        return next(region for region, dial in self.dials.items() if dial == _DIAL_ON)

    @property
    def dials(self) -> Mapping[str, int]:
        """The dials as they have turned so far."""
        return self.routes if asyncio.get_running_loop().time() >= self._turned_at else self._turned

    def set_routes(self, dials: Mapping[str, int]) -> None:
        """Turn the dials of the named Regions to 0 or 100. Raises `ValueError` if that leaves no Region on."""
        routes = {**self.routes, **dials}
        if routes.keys() != self.routes.keys():
            raise ValueError(f"no such Region: {sorted(routes.keys() - self.routes.keys())}")
        if not set(routes.values()) <= {_DIAL_ON, _DIAL_OFF}:
            raise ValueError("a dial is 0 or 100")
        if _DIAL_ON not in routes.values():
            raise ValueError("at least one Region must stay active")
        now = asyncio.get_running_loop().time()
        self._turned, self._turned_at = self.dials, now + self.turn_seconds
        self.routes = routes

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:(?s:.*)}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith(_CONTROL) and path.endswith("/routes"):
            return await self._control(request)
        if request.host.startswith(f"{self._topology.mrap}."):
            path = f"/{self._topology.mrap}{path}"  # a client that names the bucket in the host: `mrap.localhost`
        bucket, slash, key = path.removeprefix("/").partition("/")
        if bucket != self._topology.mrap:
            return _error(_NOT_FOUND, "NoSuchBucket", f"The access point is {self._topology.mrap}.")
        if request.content_type == _FORM:
            return _error(405, "MethodNotAllowed", "An access point takes no forms: send it with a signed PUT.")
        if any(name.lower() == "x-amz-signature" for name in request.query):
            if refusal := await self._refusal(request):
                return refusal
            return await self._pass_on(request, slash + key, _without(query, _SIGNATURE), is_signed=True)
        return await self._pass_on(request, slash + key, query, is_signed="Authorization" in request.headers)

    async def _refusal(self, request: web.Request) -> web.Response | None:
        """Ask the emulator that issued the credentials. It has no such bucket: a valid link ends there in a 404."""
        async with self._session.request(
            request.method,
            URL(self._verifier + request.raw_path, encoded=True),
            headers=forwardable(request.headers, "content-length"),  # the Host header too: it is signed
            allow_redirects=False,
        ) as answer:
            if answer.status == _NOT_FOUND:
                return None
            body = await answer.read()
            return web.Response(status=answer.status, body=body, headers=forwardable(answer.headers, "content-length"))

    async def _pass_on(self, request: web.Request, path: str, query: str, *, is_signed: bool) -> web.StreamResponse:
        region = self.active_region
        gate = self._gates[region]
        query = _without(query, {_OURS_ALONE})
        url = f"{gate.endpoint}/{self._topology.data_bucket(region)}{path}{'?' if query else ''}{query}"
        headers = self._headers_for(region, request.headers, is_signed=is_signed)
        if self._is_locked:
            headers.update(_caller(request))
        data = request.content if request.body_exists else None
        response: web.StreamResponse | None = None
        try:
            if _COPY_SOURCE in headers:
                await _unless_cut(gate, self._as_original(gate, headers))
            target = URL(url, encoded=True)
            outgoing = self._session.request(request.method, target, headers=headers, data=data, allow_redirects=False)
            async with await _unless_cut(gate, outgoing) as answer:
                response = web.StreamResponse(status=answer.status, headers=_answered(answer.headers))
                await response.prepare(request)
                await _unless_cut(gate, _copy(answer, response))
        except (_Unreachable, aiohttp.ClientError, OSError) as error:
            if response is None:
                return _error(503, "ServiceUnavailable", f"{region} does not answer: {error}")
            # The status is out already: a broken connection is all that can still say so.
            if request.transport:
                request.transport.abort()
        return response

    def _headers_for(self, region: str, headers: Mapping[str, str], *, is_signed: bool) -> CIMultiDict[str]:
        changed = forwardable(headers, "host", "authorization", "x-amz-security-token", _OURS_ALONE)
        if is_signed:
            changed["Authorization"] = _AUTHORIZED.format(account=self._topology.account_id, region=region)
        if source := changed.get(_COPY_SOURCE):
            path, mark, version = source.partition("?")
            bucket, slash, key = unquote(path).removeprefix("/").partition("/")
            bucket = self._topology.data_bucket(region) if bucket == self._topology.mrap else bucket
            changed[_COPY_SOURCE] = f"/{bucket}{slash}{quote(key, safe='/~')}{mark}{version}"
        return changed

    async def _as_original(self, gate: Gate, headers: CIMultiDict[str]) -> None:
        """Have the copy of a replica be an original, as it is on AWS: the note of where it came from stays behind."""
        source = URL(gate.endpoint + headers[_COPY_SOURCE], encoded=True)
        authorization = {name: headers[name] for name in ("Authorization",) if name in headers}
        async with self._session.head(source, headers=authorization) as answer:
            if headers.get(_DIRECTIVE, "COPY") == "REPLACE" or _OURS_ALONE not in answer.headers:
                return
            headers[_DIRECTIVE] = "REPLACE"
            kept = {name: value for name, value in answer.headers.items() if is_of_object(name)}
            headers.update({name: value for name, value in kept.items() if name.lower() != _OURS_ALONE})

    async def _control(self, request: web.Request) -> web.Response:
        """S3 Control: read the dials, or turn them."""
        if self.refuses_control:
            return _error(403, "AccessDenied", "not authorized to perform this operation")
        if request.method == "GET":
            return self._routes_as_xml()
        document = ET.fromstring(await request.read())  # noqa: S314 — only this machine's own processes ask
        try:
            self.set_routes({route["Region"]: int(route["TrafficDialPercentage"]) for route in self._named(document)})
        except (KeyError, ValueError) as error:
            return _error(400, "InvalidRequest", str(error))
        return web.Response(body=f'<SubmitMultiRegionAccessPointRoutesResult xmlns="{_NAMESPACE}"/>'.encode())

    def _named(self, document: ET.Element) -> list[dict[str, str]]:
        region_of = {self._topology.data_bucket(region): region for region in self._topology.regions}
        named: list[dict[str, str]] = []
        for route in document.iterfind(".//{*}Route"):
            fields = {field.tag.rpartition("}")[2]: field.text or "" for field in route}
            # A route names its bucket or its Region.
            named.append({"Region": region_of.get(fields.get("Bucket", ""), "")} | fields)
        return named

    def _routes_as_xml(self) -> web.Response:
        routes = "".join(
            f"<Route><Bucket>{self._topology.data_bucket(region)}</Bucket><Region>{region}</Region>"
            f"<TrafficDialPercentage>{dial}</TrafficDialPercentage></Route>"
            for region, dial in self.dials.items()
        )
        document = (
            f'<GetMultiRegionAccessPointRoutesResult xmlns="{_NAMESPACE}"><Mrap>{self._topology.mrap}</Mrap>'
            f"<Routes>{routes}</Routes></GetMultiRegionAccessPointRoutesResult>"
        )
        return web.Response(body=document.encode(), content_type="application/xml")


def _caller(request: web.Request) -> dict[str, str]:
    """Return the headers that tell a lock whose session asks, whether it signed a header or a link, and which way."""
    token = request.headers.get(IN_HEADER) or request.query.get(IN_LINK)
    return {ACCESS_POINT: "true", **({IN_HEADER: token} if token else {})}


async def _unless_cut[T](gate: Gate, work: Awaitable[T]) -> T:
    """Return what `work` returns. Raises `_Unreachable` once its gate has been cut for `CUT_SECONDS_MAX`."""
    task = asyncio.ensure_future(work)
    too_long = asyncio.create_task(_cut_too_long(gate))
    try:
        await asyncio.wait({task, too_long}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise _Unreachable("cut off")
        return task.result()
    finally:
        too_long.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _cut_too_long(gate: Gate) -> None:
    await gate.until_cut()
    await asyncio.sleep(CUT_SECONDS_MAX)


async def _copy(answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    async for piece in answer.content.iter_any():
        await response.write(piece)
    await response.write_eof()


def _answered(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return forwardable(headers, "date", "server")


def _without(query: str, names: Collection[str]) -> str:
    """Take parameters out of a query, whatever their case; the others stay as they were written."""
    return "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]).lower() not in names)


def _error(status: int, code: str, message: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, body=body.encode(), content_type="application/xml")
