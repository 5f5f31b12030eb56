"""The supervisor: runs the two-Region world as processes until it is stopped.

It starts the emulators and services as processes of their own and hosts the stand-ins (gates, front door, replication,
mailbox, routing controls, DNS) in its own loop. `lifecycle.up` starts it in the background; `admin` is its client.
"""

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from baton.aws import Aws, SystemClock
from baton.model.routing import failover_panel
from baton.topology import Topology
from baton_local import bootstrap, state
from baton_local.locks import roles
from baton_local.locks.roles import Roles
from baton_local.processes import pids
from baton_local.processes.fork_server import ForkServer
from baton_local.processes.process import Program, StartFailed, SupervisedProcess, leash
from baton_local.roster import LocalService, Roster, product
from baton_local.settings import LocalSettings
from baton_local.stand_ins import arc, emulator, http, trigger
from baton_local.stand_ins.arc import Cluster
from baton_local.stand_ins.dns import TxtServer
from baton_local.stand_ins.emulator import GLOBAL, TcpPorts
from baton_local.stand_ins.front_door import FrontDoor
from baton_local.stand_ins.gates import HOST, Gate
from baton_local.stand_ins.mailbox import Mailbox
from baton_local.stand_ins.replicator import Replicator
from baton_local.stand_ins.trigger import Function
from baton_local.switches.admin_api import Switchboard
from baton_local.wiring import Border, Wiring

_log = logging.getLogger(__name__)

BUSY: Final = 75
"""Exit status when another supervisor holds the directory (EX_TEMPFAIL of sysexits.h)."""
ACCOUNT_ID: Final = "000000000000"
_LOCKS: Final = "roles.json"


@dataclass(frozen=True, slots=True)
class _Outside:
    """Ports of what lies outside both Regions."""

    ledger: int
    mail: int
    front_door: int
    arc: Mapping[str, int]
    dns: int


class Supervisor:
    """One world."""

    def __init__(self, directory: Path, roster: Roster, settings: LocalSettings, *, ready_seconds: float) -> None:
        self._directory = directory
        self._roster = roster
        self._settings = settings
        self._ready_seconds = ready_seconds
        self._topology = Topology(environment="local", account_id=ACCOUNT_ID)
        self._ports = TcpPorts(settings.port_base)
        self._processes: list[SupervisedProcess] = []
        self._forks: ForkServer | None = None
        self._functions: list[Function] = []
        self._background: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._locks = _locks(self._topology, directory) if roster.is_locked else None

    async def run(self) -> None:
        """Start everything, then wait to be stopped; raises `StartFailed` if it does not come up in time."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as stack:
            stopped = loop.create_task(self._stop.wait())
            starting = loop.create_task(self._start(stack))
            await asyncio.wait({stopped, starting}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return
            state.write(await starting, self._directory)
            _log.info("world_ready")
            await asyncio.wait({stopped, *self._background}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._background:
                if task.done():
                    await task  # none ends unless it fails: this raises its error

    async def _start(self, stack: AsyncExitStack) -> state.World:
        deadline = asyncio.get_running_loop().time() + self._ready_seconds
        zipping = asyncio.create_task(asyncio.to_thread(_zip, self._roster))
        await self._start_forks(stack)
        # The front door passes bytes on as they are, for as long as they take.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        )
        ports = {name: self._ports.pick() for name in (*self._topology.regions, GLOBAL)}
        await self._run_programs(stack, session, [self._emulator(name, port) for name, port in ports.items()], deadline)
        global_endpoint = _url(ports[GLOBAL])

        mailbox = Mailbox(session, global_endpoint)
        gates = {region: await self._gate(stack, ports[region]) for region in self._topology.regions}
        front_door = FrontDoor(self._topology, gates, session, global_endpoint, is_locked=bool(self._locks))
        cluster = self._cluster()
        outside = await self._outside(stack, ports[GLOBAL], mailbox, front_door, cluster)
        home, away = self._topology.regions
        borders = {
            home: await self._border(stack, home, ports[home], (gates[home], gates[away]), outside),
            away: await self._border(stack, away, ports[away], (gates[away], gates[home]), outside),
        }
        door = _url(outside.front_door)
        wiring = Wiring(self._topology, self._settings, door, borders=borders, controls=cluster.controls)

        replicator = await self._create(stack, wiring, global_endpoint, await zipping)
        switchboard = Switchboard(self._processes, borders, front_door, replicator, mailbox, cluster, self._stop)
        admin_port = await self._serve(stack, switchboard.app())
        await asyncio.gather(
            self._run_programs(stack, session, self._service_programs(wiring, self._roster.services), deadline),
            *(trigger.warm(function) for function in self._functions),
        )
        await self._run_programs(stack, session, self._service_programs(wiring, self._roster.watchers), deadline)
        for border in borders.values():
            stack.callback(border.heal)  # first of all: a service that hangs on a cut link would use up its grace
        return self._described(gates, wiring, cluster, outside, admin_port)

    async def _start_forks(self, stack: AsyncExitStack) -> None:
        """Have one process import what services are made of, while the emulators start."""
        if modules := self._roster.modules:
            self._forks = ForkServer(modules, leash(), self._settings.inherited())
            await self._forks.start()
            stack.push_async_callback(self._forks.close)

    async def _outside(
        self, stack: AsyncExitStack, ledger: int, mailbox: Mailbox, front_door: FrontDoor, cluster: Cluster
    ) -> _Outside:
        return _Outside(
            ledger=ledger,
            mail=await self._serve(stack, mailbox.app()),
            front_door=await self._serve(stack, front_door.app()),
            arc={endpoint.region: await self._serve(stack, cluster.app(endpoint)) for endpoint in cluster.endpoints},
            dns=await self._serve_dns(stack, cluster),
        )

    def _described(
        self, gates: Mapping[str, Gate], wiring: Wiring, cluster: Cluster, outside: _Outside, admin_port: int
    ) -> state.World:
        return state.World(
            pid=os.getpid(),
            account_id=ACCOUNT_ID,
            regions=self._topology.regions,
            region_endpoints={region: gate.endpoint for region, gate in gates.items()},
            global_endpoint=_url(outside.ledger),
            mrap_endpoint=wiring.front_door,
            arc_endpoints={region: _url(port) + arc.PATH for region, port in outside.arc.items()},
            arc_controls=dict(cluster.controls),
            dns_endpoint=f"{HOST}:{outside.dns}",
            admin_endpoint=_url(admin_port),
            log_directory=str(self._directory / "logs"),
        )

    async def _create(self, stack: AsyncExitStack, wiring: Wiring, global_endpoint: str, code: bytes) -> Replicator:
        """Create queues, buckets, tables and the trigger; start the replication."""
        inner = {region: border.emulator for region, border in wiring.borders.items()}
        outer = {region: border.inward.endpoint for region, border in wiring.borders.items()}
        inside = await bootstrap.connect(stack, self._topology, inner, global_endpoint)
        outside = await bootstrap.connect(stack, self._topology, outer, global_endpoint)
        # No total: an object takes as long as it takes. Ten seconds of silence are a cut, which is tried again.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=10)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        )
        # Last in, first out: what runs in the background ends before its clients are closed.
        stack.push_async_callback(self._cancel_background)
        await self._furnish(inside, wiring, code)
        replicator = Replicator(await bootstrap.links(outside, session, outer, self._replicating()))
        self._in_background(replicator.run())
        return replicator

    def _session(self, region: str, service: str) -> dict[str, str]:
        """Return what ECS gives a task beside its keys: a token that names its role."""
        if not self._locks:
            return {}
        return {"AWS_SESSION_TOKEN": self._locks.issue(self._topology.role(service, region), roles.TASKS)}

    def _replicating(self) -> dict[str, str]:
        """Return the token of the role that replicates out of each Region."""
        if not self._locks:
            return {}
        names = {region: self._topology.role("replicate", region) for region in self._topology.regions}
        return {region: self._locks.issue(name, roles.REPLICATION) for region, name in names.items()}

    async def _furnish(self, inside: Aws, wiring: Wiring, code: bytes) -> None:
        """Make what the emulators hold. A test that knows another way to make it, the CDK app's, says so here."""
        await bootstrap.create_world(inside)
        for region in self._topology.regions:
            function = None
            if self._roster.trigger:
                function = await bootstrap.create_function(
                    inside, region, self._roster.trigger, code, wiring.of_function(region)
                )
                self._functions.append(function)
                self._in_background(trigger.take_back_throttled(function))
            await bootstrap.notify(inside, region, function=function)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        self._background.add(asyncio.create_task(work))

    async def _cancel_background(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def _cluster(self) -> Cluster:
        wait = timedelta(seconds=self._settings.arc_wait_seconds)
        panel = failover_panel(self._topology.regions, wait=wait)
        return Cluster(ACCOUNT_ID, self._topology.regions, clock=SystemClock(), panel=panel)

    async def _serve_dns(self, stack: AsyncExitStack, cluster: Cluster) -> int:
        port = self._ports.pick()
        home = self._topology.regions[0]
        server = TxtServer(self._topology.active_record, lambda: cluster.active_region or home)
        transport = await server.start(port)
        stack.callback(transport.close)
        return port

    async def _border(
        self, stack: AsyncExitStack, region: str, emulator_port: int, inward: tuple[Gate, Gate], outside: _Outside
    ) -> Border:
        """Make the links of one Region; `inward` is its own gate, and the other Region's."""
        own, beyond = inward
        return Border(
            region=region,
            emulator_port=emulator_port,
            inward=own,
            ledger=await self._gate(stack, outside.ledger),
            mail=await self._gate(stack, outside.mail),
            dials=await self._gate(stack, outside.front_door),
            outward=await self._gate(stack, beyond.port),
            arc={of: await self._gate(stack, port) for of, port in outside.arc.items()},
        )

    async def _gate(self, stack: AsyncExitStack, target_port: int) -> Gate:
        gate = Gate(target_port)
        await gate.start(self._ports.pick())
        stack.push_async_callback(gate.close)
        return gate

    async def _serve(self, stack: AsyncExitStack, app: web.Application) -> int:
        port = self._ports.pick()
        runner = await http.serve(app, port)
        stack.push_async_callback(runner.cleanup)
        return port

    async def _run_programs(
        self, stack: AsyncExitStack, session: aiohttp.ClientSession, programs: Sequence[Program], deadline: float
    ) -> None:
        """Start programs together and wait until all are healthy; they stop together with the stack."""
        processes = [SupervisedProcess(program, self._remember, self._forks) for program in programs]
        self._processes += processes

        async def stop() -> None:
            await asyncio.gather(*(process.stop() for process in processes))

        stack.push_async_callback(stop)
        for process in processes:
            await process.start()
        await asyncio.gather(*(process.wait_healthy(session, deadline=deadline) for process in processes))

    def _remember(self) -> None:
        started = (process.started for process in self._processes)
        pids.remember(self._directory, (pids.started(os.getpid()), *(one for one in started if one)))

    def _emulator(self, region: str, port: int) -> Program:
        return emulator.program(
            region,
            port,
            home_region=self._topology.regions[0] if region == GLOBAL else region,
            account_id=ACCOUNT_ID,
            directory=self._directory,
            settings=self._settings,
            locks=self._directory / _LOCKS if self._locks else None,
        )

    def _service_programs(self, wiring: Wiring, services: Sequence[LocalService]) -> list[Program]:
        return [
            self._service_program(wiring, region, service) for region in self._topology.regions for service in services
        ]

    def _service_program(self, wiring: Wiring, region: str, service: LocalService) -> Program:
        port = self._ports.pick()
        return Program(
            region=region,
            name=service.name,
            command=service.command,
            environment={
                **wiring.of_service(region),
                **self._session(region, service.name),
                "BATON_RUNNER_HEALTH_PORT": str(port),
                **service.environment,
            },
            log=self._directory / "logs" / f"{region}-{service.name}.log",
            health_url=f"http://{HOST}:{port}/healthz",
        )


def _locks(topology: Topology, directory: Path) -> Roles:
    """Write the roles of this world for its emulators; return them."""
    path = directory / _LOCKS
    text = roles.declared(
        roles.DECLARED.read_text(),
        environment=topology.environment,
        account_id=topology.account_id,
        sender=bootstrap.SENDER,
    )
    path.write_text(text)
    return Roles.read(path)


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _zip(roster: Roster) -> bytes:
    return trigger.build_zip(roster.trigger) if roster.trigger else b""


def main(kind: type[Supervisor] = Supervisor) -> int:
    """Run a world in a directory that is there; return the exit status."""
    parser = argparse.ArgumentParser(description="Run the two-Region world until SIGTERM.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--roster", help="JSON of baton_local.roster.Roster; by default the product's services")
    parser.add_argument("--ready-seconds", type=float, default=60)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    directory: Path = options.directory.resolve()
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    settings = LocalSettings()
    roster = Roster.model_validate_json(options.roster) if options.roster else product(settings.jobs_package)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return BUSY
        pids.remember(directory, (pids.started(os.getpid()),))
        try:
            asyncio.run(kind(directory, roster, settings, ready_seconds=options.ready_seconds).run())
        except StartFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
