"""What every adapter says of a Region's mail, rights, tasks and room, from the same state of it."""

import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pytest
from aiobotocore.session import AioSession

from aio import run
from baton.aws.provisions import QUOTAS, Asked, AwsProvisions
from baton.errors import Refused
from baton.memory import MemoryProvisions, Refusal
from baton.ports import Headroom, MailProvision, Provisions, TaskCounts
from emulator_process import ACCOUNT_ID
from worlds import EAST, aws_at

DIALS, TURN = "s3:SubmitMultiRegionAccessPointRoutes", "route53-recovery-cluster:UpdateRoutingControlStates"
POINT, CONTROLS = (
    f"arn:aws:s3::{ACCOUNT_ID}:accesspoint/a.mrap",
    ("arn:aws:arc:control/east", "arn:aws:arc:control/west"),
)


class Region(Protocol):
    """One Region, whose state a test sets."""

    provisions: Provisions

    async def verify(self) -> None: ...
    async def into_sandbox(self) -> None: ...
    async def grant(self, *granted: tuple[str, Sequence[str]]) -> None: ...
    async def have_service(self, name: str, *, desired: int) -> None: ...


@dataclass(slots=True)
class InMemory:
    provisions: MemoryProvisions

    async def verify(self) -> None:
        self._mail(verified=True)

    async def into_sandbox(self) -> None:
        self._mail(in_sandbox=True)

    def _mail(self, **changes: bool) -> None:
        state = {"verified": False, "sends": True, "in_sandbox": False} | changes
        self.provisions.of_mail = MailProvision(**state, per_day=50_000, sent=0)

    async def grant(self, *granted: tuple[str, Sequence[str]]) -> None:
        asked = {(DIALS, (POINT,)), (TURN, CONTROLS)}
        self.provisions.denies = [action for action, _ in sorted(asked - {(a, tuple(r)) for a, r in granted})]

    async def have_service(self, name: str, *, desired: int) -> None:
        self.provisions.running = {name: TaskCounts(running=0, desired=desired)}


@dataclass(slots=True)
class OnEmulator:
    provisions: AwsProvisions
    client: Callable[[str], Awaitable[Any]]
    name: str
    sender: str

    async def verify(self) -> None:
        await (await self.client("ses")).verify_email_identity(EmailAddress=self.sender)

    async def into_sandbox(self) -> None:
        await _account(self.client, production=False)

    async def grant(self, *granted: tuple[str, Sequence[str]]) -> None:
        iam = await self.client("iam")
        await iam.create_role(RoleName=self.name, AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}')
        statements = [{"Effect": "Allow", "Action": [action], "Resource": list(arns)} for action, arns in granted]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        await iam.put_role_policy(RoleName=self.name, PolicyName="allowed", PolicyDocument=document)

    async def have_service(self, name: str, *, desired: int) -> None:
        ecs = await self.client("ecs")
        await ecs.create_cluster(clusterName=self.name)
        image = {"name": name, "image": "none", "memory": 128}
        await ecs.register_task_definition(family=name, containerDefinitions=[image])
        await ecs.create_service(cluster=self.name, serviceName=name, taskDefinition=name, desiredCount=desired)


async def _account(client: Callable[[str], Awaitable[Any]], *, production: bool) -> None:
    details = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://example.com", "ProductionAccessEnabled": production}
    await (await client("sesv2")).put_account_details(**details)


type Regions = Callable[[], Any]


@asynccontextmanager
async def _in_memory() -> AsyncGenerator[InMemory]:
    yield InMemory(MemoryProvisions())


@asynccontextmanager
async def _on_emulator(url: str, session: AioSession) -> AsyncGenerator[OnEmulator]:
    name = f"t{uuid.uuid4().hex[:10]}"
    async with aws_at(url, name, session=session) as aws:

        async def client(service: str) -> Any:
            return await aws.client(service, EAST)()

        asked = Asked(
            sender=f"baton@{name}.example",
            role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/{name}",
            rights={DIALS: [POINT], TURN: CONTROLS},
            cluster=name,
            services=("worker",),
        )
        made = {service: aws.client(service, EAST) for service in ("sesv2", "ses", "iam", "ecs")}
        provisions = AwsProvisions(
            mail=made["sesv2"], senders=made["ses"], iam=made["iam"], ecs=made["ecs"], quotas=_no_client, asked=asked
        )
        try:
            yield OnEmulator(provisions, client, name, asked.sender)
        finally:
            await _account(client, production=True)  # it is everybody's


async def _no_client() -> Any:
    raise AssertionError("nothing is asked of it")


@pytest.fixture(params=["memory", "ministack"])
def region(request: pytest.FixtureRequest) -> Regions:
    """Give each adapter in turn."""
    if request.param == "memory":
        return _in_memory
    url, session = request.getfixturevalue("ministack"), request.getfixturevalue("sdk_session")
    return lambda: _on_emulator(url, session)


def _played(region: Regions, story: Callable[[Region], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with region() as made:
            return await story(made)

    return run(main())


async def _mail(made: Region) -> MailProvision:
    """Return what is said of mail, but for how many others have sent: the account is everybody's."""
    found = await made.provisions.mail()
    assert found is not None
    return replace(found, sent=0)


def test_a_verified_sender_out_of_the_sandbox_may_send(region: Regions) -> None:
    async def story(made: Region) -> Any:
        await made.verify()
        return await _mail(made)

    assert _played(region, story) == MailProvision(verified=True, sends=True, in_sandbox=False, per_day=50_000, sent=0)


def test_the_sandbox_and_a_sender_that_nobody_verified_are_told(region: Regions) -> None:
    async def story(made: Region) -> Any:
        await made.into_sandbox()
        return await _mail(made)

    assert _played(region, story) == MailProvision(verified=False, sends=True, in_sandbox=True, per_day=50_000, sent=0)


def test_a_role_that_may_turn_everything_is_denied_nothing(region: Regions) -> None:
    async def story(made: Region) -> Any:
        await made.grant((DIALS, (POINT,)), (TURN, CONTROLS))
        return await made.provisions.denied()

    assert _played(region, story) == []


def test_a_right_to_one_of_two_controls_is_none(region: Regions) -> None:
    async def story(made: Region) -> Any:
        await made.grant((DIALS, (POINT,)), (TURN, CONTROLS[:1]))
        return await made.provisions.denied()

    assert _played(region, story) == [TURN]


def test_tasks_are_counted_by_service(region: Regions) -> None:
    async def story(made: Region) -> Any:
        await made.have_service("worker", desired=0)
        return await made.provisions.tasks()

    assert _played(region, story) == {"worker": TaskCounts(running=0, desired=0)}


class FakeQuotas:
    """Service Quotas, which no emulator here has."""

    async def get_service_quota(self, *, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:  # noqa: N803 - the SDK's
        assert ServiceCode == "fargate"
        return {"Quota": {"Value": {QUOTAS["fargate"]: 6.0, QUOTAS["fargate-spot"]: 1_000.0}[QuotaCode]}}


def test_each_kind_of_processor_has_a_quota_of_its_own() -> None:
    async def quotas() -> Any:
        return FakeQuotas()

    vcpus = {"fargate": 7.5, "fargate-spot": 99.0}
    provisions = AwsProvisions(
        mail=_no_client, senders=_no_client, iam=_no_client, ecs=_no_client, quotas=quotas, asked=Asked(vcpus=vcpus)
    )

    assert run(provisions.room()) == {"fargate": Headroom(6, 7.5), "fargate-spot": Headroom(1_000, 99)}


@pytest.mark.parametrize("question", ["mail", "denied", "tasks", "room"])
def test_what_is_not_set_is_not_asked_for(question: str) -> None:
    provisions = AwsProvisions(
        mail=_no_client, senders=_no_client, iam=_no_client, ecs=_no_client, quotas=_no_client, asked=Asked()
    )

    assert run(getattr(provisions, question)()) is None


@pytest.mark.parametrize("question", ["mail", "denied", "tasks", "room"])
def test_a_question_may_be_refused(question: str) -> None:
    provisions = MemoryProvisions()
    provisions.refusals.refuse(question, by=Refusal.FORBIDDEN)

    with pytest.raises(Refused):
        run(getattr(provisions, question)())
