"""What IAM is asked for a call, read from its HTTP request: an action, a resource, and keys for conditions."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from baton_local.locks.policies import Need

_S3: Final = "s3"
ACCESS_POINT: Final = "x-baton-access-point"
"""Header by which the front door says that a request came through it."""
_SCOPE: Final = re.compile(r"Credential=[^/,]+/\d+/([^/,]*)/([^/,]+)/aws4_request")
_LEADING: Final = "dynamodb:leadingkeys"
_FIRST_EQUALITY: Final = re.compile(r"=\s*(:\w+)")


class UnknownRequest(LookupError):
    """Nobody has described here what IAM is asked for such a call."""


@dataclass(frozen=True, slots=True)
class EmulatorPlace:
    """Where an emulator stands, and what the world calls its things. Without a Region it is the global one."""

    account_id: str
    region: str
    key_alias: str
    access_point: str

    @property
    def is_global(self) -> bool:
        return not self.region

    def key(self) -> str:
        """Return the ARN of the Region's own KMS key."""
        return f"arn:aws:kms:{self.region}:{self.account_id}:key/local"

    def behind(self, bucket_or_object: str) -> str:
        """Return what the access point calls a bucket's ARN, or that of an object."""
        key = bucket_or_object.partition("/")[2]
        point = f"arn:aws:s3::{self.account_id}:accesspoint/{self.access_point}"
        return f"{point}/object/{key}" if key else point


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; names of headers are in lower case, the path is decoded."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def scope(self) -> tuple[str, str] | None:
        """Region and service that it is signed for; None if its headers have no signature."""
        return _scope(self.headers.get("authorization", ""))

    @property
    def service(self) -> str:
        """The service that it is signed for; what is signed in its query, or not at all, is S3's."""
        return self.scope[1] if self.scope else _S3

    @property
    def is_of_object(self) -> bool:
        return self.service == _S3 and "/" in self.path.strip("/")

    @property
    def is_judged_by_its_body(self) -> bool:
        """Whether its head does not say what it is about; an object's content is never looked at."""
        return self.service in _SERVICES

    @property
    def operation(self) -> str:
        """The operation that a target names, or the path of a protocol that has it there."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2] or self.path.rpartition("/operation/")[2]

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


def _scope(authorization: str) -> tuple[str, str] | None:
    found = _SCOPE.search(authorization)
    return (found[1], found[2]) if found else None


def needs(request: Request, place: EmulatorPlace, caller_region: str) -> list[Need]:
    """Return everything that the call needs. Raises `UnknownRequest`."""
    region, service = request.scope or (place.region, _S3)
    if place.is_global:
        region = caller_region  # one table stands for the replicas of both Regions, and one SES for theirs
    if service == _S3:
        return list(_s3(request, place))
    if (described := _SERVICES.get(service)) is None:
        raise UnknownRequest(f"{service} {request.method} {request.path}")
    try:
        return list(described(request, f"{region}:{place.account_id}"))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UnknownRequest(f"{service} {request.operation}: {error!r}") from error


# --- S3

_OBJECT_ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "GetObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("POST", "uploads"): "PutObject",
    ("PUT", "uploadId"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
}
"""By method and sub-resource: actions, which are not always called like the operation."""
_VERSIONED: Final = frozenset({"GetObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging"})
_BUCKET_ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("GET", ""): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("GET", "versions"): "ListBucketVersions",
    ("GET", "uploads"): "ListBucketMultipartUploads",
}
_OF_LISTS: Final = (
    "list-type",
    "prefix",
    "delimiter",
    "continuation-token",
    "start-after",
    "encoding-type",
    "fetch-owner",
)
_PARAMETERS: Final = frozenset(
    (
        *_OF_LISTS,
        "max-keys",
        "marker",
        "key-marker",
        "version-id-marker",
        "max-uploads",
        "versionId",
        "partNumber",
        "x-id",
    )
)
"""What a query says of the same sub-resource, beside a signature and headers of the answer."""
_KEY_ACTIONS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("GET", ""): ("Decrypt",),
    ("PUT", ""): ("GenerateDataKey",),
    # Source: "Uploading and copying objects using multipart upload", Amazon S3 User Guide.
    ("POST", "uploads"): ("Decrypt", "GenerateDataKey"),
    ("PUT", "uploadId"): ("Decrypt", "GenerateDataKey"),
    ("POST", "uploadId"): ("Decrypt",),
}
"""What S3 asks of KMS in the caller's name where the bucket is encrypted with a key of ours. A HEAD asks nothing."""
_ENCRYPTION: Final = "x-amz-server-side-encryption"
_ENCRYPTION_KEYS: Final = (_ENCRYPTION, f"{_ENCRYPTION}-aws-kms-key-id", f"{_ENCRYPTION}-customer-algorithm")


def _s3(request: Request, place: EmulatorPlace) -> Iterator[Need]:
    arn = f"arn:aws:s3:::{request.path.removeprefix('/')}"
    sub_resource = _sub_resource(request.query)
    is_object = "/" in arn.rstrip("/")
    table = _OBJECT_ACTIONS if is_object else _BUCKET_ACTIONS
    if (action := table.get((request.method, sub_resource))) is None:
        raise UnknownRequest(f"s3 {request.method} {request.path} {sorted(request.query)}")
    keys = _written(request) if action == "PutObject" else {}
    action = _versioned(action, request.query)
    yield Need(f"s3:{action}", arn.rstrip("/") if not is_object else arn, keys)
    if ACCESS_POINT in request.headers:
        yield Need(f"s3:{action}", place.behind(arn), keys)
    if is_object:
        yield from _beside(request, arn, place)
        yield from (_key(action, place) for action in _KEY_ACTIONS.get((request.method, sub_resource), ()))


def _sub_resource(query: Mapping[str, str]) -> str:
    """Return what of an object or a bucket is meant. Of several no table knows what they are."""
    return " ".join(
        name for name in query if name not in _PARAMETERS and not name.lower().startswith(("x-amz-", "response-"))
    )


def _written(request: Request) -> dict[str, tuple[str, ...]]:
    """Return the keys of a write, which is taken for one under TLS: the local world has none."""
    named = {f"s3:{name}": (request.headers[name],) for name in _ENCRYPTION_KEYS if name in request.headers}
    return {**named, "aws:securetransport": ("true",)}


def _versioned(action: str, query: Mapping[str, str]) -> str:
    """Return the action on a version: `GetObjectVersion`, `GetObjectVersionTagging`."""
    if action not in _VERSIONED or not query.get("versionId"):
        return action
    verb, tagging = action.removesuffix("Tagging"), action.endswith("Tagging")
    return f"{verb}Version{'Tagging' if tagging else ''}"


def _beside(request: Request, arn: str, place: EmulatorPlace) -> Iterator[Need]:
    """Yield what a write needs beside itself: the source of a copy, and the tags that it sets."""
    if source := request.headers.get("x-amz-copy-source"):
        path, _, version = source.removeprefix("/").partition("?")
        action = _versioned("GetObject", {"versionId": version.partition("=")[2]})
        yield Need(f"s3:{action}", f"arn:aws:s3:::{unquote(path)}")
        yield _key("Decrypt", place)
    if "x-amz-tagging" in request.headers:
        yield Need("s3:PutObjectTagging", arn)


def listing(request: Request, place: EmulatorPlace) -> list[Need]:
    """Return what a caller needs to be told that an object is not there; S3 says 403 to others."""
    bucket = f"arn:aws:s3:::{request.path.removeprefix('/').partition('/')[0]}"
    action = "s3:ListBucketVersions" if request.query.get("versionId") else "s3:ListBucket"
    found = [Need(action, bucket)]
    return [*found, Need(action, place.behind(bucket))] if ACCESS_POINT in request.headers else found


def _key(action: str, place: EmulatorPlace) -> Need:
    keys = {"kms:resourcealiases": (place.key_alias,), "kms:viaservice": (f"s3.{place.region}.amazonaws.com",)}
    return Need(f"kms:{action}", place.key(), keys)


def needs_of_replication(request: Request, place: EmulatorPlace) -> list[Need]:
    """Return what S3 itself needs in a replication role: its actions are others. Raises `UnknownRequest`."""
    arn = f"arn:aws:s3:::{request.path.removeprefix('/')}"
    match request.method:
        case "GET" if request.query.get("versionId"):
            return [Need("s3:GetObjectVersionForReplication", arn), _key("Decrypt", place)]
        case "PUT":
            # Sources: "Replicating encrypted objects" and "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys".
            return [Need("s3:ReplicateObject", arn), _key("Encrypt", place), _key("Decrypt", place)]
        case "DELETE":
            return [Need("s3:ReplicateDelete", arn)]
        case _:
            raise UnknownRequest(f"replication {request.method} {request.path}")


# --- the others: each takes `region:account` of the ARNs that a request means

_TRANSACTED: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def _dynamodb(request: Request, where: str) -> Iterator[Need]:
    asked, operation = request.json(), request.operation
    match operation:
        case "TransactWriteItems":
            for kind, item in chain.from_iterable(entry.items() for entry in asked["TransactItems"]):
                yield _rows(_TRANSACTED[kind], item["TableName"], [item.get("Key") or item["Item"]], where)
        case "BatchGetItem" | "BatchWriteItem":
            for table, wanted in asked["RequestItems"].items():
                yield _rows(operation, table, list(_batched(wanted)), where)
        case "Query":
            yield _query(asked, where)
        case _:
            yield _rows(operation, asked["TableName"], [asked.get("Key") or asked["Item"]], where)


def _batched(wanted: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what a batch reads or writes of one table: rows, or their keys."""
    if isinstance(wanted, Mapping):
        yield from wanted["Keys"]
        return
    for write in wanted:
        for row in write.values():
            yield row.get("Key") or row["Item"]


def _query(asked: Mapping[str, Any], where: str) -> Need:
    """Return what a query needs: of an index, its own leading key is none of the table's."""
    table = _table(asked["TableName"], where)
    if index := asked.get("IndexName"):
        return Need("dynamodb:Query", f"{table}/index/{index}")
    (name,) = _FIRST_EQUALITY.findall(asked["KeyConditionExpression"])[:1]
    return Need("dynamodb:Query", table, {_LEADING: (asked["ExpressionAttributeValues"][name]["S"],)})


def _rows(operation: str, table: str, rows: Iterable[Mapping[str, Any]], where: str) -> Need:
    # A row with neither is an error: without a value, `ForAllValues` would be true.
    found = tuple(dict.fromkeys((row.get("pk") or row["batch_id"])["S"] for row in rows))
    return Need(f"dynamodb:{operation}", _table(table, where), {_LEADING: found})


def _table(name: str, where: str) -> str:
    return f"arn:aws:dynamodb:{where}:table/{name}"


def _sqs(request: Request, where: str) -> Iterator[Need]:
    asked = request.json()
    name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
    yield Need(f"sqs:{request.operation.removesuffix('Batch')}", f"arn:aws:sqs:{where}:{name}")


def _ses(request: Request, where: str) -> Iterator[Need]:
    if request.path.startswith("/v2/"):
        if (request.method, request.path) != ("GET", "/v2/email/account"):
            raise KeyError(request.path)
        yield Need("ses:GetAccount", "*")
        return
    asked = request.form()
    action = asked["Action"]
    if action != "SendRawEmail":
        yield Need(f"ses:{action}", "*")
        return
    sender = asked["Source"]
    yield Need(f"ses:{action}", f"arn:aws:ses:{where}:identity/{sender}", {"ses:fromaddress": (sender,)})


def _sts(request: Request, where: str) -> Iterator[Need]:
    del where
    asked = request.form()
    if asked["Action"] != "GetCallerIdentity":  # which AWS allows every caller
        yield Need(f"sts:{asked['Action']}", asked["RoleArn"])


def _cloudwatch(request: Request, where: str) -> Iterator[Need]:
    del where
    yield Need(f"cloudwatch:{request.operation or request.form()['Action']}", "*")


def _events(request: Request, where: str) -> Iterator[Need]:
    for entry in request.json()["Entries"]:
        bus = f"arn:aws:events:{where}:event-bus/default"
        yield Need(f"events:{request.operation}", bus, {"events:source": (entry["Source"],)})


_SERVICES: Final[Mapping[str, Callable[[Request, str], Iterator[Need]]]] = {
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "ses": _ses,
    "sts": _sts,
    "monitoring": _cloudwatch,
    "events": _events,
}
"""By the name that requests are signed for."""
