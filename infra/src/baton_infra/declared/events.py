"""The rules that notify operators: of handovers (an example for yours: docs/events.md), and of failures in ECS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from baton.model.events import SOURCE, Kind
from baton_infra.declared.names import Arns

TOLD: Final = tuple(kind for kind in Kind if kind is not Kind.STARTED)
"""A planned switch was ordered by somebody: that it begins is no news for operators, how it ends is."""
_PATHS: Final = {
    "environment": "$.detail.environment",
    "kind": "$.detail.kind",
    "active": "$.detail.active_region",
    "epoch": "$.detail.epoch",
    "summary": "$.detail.summary",
    "id": "$.detail.id",
}
"""What the text takes from an event. Each is in all of them: of what is null EventBridge shows nothing."""
_TEXT: Final = '"Baton <environment>: <kind>. <summary>"\n"Active is <active>, epoch <epoch>. Why: baton explain <id>"'
"""As an input template: each line is a string of its own."""
_WHERE: Final = {"region": "$.region", "resource": "$.resources[0]"}
_FAILED: Final = ("SERVICE_DEPLOYMENT_FAILED",)
_NO_PLACE: Final = ("SERVICE_TASK_PLACEMENT_FAILURE", "SERVICE_TASK_START_IMPAIRED")
_STOPPED: Final = ("EssentialContainerExited", "SpotInterruption", "TaskFailedToStart")
"""Stop codes of a task that nobody wanted to stop. Source: "Amazon ECS task stopped error messages"."""


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """Which events go to the operators, and as what text."""

    name: str
    """Of the construct."""
    rule_name: str
    description: str
    pattern: Mapping[str, Any]
    paths: Mapping[str, str]
    text: str


def of_region(arns: Arns) -> tuple[NoticeRule, ...]:
    """Return all rules of a Region."""
    topology = arns.topology
    handovers = NoticeRule(
        name="Handovers",
        rule_name=topology.event_rule,
        description="Switches of the active Region, and failovers that are held back",
        pattern=pattern(topology.environment),
        paths=_PATHS,
        text=_TEXT,
    )
    return (handovers, *_of_ecs(arns))


def pattern(environment: str) -> dict[str, Any]:
    """Return which events of Baton's own go to the operators."""
    return {"source": [SOURCE], "detail": {"environment": [environment], "kind": [kind.value for kind in TOLD]}}


def _of_ecs(arns: Arns) -> tuple[NoticeRule, ...]:
    """Return the rules on deployments that fail, tasks that find no place, and tasks that end unasked.

    Source: "Amazon ECS events", Amazon ECS Developer Guide. An event of a service names the cluster in its ARN only.
    """
    in_cluster = [{"prefix": f"arn:aws:ecs:{arns.region}:{arns.topology.account_id}:service/{arns.topology.cluster}/"}]
    unasked = {"clusterArn": [arns.cluster()], "lastStatus": ["STOPPED"], "stopCode": list(_STOPPED)}
    return (
        _of_service(
            arns,
            "deployments",
            "Deployments of services that fail or are rolled back",
            {"detail-type": ["ECS Deployment State Change"], "resources": in_cluster, "detail": _named(*_FAILED)},
        ),
        _of_service(
            arns,
            "placements",
            "Tasks that find no place: no capacity, or a quota",
            {"detail-type": ["ECS Service Action"], "resources": in_cluster, "detail": _named(*_NO_PLACE)},
        ),
        NoticeRule(
            name="Tasks",
            rule_name=_rule_name(arns, "tasks"),
            description="Tasks that end unasked, those of Spot among them",
            pattern={"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": unasked},
            paths=_WHERE
            | {"event": "$.detail.stopCode", "group": "$.detail.group", "reason": "$.detail.stoppedReason"},
            text=f'"Baton {arns.topology.environment}, <region>: <event> of <group>, <resource>. <reason>"',
        ),
    )


def _of_service(arns: Arns, purpose: str, description: str, pattern: Mapping[str, Any]) -> NoticeRule:
    return NoticeRule(
        name=purpose.title(),
        rule_name=_rule_name(arns, purpose),
        description=description,
        pattern={"source": ["aws.ecs"], **pattern},
        paths=_WHERE | {"event": "$.detail.eventName", "reason": "$.detail.reason"},
        text=f'"Baton {arns.topology.environment}, <region>: <event> of <resource>. <reason>"',
    )


def _named(*events: str) -> Mapping[str, Any]:
    return {"eventName": list(events)}


def _rule_name(arns: Arns, purpose: str) -> str:
    """Return the name of a rule on what ECS says."""
    return f"{arns.topology.event_rule}-{purpose}"
