"""Which IAM rights recorded AWS calls need, and whether a role grants them, as the local world's locks judge it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baton.topology import Topology
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement
from baton_local.locks.policies import Need, Policy, PolicyEffect, listed, pattern


@dataclass(frozen=True, slots=True)
class Call:
    """One call to AWS."""

    service: str
    region: str
    api: str
    operation: str
    parameters: Mapping[str, Any]


def needs(call: Call, topology: Topology) -> list[Need]:
    """Return what IAM is asked for. Raises `KeyError` for an API that nobody has described here."""
    return list(_APIS[call.api](call, Arns(topology, call.region)))


def allows(statements: Iterable[Statement], need: Need) -> bool:
    concerned = [each for each in statements if need.action in each.actions and _names(each.resources, need.resource)]
    for key in (key for each in concerned for key in each.conditions.get("ForAllValues:StringLike", ())):
        # Of no values all of them match: IAM says so, and so a request without the key would be allowed.
        assert need.keys.get(key.lower()), f"{need} says nothing of {key}"
    return Policy(each.as_json() for each in concerned).says(need) is PolicyEffect.ALLOWS


def _names(resources: Iterable[str], resource: str) -> bool:
    return any(pattern(each).fullmatch(resource) for each in resources)


def session_statements(call: Call, topology: Topology) -> tuple[Statement, ...]:
    """Return the session policy of an AssumeRole: the session may do what both this and the role allow.

    Where a front door stands for the access point, its objects are named as those of the access point are elsewhere.
    """
    door, point = f"arn:aws:s3:::{topology.mrap}/", f"{topology.mrap}/object/"
    written: list[dict[str, Any]] = json.loads(call.parameters["Policy"])["Statement"]
    return tuple(
        Statement(
            "Session",
            tuple(listed(each["Action"])),
            tuple(arn.replace(door, point) for arn in listed(each["Resource"])),
        )
        for each in written
    )


def _s3(call: Call, arns: Arns) -> Iterator[Need]:
    asked = call.parameters
    if asked["Bucket"] == arns.topology.mrap:  # a link: the nearest Region serves it
        yield Need(_reads(asked), f"{asked['Bucket']}/object/{asked['Key']}")
        yield from (_key("Decrypt", Arns(arns.topology, region)) for region in arns.topology.regions)
        return
    bucket = f"arn:aws:s3:::{asked['Bucket']}"
    # The bucket's own Region is whose key is used: a controller writes to both.
    home = next(
        each for each in (Arns(arns.topology, region) for region in arns.topology.regions) if each.bucket() == bucket
    )
    match call.operation:
        case "HeadObject" | "GetObject":
            yield Need(_reads(asked), f"{bucket}/{asked['Key']}")
            # Or a missing one is 403 instead of 404: of a version, as far as anybody says.
            yield Need("s3:ListBucketVersions" if asked.get("VersionId") else "s3:ListBucket", bucket)
        case "ListObjectsV2":
            yield Need("s3:ListBucket", bucket)
        case "ListObjectVersions":
            yield Need("s3:ListBucketVersions", bucket)
        case "CopyObject" | "UploadPartCopy":
            source = asked["CopySource"]
            yield Need(_reads(source), f"arn:aws:s3:::{source['Bucket']}/{source['Key']}")
            yield Need("s3:PutObject", f"{bucket}/{asked['Key']}")
        case "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            yield Need("s3:PutObject", f"{bucket}/{asked['Key']}")
        case "DeleteObject" | "AbortMultipartUpload":
            yield Need(f"s3:{call.operation}", f"{bucket}/{asked['Key']}")
        case _:
            raise KeyError(call.operation)
    yield from (_key(action, home) for action in _KEY_ACTIONS.get(call.operation, ()))


_KEY_ACTIONS: Final = {
    "GetObject": ("Decrypt",),
    "PutObject": ("GenerateDataKey",),
    "CopyObject": ("Decrypt", "GenerateDataKey"),
    # Source: "Uploading and copying objects using multipart upload", Amazon S3 User Guide.
    "CreateMultipartUpload": ("Decrypt", "GenerateDataKey"),
    "UploadPart": ("Decrypt", "GenerateDataKey"),
    "UploadPartCopy": ("Decrypt", "GenerateDataKey"),
    "CompleteMultipartUpload": ("Decrypt",),
}
"""What S3 asks of KMS in the caller's name where the bucket is encrypted with a key of ours. A HEAD asks nothing."""


def _key(action: str, arns: Arns) -> Need:
    keys = {
        "kms:resourcealiases": (arns.topology.key_alias,),
        "kms:viaservice": (f"s3.{arns.region}.amazonaws.com",),
    }
    return Need(f"kms:{action}", f"arn:aws:kms:{arns.region}:{arns.topology.account_id}:key/local", keys)


def _reads(asked: Mapping[str, Any]) -> str:
    return "s3:GetObjectVersion" if asked.get("VersionId") else "s3:GetObject"


_LEADING: Final = "dynamodb:leadingkeys"
_TRANSACTED: Final = {"Put": "PutItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}


def _dynamodb(call: Call, arns: Arns) -> Iterator[Need]:
    asked, operation = call.parameters, call.operation
    match operation:
        case "TransactWriteItems":
            for entry in asked["TransactItems"]:
                ((kind, item),) = entry.items()
                yield _row(_TRANSACTED[kind], item, arns)
        case "BatchGetItem":
            rows = {table: wanted["Keys"] for table, wanted in asked["RequestItems"].items()}
            yield from _several(operation, rows, arns)
        case "BatchWriteItem":
            rows = {
                table: [each["PutRequest"]["Item"] for each in writes]
                for table, writes in asked["RequestItems"].items()
            }
            yield from _several(operation, rows, arns)
        case "Query" if index := asked.get("IndexName"):
            yield Need("dynamodb:Query", f"{arns.table(asked['TableName'])}/index/{index}")
        case "Query":
            leading = tuple(value["S"] for value in asked["ExpressionAttributeValues"].values() if "S" in value)
            yield Need("dynamodb:Query", arns.table(asked["TableName"]), {_LEADING: leading[:1]})
        case _:
            yield _row(operation, asked, arns)


def _row(operation: str, asked: Mapping[str, Any], arns: Arns) -> Need:
    row = asked.get("Key") or asked["Item"]
    return Need(f"dynamodb:{operation}", arns.table(asked["TableName"]), {_LEADING: _leading([row])})


def _several(operation: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], arns: Arns) -> Iterator[Need]:
    for table, each in rows.items():
        yield Need(f"dynamodb:{operation}", arns.table(table), {_LEADING: _leading(each)})


def _leading(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((row.get("pk") or row["batch_id"])["S"] for row in rows))


def _sqs(call: Call, arns: Arns) -> Iterator[Need]:
    name = call.parameters.get("QueueName") or call.parameters["QueueUrl"].rpartition("/")[2]
    yield Need(f"sqs:{call.operation.removesuffix('Batch')}", arns.queue(name))


def _ses(call: Call, arns: Arns) -> Iterator[Need]:
    if call.operation == "GetIdentityVerificationAttributes":
        yield Need(f"ses:{call.operation}", "*")
        return
    sender = call.parameters["Source"]
    identity = f"arn:aws:ses:{arns.region}:{arns.topology.account_id}:identity/{sender}"
    yield Need(f"ses:{call.operation}", identity, {"ses:fromaddress": (sender,)})


def _sesv2(call: Call, arns: Arns) -> Iterator[Need]:
    del arns
    yield Need(f"ses:{call.operation}", "*")


def _sts(call: Call, arns: Arns) -> Iterator[Need]:
    del arns
    yield Need(f"sts:{call.operation}", call.parameters["RoleArn"])


def _cloudwatch(call: Call, arns: Arns) -> Iterator[Need]:
    del arns
    yield Need(f"cloudwatch:{call.operation}", "*")


def _s3control(call: Call, arns: Arns) -> Iterator[Need]:
    del arns
    yield Need(f"s3:{call.operation}", call.parameters["Mrap"])


def _arc(call: Call, arns: Arns) -> Iterator[Need]:
    del arns
    asked = call.parameters
    several = [entry["RoutingControlArn"] for entry in asked.get("UpdateRoutingControlStateEntries", ())]
    for arn in several or [asked["RoutingControlArn"]]:
        yield Need(f"route53-recovery-cluster:{call.operation}", arn)


def _events(call: Call, arns: Arns) -> Iterator[Need]:
    for entry in call.parameters["Entries"]:
        yield Need(f"events:{call.operation}", arns.default_bus(), {"events:source": (entry["Source"],)})


_APIS: Final = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "ses": _ses,
    "sesv2": _sesv2,
    "sts": _sts,
    "cloudwatch": _cloudwatch,
    "events": _events,
    "s3control": _s3control,
    "route53-recovery-cluster": _arc,
}
