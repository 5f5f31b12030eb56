"""Creates the queues, tables and buckets of the topology by API calls: for one machine and for tests.

On AWS the CDK app declares the same resources. Idempotent: what exists already stays as it is.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from baton.aws.adapters import Aws
from baton.aws.sdk.failures import code_of, translated
from baton.errors import Conflict
from baton.model.control import Control
from baton.topology import (
    INITIAL_EPOCH,
    LEDGER,
    MAX_RECEIVES,
    PROGRESS,
    REFERENCE,
    REJECTS,
    RETENTION_DAYS,
    VISIBILITY_SECONDS,
    Key,
    Schema,
    Topology,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_ses import SESClient
    from types_aiobotocore_sqs import SQSClient

_EXISTS: Final = frozenset(
    {
        "BucketAlreadyOwnedByYou",
        "ResourceInUseException",
        "QueueAlreadyExists",
        "QueueNameExists",
        "EntityAlreadyExists",
    }
)
_RETENTION: Final = {"MessageRetentionPeriod": str(RETENTION_DAYS * 24 * 3600)}


@translated()
async def create_global(aws: Aws, *, senders: Sequence[str]) -> None:
    """Make what both Regions share: the ledger with its control row, the link role, the senders' identities."""
    topology = aws.topology
    ledger: DynamoDBClient = await aws.ledger_client()()
    await _table(ledger, topology.ledger_table, LEDGER)
    await create_control(aws)
    await _link_role(await aws.client("iam", topology.regions[0])(), topology)
    for region in topology.regions:
        ses: SESClient = await aws.client("ses", region)()
        for sender in senders:
            await ses.verify_email_identity(EmailAddress=sender)


@translated()
async def create_region(aws: Aws, region: str) -> None:
    """Make one Region's bucket, queues and tables. The reference table is a replica of a global one on AWS."""
    topology = aws.topology
    await _bucket(await aws.client("s3", region)(), topology.data_bucket(region), region)
    await _queues(await aws.client("sqs", region)(), topology, region)
    dynamodb: DynamoDBClient = await aws.client("dynamodb", region)()
    await _table(dynamodb, topology.progress_table, PROGRESS)
    await _table(dynamodb, topology.rejects_table, REJECTS)
    await _table(dynamodb, topology.reference_table, REFERENCE)


async def create_control(aws: Aws) -> bool:
    """Write the first control row, unless there is one: that may have moved on. Say whether there was none."""
    control = Control(epoch=INITIAL_EPOCH, active_region=aws.topology.regions[0])
    try:
        await aws.ledger().set_control(control, before=None)
    except Conflict:
        return False
    return True


async def _bucket(s3: "S3Client", name: str, region: str) -> None:
    # us-east-1 is the one Region that must not be named.
    where: dict[str, Any] = {}
    if region != "us-east-1":
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    await _unless_there(s3.create_bucket(Bucket=name, **where))
    await s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


async def _queues(sqs: "SQSClient", topology: Topology, region: str) -> None:
    await _queue(sqs, topology.trigger_dead_letter_queue, _RETENTION)
    events = (topology.canary_events_queue, topology.canary_events_dead_letter_queue, VISIBILITY_SECONDS)
    of_work = ((queue.name, queue.dead_letter_name, queue.visibility_seconds) for queue in topology.queues)
    for name, dead_letter_name, visibility_seconds in (*of_work, events):
        await _queue(sqs, dead_letter_name, _RETENTION)
        dead_letter_arn = f"arn:aws:sqs:{region}:{topology.account_id}:{dead_letter_name}"
        await create_queue(sqs, name, dead_letter_arn, visibility_seconds=visibility_seconds)


async def create_queue(sqs: "SQSClient", name: str, dead_letter_arn: str, *, visibility_seconds: int) -> None:
    """Make a queue that moves a message to its dead-letter queue, which is there, after `MAX_RECEIVES`."""
    redrive = json.dumps({"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": MAX_RECEIVES})
    visibility = {"VisibilityTimeout": str(visibility_seconds)}
    await _queue(sqs, name, {**_RETENTION, **visibility, "RedrivePolicy": redrive})


async def _queue(sqs: "SQSClient", name: str, attributes: dict[str, str]) -> None:
    given: Any = attributes
    try:
        await sqs.create_queue(QueueName=name, Attributes=given)
    except ClientError as error:
        if code_of(error) not in _EXISTS:
            raise
        # It is there with other attributes, from an older version of the topology.
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        await sqs.set_queue_attributes(QueueUrl=url, Attributes=given)


async def _table(dynamodb: "DynamoDBClient", name: str, schema: Schema) -> None:
    """Make the table, wait until it can be used. Keys are (name, type): the partition's, then the order's."""
    given: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": each, "AttributeType": kind} for each, kind in schema.attributes.items()
        ],
        "KeySchema": _key_schema(schema.key),
    }
    if schema.index:
        index, key = schema.index
        listing = {"IndexName": index, "KeySchema": _key_schema(key), "Projection": {"ProjectionType": "ALL"}}
        given["GlobalSecondaryIndexes"] = [listing]
    await _unless_there(dynamodb.create_table(**given))
    await dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    if schema.expires and not await _expires(dynamodb, name):
        specification: Any = {"Enabled": True, "AttributeName": "expires_at"}
        await dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)


async def _expires(dynamodb: "DynamoDBClient", name: str) -> bool:
    answer = await dynamodb.describe_time_to_live(TableName=name)
    return answer["TimeToLiveDescription"].get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}


def _key_schema(key: Key) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(key, ("HASH", "RANGE"), strict=True)]


async def _link_role(iam: Any, topology: Topology) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{topology.account_id}:root"}}
    await _unless_there(
        iam.create_role(
            RoleName=topology.link_role,
            AssumeRolePolicyDocument=_policy({**trust, "Action": "sts:AssumeRole"}),
            MaxSessionDuration=3_600,
        )
    )
    buckets = [f"arn:aws:s3:::{topology.data_bucket(region)}/output/*" for region in topology.regions]
    front_door = f"arn:aws:s3:::{topology.mrap}/output/*"
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [*buckets, front_door]}
    await iam.put_role_policy(RoleName=topology.link_role, PolicyName="read-output", PolicyDocument=_policy(reads))


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def _unless_there(call: Any) -> None:
    try:
        await call
    except ClientError as error:
        if code_of(error) not in _EXISTS:
            raise
