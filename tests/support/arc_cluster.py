"""Starts the stand-ins of ARC and of the access point on their own ports, and connects the real clients to them."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from baton.aws import Aws
from baton.aws.sdk.clients import new_client
from baton.aws.switch.arc import ArcSwitch
from baton.aws.switch.hedged import Times
from baton.memory import MemoryClock
from baton.model.control import SwitchBackend
from baton.model.routing import failover_panel
from baton.settings import SwitchSettings, WorldSettings
from baton.topology import REGIONS_DEFAULT, Topology
from baton_local.stand_ins import http
from baton_local.stand_ins.arc import PATH, Cluster
from baton_local.stand_ins.front_door import FrontDoor
from baton_local.stand_ins.gates import HOST, Gate
from emulator_process import ACCOUNT_ID

PATIENT = Times(connect_seconds=2, read_seconds=8, hedge_seconds=2, operation_seconds=20)
"""For tests of what is not about time: a slow machine changes nothing."""
HASTY = Times(connect_seconds=1, read_seconds=2, hedge_seconds=0.1, operation_seconds=15)
"""For tests with endpoints that hang: hedges are what makes them quick, so a busy machine has time to answer."""
TOPOLOGY = Topology("test", ACCOUNT_ID)


@dataclass(frozen=True, slots=True)
class Arc:
    """A cluster, and the clock of its wait period."""

    cluster: Cluster
    clock: MemoryClock
    settings: SwitchSettings
    session: AioSession
    mrap_control_url: str
    front_door: FrontDoor
    way_to_front_door: Gate

    @asynccontextmanager
    async def aws(self, *, seed: int = 0) -> AsyncGenerator[Aws]:
        """Give adapters that find both; the seed decides which endpoint comes first."""
        settings = WorldSettings.model_validate(
            {
                "environment": TOPOLOGY.environment,
                "account_id": ACCOUNT_ID,
                "region": REGIONS_DEFAULT[0],
                "mrap_control_endpoint_url": self.mrap_control_url,
            }
        )
        async with Aws(settings, session=self.session, dice=random.Random(seed)) as aws:
            yield aws

    @asynccontextmanager
    async def raw(self) -> AsyncGenerator[Any]:
        """Give the SDK's own client of the first endpoint."""
        region, url = next(iter(self.settings.endpoints.items()))
        config = AioConfig(retries={"total_max_attempts": 1})
        options = {"region_name": region, "endpoint_url": url, "config": config}
        async with new_client(self.session, "route53-recovery-cluster", **options) as client:
            yield client

    @asynccontextmanager
    async def switch(self, times: Times = PATIENT, *, seed: int = 0) -> AsyncGenerator[ArcSwitch]:
        """Give a client whose SDK clients are made already: that is not what a test's time-outs are about."""
        async with self.aws(seed=seed) as aws:
            switch = aws.switch(self.settings, times=times)
            assert isinstance(switch, ArcSwitch)
            for endpoint in switch._endpoints:  # pyright: ignore[reportPrivateUsage] - see above
                await endpoint.client()
            yield switch


@asynccontextmanager
async def arc_cluster(session: AioSession, *, wait: timedelta = timedelta(0)) -> AsyncGenerator[Arc]:
    """Start five endpoints and a front door in the running loop."""
    clock = MemoryClock()
    cluster = Cluster(ACCOUNT_ID, REGIONS_DEFAULT, clock=clock, panel=failover_panel(REGIONS_DEFAULT, wait=wait))
    runners = [await http.serve(cluster.app(endpoint), 0) for endpoint in cluster.endpoints]
    async with aiohttp.ClientSession() as unused:
        front_door = FrontDoor(TOPOLOGY, {}, unused, "")
        runners.append(await http.serve(front_door.app(), 0))
        ports = [int(runner.addresses[0][1]) for runner in runners]
        way = Gate(ports[-1])
        await way.start()
        urls = [f"http://{HOST}:{port}{PATH}" for port in ports[:-1]]
        endpoints = {each.region: url for each, url in zip(cluster.endpoints, urls, strict=True)}
        settings = SwitchSettings(kind=SwitchBackend.ARC, endpoints=endpoints, controls=cluster.controls)
        try:
            yield Arc(cluster, clock, settings, session, way.endpoint, front_door, way)
        finally:
            for endpoint in cluster.endpoints:
                endpoint.bring_up()
            await way.close()
            for runner in runners:
                await runner.cleanup()


def offline_session() -> AioSession:
    """Return a session with credentials that nobody checks."""
    session = AioSession()
    session.set_credentials("test", "test")
    return session
