"""The supervisor's side of `admin`: HTTP on 127.0.0.1."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel, ValidationError

from baton_local.admin import Act, ProcessStatus, RegionStatus, ReplicationChange, ReplicationStatus, Status
from baton_local.front_door import FrontDoor
from baton_local.mailbox import Mailbox
from baton_local.processes import Process
from baton_local.replicator import Replicator
from baton_local.wiring import Border


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Everything that can be switched; `stop` ends the world."""

    processes: list[Process]
    borders: Mapping[str, Border]
    front_door: FrontDoor
    replicator: Replicator
    mailbox: Mailbox
    stop: asyncio.Event

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/status", self._status),
                web.post("/regions/{region}/{switch:cut|heal}", self._switch),
                web.post("/regions/{region}/services/{service}/{act:kill|pause|resume}", self._act),
                web.post("/replication", self._replication),
                web.get("/inbox", self._inbox),
                web.post("/shutdown", self._shutdown),
            ]
        )
        return app

    async def _status(self, _: web.Request) -> web.Response:
        return _json(
            Status(
                processes=tuple(_process_status(process) for process in self.processes),
                regions={
                    region: RegionStatus(cut=border.is_cut, dial=self.front_door.routes[region])
                    for region, border in self.borders.items()
                },
                replication=self._replication_status(),
            )
        )

    async def _switch(self, request: web.Request) -> web.Response:
        border = self.borders.get(request.match_info["region"])
        if border is None:
            raise web.HTTPNotFound(text=f"no such Region; there are {', '.join(self.borders)}")
        if request.match_info["switch"] == "cut":
            border.cut()
        else:
            border.heal()
        return web.json_response({})

    async def _act(self, request: web.Request) -> web.Response:
        wanted = (request.match_info["region"], request.match_info["service"])
        known = {(process.program.region, process.program.name): process for process in self.processes}
        if (process := known.get(wanted)) is None:
            raise web.HTTPNotFound(text=f"no such service; there are {', '.join('/'.join(names) for names in known)}")
        match Act(request.match_info["act"]):
            case Act.KILL:
                process.kill()
            case Act.PAUSE:
                process.pause()
            case Act.RESUME:
                process.resume()
        return web.json_response({})

    async def _replication(self, request: web.Request) -> web.Response:
        try:
            change = ReplicationChange.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
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


def _process_status(process: Process) -> ProcessStatus:
    return ProcessStatus(
        region=process.program.region,
        name=process.program.name,
        pid=process.started.pid if process.started else None,
        state=process.state,
        restarts=process.restarts,
    )


def _json(model: BaseModel) -> web.Response:
    return web.json_response(text=model.model_dump_json())
