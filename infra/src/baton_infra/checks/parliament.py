"""Every finding of parliament, which reads IAM policies, that we accept, each with its reason."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from baton_infra.checks import apart
from baton_infra.checks.accepted import Accepted, SynthesizedTemplate, Violation

_TASKS: Final = tuple(
    f"compute/{each}Role" for each in ("FailoverController", "Merger", "Notifier", "Shared", "Splitter", "Worker")
)

ACCEPTED: Final[Sequence[Accepted]] = (
    Accepted(
        r"CREDENTIALS_EXPOSURE\[ecr:getauthorizationtoken\]",
        ("compute/*StartRole",),
        "ECS pulls images with it: a registry gives no image without",
    ),
    Accepted(
        r"CREDENTIALS_EXPOSURE\[sts:assumerole\]",
        ("compute/FailoverControllerRole", "compute/NotifierRole", "compute/SharedRole"),
        "one role is named, whose credentials sign download links and may read results, nothing else",
    ),
    Accepted(
        r"PERMISSIONS_MANAGEMENT_ACTIONS\[iam:passrole\]",
        ("routing/SetterRole",),
        "the two roles of replication, and to S3 alone, by condition",
    ),
    Accepted(
        r"PERMISSIONS_MANAGEMENT_ACTIONS\[logs:putresourcepolicy\]",
        ("chaos/*Role",),
        "FIS lets itself log, as its guide asks: it has no narrower way",
    ),
    Accepted(
        r"RESOURCE_MISMATCH\[ec2:CreateNetworkAcl\]",
        ("chaos/CutRole",),
        "list and network are allowed in two statements, since only the list has the condition's tag",
    ),
    Accepted(
        r"RESOURCE_MISMATCH\[dynamodb:\w+ResourcePolicy\]",
        ("chaos/PauseRole",),
        "parliament wants a stream beside the table; FIS's guide asks for the table's own policy",
    ),
    Accepted(
        r"RESOURCE_MISMATCH\[servicequotas:GetServiceQuota\]",
        ("compute/FailoverControllerRole", "compute/SharedRole"),
        "AWS's own CloudWatchApplicationSignalsServiceRolePolicy narrows it by the quota's ARN, as this one does",
    ),
    Accepted(
        r"RESOURCE_STAR\[cloudwatch:DescribeAlarms\]",
        ("compute/FailoverControllerRole", "compute/SharedRole"),
        "asked by prefix: the names are what is asked for",
    ),
    Accepted(r"RESOURCE_STAR\[ecs:ListTasks\]", ("chaos/StopRole",), "narrowed to the cluster by condition"),
    Accepted(
        r"UNKNOWN_ACTION\[Unknown action dynamodb:InjectError\]",
        ("chaos/PauseRole",),
        "only FIS calls it; it is younger than parliament's table",
    ),
    Accepted(
        r"UNKNOWN_CONDITION_FOR_ACTION\[Unknown condition kms:ResourceAliases for action kms:\w+\]",
        (*_TASKS, "routing/LinkRole", "routing/Replicate0", "routing/Replicate1"),
        "a condition of KMS for every call that names a key; parliament's table does not have it",
        customer_keys=True,
    ),
    Accepted(
        r"UNKNOWN_PREFIX\[Unknown prefix arc-region-switch\]",
        ("compute/FailoverControllerRole", "recovery/*Role"),
        "ARC Region switch is younger than parliament's table",
    ),
)

_CONTROL: Final = "arn:aws:route53-recovery-control::111111111111:controlpanel/0/routingcontrol/0"
_CLUSTER: Final = "arn:aws:route53-recovery-control::111111111111:cluster/0"


def findings(templates: Iterable[SynthesizedTemplate], home: Path) -> set[Violation]:
    """Return what parliament finds in the policies of every role, all in one run; `home` is an empty folder."""
    policies = [(template, *each) for template in templates for each in _policies(template)]
    for number, (*_, document) in enumerate(policies):
        (home / f"{number}.json").write_text(json.dumps(_plain(document)))
    told = apart.run("parliament", "--directory", str(home), "--json", "--include-community-auditors", home=home)
    found: set[Violation] = set()
    for line in told.splitlines():
        problem = json.loads(line)
        template, name, _ = policies[int(Path(problem["location"]["filepath"]).stem)]
        found |= {template.finding(rule, name) for rule in _rules(problem)}
    return found


def _policies(template: SynthesizedTemplate) -> Iterator[tuple[str, Any]]:
    """Yield (logical id, document) of every policy that is attached to somebody."""
    resources: Mapping[str, Any] = json.loads(template.path.read_text()).get("Resources", {})
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            yield from ((name, policy["PolicyDocument"]) for policy in properties.get("Policies", ()))
        elif resource["Type"] == "AWS::IAM::ManagedPolicy":
            yield name, properties["PolicyDocument"]


def _plain(value: Any) -> Any:
    """Replace what only a deployment knows by something of its form."""
    match value:
        case {"Fn::Join": [str(between), parts]}:
            return between.join(_plain(part) for part in parts)
        case {"Fn::GetAtt": [_, "RoutingControlArn"]}:
            return _CONTROL
        case {"Fn::GetAtt": [_, "ClusterArn"]}:
            return _CLUSTER
        case {"Fn::GetAtt": [str(resource), str(attribute)]}:
            return f"{resource}.{attribute}"
        case {"Fn::GetStackOutput": {"OutputName": str(name)}}:
            return _CONTROL if "RoutingControlArn" in name else name
        case {**entries}:
            return {key: _plain(each) for key, each in entries.items()}
        case [*several]:
            return [_plain(each) for each in several]
        case _:
            return value


def _rules(problem: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a problem is, with each action or text that it is about: `RESOURCE_STAR[ecs:ListTasks]`."""
    told: Any = problem["detail"] or problem["location"].get("actions")
    abouts = cast("list[Any]", told) if isinstance(told, list) else [told]
    for about in abouts:
        yield f"{problem['issue']}[{about['action'] if isinstance(about, dict) else about}]"
