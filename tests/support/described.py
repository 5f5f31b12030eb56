"""Reads what an emulator holds of an environment, by its describe calls: one value by the path of each."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from baton.topology import Topology
from local_worlds import client

type Described = Iterator[tuple[str, Any]]

_COUNTED = ("Approximate", "Created", "LastModified")
"""Attributes of queues that tell what happened, not what was asked for."""
_TABLE = ("AttributeDefinitions", "KeySchema", "BillingModeSummary", "StreamSpecification", "DeletionProtectionEnabled")
_FUNCTION = ("Architectures", "Handler", "MemorySize", "Role", "Runtime", "Timeout")


def described(url: str, topology: Topology) -> Mapping[str, Any]:
    """Return everything of an environment: queues, tables, functions, senders of each Region, buckets, the link role.

    Names begin with the environment's, so what a stand-in needs for itself is not seen.
    """
    found = dict(_link_role(client("iam", url), topology))
    for region in topology.regions:
        for part in (_queues, _tables, _bucket, _function, _senders):
            found |= {f"{region}/{path}": value for path, value in part(url, region, topology)}
    return found


def _queues(url: str, region: str, topology: Topology) -> Described:
    sqs = client("sqs", url, region)
    for queue in sqs.list_queues(QueueNamePrefix=f"baton-{topology.environment}-").get("QueueUrls", ()):
        name = queue.rpartition("/")[2]
        for attribute, value in sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"].items():
            if not attribute.startswith(_COUNTED):
                yield f"queue/{name}/{attribute}", json.loads(value) if value.startswith("{") else value


def _tables(url: str, region: str, topology: Topology) -> Described:
    dynamodb = client("dynamodb", url, region)
    for name in dynamodb.list_tables()["TableNames"]:
        if not name.startswith(f"baton-{topology.environment}-"):
            continue
        table = dynamodb.describe_table(TableName=name)["Table"]
        for part in _TABLE:
            value = table.get(part)
            yield f"table/{name}/{part}", sorted(value, key=str) if part == "AttributeDefinitions" else value
        for index in table.get("GlobalSecondaryIndexes", ()):
            yield f"table/{name}/index/{index['IndexName']}", [index["KeySchema"], index["Projection"]]
        lives = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        yield f"table/{name}/TimeToLive", lives


def _bucket(url: str, region: str, topology: Topology) -> Described:
    s3, name = client("s3", url, region), topology.data_bucket(region)
    yield "bucket/LocationConstraint", s3.get_bucket_location(Bucket=name)["LocationConstraint"]
    yield "bucket/Versioning", s3.get_bucket_versioning(Bucket=name).get("Status")
    told = s3.get_bucket_notification_configuration(Bucket=name)
    for kind in ("LambdaFunctionConfigurations", "QueueConfigurations"):
        each = [{key: value for key, value in one.items() if key != "Id"} for one in told.get(kind, ())]
        yield f"bucket/{kind}", sorted(each, key=str)
    for part, ask in {
        "Policy": s3.get_bucket_policy,
        "PublicAccess": s3.get_public_access_block,
        "Replication": s3.get_bucket_replication,
    }.items():
        yield f"bucket/{part}", _answer(ask, name)


def _answer(ask: Any, bucket: str) -> Any:
    try:
        answer = ask(Bucket=bucket)
    except ask.__self__.exceptions.ClientError:
        return None  # it was never set
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _function(url: str, region: str, topology: Topology) -> Described:
    lambda_, name = client("lambda", url, region), topology.trigger_function
    function = lambda_.get_function_configuration(FunctionName=name)
    for part in _FUNCTION:
        yield f"function/{part}", function.get(part)
    (tried,) = lambda_.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    yield "function/OnFailure", tried["DestinationConfig"]["OnFailure"]["Destination"]
    yield "function/MaximumRetryAttempts", tried.get("MaximumRetryAttempts")


def _senders(url: str, region: str, topology: Topology) -> Described:
    del topology  # an address has no environment
    yield "senders", client("ses", url, region).list_identities()["Identities"]


def _link_role(iam: Any, topology: Topology) -> Described:
    role = iam.get_role(RoleName=topology.link_role)["Role"]
    yield "link/MaxSessionDuration", role["MaxSessionDuration"]
    yield "link/Trust", role["AssumeRolePolicyDocument"]
    policy = iam.get_role_policy(RoleName=topology.link_role, PolicyName="read-output")["PolicyDocument"]
    yield "link/Policy", policy
