"""`make preflight`: what AWS answers, as it was written down from its own model, and what is made of it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from aiobotocore.stub import AioStubber

from aio import run
from arc_cluster import offline_session
from baton.aws.sdk.clients import new_client
from baton.model.control import SwitchBackend
from baton_infra import config
from baton_infra.declared.preflight import QUESTIONS, PreflightLine, PreflightResult, Question
from baton_infra.deployment import preflight, sdk

ZONE: Final = config.RecordConfig(zone="example.com", zone_id="Z0123456789ABCDEFGHIJ")
PROD: Final = config.load("prod").model_copy(update={"record": ZONE})
EAST, WEST = PROD.regions


def _vpc(*, supported: bool) -> Mapping[str, Any]:
    names = (f"com.amazonaws.{EAST}.{name}" for name in ("ecr.api", "email", "logs", "sqs", "sts"))
    return {"ServiceDetails": [{"ServiceName": name, "VpcEndpointPolicySupported": supported} for name in names]}


def _zones(*ids: str) -> Mapping[str, Any]:
    return {"AvailabilityZones": [{"ZoneId": each, "State": "available", "RegionName": EAST} for each in ids]}


def _regions(standby: str) -> Mapping[str, Any]:
    states = {EAST: "opt-in-not-required", WEST: standby, PROD.witness_region: "opt-in-not-required"}
    return {"Regions": [{"RegionName": name, "OptInStatus": status} for name, status in states.items()]}


def _mail(*, production: bool, sending: bool = True) -> Mapping[str, Any]:
    quota = {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0}
    return {"ProductionAccessEnabled": production, "SendingEnabled": sending, "SendQuota": quota}


def _clusters(*names: str) -> Mapping[str, Any]:
    return {"Clusters": [{"Name": each, "Status": "DEPLOYED", "ClusterArn": f"arn:{each}"} for each in names]}


def _hosted(name: str) -> Mapping[str, Any]:
    return {"HostedZone": {"Id": f"/hostedzone/{ZONE.zone_id}", "Name": name, "CallerReference": "any"}}


ANSWERS: Final[Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any] | str, str]]] = {
    # Subject: what is fine; what is not, an answer or a code; a part of what is said to do then.
    "account": (
        {"Account": PROD.account_id, "Arn": f"arn:aws:iam::{PROD.account_id}:user/a", "UserId": "A"},
        {"Account": "999999999999", "Arn": "arn:aws:iam::999999999999:user/a", "UserId": "A"},
        "use credentials of 222222222222",
    ),
    "Regions": (_regions("opted-in"), _regions("not-opted-in"), f"enable {WEST}"),
    "zones": (_zones("use1-az1", "use1-az2", "use1-az6"), _zones("use1-az2", "use1-az6"), "choose two others"),
    "endpoints": (_vpc(supported=True), _vpc(supported=False), "CloudFormation would refuse"),
    "SES": (_mail(production=True), _mail(production=False), "Request production access"),
    "mail identity": (
        {"VerifiedForSendingStatus": True, "IdentityType": "EMAIL_ADDRESS"},
        {"VerifiedForSendingStatus": False, "IdentityType": "EMAIL_ADDRESS"},
        "open the link",
    ),
    "quota of fargate": ({"Quota": {"Value": 200.0}}, {"Quota": {"Value": 1.0}}, "L-3032A538"),
    "quota of fargate-spot": ({"Quota": {"Value": 6.0}}, {"Quota": {"Value": 0.0}}, "L-36FBB829"),
    "Lambda": (
        {"AccountLimit": {"ConcurrentExecutions": 1_000}},
        {"AccountLimit": {"ConcurrentExecutions": 5}},
        "Concurrent executions",
    ),
    "role of ECS": (
        {
            "Role": {
                "Path": "/aws-service-role/",
                "RoleName": "AWSServiceRoleForECS",
                "RoleId": "AROAEXAMPLEEXAMPLE",
                "Arn": "arn:aws:iam::222222222222:role/aws-service-role/ecs",
                "CreateDate": "2026-01-01T00:00:00Z",
            }
        },
        "NoSuchEntity",
        "create-service-linked-role",
    ),
    "role of scaling": (
        {
            "Role": {
                "Path": "/aws-service-role/",
                "RoleName": "AWSServiceRoleForApplicationAutoScaling_ECSService",
                "RoleId": "AROAEXAMPLEEXAMPLE",
                "Arn": "arn:aws:iam::222222222222:role/aws-service-role/scaling",
                "CreateDate": "2026-01-01T00:00:00Z",
            }
        },
        "NoSuchEntity",
        "ecs.application-autoscaling.amazonaws.com",
    ),
    "ARC": (_clusters("another"), _clusters("another", "third"), "region-switch"),
    "hosted zone": (_hosted("example.com."), _hosted("example.org."), "zone must be the name of zone_id"),
    "access point": (
        {"AccessPoints": [{"Name": "another"}]},
        {"AccessPoints": [{"Name": f"a{number}"} for number in range(100)]},
        "raise the quota",
    ),
}
by_subject = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.subject)


async def _asked(question: Question, answer: Mapping[str, Any] | str, environment: Any = PROD) -> PreflightLine:
    """Ask with the SDK's own client, which checks both what is sent and what is answered against AWS's model."""

    @asynccontextmanager
    async def clients(service: str, region: str) -> AsyncGenerator[Any]:
        async with new_client(offline_session(), service, region_name=region) as client:
            stubber: Any = AioStubber(client)
            parameters = dict(question.parameters(environment, EAST))
            if isinstance(answer, str):
                stubber.add_client_error(question.call, service_error_code=answer, expected_params=parameters)
            else:
                stubber.add_response(question.call, dict(answer), parameters)
            with stubber:
                yield client

    return await preflight.ask(question, environment, EAST, clients)


def test_every_question_has_an_answer_here() -> None:
    assert {question.subject for question in QUESTIONS} == ANSWERS.keys()


@by_subject
def test_what_is_there_is_ok(question: Question) -> None:
    found = run(_asked(question, ANSWERS[question.subject][0]))

    assert (found.outcome, found.do) == (PreflightResult.OK, ""), found


@by_subject
def test_what_is_missing_is_said_with_what_to_do(question: Question) -> None:
    _, missing, do = ANSWERS[question.subject]

    found = run(_asked(question, missing))

    assert found.outcome is PreflightResult.MISSING
    assert do in found.do


@by_subject
def test_what_may_not_be_asked_is_unknown_and_names_the_right(question: Question) -> None:
    found = run(_asked(question, "AccessDenied"))

    assert found.outcome is PreflightResult.UNKNOWN
    assert question.right in found.do


def test_a_sender_that_the_deployment_makes_need_not_be_there() -> None:
    (question,) = (each for each in QUESTIONS if each.subject == "mail identity")

    assert run(_asked(question, "NotFoundException")).outcome is PreflightResult.OK
    kept = PROD.model_copy(update={"create_sender": False})
    assert run(_asked(question, "NotFoundException", kept)).outcome is PreflightResult.MISSING


def test_a_cluster_is_asked_for_only_if_the_switch_is_one() -> None:
    (question,) = (each for each in QUESTIONS if each.subject == "ARC")

    assert question.concerns(PROD)
    assert not question.concerns(PROD.model_copy(update={"switch": SwitchBackend.LEDGER}))


def test_a_hosted_zone_is_asked_for_only_if_one_is_named() -> None:
    (question,) = (each for each in QUESTIONS if each.subject == "hosted zone")

    assert question.concerns(PROD)
    assert run(_asked(question, "NoSuchHostedZone")).outcome is PreflightResult.MISSING
    own = config.RecordConfig(vpcs=(config.Vpc(region=EAST, vpc_id="vpc-0a"),))
    assert not any(question.concerns(PROD.model_copy(update={"record": record})) for record in (None, own))


def test_what_an_emulator_does_not_know_is_unknown_and_ends_nothing(
    ministack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    found = run(preflight.ask_all(PROD, lambda service, region: sdk.client(service, region, ministack)))

    told = preflight.text(found)
    assert [each.subject for each in found][:2] == ["account", "Regions"]
    # The emulator's account is another, and the report says so.
    assert found[0].outcome is PreflightResult.MISSING
    assert told.endswith(f"{len(found)} asked, {told.count('MISSING')} missing, {told.count('unknown  ')} unknown\n")
