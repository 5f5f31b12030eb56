"""Every AWS call that a real controller makes while it fails over, listed: none of them needs a control plane."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiobotocore.session import AioSession

from arc_cluster import arc_cluster
from batches_made import admitted
from baton.aws import Aws, EmulatorEndpoints, SystemClock
from baton.aws.bootstrap import create_global, create_region
from baton.model.batch import Source
from baton.model.control import Phase, SwitchBackend
from baton.model.journal import Command, CommandKind
from baton.service import Process
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import silent_log
from failover_controller.controller import Controller
from failover_controller.main import controller_of
from handover.plan import plan_steps
from handover.settings import ControllerSettings
from worlds import aws_at, settings_for

HOME, AWAY = REGIONS_DEFAULT
SECONDS_MAX = 60
MADE = {
    "dynamodb.GetItem",
    "dynamodb.PutItem",
    "dynamodb.Query",
    "eventbridge.PutEvents",
    "route53-recovery-cluster.GetRoutingControlState",
    "route53-recovery-cluster.UpdateRoutingControlStates",
    "s3-control.GetMultiRegionAccessPointRoutes",
    "s3-control.SubmitMultiRegionAccessPointRoutes",
    "s3.PutObject",
    "sqs.GetQueueUrl",
    "sqs.SendMessageBatch",
}
"""All of them are served by data planes. Of S3 Control nothing else is called: five Regions serve these two."""


class Recorded:
    """The names of all calls that go through a session, while it records."""

    def __init__(self, session: AioSession) -> None:
        self.calls: set[str] = set()
        emitter: Any = session.get_component("event_emitter")  # pyright: ignore[reportUnknownMemberType] - untyped
        emitter.register("before-call", self._note)

    def _note(self, model: Any, **_: object) -> None:
        self.calls.add(f"{model.service_model.service_id.hyphenize()}.{model.name}")


@asynccontextmanager
async def _controller(url: str, environment: str, session: AioSession) -> AsyncGenerator[tuple[Controller, Aws]]:
    """Give a controller of the standby whose world holds one open batch of the active Region."""
    async with arc_cluster(session) as arc, aws_at(url, environment, session=session) as outside:
        await create_global(outside, senders=[])
        for region in REGIONS_DEFAULT:
            await create_region(outside, region)
        batch = admitted("b" * 20, SystemClock().now())
        await outside.ledger().admit(replace(batch, source=Source("input/sales/f.csv", "v1", 10)))
        world = settings_for(environment, AWAY, url).model_copy(
            update={"mrap_control_endpoint_url": arc.mrap_control_url}
        )
        async with Aws(
            world, endpoints=EmulatorEndpoints(dict.fromkeys(REGIONS_DEFAULT, url), url), session=session
        ) as aws:
            process = Process(world, aws, SystemClock(), silent_log())
            settings = ControllerSettings(verify_seconds=0.01, retry_seconds=0.1)
            yield controller_of(process, settings, arc.settings), aws


def test_a_failover_calls_nothing_but_data_planes(ministack: str, environment: str, sdk_session: AioSession) -> None:
    del sdk_session  # it reads the service models; the calls of this test need a session that is watched
    session = AioSession()
    recorded = Recorded(session)

    async def story() -> tuple[set[str], Any]:
        async with _controller(ministack, environment, session) as (controller, aws):
            await controller.beat()  # from here on it is known that it can write
            command = Command("c1", CommandKind.FAILOVER, "ana", SystemClock().now(), target=AWAY, force=True)
            await aws.journal().submit(command)
            recorded.calls.clear()
            async with asyncio.timeout(SECONDS_MAX):
                while (control := await aws.ledger().control()).phase is not Phase.COOLDOWN:
                    await controller.beat()
            batch = await aws.ledger().get("b" * 20)
            return set(recorded.calls), (control, batch)

    calls, (control, batch) = asyncio.run(story())

    assert (control.active_region, batch.owner_epoch) == (AWAY, control.epoch)
    assert [step.outcome.value for step in control.transition.steps if step.step.value != "verify"] == ["done"] * 3
    assert calls == MADE
    planned = plan_steps(
        replace(control, active_region=HOME, epoch=2), AWAY, control.transition.kind, REGIONS_DEFAULT, SwitchBackend.ARC
    )
    assert all(call.data_plane for call in planned)
