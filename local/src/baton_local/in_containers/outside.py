"""Everything outside both Regions in the composed world, as one container.

The access point's front door, the mailbox with its page, the routing-control cluster, the name server, the replication
between the buckets, and the switches of all of these. In the world of plain processes the supervisor hosts the same.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

import aiohttp
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from baton.aws import SystemClock
from baton.model.routing import failover_panel
from baton.topology import REGIONS_DEFAULT, Topology
from baton_local import bootstrap
from baton_local.in_containers import container, layout
from baton_local.in_containers.border import BorderStatus
from baton_local.stand_ins.arc import Cluster
from baton_local.stand_ins.dns import TxtServer
from baton_local.stand_ins.front_door import FrontDoor
from baton_local.stand_ins.gates import Gate
from baton_local.stand_ins.mailbox import Mailbox
from baton_local.stand_ins.replicator import Replicator
from baton_local.switches.admin_api import Switchboard

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1
_ANSWER_SECONDS_MAX: Final = 2


class OutsideSettings(BaseSettings):
    """What the stand-ins read from their environment: how each Region and the ledger are reached."""

    model_config = SettingsConfigDict(env_prefix="BATON_LOCAL_", extra="ignore", frozen=True)

    borders: tuple[str, str] = ("border-a", "border-b")
    """Host names of the Regions' borders, the home Region's first."""
    ledger: str = "http://ledger:4566"
    """URL of the global emulator."""
    arc_wait_seconds: float = Field(default=5, ge=0)
    """Wait period of the routing controls after each change. ARC's default; on AWS 60 and more are advised."""

    @property
    def topology(self) -> Topology:
        return Topology(environment=layout.WORLD.environment, account_id=layout.WORLD.account_id)

    def by_region(self) -> dict[str, str]:
        """Return the host name of each Region's border."""
        return dict(zip(REGIONS_DEFAULT, self.borders, strict=True))

    def endpoints(self) -> dict[str, str]:
        """Return each Region's URL as it is reached from outside: through its border."""
        return {region: f"http://{host}:{layout.EMULATOR_PORT}" for region, host in self.by_region().items()}


async def start(stack: AsyncExitStack) -> Sequence[Coroutine[Any, Any, None]]:
    """Serve every stand-in; return what runs beside them."""
    settings = OutsideSettings()
    topology = settings.topology
    session = await stack.enter_async_context(_session(aiohttp.ClientTimeout(total=None, sock_connect=5)))
    gates = {region: await _gate(stack, host) for region, host in settings.by_region().items()}
    mailbox = Mailbox(session, settings.ledger)
    front_door = FrontDoor(topology, gates, session, settings.ledger)
    panel = failover_panel(topology.regions, wait=timedelta(seconds=settings.arc_wait_seconds))
    cluster = Cluster(topology.account_id, topology.regions, clock=SystemClock(), panel=panel)
    replicator = await _replicator(stack, settings)
    switchboard = Switchboard(
        processes=[],
        borders={},
        front_door=front_door,
        replicator=replicator,
        mailbox=mailbox,
        cluster=cluster,
        stop=asyncio.Event(),
    )
    for app, port in (
        (front_door.app(), layout.FRONT_DOOR_PORT),
        (mailbox.app(), layout.MAIL_PORT),
        (switchboard.app(), layout.ADMIN_PORT),
        *((cluster.app(each), layout.ARC_PORT + each.number) for each in cluster.endpoints),
    ):
        await container.serve(stack, app, port)
    names = TxtServer(topology.active_record, lambda: cluster.active_region or topology.regions[0])
    stack.callback((await names.start(layout.DNS_PORT, listens_on=container.EVERYWHERE)).close)
    watches = [_watch(session, gates[region], host) for region, host in settings.by_region().items()]
    return [replicator.run(), *watches]


async def _gate(stack: AsyncExitStack, host: str) -> Gate:
    gate = Gate(layout.EMULATOR_PORT, host)
    await gate.start()
    stack.push_async_callback(gate.close)
    return gate


async def _watch(session: aiohttp.ClientSession, gate: Gate, host: str) -> None:
    """Cut our gate into a Region while its border is cut, or does not answer, for whatever reason.

    The front door then says that it is unreachable, as it does in the world of plain processes; it would else wait for
    an answer as long as its client does.
    """
    url = f"http://{host}:{layout.BORDER_ADMIN_PORT}/status"
    while True:
        try:
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS_MAX)) as answer:
                is_cut = BorderStatus.model_validate_json(await answer.read()).cut
        except (aiohttp.ClientError, OSError, TimeoutError, ValidationError):
            is_cut = True
        if is_cut != gate.is_cut:
            _log.info("border host=%s cut=%s", host, is_cut)
            (gate.cut if is_cut else gate.heal)()
        await asyncio.sleep(_LOOK_SECONDS)


async def _replicator(stack: AsyncExitStack, settings: OutsideSettings) -> Replicator:
    endpoints = settings.endpoints()
    aws = await bootstrap.connect(stack, settings.topology, endpoints, settings.ledger)
    # No total: an object takes as long as it takes. Ten seconds of silence are a cut, which is tried again.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=10)
    session = await stack.enter_async_context(_session(timeout))
    return Replicator(await bootstrap.links(aws, session, endpoints, tokens={}))


def _session(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    # What is passed on is passed on as it came, over as many connections as there are.
    return aiohttp.ClientSession(auto_decompress=False, timeout=timeout, connector=aiohttp.TCPConnector(limit=0))


if __name__ == "__main__":
    container.run(start)
