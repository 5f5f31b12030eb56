"""Our own rules: every environment obeys them, and each of them finds the mistake that it is there for."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from baton_infra import config
from baton_infra.checks import rules
from synthesized import resources, templates

type Plant = Callable[[Any], object]


def _first(template: Any, kind: str, **properties: Any) -> Any:
    """Return the properties of the first resource of a type that has these."""
    return next(
        found["Properties"]
        for found in resources(template, kind).values()
        if all(found["Properties"].get(name) == value for name, value in properties.items())
    )


def _resource(template: Any, kind: str) -> Any:
    return next(iter(resources(template, kind).values()))


def _container(template: Any) -> Any:
    return _first(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]


def _statement(template: Any) -> Any:
    return _first(template, "AWS::IAM::Role")["Policies"][0]["PolicyDocument"]["Statement"][0]


def _service(template: Any) -> Any:
    worker = _first(template, "AWS::ECS::Service", ServiceName="worker")
    return worker["NetworkConfiguration"]["AwsvpcConfiguration"]


def _drop(template: Any, kind: str) -> None:
    for name in resources(template, kind):
        del template["Resources"][name]


def _add(template: Any, kind: str, properties: dict[str, Any]) -> None:
    template["Resources"]["Planted"] = {"Type": kind, "Properties": properties}


def _queue(template: Any) -> Any:
    return _first(template, "AWS::SQS::Queue", QueueName="baton-prod-split")


LEDGER = "AWS::DynamoDB::GlobalTable"
BUCKET = "AWS::S3::Bucket"
PLANTED: dict[str, tuple[str, str, Plant]] = {
    "half a grace": ("stop_timeout", "compute", lambda t: _container(t).update(StopTimeout=30)),
    "too long a stop": ("stop_timeout", "compute", lambda t: _container(t).update(StopTimeout=500)),
    "writable root": ("hardened", "compute", lambda t: _container(t).pop("ReadonlyRootFilesystem")),
    "root": ("hardened", "compute", lambda t: _container(t).pop("User")),
    "privileged": ("hardened", "compute", lambda t: _container(t).update(Privileged=True)),
    "capabilities": ("hardened", "compute", lambda t: _container(t)["LinuxParameters"].pop("Capabilities")),
    "no health check": ("hardened", "compute", lambda t: _container(t).pop("HealthCheck")),
    "tag": ("images_by_digest", "compute", lambda t: _container(t).update(Image="baton/worker:latest")),
    "x86 task": ("arm", "compute", lambda t: _first(t, "AWS::ECS::TaskDefinition").pop("RuntimePlatform")),
    "x86 function": ("arm", "data", lambda t: _first(t, "AWS::Lambda::Function").pop("Architectures")),
    "undefined key": ("keys_are_defined", "global-data", lambda t: _first(t, LEDGER)["AttributeDefinitions"].pop()),
    "unused definition": (
        "keys_are_defined",
        "data",
        lambda t: _first(t, "AWS::DynamoDB::Table")["AttributeDefinitions"].append({"AttributeName": "spare"}),
    ),
    "TTL on the ledger": (
        "strong_consistency",
        "global-data",
        lambda t: _first(t, LEDGER, MultiRegionConsistency="STRONG").update(TimeToLiveSpecification={}),
    ),
    "no witness": (
        "strong_consistency",
        "global-data",
        lambda t: _first(t, LEDGER, MultiRegionConsistency="STRONG").pop("GlobalTableWitnesses"),
    ),
    "public": (
        "buckets",
        "data",
        lambda t: _first(t, BUCKET)["PublicAccessBlockConfiguration"].update(BlockPublicAcls=False),
    ),
    "plain": ("buckets", "data", lambda t: _first(t, BUCKET).pop("BucketEncryption")),
    "unversioned": (
        "buckets",
        "data",
        lambda t: _first(t, BUCKET, BucketName="baton-prod-data-222222222222-us-east-1").pop("VersioningConfiguration"),
    ),
    "kept without an end": ("buckets", "data", lambda t: _first(t, BUCKET).pop("LifecycleConfiguration")),
    "bucket by http": ("buckets", "data", lambda t: _drop(t, "AWS::S3::BucketPolicy")),
    "no dead letters": ("queues", "data", lambda t: _queue(t).pop("RedrivePolicy")),
    "dead letters elsewhere": (
        "queues",
        "data",
        lambda t: _queue(t)["RedrivePolicy"].update(deadLetterTargetArn="arn:aws:sqs:us-east-1:1:other"),
    ),
    "four days": ("queues", "data", lambda t: _queue(t).pop("MessageRetentionPeriod")),
    "plain queue": ("queues", "data", lambda t: _queue(t).pop("SqsManagedSseEnabled")),
    "queue by http": ("queues", "data", lambda t: _drop(t, "AWS::SQS::QueuePolicy")),
    "logs without an end": ("logs_end", "data", lambda t: _first(t, "AWS::Logs::LogGroup").pop("RetentionInDays")),
    "a helper": ("functions_are_ours", "data", lambda t: _first(t, "AWS::Lambda::Function").pop("FunctionName")),
    "its role": (
        "functions_are_ours",
        "data",
        lambda t: t["Resources"].update(CustomResourceRole={"Type": "AWS::IAM::Role", "Properties": {}}),
    ),
    "any action": ("roles_are_narrow", "compute", lambda t: _statement(t)["Action"].append("s3:Get*")),
    "anything": ("roles_are_narrow", "compute", lambda t: _statement(t)["Resource"].append("*")),
    "managed policy": (
        "roles_are_narrow",
        "compute",
        lambda t: _first(t, "AWS::IAM::Role").update(ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ),
    "NAT": ("services_have_no_way_out", "network", lambda t: _add(t, "AWS::EC2::NatGateway", {})),
    "a route": (
        "services_have_no_way_out",
        "network",
        lambda t: _first(t, "AWS::EC2::Route").update(RouteTableId={"Ref": "PrivateRoutes"}),
    ),
    "an address": ("services_have_no_way_out", "compute", lambda t: _service(t).update(AssignPublicIp="ENABLED")),
    "a door": (
        "nobody_calls_in",
        "network",
        lambda t: _first(t, "AWS::EC2::SecurityGroup").update(SecurityGroupIngress=[{"CidrIp": "0.0.0.0/0"}]),
    ),
    "a wide way out": (
        "nobody_calls_in",
        "network",
        lambda t: _first(t, "AWS::EC2::SecurityGroup").update(SecurityGroupEgress=[{"IpProtocol": "-1"}]),
    ),
    "plain topic": ("topics", "observability", lambda t: _drop(t, "AWS::SNS::TopicPolicy")),
    "a table that goes": (
        "data_stay_together",
        "data",
        lambda t: _resource(t, "AWS::DynamoDB::Table").update(DeletionPolicy="Delete"),
    ),
    "a ledger that goes when replaced": (
        "data_stay_together",
        "global-data",
        lambda t: _resource(t, LEDGER).update(UpdateReplacePolicy="Delete"),
    ),
    "a bucket that does not say": (
        "data_stay_together",
        "data",
        lambda t: _resource(t, BUCKET).pop("DeletionPolicy"),
    ),
    "lost events": ("events_are_kept", "data", lambda t: _drop(t, "AWS::Lambda::EventInvokeConfig")),
    "no queue for them": (
        "events_are_kept",
        "data",
        lambda t: _first(t, "AWS::Lambda::EventInvokeConfig").pop("DestinationConfig"),
    ),
    "somebody else's custom resource": (
        "functions_are_ours",
        "routing",
        lambda t: _add(t, "Custom::Other", {"ServiceToken": "arn:aws:lambda:us-east-1:222222222222:function:other"}),
    ),
    "mute": ("alarms_call_people", "observability", lambda t: _first(t, "AWS::CloudWatch::Alarm").pop("AlarmActions")),
    "no runbook": (
        "alarms_call_people",
        "observability",
        lambda t: _first(t, "AWS::CloudWatch::Alarm").update(AlarmDescription="Look."),
    ),
}


@pytest.mark.parametrize("environment", config.names())
def test_every_environment_obeys(environment: str) -> None:
    assert rules.check(templates(environment)) == []


@pytest.mark.parametrize("environment", config.names())
def test_data_stay_where_the_file_says_so(environment: str) -> None:
    kept = {
        resource["DeletionPolicy"].startswith("Retain")
        for template in templates(environment).values()
        for kind in (LEDGER, BUCKET, "AWS::DynamoDB::Table", "AWS::SES::EmailIdentity")
        for resource in resources(template, kind).values()
    }

    assert kept == {config.load(environment).retain_data}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_is_found_by_its_rule_alone(mistake: str) -> None:
    rule, stack, plant = PLANTED[mistake]
    template = copy.deepcopy(templates("prod")[f"{stack}-us-east-1"])
    plant(template)

    assert {each.__name__ for each in rules.RULES if list(each(template))} == {rule}


def test_each_rule_has_a_mistake() -> None:
    assert {rule for rule, _, _ in PLANTED.values()} == {each.__name__ for each in rules.RULES}


def _actions_on_everything() -> Iterator[str]:
    for environment in config.names():
        for template in templates(environment).values():
            for role in resources(template, "AWS::IAM::Role").values():
                for policy in role["Properties"]["Policies"]:
                    for statement in policy["PolicyDocument"]["Statement"]:
                        if "*" in statement["Resource"]:
                            yield from statement["Action"]


def test_what_is_excused_is_used() -> None:
    # X-Ray is switched on by nobody's file here.
    assert set(rules.WITHOUT_RESOURCE) - set(_actions_on_everything()) == {
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
