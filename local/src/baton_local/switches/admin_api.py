"""Server of the fault switches, in the supervisor: HTTP on 127.0.0.1."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web
from pydantic import BaseModel, ValidationError

from baton.model.routing import GATE
from baton_local.processes.process import SupervisedProcess
from baton_local.stand_ins import inbox_page
from baton_local.stand_ins.arc import Cluster, Endpoint, Outage
from baton_local.stand_ins.front_door import FrontDoor
from baton_local.stand_ins.mailbox import Mailbox
from baton_local.stand_ins.replicator import Replicator
from baton_local.switches.admin import (
    ArcChange,
    ArcEndpointStatus,
    ArcStatus,
    ArcWait,
    DialsChange,
    ProcessStatus,
    RegionChange,
    RegionLinks,
    ReplicationChange,
    ReplicationStatus,
    ServiceAction,
    SupervisorStatus,
)
from baton_local.wiring import Border


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Everything that can be switched; `stop` ends the world."""

    processes: list[SupervisedProcess]
    borders: Mapping[str, Border]
    front_door: FrontDoor
    replicator: Replicator
    mailbox: Mailbox
    cluster: Cluster
    stop: asyncio.Event

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/status", self._status),
                web.post("/regions/{region}/{switch:cut|heal|slow}", self._switch),
                web.post("/regions/{region}/services/{service}/{act:kill|pause|resume}", self._act),
                web.post("/replication", self._replication),
                web.post("/arc/gate/{act:open|close}", self._arc_gate),
                web.post("/arc/wait", self._arc_wait),
                web.post("/arc/{number}/{act:down|up|slow|lag|lose-answers}", self._arc),
                web.post("/dials", self._dials),
                web.get("/inbox", self._inbox),
                web.post("/shutdown", self._shutdown),
                *inbox_page.routes(self.mailbox),
            ]
        )
        return app

    async def _status(self, _: web.Request) -> web.Response:
        return _json(
            SupervisorStatus(
                processes=tuple(_process_status(process) for process in self.processes),
                regions={
                    region: RegionLinks(cut=border.is_cut, dial=self.front_door.dials[region])
                    for region, border in self.borders.items()
                },
                replication=self._replication_status(),
                arc=_arc_status(self.cluster, tuple(self.borders)),
            )
        )

    async def _switch(self, request: web.Request) -> web.Response:
        border = self.borders.get(request.match_info["region"])
        if border is None:
            raise web.HTTPNotFound(text=f"no such Region; there are {', '.join(self.borders)}")
        match request.match_info["switch"]:
            case "cut":
                border.cut()
            case "heal":
                border.heal()
            case _:
                border.slow(_parsed(RegionChange, await request.read()).delay_seconds)
        return web.json_response({})

    async def _act(self, request: web.Request) -> web.Response:
        wanted = (request.match_info["region"], request.match_info["service"])
        known = {(process.program.region, process.program.name): process for process in self.processes}
        if (process := known.get(wanted)) is None:
            raise web.HTTPNotFound(text=f"no such service; there are {', '.join('/'.join(names) for names in known)}")
        match ServiceAction(request.match_info["act"]):
            case ServiceAction.KILL:
                process.kill()
            case ServiceAction.PAUSE:
                process.pause()
            case ServiceAction.RESUME:
                process.resume()
        return web.json_response({})

    async def _arc(self, request: web.Request) -> web.Response:
        known = {str(endpoint.number): endpoint for endpoint in self.cluster.endpoints}
        if (endpoint := known.get(request.match_info["number"])) is None:
            raise web.HTTPNotFound(text=f"no such endpoint; there are {', '.join(known)}")
        change = _parsed(ArcChange, await request.read() or b"{}")
        match request.match_info["act"]:
            case "down":
                endpoint.take_down(change.outage or Outage.SILENT)
            case "up":
                endpoint.bring_up()
            case "slow":
                endpoint.slow_down(change.slow_seconds or 0)
            case "lag":
                endpoint.lag_seconds = change.lag_seconds or 0
            case _:
                endpoint.answers_to_lose = change.lose_answers or 0
        return web.json_response({})

    async def _arc_gate(self, request: web.Request) -> web.Response:
        self.cluster.open_gate(is_open=request.match_info["act"] == "open")
        return web.json_response({})

    async def _arc_wait(self, request: web.Request) -> web.Response:
        self.cluster.set_wait(timedelta(seconds=_parsed(ArcWait, await request.read()).seconds))
        return web.json_response({})

    async def _dials(self, request: web.Request) -> web.Response:
        change = _parsed(DialsChange, await request.read())
        door = self.front_door
        door.turn_seconds = door.turn_seconds if change.turn_seconds is None else change.turn_seconds
        door.refuses_control = door.refuses_control if change.refused is None else change.refused
        return web.json_response({})

    async def _replication(self, request: web.Request) -> web.Response:
        change = _parsed(ReplicationChange, await request.read())
        self.replicator.set(lag_seconds=change.lag_seconds, cut=change.cut)
        return _json(self._replication_status())

    async def _inbox(self, _: web.Request) -> web.Response:
        return web.json_response([mail.model_dump(mode="json") for mail in self.mailbox.mails])

    async def _shutdown(self, _: web.Request) -> web.Response:
        self.stop.set()
        return web.json_response({})

    def _replication_status(self) -> ReplicationStatus:
        return ReplicationStatus(
            lag_seconds=self.replicator.lag_seconds,
            cut=self.replicator.is_cut,
            backlog=self.replicator.backlog(),
            oldest_seconds=self.replicator.oldest_seconds(),
        )


def _process_status(process: SupervisedProcess) -> ProcessStatus:
    return ProcessStatus(
        region=process.program.region,
        name=process.program.name,
        pid=process.started.pid if process.started else None,
        state=process.state,
        restarts=process.restarts,
    )


def _arc_status(cluster: Cluster, regions: tuple[str, ...]) -> ArcStatus:
    return ArcStatus(
        states={region: cluster.panel.states[region] for region in regions},
        gate_open=cluster.panel.states[GATE],
        endpoints=tuple(
            ArcEndpointStatus(number=each.number, region=each.region, state=_state(each)) for each in cluster.endpoints
        ),
    )


def _state(endpoint: Endpoint) -> str:
    return endpoint.outage or ("slow" if endpoint.slow_seconds else "up")


def _parsed[T: BaseModel](shape: type[T], body: bytes) -> T:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(model: BaseModel) -> web.Response:
    return web.json_response(text=model.model_dump_json())
