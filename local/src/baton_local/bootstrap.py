"""Creates what a world needs before its services start: the topology's resources, the trigger, replication queues."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp
from aiobotocore.session import AioSession

from baton.aws import Aws, EmulatorEndpoints
from baton.aws.bootstrap import create_global, create_queue, create_region
from baton.model.identity import CANARY
from baton.model.paths import INPUT
from baton.settings import WorldSettings
from baton.topology import VISIBILITY_SECONDS, Topology, other_region
from baton_local import state
from baton_local.roster import LocalTrigger
from baton_local.stand_ins import trigger as lambda_trigger
from baton_local.stand_ins.replicator import EVENTS, ReplicationLink
from baton_local.stand_ins.side import Side
from baton_local.stand_ins.trigger import Function

SENDER: Final = "baton@example.com"
"""The address that mails come from; verified in both Regions."""
_REPLICATION_QUEUE: Final = "local-replication"
_FAILED_QUEUE: Final = "local-trigger-failed"


async def connect(stack: AsyncExitStack, topology: Topology, endpoints: Mapping[str, str], global_endpoint: str) -> Aws:
    """Return adapters that reach each Region at its endpoint; closed with the stack."""
    keys = state.credentials(topology.account_id)
    session = AioSession()
    session.set_credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    settings = WorldSettings.model_validate(
        {
            "environment": topology.environment,
            "account_id": topology.account_id,
            "regions": topology.regions,
            "region": topology.regions[0],
            "ledger_endpoint_url": global_endpoint,
        }
    )
    aws = Aws(settings, endpoints=EmulatorEndpoints(regions=endpoints, shared=global_endpoint), session=session)
    return await stack.enter_async_context(aws)


async def create_world(aws: Aws) -> None:
    """Make everything that AWS would hold as well."""
    await create_global(aws, senders=[SENDER])
    for region in aws.topology.regions:
        await create_region(aws, region)


async def create_replication_queue(aws: Aws, region: str) -> dict[str, Any]:
    """Make a Region's queue of replication events; return S3's configuration that fills it."""
    sqs = await aws.client("sqs", region)()
    # An answer that a cut swallowed is delivered again this soon.
    await sqs.create_queue(QueueName=_REPLICATION_QUEUE, Attributes={"VisibilityTimeout": "2"})
    arn = f"arn:aws:sqs:{region}:{aws.topology.account_id}:{_REPLICATION_QUEUE}"
    return {"QueueArn": arn, "Events": list(EVENTS)}


async def create_function(
    aws: Aws, region: str, trigger: LocalTrigger, code: bytes, environment: Mapping[str, str]
) -> Function:
    """Make a Region's trigger."""
    sqs = await aws.client("sqs", region)()
    failed = await sqs.create_queue(QueueName=_FAILED_QUEUE, Attributes={"VisibilityTimeout": "60"})
    dead = await sqs.get_queue_url(QueueName=aws.topology.trigger_dead_letter_queue)
    function = Function(
        name=aws.topology.trigger_function,
        region=region,
        lambda_=await aws.client("lambda", region, long_poll=True)(),
        queues=await aws.client("sqs", region, long_poll=True)(),
        failed_queue_url=failed["QueueUrl"],
        dead_letter_queue_url=dead["QueueUrl"],
    )
    role_arn = f"arn:aws:iam::{aws.topology.account_id}:role/{aws.topology.role('trigger', region)}"
    await lambda_trigger.create(function, trigger, code, environment, role_arn=role_arn)
    return function


async def create_trigger_queue(aws: Aws, region: str) -> str:
    """Make what stands for a Region's trigger where there is no Lambda: the queue that the poller reads.

    Returns its ARN, for `notify`.
    """
    topology = aws.topology
    prefix = f"arn:aws:sqs:{region}:{topology.account_id}:"
    await create_queue(
        await aws.client("sqs", region)(),
        topology.trigger_queue,
        f"{prefix}{topology.trigger_dead_letter_queue}",
        visibility_seconds=VISIBILITY_SECONDS,
    )
    return f"{prefix}{topology.trigger_queue}"


async def notify(
    aws: Aws, region: str, *, function: Function | None = None, trigger_queue_arn: str | None = None
) -> None:
    """Have S3 tell replication of every change, of each input the trigger (function or queue), of canaries their queue.

    AWS refuses two configurations for one event and prefix; the emulators deliver to both. On AWS replication has none,
    as it is S3's own.
    """
    account_id = aws.topology.account_id
    queues = [await create_replication_queue(aws, region)]
    functions: list[dict[str, Any]] = []
    if function:
        function_arn = f"arn:aws:lambda:{region}:{account_id}:function:{function.name}"
        functions.append({"LambdaFunctionArn": function_arn, **_created(INPUT)})
    if trigger_queue_arn:
        queues.append({"QueueArn": trigger_queue_arn, **_created(INPUT)})
    canary_events_arn = f"arn:aws:sqs:{region}:{account_id}:{aws.topology.canary_events_queue}"
    queues.append({"QueueArn": canary_events_arn, **_created(CANARY)})
    configuration: Any = {"QueueConfigurations": queues, "LambdaFunctionConfigurations": functions}
    s3 = await aws.client("s3", region)()
    await s3.put_bucket_notification_configuration(
        Bucket=aws.topology.data_bucket(region), NotificationConfiguration=configuration
    )


def _created(prefix: str) -> dict[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}]
    return {"Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}


async def links(
    aws: Aws, session: aiohttp.ClientSession, endpoints: Mapping[str, str], tokens: Mapping[str, str]
) -> dict[str, ReplicationLink]:
    """Return the replication out of each Region; `aws` and `endpoints` go through the gates.

    `tokens`: of the role that replicates out of each Region, where a world has locks.
    """
    topology = aws.topology
    sides = {
        region: Side(
            session,
            url,
            topology.data_bucket(region),
            region=region,
            key_id=topology.account_id,
            reads_by=tokens.get(region, ""),
            writes_by=tokens.get(other_region(region, topology.regions), ""),
        )
        for region, url in endpoints.items()
    }
    return {region: await _link(aws, region, sides) for region in topology.regions}


async def _link(aws: Aws, region: str, sides: Mapping[str, Side]) -> ReplicationLink:
    other = other_region(region, aws.topology.regions)
    queues = await aws.client("sqs", region, long_poll=True)()
    return ReplicationLink(
        region=region,
        source=sides[region],
        target=sides[other],
        queue=queues,
        queue_url=(await queues.get_queue_url(QueueName=_REPLICATION_QUEUE))["QueueUrl"],
    )
