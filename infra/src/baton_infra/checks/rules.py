"""Our own rules for templates: what neither cfn-lint nor CDK's validation checks.

Each is a pure function of one template, and yields what is wrong. `check` runs all of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baton.topology import CONTROLLER
from baton_infra.constructs.fargate import STOP_SECONDS, USER
from baton_infra.sizes import SHARED

type Template = Mapping[str, Any]
type Rule = Callable[[Template], Iterator["Finding"]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where."""

    resource: str
    """Logical id."""
    reason: str
    stack: str = ""


def check(templates: Mapping[str, Template]) -> list[Finding]:
    """Check every template against every rule, by the stack's id."""
    return [
        Finding(found.resource, found.reason, stack)
        for stack, template in templates.items()
        for rule in RULES
        for found in rule(template)
    ]


def _of(template: Template, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def stop_timeout(template: Template) -> Iterator[Finding]:
    """Fargate refuses more than 120 s, and less would cut the runner's grace."""
    for name, container in _containers(template):
        if container.get("StopTimeout") != STOP_SECONDS:
            yield Finding(name, f"StopTimeout is {container.get('StopTimeout')}, not {STOP_SECONDS}")


def hardened(template: Template) -> Iterator[Finding]:
    """Containers have a read-only root, run as a non-root user, drop all capabilities and define a health check."""
    for name, container in _containers(template):
        if container.get("ReadonlyRootFilesystem") is not True:
            yield Finding(name, "the root file system is writable")
        if container.get("User") != USER:
            yield Finding(name, f"runs as {container.get('User', 'root')}, not {USER}")
        if container.get("Privileged"):
            yield Finding(name, "is privileged")
        if container.get("LinuxParameters", {}).get("Capabilities", {}).get("Drop") != ["ALL"]:
            yield Finding(name, "keeps capabilities")
        if "HealthCheck" not in container:
            yield Finding(name, "has no health check")


def images_by_digest(template: Template) -> Iterator[Finding]:
    """Tags may mean another image tomorrow."""
    for name, container in _containers(template):
        if "@sha256:" not in json.dumps(container["Image"]):
            yield Finding(name, "its image is not named by digest")


def arm(template: Template) -> Iterator[Finding]:
    """ARM64 costs a fifth less."""
    for name, task in _of(template, "AWS::ECS::TaskDefinition"):
        if task.get("RuntimePlatform", {}).get("CpuArchitecture") != "ARM64":
            yield Finding(name, "is not ARM64")
    for name, function in _of(template, "AWS::Lambda::Function"):
        if function.get("Architectures") != ["arm64"]:
            yield Finding(name, "is not arm64")


def keys_are_defined(template: Template) -> Iterator[Finding]:
    """DynamoDB refuses a key without a definition, and a definition that is no key."""
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        for name, table in _of(template, kind):
            schemas = [table["KeySchema"], *(index["KeySchema"] for index in table.get("GlobalSecondaryIndexes", ()))]
            used = {key["AttributeName"] for schema in schemas for key in schema}
            defined = {each["AttributeName"] for each in table["AttributeDefinitions"]}
            for attribute in sorted(used ^ defined):
                yield Finding(name, f"{attribute} is a key or a definition, but not both")


def strong_consistency(template: Template) -> Iterator[Finding]:
    """Strongly consistent tables have two replicas and a witness, and neither TTL nor local indexes."""
    for name, table in _of(template, "AWS::DynamoDB::GlobalTable"):
        if table.get("MultiRegionConsistency") != "STRONG":
            continue
        if "TimeToLiveSpecification" in table or "LocalSecondaryIndexes" in table:
            yield Finding(name, "strong consistency knows neither TTL nor local indexes")
        if len(table["Replicas"]) != 2 or len(table.get("GlobalTableWitnesses", ())) != 1:  # noqa: PLR2004 - see above
            yield Finding(name, "strong consistency wants two replicas and a witness")


def buckets(template: Template) -> Iterator[Finding]:
    """Every bucket is private, encrypted and by TLS only; one that notifies of its objects is versioned."""
    tls = _denies_plain(template, "AWS::S3::BucketPolicy")
    for name, bucket in _of(template, "AWS::S3::Bucket"):
        block = bucket.get("PublicAccessBlockConfiguration", {})
        if len(block) != 4 or not all(block.values()):  # noqa: PLR2004 - there are four switches
            yield Finding(name, "may be public")
        if "BucketEncryption" not in bucket:
            yield Finding(name, "is not encrypted")
        if "NotificationConfiguration" in bucket and _status(bucket) != "Enabled":
            yield Finding(name, "is not versioned: a batch is named by its file's version, and replication wants it")
        if "LifecycleConfiguration" not in bucket:
            yield Finding(name, "keeps everything without an end")
        if not any(name in refs for refs in tls):
            yield Finding(name, "can be reached without TLS")


def queues(template: Template) -> Iterator[Finding]:
    """Every queue is by TLS only and keeps messages for 14 days; a work queue has a dead-letter queue of this stack."""
    tls = _denies_plain(template, "AWS::SQS::QueuePolicy")
    names = {queue["QueueName"] for _, queue in _of(template, "AWS::SQS::Queue")}
    for name, queue in _of(template, "AWS::SQS::Queue"):
        if queue.get("MessageRetentionPeriod") != 14 * 24 * 3_600:
            yield Finding(name, "keeps messages for less than 14 days")
        if not any(name in refs for refs in tls):
            yield Finding(name, "can be reached without TLS")
        if not queue.get("SqsManagedSseEnabled"):
            yield Finding(name, "is not encrypted")
        if queue["QueueName"].endswith("-dead"):
            continue
        target = queue.get("RedrivePolicy", {}).get("deadLetterTargetArn", "").rpartition(":")[2]
        if target not in names:
            yield Finding(name, "has no dead-letter queue")


def topics(template: Template) -> Iterator[Finding]:
    """Topics accept messages by TLS only."""
    tls = _denies_plain(template, "AWS::SNS::TopicPolicy")
    for name, _ in _of(template, "AWS::SNS::Topic"):
        if not any(name in refs for refs in tls):
            yield Finding(name, "can be reached without TLS")


def data_stay_together(template: Template) -> Iterator[Finding]:
    """Whatever holds data has a deletion policy; where one resource is retained, all of them are."""
    found = [(name, each) for name, each in template.get("Resources", {}).items() if each["Type"] in _STATEFUL]
    some_stay = any(str(each.get("DeletionPolicy")).startswith("Retain") for _, each in found)
    for name, each in found:
        policies = (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy"))
        if None in policies:
            yield Finding(name, "has no deletion policy")
        elif some_stay and not all(policy.startswith("Retain") for policy in policies):
            yield Finding(name, "is deleted with its stack, and others are retained")


def events_are_kept(template: Template) -> Iterator[Finding]:
    """Functions have a dead-letter queue. CloudFormation's calls need none: it waits for the answer."""
    asked = {_reference(each["Properties"]["ServiceToken"]) for _, each in _custom(template)}
    kept = {
        _reference(each["FunctionName"])
        for _, each in _of(template, "AWS::Lambda::EventInvokeConfig")
        if each.get("DestinationConfig", {}).get("OnFailure")
    }
    for name, _ in _of(template, "AWS::Lambda::Function"):
        if name not in asked | kept:
            yield Finding(name, "loses the events that fail")


def logs_end(template: Template) -> Iterator[Finding]:
    """Log groups keep what was asked for, and no more."""
    for name, group in _of(template, "AWS::Logs::LogGroup"):
        if not group.get("RetentionInDays"):
            yield Finding(name, "keeps logs without an end")


def functions_are_ours(template: Template) -> Iterator[Finding]:
    """No helper function of CDK's: the account has only what this repository declares."""
    roles = dict(_of(template, "AWS::IAM::Role"))
    for name, function in _of(template, "AWS::Lambda::Function"):
        if not str(function.get("FunctionName", "")).startswith("baton-"):
            yield Finding(name, "is a function that we did not write")
    for name, resource in _custom(template):
        if _reference(resource["Properties"].get("ServiceToken")) not in template["Resources"]:
            yield Finding(name, "is made by a function that is not here")
    for name in roles:
        if name.startswith("CustomResource") or "AWS679f53fac002430cb0da5b7982bd2287" in name:
            yield Finding(name, "is a role of a helper of CDK's")


def roles_are_narrow(template: Template) -> Iterator[Finding]:
    """No wildcard in an action, no managed policy, and `*` as resource only where there is nothing narrower."""
    for name, role in _of(template, "AWS::IAM::Role"):
        if role.get("ManagedPolicyArns"):
            yield Finding(name, "has a managed policy, which grows without us")
        for statement in _statements(role):
            for action in statement["Action"]:
                if "*" in action:
                    yield Finding(name, f"{action}: actions are named one by one")
                if "*" in statement["Resource"] and action not in WITHOUT_RESOURCE:
                    yield Finding(name, f"{action} on everything")


def services_have_no_way_out(template: Template) -> Iterator[Finding]:
    """Only the egress subnets' routes lead to the internet, and there is no NAT.

    The controller has a public address; in a lean environment, recognised by its shared service, every task has one.
    """
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"] in {"AWS::EC2::NatGateway", "AWS::EC2::TransitGateway"}:
            yield Finding(name, "is a way out that nobody needs")
    for name, route in _of(template, "AWS::EC2::Route"):
        if not str(route["RouteTableId"].get("Ref", "")).startswith("Egress"):
            yield Finding(name, "leads out of the private subnets")
    services = list(_of(template, "AWS::ECS::Service"))
    if SHARED in {service["ServiceName"] for _, service in services}:
        return
    for name, service in services:
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        if network["AssignPublicIp"] == "ENABLED" and service["ServiceName"] != CONTROLLER:
            yield Finding(name, "has a public address")


def nobody_calls_in(template: Template) -> Iterator[Finding]:
    """Security groups let in our own groups only."""
    for name, group in _of(template, "AWS::EC2::SecurityGroup"):
        for rule in group.get("SecurityGroupIngress", ()):
            if "CidrIp" in rule or "CidrIpv6" in rule:
                yield Finding(name, "lets addresses in")
        for rule in group.get("SecurityGroupEgress", ()):
            if (rule.get("FromPort"), rule.get("ToPort")) != (443, 443):
                yield Finding(name, "lets out more than HTTPS")


def alarms_call_people(template: Template) -> Iterator[Finding]:
    """Alarms notify people, and name their runbook."""
    for name, alarm in _of(template, "AWS::CloudWatch::Alarm"):
        if not alarm.get("AlarmActions"):
            yield Finding(name, "notifies nobody")
        if "docs/runbooks.md#" not in alarm.get("AlarmDescription", ""):
            yield Finding(name, "has no runbook")


RULES: Final[Sequence[Rule]] = (
    stop_timeout,
    hardened,
    images_by_digest,
    arm,
    keys_are_defined,
    strong_consistency,
    buckets,
    queues,
    topics,
    data_stay_together,
    events_are_kept,
    logs_end,
    functions_are_ours,
    roles_are_narrow,
    services_have_no_way_out,
    nobody_calls_in,
    alarms_call_people,
)

WITHOUT_RESOURCE: Final = {
    "cloudwatch:DescribeAlarms": "asked by prefix: the names are what is asked for",
    "cloudwatch:GetMetricData": "metrics are no resources",
    "dynamodb:InjectError": "FIS names the table that it injects errors into",
    "ec2:DescribeManagedPrefixLists": "lists are no resources",
    "ec2:DescribeNetworkAcls": "lists are no resources",
    "ec2:DescribeSubnets": "lists are no resources",
    "ec2:DescribeVpcs": "lists are no resources",
    "ecr:GetAuthorizationToken": "a log-in is to the registry, not to a repository",
    "ecs:ListTasks": "narrowed to the cluster by condition",
    "logs:CreateLogDelivery": "deliveries are no resources",
    "logs:DescribeLogGroups": "lists are no resources",
    "logs:DescribeResourcePolicies": "lists are no resources",
    "logs:PutResourcePolicy": "policies of logs are no resources",
    "ses:GetAccount": "an account's own state is no resource",
    "ses:GetIdentityVerificationAttributes": "asked of several identities at once",
    "ssmmessages:CreateControlChannel": "channels are no resources; only with `exec`",
    "ssmmessages:CreateDataChannel": "channels are no resources; only with `exec`",
    "ssmmessages:OpenControlChannel": "channels are no resources; only with `exec`",
    "ssmmessages:OpenDataChannel": "channels are no resources; only with `exec`",
    "tag:GetResources": "tags are looked up over all resources",
    "xray:PutTelemetryRecords": "traces are no resources; only with `traces`",
    "xray:PutTraceSegments": "traces are no resources; only with `traces`",
}
"""Actions that may be allowed on `*`, and why nothing narrower can be said."""


_STATEFUL: Final = frozenset(
    {
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SES::EmailIdentity",
    }
)
"""What cannot be made again: rows, objects, and what it takes to guard, to read and to send them."""


def _custom(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in template.get("Resources", {}).items():
        if resource["Type"].startswith("Custom::") or resource["Type"] == "AWS::CloudFormation::CustomResource":
            yield name, resource


def _reference(value: Any) -> str | None:
    """Return the logical id that a value names; None if it is none of this template's."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
        case _:
            return None


def _containers(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, task in _of(template, "AWS::ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            yield name, container


def _statements(role: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for policy in role.get("Policies", ()):
        yield from policy["PolicyDocument"]["Statement"]


def _status(bucket: Mapping[str, Any]) -> str | None:
    return bucket.get("VersioningConfiguration", {}).get("Status")


def _denies_plain(template: Template, kind: str) -> list[str]:
    """Return, as text, each policy of this type that refuses what comes without TLS: it names what it is about."""
    return [
        json.dumps([policy.get("Bucket"), policy.get("Queues"), policy.get("Topics")])
        for _, policy in _of(template, kind)
        if any(
            statement["Effect"] == "Deny"
            and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
            for statement in policy["PolicyDocument"]["Statement"]
        )
    ]
