"""The AWS requests that a handover makes: adapters send them, `handover.plan` shows them. Pure.

Values of DynamoDB are plain here; `baton.aws.dynamodb.items.typed` makes attributes of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from baton.model.control import Ending

FIVE_REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2")
"""AWS serves the data plane of ARC's routing controls, and the dials of an access point, from each of these."""
CONTROL_KEY: Final[Mapping[str, str]] = {"pk": "control", "sk": "control"}
ABSENT: Final[Mapping[str, Any]] = {"ConditionExpression": "attribute_not_exists(pk)"}
"""The condition that there is no such row yet."""
NOT_ENDED: Final[Mapping[str, Any]] = {
    "ConditionExpression": "attribute_not_exists(pk) OR ended = :superseded",
    "ExpressionAttributeValues": {":superseded": Ending.SUPERSEDED.value},
}
"""The condition that how a switch really ended is not on record."""
PAGE_BATCHES: Final = 100
"""Of each partition of the index that is listed. What lies below the end of another partition's is read again."""
FENCE: Final = ("state", "owner_epoch", "run", "updated_at")
"""What a batch's row must still have for a write that was decided on it."""


def decision_key(decision_id: str) -> dict[str, str]:
    """Return the key of the row of a decision."""
    return {"pk": f"decision#{decision_id}", "sk": "decision"}


def switch_key(transition_id: str) -> dict[str, str]:
    """Return the key of the row of a switch that has left the control row."""
    return {"pk": f"decision#{transition_id}", "sk": "switch"}


def not_beaten(beats: int) -> dict[str, Any]:
    """Return the condition that a Region's heartbeat in the ledger is no later one. Older versions count none."""
    return {
        "ConditionExpression": "attribute_not_exists(beats) OR beats <= :beats",
        "ExpressionAttributeValues": {":beats": beats},
    }


def same_revision(revision: object) -> dict[str, Any]:
    """Return the condition that nobody changed the control row."""
    return {"ConditionExpression": "revision = :revision", "ExpressionAttributeValues": {":revision": revision}}


def same_fence(values: Mapping[str, object]) -> dict[str, Any]:
    """Return the condition that a batch's row still has these values, one for each name of `FENCE`."""
    return {
        "ConditionExpression": " AND ".join(f"#{name} = :{name}" for name in FENCE),
        "ExpressionAttributeNames": {f"#{name}": name for name in FENCE},
        "ExpressionAttributeValues": {f":{name}": values[name] for name in FENCE},
    }


def listing(partition: str, *, since: str, cursor: str) -> dict[str, Any]:
    """Return the query for what stands in a partition of the index between two places, both included."""
    return {
        "IndexName": "listing",
        "KeyConditionExpression": "listing = :listing AND listed_at BETWEEN :since AND :cursor",
        "ExpressionAttributeValues": {":listing": partition, ":since": since, ":cursor": cursor},
    }


def routing_controls(arns: Mapping[str, str], states: Mapping[str, bool]) -> dict[str, Any]:
    """Return the one update that sets the routing controls of these Regions, On (true) or Off."""
    entries = [
        {"RoutingControlArn": arns[region], "RoutingControlState": "On" if is_on else "Off"}
        for region, is_on in states.items()
    ]
    return {"UpdateRoutingControlStateEntries": entries}


def plan_execution(plan_arn: str, target: str, *, planned: bool) -> dict[str, Any]:
    """Return the start of a Region switch plan that activates the target: gracefully if the other Region is healthy."""
    return {
        "planArn": plan_arn,
        "targetRegion": target,
        "action": "activate",
        "mode": "graceful" if planned else "ungraceful",
        "comment": "by Baton's controller",
    }


def dial_updates(buckets: Mapping[str, str], dials: Mapping[str, int]) -> Sequence[Mapping[str, str | int]]:
    """Return the updates of the access point's routes that set these dials, in percent."""
    return [
        {"Bucket": buckets[region], "Region": region, "TrafficDialPercentage": dial} for region, dial in dials.items()
    ]
