"""What an account must have before a deployment, as data: each question is one read-only call and its judgement.

An answer is the call's, as the SDK returns it; `{}` stands for what AWS says is not there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from baton.aws.provisions import QUOTAS
from baton.model.control import SwitchBackend
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs import endpoints
from baton_infra.declared import readiness

type Answer = Mapping[str, Any]
type Parameters = Callable[[EnvironmentConfig, str], Mapping[str, Any]]
type Judge = Callable[[Answer, EnvironmentConfig, str], "PreflightLine"]

_ARC_CONTROL_PLANE: Final = "us-west-2"
_CLUSTERS_MAX: Final = 2
_ACCESS_POINTS_MAX: Final = 100
_LAMBDAS_MIN: Final = 10


class PreflightResult(StrEnum):
    """What an answer means."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PreflightLine:
    """One line of the report."""

    subject: str
    outcome: PreflightResult
    says: str
    do: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One call, and how its answer is judged."""

    subject: str
    service: str
    call: str
    """Of the SDK's client."""
    right: str
    """The IAM action that it takes."""
    judge: Judge
    parameters: Parameters = lambda _config, _region: {}
    per_region: bool = True
    asked_in: str = ""
    """The one Region that answers for all."""
    absent: frozenset[str] = frozenset()
    """Codes by which AWS says that something is not there."""
    concerns: Callable[[EnvironmentConfig], bool] = lambda _config: True


def _found(subject: str, region: str, *, ok: bool, says: str, do: str) -> PreflightLine:
    return PreflightLine(subject, PreflightResult.OK if ok else PreflightResult.MISSING, says, "" if ok else do, region)


def _account(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del region
    does = f"use credentials of {config.account_id}, or correct account_id in infra/environments/{config.name}.toml"
    says = f"these are credentials of {answer['Account']}, {answer['Arn']}"
    return _found("account", "", ok=answer["Account"] == config.account_id, says=says, do=does)


def _regions(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del region
    status = {each["RegionName"]: each["OptInStatus"] for each in answer["Regions"]}
    off = [each for each in (*config.regions, config.witness_region) if status.get(each, "unknown") == "not-opted-in"]
    says = f"not enabled: {', '.join(off)}" if off else "both, and the witness, are enabled"
    return _found("Regions", "", ok=not off, says=says, do=f"enable {', '.join(off)} in Account settings, Regions")


def _zones(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    there = {each["ZoneId"] for each in answer["AvailabilityZones"] if each["State"] == "available"}
    lacking = [zone for zone in config.networks[region].availability_zones if zone not in there]
    says = f"not there: {', '.join(lacking)}; there are {', '.join(sorted(there))}" if lacking else "both are there"
    do = f"choose two others for [networks.{region}]"
    return _found("zones", region, ok=not lacking, says=says, do=do)


def _endpoint_policies(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del config
    found = {each["ServiceName"]: each["VpcEndpointPolicySupported"] for each in answer["ServiceDetails"]}
    lacking = [name for name in _endpoint_names(region) if not found.get(name)]
    says = f"without a policy: {', '.join(lacking)}" if lacking else "each endpoint may have its policy"
    do = "report it: CloudFormation would refuse the network"
    return _found("endpoints", region, ok=not lacking, says=says, do=do)


def _endpoint_names(region: str) -> list[str]:
    return [f"com.amazonaws.{region}.{name}" for name in endpoints.INTERFACES if name not in endpoints.BY_TOKEN]


def _mail_account(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del config
    quota = answer.get("SendQuota", {})
    says = f"{quota.get('MaxSendRate', 0):g} mails a second, {quota.get('Max24HourSend', 0):,.0f} a day"
    if not answer.get("SendingEnabled"):
        return _found("SES", region, ok=False, says="sending is switched off", do="ask AWS Support why")
    if not answer.get("ProductionAccessEnabled"):
        do = "SES console, Account dashboard, Request production access; a day or two. Until then: verified recipients"
        return _found("SES", region, ok=False, says=f"in the sandbox, {says}", do=do)
    return _found("SES", region, ok=True, says=says, do="")


def _mail_identity(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    sender = config.sender.spec
    if answer.get("VerifiedForSendingStatus"):
        return _found("mail identity", region, ok=True, says=f"{sender} is verified", do="")
    if not answer and config.create_sender:
        says = f"{sender} is not there: the deployment makes it, and SES mails a link to it"
        return _found("mail identity", region, ok=True, says=says, do="")
    return _found(
        "mail identity", region, ok=False, says=f"{sender} is not verified", do="open the link that SES mailed"
    )


def _vcpus(kind: str) -> Judge:
    def judge(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
        allowed = answer["Quota"]["Value"]
        # While a deployment runs, new tasks start beside the old ones: of those that always run, twice as many.
        always = sum(config.tasks_of(each).tasks_min * config.tasks_of(each).cpu / 1024 for each in config.services)
        most = readiness.vcpus_of(config).get(kind, 0)
        needed = 2 * always if kind == "fargate" else min(most, 1)
        says = f"{allowed:g} vCPUs; a deployment needs {needed:g}, all services at their most {most:g}"
        do = f"Service Quotas, AWS Fargate, {QUOTAS[kind]}: ask for at least {max(needed, most):g}"
        return _found(f"quota of {kind}", region, ok=allowed >= needed, says=says, do=do)

    return judge


def _lambdas(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del config
    most = answer["AccountLimit"]["ConcurrentExecutions"]
    do = "Service Quotas, AWS Lambda, Concurrent executions"
    return _found("Lambda", region, ok=most >= _LAMBDAS_MIN, says=f"{most:,} executions at a time", do=do)


def _linked_role(subject: str, service: str) -> Judge:
    def judge(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
        del config, region
        says = f"the service-linked role of {service} is {'there' if answer else 'not there'}"
        do = f"aws iam create-service-linked-role --aws-service-name {service}"
        return _found(subject, "", ok=bool(answer), says=says, do=do)

    return judge


def _clusters(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del region
    names = [each["Name"] for each in answer["Clusters"]]
    ok = config.topology.cluster in names or len(names) < _CLUSTERS_MAX
    says = f"{len(names)} of {_CLUSTERS_MAX} clusters are used"
    return _found("ARC", "", ok=ok, says=says, do='delete one, raise the quota, or set switch = "region-switch"')


def _zone(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del region
    record, name = config.record, answer.get("HostedZone", {}).get("Name", "").rstrip(".")
    assert record is not None
    says = f"{record.zone_id} is {name}" if name else f"{record.zone_id} is not there"
    do = f"correct [record] in infra/environments/{config.name}.toml: zone must be the name of zone_id"
    return _found("hosted zone", "", ok=name == record.zone, says=says, do=do)


def _access_points(answer: Answer, config: EnvironmentConfig, region: str) -> PreflightLine:
    del region
    names = [each["Name"] for each in answer["AccessPoints"]]
    ok = config.topology.mrap in names or len(names) < _ACCESS_POINTS_MAX
    says = f"{len(names)} of {_ACCESS_POINTS_MAX} Multi-Region Access Points are used"
    return _found("access point", "", ok=ok, says=says, do="delete one, or raise the quota")


def _linked(name: str, subject: str, service: str) -> Question:
    return Question(
        subject,
        "iam",
        "get_role",
        "iam:GetRole",
        _linked_role(subject, service),
        lambda _config, _region: {"RoleName": name},
        per_region=False,
        absent=frozenset({"NoSuchEntity"}),
    )


def _quota(kind: str) -> Question:
    asked = {"ServiceCode": "fargate", "QuotaCode": QUOTAS[kind]}
    right = "servicequotas:GetServiceQuota"
    return Question(
        f"quota of {kind}", "service-quotas", "get_service_quota", right, _vcpus(kind), lambda _c, _r: asked
    )


QUESTIONS: Final[tuple[Question, ...]] = (
    Question("account", "sts", "get_caller_identity", "sts:GetCallerIdentity", _account, per_region=False),
    Question(
        "Regions",
        "ec2",
        "describe_regions",
        "ec2:DescribeRegions",
        _regions,
        lambda config, _: {"AllRegions": True, "RegionNames": [*config.regions, config.witness_region]},
        per_region=False,
    ),
    Question("zones", "ec2", "describe_availability_zones", "ec2:DescribeAvailabilityZones", _zones),
    Question(
        "endpoints",
        "ec2",
        "describe_vpc_endpoint_services",
        "ec2:DescribeVpcEndpointServices",
        _endpoint_policies,
        lambda _, region: {"ServiceNames": _endpoint_names(region)},
    ),
    Question("SES", "sesv2", "get_account", "ses:GetAccount", _mail_account),
    Question(
        "mail identity",
        "sesv2",
        "get_email_identity",
        "ses:GetEmailIdentity",
        _mail_identity,
        lambda config, _: {"EmailIdentity": config.sender.spec},
        absent=frozenset({"NotFoundException"}),
    ),
    *(_quota(kind) for kind in QUOTAS),
    Question("Lambda", "lambda", "get_account_settings", "lambda:GetAccountSettings", _lambdas),
    _linked("AWSServiceRoleForECS", "role of ECS", "ecs.amazonaws.com"),
    _linked(
        "AWSServiceRoleForApplicationAutoScaling_ECSService",
        "role of scaling",
        "ecs.application-autoscaling.amazonaws.com",
    ),
    Question(
        "ARC",
        "route53-recovery-control-config",
        "list_clusters",
        "route53-recovery-control-config:ListClusters",
        _clusters,
        per_region=False,
        asked_in=_ARC_CONTROL_PLANE,
        concerns=lambda config: config.switch is SwitchBackend.ARC,
    ),
    Question(
        "hosted zone",
        "route53",
        "get_hosted_zone",
        "route53:GetHostedZone",
        _zone,
        lambda config, _: {"Id": config.record.zone_id if config.record else ""},
        per_region=False,
        absent=frozenset({"NoSuchHostedZone"}),
        concerns=lambda config: config.record is not None and config.record.zone is not None,
    ),
    Question(
        "access point",
        "s3control",
        "list_multi_region_access_points",
        "s3:ListMultiRegionAccessPoints",
        _access_points,
        lambda config, _: {"AccountId": config.account_id},
        per_region=False,
        asked_in=_ARC_CONTROL_PLANE,
    ),
)
