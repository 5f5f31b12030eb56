"""What each Region needs besides `baton.aws.bootstrap`: what S3 calls, and the queues that only this machine has."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from baton.model.paths import INPUT
from baton.topology import Topology
from baton_local import trigger as lambda_trigger
from baton_local.clients import Clients
from baton_local.replicator import EVENTS, Link
from baton_local.roster import Trigger
from baton_local.side import Side
from baton_local.trigger import Function

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient

REPLICATION_QUEUE: Final = "local-replication"
FAILED_QUEUE: Final = "local-trigger-failed"


async def create_replication_queue(queues: "SQSClient") -> str:
    """Create the queue of a Region's replication events and return its ARN."""
    # An answer that a cut swallowed is delivered again this soon.
    made = await queues.create_queue(QueueName=REPLICATION_QUEUE, Attributes={"VisibilityTimeout": "5"})
    attributes = await queues.get_queue_attributes(QueueUrl=made["QueueUrl"], AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]


async def create_function(clients: Clients, endpoint: str, region: str, topology: Topology) -> Function:
    """Return the Region's trigger with its clients, and create the queue of its failed events."""
    queues = await clients.sqs(endpoint, region)
    failed = await queues.create_queue(QueueName=FAILED_QUEUE, Attributes={"VisibilityTimeout": "60"})
    dead = await queues.get_queue_url(QueueName=topology.trigger_dead_letter_queue)
    return Function(
        name=topology.trigger_function,
        region=region,
        lambda_=await clients.lambda_(endpoint, region),
        queues=queues,
        failed_queue_url=failed["QueueUrl"],
        dead_letter_queue_url=dead["QueueUrl"],
    )


async def notify(
    clients: Clients, endpoint: str, region: str, *, bucket: str, replication_queue: str, function: str | None
) -> None:
    """Have S3 send every change to replication, and each input to the trigger.

    AWS refuses two configurations for one event and prefix; the emulator delivers to both. On AWS there is only the
    trigger's, as replication is S3's own.
    """
    configuration: dict[str, Any] = {
        "QueueConfigurations": [{"QueueArn": replication_queue, "Events": list(EVENTS)}],
    }
    if function:
        prefix = {"Key": {"FilterRules": [{"Name": "prefix", "Value": INPUT}]}}
        configuration["LambdaFunctionConfigurations"] = [
            {"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"], "Filter": prefix}
        ]
    s3 = await clients.s3(endpoint, region)
    await s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)  # pyright: ignore[reportArgumentType] — built up in steps


async def create_global(clients: Clients, endpoint: str, topology: Topology) -> None:
    """Create what is global: ledger, link role, sender."""


async def create_region(
    clients: Clients,
    endpoint: str,
    region: str,
    topology: Topology,
    *,
    trigger: Trigger | None,
    code: bytes,
    environment: Mapping[str, str],
) -> Function | None:
    """Create a Region's data plane, the queue of its replication events, its trigger and its notifications."""
    s3 = await clients.s3(endpoint, region)
    bucket = topology.data_bucket(region)
    if region == "us-east-1":
        await s3.create_bucket(Bucket=bucket)
    else:
        await s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # pyright: ignore
    await s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    sqs = await clients.sqs(endpoint, region)
    await sqs.create_queue(QueueName=topology.trigger_dead_letter_queue)

    queue = await create_replication_queue(await clients.sqs(endpoint, region))
    function = arn = None
    if trigger:
        function = await create_function(clients, endpoint, region, topology)
        arn = await lambda_trigger.create(function, trigger, code, environment)
    await notify(clients, endpoint, region, bucket=topology.data_bucket(region), replication_queue=queue, function=arn)
    return function


async def link(clients: Clients, gates: Mapping[str, str], region: str, topology: Topology) -> Link:
    """Return the replication from `region` to the other one, through both gates."""
    other = next(name for name in topology.regions if name != region)
    queues = await clients.sqs(gates[region], region)
    queue = await queues.get_queue_url(QueueName=REPLICATION_QUEUE)
    # The emulator writes its own address into queue URLs; the gate must be asked instead.
    path = queue["QueueUrl"].partition("://")[2].partition("/")[2]
    return Link(
        region=region,
        source=Side(await clients.s3(gates[region], region), topology.data_bucket(region)),
        target=Side(await clients.s3(gates[other], other), topology.data_bucket(other)),
        queue=queues,
        queue_url=f"{gates[region]}/{path}",
    )
