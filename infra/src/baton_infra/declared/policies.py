"""What each role may do: every action and every resource by name.

A test records the calls of a whole run and checks them against this; another fails when a role gets more rights.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from baton.messages import CANARY as BY_CANARY
from baton.messages import KINDS, LANES, OF_USERS, Kind, Lane
from baton.model.control import SwitchBackend
from baton.model.events import SOURCE
from baton.model.high_water import KEY as HIGH_WATER
from baton.model.identity import CANARY, CANARY_ID
from baton.model.paths import ARCHIVE, CANARY_WORK, INPUT, OUTPUT, WORK
from baton.topology import SERVICES, Topology
from baton_infra.declared import readiness
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement


@dataclass(frozen=True, slots=True)
class RoleScope:
    """What a role of one Region is about. What is known only after a deployment may be a token of CDK."""

    topology: Topology
    region: str
    sender: str = ""
    customer_keys: bool = False
    exec: bool = False
    mrap_arn: str = ""
    switch: SwitchBackend = SwitchBackend.LEDGER
    controls: tuple[str, ...] = ()
    """ARNs of both routing controls."""
    plan_arn: str = ""
    """ARN of the Region switch plan."""
    always_run: tuple[str, ...] = SERVICES
    """ECS services of which a task always runs."""

    @property
    def here(self) -> Arns:
        return Arns(self.topology, self.region)

    @property
    def everywhere(self) -> tuple[Arns, ...]:
        return tuple(Arns(self.topology, region) for region in self.topology.regions)


def of_service(service: str, reach: RoleScope) -> tuple[Statement, ...]:
    """Return what a container (one of `topology.SERVICES`) or the `trigger` may do."""
    return (*_SERVICES[service](reach), *_exec(service, reach))


def of_link_role(reach: RoleScope) -> tuple[Statement, ...]:
    """Return what a download link may do: read results, through the access point and in both buckets behind it.

    Those of canaries as well, whose links a controller follows. A session reads the one object that its link names.
    """
    results = (OUTPUT, CANARY_WORK)
    objects = [arns.objects(prefix) for arns in reach.everywhere for prefix in results]
    resources = (*(f"{reach.mrap_arn}/object/{prefix}*" for prefix in results), *objects)
    return (
        Statement("ReadResults", ("s3:GetObject",), resources),
        *_keys(reach, "UseKeys", reach.everywhere, _DECRYPT),
    )


def of_replication_keys(reach: RoleScope, target: Arns) -> tuple[Statement, ...]:
    """Return what S3 needs to read with one Region's key and to write with the other's."""
    # Replicas are written by Encrypt, unlike objects, and a bucket key is verified by Decrypt. Sources: "Replicating
    # encrypted objects" and "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys", Amazon S3 User Guide.
    return (
        *_keys(reach, "ReadWithKey", (reach.here,), _DECRYPT),
        *_keys(reach, "WriteWithKey", (target,), _DECRYPT, "kms:Encrypt", _ENCRYPT),
    )


def traces(*, enabled: bool) -> tuple[Statement, ...]:
    """Allow to send X-Ray what was traced. X-Ray has no resources."""
    actions = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
    return (Statement("Trace", actions, ("*",)),) if enabled else ()


# --- what the services share


def _read(reach: RoleScope, *prefixes: str) -> tuple[Statement, ...]:
    """Allow to read objects, and to be told that one is not there: without ListBucket S3 says 403 for 404.

    No condition on the prefix: a HEAD has none, so it would not be met.
    """
    objects = tuple(reach.here.objects(prefix) for prefix in prefixes)
    return (
        Statement("ReadObjects", ("s3:GetObject",), objects),
        Statement("ListBucket", ("s3:ListBucket",), (reach.here.bucket(),)),
    )


def _read_versions(arns: Iterable[Arns], *prefixes: str) -> tuple[Statement, ...]:
    """Allow to read objects by their version, and to look for a version among those of one object.

    No condition on the prefix here either: S3 does not document whether a missing version is a 404 for a
    caller that may only list objects.
    """
    places = tuple(arns)
    objects = tuple(each.objects(prefix) for each in places for prefix in prefixes)
    return (
        Statement("ReadVersions", ("s3:GetObjectVersion",), objects),
        Statement("FindVersions", ("s3:ListBucketVersions",), tuple(each.bucket() for each in places)),
    )


def _write(reach: RoleScope, *prefixes: str, parts: bool = False) -> Statement:
    """Allow to write objects; `parts`: and to take back an upload in parts that fails."""
    actions = ("s3:PutObject", "s3:AbortMultipartUpload") if parts else ("s3:PutObject",)
    return Statement("WriteObjects", actions, tuple(reach.here.objects(prefix) for prefix in prefixes))


def rows(*leading: str) -> Mapping[str, Any]:
    """Restrict a statement to rows whose partition key is one of these.

    Source: "Using IAM policy conditions for fine-grained access control", Amazon DynamoDB Developer Guide.
    """
    return {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(leading)}}


def _batches(reach: RoleScope, *also: str) -> tuple[Statement, ...]:
    """Allow to read and write batches: by compare-and-set, which no policy can ask for. `also`: other rows to read."""
    ledger = (reach.here.table(reach.topology.ledger_table),)
    return (
        Statement("ReadLedger", ("dynamodb:GetItem",), ledger, rows("batch#*", *also)),
        Statement("WriteBatches", ("dynamodb:PutItem",), ledger, rows("batch#*")),
    )


def _listing(reach: RoleScope) -> Statement:
    index = f"{reach.here.table(reach.topology.ledger_table)}/index/listing"
    return Statement("ListLedger", ("dynamodb:Query",), (index,))


def _table(reach: RoleScope, sid: str, table: str, *operations: str) -> Statement:
    return Statement(sid, tuple(f"dynamodb:{each}" for each in operations), (reach.here.table(table),))


def _consume(reach: RoleScope, kind: Kind, *also: tuple[str, str]) -> tuple[Statement, ...]:
    """Allow to take messages from a kind's queues, to put them back or among their dead letters, and to say who works.

    `also`: another queue, with its dead-letter queue.
    """
    actions = ("GetQueueUrl", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")
    of_lanes = [reach.topology.queue(kind, lane) for lane in LANES]
    names = [*((queue.name, queue.dead_letter_name) for queue in of_lanes), *also]
    queues = tuple(reach.here.queue(name) for name, _ in names)
    dead = tuple(reach.here.queue(name) for _, name in names)
    progress = (reach.here.table(reach.topology.progress_table),)
    return (
        Statement("Consume", tuple(f"sqs:{action}" for action in actions), queues),
        Statement("PutBack", ("sqs:GetQueueUrl", "sqs:SendMessage"), (*queues, *dead)),
        Statement("Beat", ("dynamodb:UpdateItem",), progress, rows("heartbeat#*")),
    )


def _send(arns: Iterable[Arns], topology: Topology, *kinds: Kind, lanes: tuple[Lane, ...] = LANES) -> Statement:
    queues = tuple(each.queue(topology.queue(kind, lane).name) for each in arns for kind in kinds for lane in lanes)
    return Statement("Send", ("sqs:GetQueueUrl", "sqs:SendMessage"), queues)


def _protect(reach: RoleScope) -> Statement:
    account_id, cluster = reach.topology.account_id, reach.topology.cluster
    tasks = f"arn:aws:ecs:{reach.region}:{account_id}:task/{cluster}/*"
    return Statement("ProtectTask", ("ecs:UpdateTaskProtection",), (tasks,))


def _exec(service: str, reach: RoleScope) -> tuple[Statement, ...]:
    if not reach.exec or service == "trigger":
        return ()
    actions = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    return (Statement("Exec", tuple(f"ssmmessages:{action}" for action in actions), ("*",)),)  # it has no resources


def _keys(reach: RoleScope, sid: str, arns: Iterable[Arns], *actions: str) -> tuple[Statement, ...]:
    """Allow S3 to use this environment's keys for the role, and nobody else, the role itself included.

    By alias: a key's own name is known only once it is there.
    """
    if not reach.customer_keys:
        return ()
    regions = [each.region for each in arns]
    keys = tuple(f"arn:aws:kms:{region}:{reach.topology.account_id}:key/*" for region in regions)
    conditions = {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": reach.topology.key_alias},
        "StringEquals": {"kms:ViaService": [f"s3.{region}.amazonaws.com" for region in regions]},
    }
    return (Statement(sid, actions, keys, conditions),)


def _key(reach: RoleScope) -> tuple[Statement, ...]:
    """Allow to read and write encrypted objects of the role's Region. A HEAD needs no key."""
    return _keys(reach, "UseKey", (reach.here,), _DECRYPT, _ENCRYPT)


# --- one function per role


def _trigger(reach: RoleScope) -> tuple[Statement, ...]:
    progress = (reach.here.table(reach.topology.progress_table),)
    return (
        *_read(reach, INPUT),
        *_read_versions([reach.here], INPUT),
        *_batches(reach, "control"),
        Statement("NoteArrivals", ("dynamodb:PutItem",), progress, rows("arrivals")),
        _send([reach.here], reach.topology, "split", lanes=OF_USERS),
    )


def _splitter(reach: RoleScope) -> tuple[Statement, ...]:
    topology = reach.topology
    ledger = (reach.here.table(topology.ledger_table),)
    canaries = (reach.here.objects(CANARY), reach.here.objects(CANARY_WORK))
    queues = tuple(reach.here.queue(queue.name) for queue in topology.queues if queue.lane != BY_CANARY)
    canary_events = (topology.canary_events_queue, topology.canary_events_dead_letter_queue)
    return (
        *_read(reach, INPUT, WORK, CANARY, CANARY_WORK),
        *_read_versions([reach.here], INPUT, CANARY),
        _write(reach, WORK, CANARY_WORK),
        Statement("ClearCanaries", ("s3:DeleteObject",), canaries),
        *_key(reach),
        *_batches(reach, "control"),
        Statement("ReadBatches", ("dynamodb:BatchGetItem",), ledger, rows("batch#*")),
        Statement("DeleteBatches", ("dynamodb:DeleteItem",), ledger, rows("batch#*")),
        _listing(reach),
        _table(reach, "CountChunks", topology.progress_table, "BatchGetItem", "GetItem", "PutItem", "Query"),
        _table(reach, "ReadReference", topology.reference_table, "GetItem", "Query"),
        *_consume(reach, "split", canary_events),
        Statement("MeasureQueues", ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"), queues),
        _send([reach.here], topology, *KINDS),
        _protect(reach),
    )


def _worker(reach: RoleScope) -> tuple[Statement, ...]:
    topology = reach.topology
    return (
        *_read(reach, WORK, CANARY_WORK),
        *_read_versions([reach.here], INPUT, CANARY),
        _write(reach, WORK, CANARY_WORK),
        *_key(reach),
        *_batches(reach),
        _table(
            reach, "CountChunks", topology.progress_table, "BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"
        ),
        _table(reach, "ReadReference", topology.reference_table, "BatchGetItem", "GetItem", "Query"),
        *_consume(reach, "chunk"),
        _send([reach.here], topology, "merge", "notify"),
        _protect(reach),
    )


def _merger(reach: RoleScope) -> tuple[Statement, ...]:
    topology = reach.topology
    return (
        *_read(reach, WORK, OUTPUT, CANARY_WORK),
        _write(reach, OUTPUT, CANARY_WORK, parts=True),
        *_key(reach),
        *_batches(reach),
        _table(reach, "ReadCounts", topology.progress_table, "GetItem", "Query"),
        _table(reach, "IndexRejects", topology.rejects_table, "BatchWriteItem"),
        *_consume(reach, "merge"),
        _send([reach.here], topology, "notify"),
        _protect(reach),
    )


def _notifier(reach: RoleScope) -> tuple[Statement, ...]:
    topology, here = reach.topology, reach.here
    domain = reach.sender.rpartition("@")[2]
    identities = tuple(
        f"arn:aws:ses:{reach.region}:{topology.account_id}:identity/{name}" for name in (reach.sender, domain)
    )
    from_us = {"StringEquals": {"ses:FromAddress": reach.sender}}
    # A sender may have tagged his file, and the copy keeps the tags.
    tags = ("s3:GetObjectTagging", "s3:GetObjectVersionTagging")
    return (
        # It shows what was rejected, and puts the rejects of a failed batch together.
        # What it has archived it has mailed, whatever a restored ledger says.
        *_read(reach, INPUT, WORK, OUTPUT, ARCHIVE, CANARY, CANARY_WORK),
        *_read_versions([here], INPUT, CANARY),
        _write(reach, OUTPUT, ARCHIVE, parts=True),
        *_key(reach),
        Statement("ReadTags", tags, (here.objects(INPUT),)),
        Statement("WriteTags", ("s3:PutObjectTagging",), (here.objects(ARCHIVE),)),
        Statement("HideInput", ("s3:DeleteObject",), (here.objects(INPUT), here.objects(CANARY))),
        *_batches(reach),
        _table(reach, "ReadCounts", topology.progress_table, "Query"),
        *_consume(reach, "notify"),
        # A published result that never reached this Region is made again.
        _send([here], topology, "split"),
        Statement("SendMail", ("ses:SendRawEmail",), identities, from_us),
        Statement("SignLinks", ("sts:AssumeRole",), (here.role(topology.link_role),)),
        _protect(reach),
    )


def _controller(reach: RoleScope) -> tuple[Statement, ...]:
    topology, everywhere = reach.topology, reach.everywhere
    ledger = (reach.here.table(topology.ledger_table),)
    queues = tuple(
        arns.queue(name)
        for arns in everywhere
        for queue in topology.queues
        if queue.lane != BY_CANARY
        for name in (queue.name, queue.dead_letter_name)
    )

    def objects(*prefixes: str) -> tuple[str, ...]:
        return tuple(arns.objects(prefix) for arns in everywhere for prefix in prefixes)

    kept = tuple(f"{arns.bucket()}/{HIGH_WATER}" for arns in everywhere)
    return (
        Statement("SendCanaries", ("s3:PutObject",), objects(CANARY)),
        Statement("ClearCanaries", ("s3:DeleteObject",), objects(CANARY, CANARY_WORK)),
        Statement("DeleteCanaries", ("dynamodb:DeleteItem",), ledger, rows(f"batch#{CANARY_ID}*")),
        Statement("ReadObjects", ("s3:GetObject",), (*objects(OUTPUT, CANARY, CANARY_WORK), *kept)),
        Statement("KeepHighWater", ("s3:PutObject",), (f"{reach.here.bucket()}/{HIGH_WATER}",)),
        Statement("ListBuckets", ("s3:ListBucket",), tuple(arns.bucket() for arns in everywhere)),
        *_read_versions(everywhere, INPUT),
        *_keys(reach, "UseKeys", everywhere, _DECRYPT, _ENCRYPT),
        Statement("ReadLedger", ("dynamodb:GetItem",), ledger, rows(*_CONTROLLERS_ROWS)),
        Statement("WriteLedger", ("dynamodb:PutItem",), ledger, rows(*_CONTROLLERS_ROWS)),
        Statement("ReadHeartbeats", ("dynamodb:Query",), ledger, rows("heartbeat")),
        _listing(reach),
        _send(everywhere, topology, *KINDS, lanes=OF_USERS),
        Statement("MeasureQueues", ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"), queues),
        # CloudWatch knows no resources for the one, and for the other only names of alarms that it may have found.
        Statement("Measure", ("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"), ("*",)),
        *_turn_and_tell(reach),
    )


def _turn_and_tell(reach: RoleScope) -> tuple[Statement, ...]:
    dials = ("s3:GetMultiRegionAccessPointRoutes", "s3:SubmitMultiRegionAccessPointRoutes")
    return (
        Statement("TurnDials", dials, (reach.mrap_arn,)),
        _tell(reach),
        *_switch(reach),
        *readiness.statements(reach.here, reach.always_run),
    )


def _tell(reach: RoleScope) -> Statement:
    ours = {"StringEquals": {"events:source": SOURCE}}
    return Statement("TellEvents", ("events:PutEvents",), (reach.here.default_bus(),), ours)


def _switch(reach: RoleScope) -> tuple[Statement, ...]:
    match reach.switch:
        case SwitchBackend.LEDGER:
            return ()
        case SwitchBackend.ARC:
            # One call sets both states; IAM judges it for each control.
            actions = ("GetRoutingControlState", "UpdateRoutingControlStates")
            return (Statement("Switch", tuple(f"route53-recovery-cluster:{each}" for each in actions), reach.controls),)
        case SwitchBackend.REGION_SWITCH:
            actions = ("ListPlanExecutions", "ListRoute53HealthChecksInRegion", "StartPlanExecution")
            return (Statement("Switch", tuple(f"arc-region-switch:{each}" for each in actions), (reach.plan_arn,)),)


_DECRYPT: Final = "kms:Decrypt"
_ENCRYPT: Final = "kms:GenerateDataKey"
_CONTROLLERS_ROWS: Final = ("control", "batch#*", "heartbeat", "command#*", "decision#*")
_SERVICES: Final[Mapping[str, Callable[[RoleScope], tuple[Statement, ...]]]] = {
    "trigger": _trigger,
    "splitter": _splitter,
    "worker": _worker,
    "merger": _merger,
    "notifier": _notifier,
    "failover-controller": _controller,
}
