"""Lists every AWS call that a switch would make, in order, with its parameters.

Only data-plane calls: while a Region is impaired, control planes (which create and configure things) may be down.
Pure; nothing is called here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from baton import requests
from baton.model.control import Control, Ending, Phase, SwitchBackend, SwitchKind
from baton.model.events import DETAIL_TYPE_SWITCH, SOURCE
from baton.model.identity import next_epoch
from baton.topology import Topology

CONTROL_PLANE_SERVICES: Final = frozenset(
    {
        "application-autoscaling",
        "autoscaling",
        "cloudformation",
        "ec2",
        "ecs",
        "iam",
        "lambda",
        "route53",
        "route53-recovery-control-config",
        "route53-recovery-readiness",
    }
)
"""Never called by a switch, whatever the operation: they create and configure, many of them in one Region only."""
CONTROL_PLANE_OPERATIONS: Final = frozenset(
    {
        ("dynamodb", "CreateTable"),
        ("dynamodb", "UpdateTable"),
        ("s3", "CreateBucket"),
        ("s3", "PutBucketNotificationConfiguration"),
        ("s3", "PutBucketPolicy"),
        ("s3", "PutBucketReplication"),
        ("s3control", "CreateMultiRegionAccessPoint"),
        ("s3control", "PutMultiRegionAccessPointPolicy"),
        ("sqs", "CreateQueue"),
        ("sqs", "SetQueueAttributes"),
    }
)
"""Nor these, of services whose data plane is used."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call that a switch would make."""

    part: str
    """What it belongs to: `drain`, `commit`, `takeover`, `switch`, `routes`, `verify`, `record`, `tell`."""
    service: str
    """As the SDK names it."""
    operation: str
    parameters: Mapping[str, Any]
    """Parameters as the API names them. DynamoDB values are written plainly; `<…>` is known only at that time."""
    served_from: str
    times: str = "once"
    data_plane: bool = True
    why: str = field(default="", kw_only=True)


def plan_steps(
    control: Control,
    target: str,
    kind: SwitchKind,
    regions: tuple[str, str],
    switch: SwitchBackend,
    *,
    topology: Topology | None = None,
    controls: Mapping[str, str] | None = None,
) -> tuple[PlannedCall, ...]:
    """Return every call that this switch would make of the row as it stands, in order.

    The parts `takeover`, `switch` and `routes` run side by side. `controls` are the ARNs of the routing controls.
    """
    calls = _Calls(control, target, kind, regions, topology or Topology("<environment>", "<account>", regions))
    return (
        *(calls.draining() if kind.is_planned else ()),
        *calls.committing(),
        *calls.taking_over(),
        *(calls.switching(controls or {}) if switch is SwitchBackend.ARC else ()),
        *(calls.activating() if switch is SwitchBackend.REGION_SWITCH else ()),
        *calls.routing(),
        *calls.verifying(),
    )


class _Calls:
    def __init__(
        self, control: Control, target: str, kind: SwitchKind, regions: tuple[str, str], topology: Topology
    ) -> None:
        self._control = control
        self._target = target
        self._kind = kind
        self._regions = regions
        self._topology = topology
        self._epoch = next_epoch(control.epoch, target, regions)
        self._after = control.changed(epoch=self._epoch, active_region=target)
        self._revision = control.revision

    # --- the ledger

    def _dynamodb(self, part: str, operation: str, parameters: dict[str, Any], **more: Any) -> PlannedCall:
        table = {"TableName": self._topology.ledger_table}
        return PlannedCall(part, "dynamodb", operation, {**table, **parameters}, self._replica, **more)

    @property
    def _replica(self) -> str:
        return f"{self._target}: a replica of the ledger, two of three Regions agree"

    def _recorded(self, part: str, what: str) -> PlannedCall:
        row = {**requests.decision_key("<id>"), "kind": what, "body": "<the whole assessment>"}
        why = "on record before it is done" if what == "intended" else "on record once it is done"
        return self._dynamodb(part, "PutItem", {"Item": row, **requests.ABSENT}, why=why)

    def _left(self, part: str) -> Iterator[PlannedCall]:
        """Yield the write of the last switch, which leaves the control row."""
        last = self._control.transition
        if last is not None:
            ended = (last.ended or Ending.SUPERSEDED).value
            row = {**requests.switch_key(last.id), "ended": ended, "body": "<the whole switch>"}
            item = {"Item": row, **requests.NOT_ENDED}
            yield self._dynamodb(part, "PutItem", item, why="the last switch leaves the control row")

    def _row(self, part: str, phase: Phase, *, why: str, **changes: Any) -> PlannedCall:
        before, self._revision = self._revision, self._revision + 1
        row = {**requests.CONTROL_KEY, "phase": phase.value, "revision": self._revision, **changes}
        return self._dynamodb(part, "PutItem", {"Item": row, **requests.same_revision(before)}, why=why)

    def _listed(self, part: str, why: str) -> PlannedCall:
        query = requests.listing("open#<0 to 7>", since="<first>", cursor="<last>")
        return self._dynamodb(part, "Query", query, times="each of 8 partitions, every page", why=why)

    # --- the parts

    def draining(self) -> Iterator[PlannedCall]:
        same = {"epoch": self._control.epoch, "active_region": self._control.active_region}
        yield self._row("drain", Phase.DRAINING, why="from here on the active Region admits nothing", **same)
        yield self._recorded("drain", "started")
        yield from self._left("drain")
        yield self._listed("drain", "the open batches of the active Region")
        bucket = {"Bucket": self._topology.data_bucket(self._target)}
        yield PlannedCall(
            "drain",
            "s3",
            "HeadObject",
            {**bucket, "Key": "<the batch's file or result>", "VersionId": "<its version>"},
            self._target,
            "each open batch, until all are there",
            why="the target must be able to continue it",
        )

    def committing(self) -> Iterator[PlannedCall]:
        yield self._recorded("commit", "intended")
        if not self._kind.is_planned:
            yield from self._left("commit")
        new = {"epoch": self._epoch, "active_region": self._target}
        yield self._row(
            "commit", Phase.SWITCHING, why="the commit: from here on the switch cannot be rolled back", **new
        )
        yield self._recorded("commit", "committed")

    def taking_over(self) -> Iterator[PlannedCall]:
        yield self._listed("takeover", "the open batches of the other Region; again until two passes find none")
        key = {"pk": "batch#<id>", "sk": "batch"}
        yield self._dynamodb("takeover", "GetItem", {"Key": key, "ConsistentRead": True}, times="each batch")
        put = {
            "Item": {**key, "owner_epoch": self._epoch, "state": "<where this Region can continue>"},
            **requests.same_fence({name: f"<{name} as read>" for name in requests.FENCE}),
        }
        yield self._dynamodb(
            "takeover", "PutItem", put, times="each batch", why="every write of its old owner fails now"
        )
        message = {"Id": "0", "MessageBody": f'{{"batch_id": "<id>", "owner_epoch": {self._epoch}}}'}
        parameters = {"QueueUrl": "<the queue of its state>", "Entries": [message]}
        yield PlannedCall(
            "takeover", "sqs", "SendMessageBatch", parameters, self._target, "each batch", why="it continues here"
        )

    def switching(self, controls: Mapping[str, str]) -> Iterator[PlannedCall]:
        arns = {region: controls.get(region, f"<routing control of {region}>") for region in self._regions}
        five = f"any of five endpoints: {', '.join(requests.FIVE_REGIONS)}"
        arc = "route53-recovery-cluster"
        for region in self._regions:
            read = {"RoutingControlArn": arns[region]}
            yield PlannedCall("switch", arc, "GetRoutingControlState", read, five, "until one answers")
        states = self._after.switch_states(self._regions)
        update = requests.routing_controls(arns, states)
        yield PlannedCall(
            "switch",
            arc,
            "UpdateRoutingControlStates",
            update,
            five,
            "until one takes it",
            why="both in one transaction",
        )
        for region in self._regions:
            read = {"RoutingControlArn": arns[region]}
            yield PlannedCall("switch", arc, "GetRoutingControlState", read, five, "until two have read it back")

    def activating(self) -> Iterator[PlannedCall]:
        plan, service = f"<ARN of {self._topology.plan}>", "arc-region-switch"
        read = {"arn": plan}
        either = f"any of both Regions: {', '.join(self._regions)}"
        yield PlannedCall("switch", service, "ListRoute53HealthChecksInRegion", read, either, "until one answers")
        start = requests.plan_execution(plan, self._target, planned=self._kind.is_planned)
        yield PlannedCall(
            "switch", service, "StartPlanExecution", start, self._target, why="one check healthy, one unhealthy"
        )
        yield PlannedCall("switch", service, "ListRoute53HealthChecksInRegion", read, either, "until both have changed")

    def routing(self) -> Iterator[PlannedCall]:
        named = {"AccountId": self._topology.account_id, "Mrap": f"<ARN of {self._topology.mrap}>"}
        dials = self._after.dials(self._regions)
        updates = requests.dial_updates({region: self._topology.data_bucket(region) for region in dials}, dials)
        five = f"any of: {', '.join(requests.FIVE_REGIONS)}"
        get = "GetMultiRegionAccessPointRoutes"
        yield PlannedCall("routes", "s3control", get, named, five, "until one answers")
        submit = {**named, "RouteUpdates": updates}
        yield PlannedCall(
            "routes", "s3control", "SubmitMultiRegionAccessPointRoutes", submit, five, "until one takes it"
        )
        yield PlannedCall("routes", "s3control", get, named, five, why="read back; true everywhere within two minutes")

    def verifying(self) -> Iterator[PlannedCall]:
        new = {"epoch": self._epoch, "active_region": self._target}
        yield self._row("record", Phase.VERIFYING, why="the three steps are done, or out of time", **new)
        yield self._recorded("record", "step")
        bucket = {"Bucket": self._topology.data_bucket(self._target)}
        key = f"canary/{self._target}/<name>.csv"
        yield PlannedCall("verify", "s3", "PutObject", {**bucket, "Key": key}, self._target, why="a batch of our own")
        row = {"Key": {"pk": "batch#<the canary's>", "sk": "batch"}, "ConsistentRead": True}
        yield self._dynamodb("verify", "GetItem", row, times="every 0.5 s until it is COMPLETED")
        result = {**bucket, "Key": "<the canary's result>"}
        yield PlannedCall("verify", "s3", "GetObject", result, self._target, why="the bytes must be the right ones")
        yield self._row("record", Phase.COOLDOWN, why="the end", **new)
        yield self._recorded("record", "completed")
        times = f"{'three' if self._kind.is_planned else 'two'} in all, each as soon as it is true"
        entry = {"Source": SOURCE, "DetailType": DETAIL_TYPE_SWITCH, "Detail": "<what happened>"}
        why = "nothing waits for it"
        yield PlannedCall("tell", "events", "PutEvents", {"Entries": [entry]}, self._target, times, why=why)
