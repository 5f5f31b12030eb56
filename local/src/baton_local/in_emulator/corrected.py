"""Corrects three answers of MiniStack, as AWS gives them, and one that takes too long.

They are object versions, ranges of a version, fair queues, and queries.

It runs on the emulator's own Python, without our packages but for the locks. MiniStack lists versions in plain text,
whatever encoding is asked for. XML cannot express some characters that keys may have, so one such key would make every
list that contains it unreadable, as long as the world exists.

MiniStack ignores the range of a read that names a version, and sends the whole object.

MiniStack takes a message group for a standard queue and delivers in the order of sending. SQS holds back messages of a
group that keeps its receivers busy, as long as others wait, so that no large file keeps another one waiting.

MiniStack parses the key condition of a query anew for each row of the partition: a page of a partition of 6,000 rows
takes a fifth of a second, whatever its size, in which nobody else is answered. A table of reference data is read in a
hundred of them.

Where a world has locks, calls pass `baton_local.locks` first. Then a session's token says whose it is, that of a
function as well, and a refusal is written as MiniStack's own are.
"""

import importlib
import importlib.util
import os
import re
import sys
import time
from collections import Counter, deque
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import unescape

app: Any = importlib.import_module("ministack.app").app
_s3: Final[Any] = importlib.import_module("ministack.services.s3")
_sqs: Final[Any] = importlib.import_module("ministack.services.sqs")
_dynamodb: Final[Any] = importlib.import_module("ministack.services.dynamodb")
_list_versions: Final[Any] = _s3._list_object_versions  # noqa: SLF001 - it has no other way in
_get_object: Final[Any] = _s3._get_object  # noqa: SLF001 - the same
_range_of: Final[Any] = _s3._parse_range  # noqa: SLF001 - the same
_collect: Final[Any] = _sqs._collect_msgs  # noqa: SLF001 - the same
_holds: Final[Any] = _dynamodb._evaluate_condition  # noqa: SLF001 - the same
_ONE_EQUALITY: Final = re.compile(r"(\w+) = (:\w+)")
_NAMES: Final = re.compile(r"<(Key|Prefix|Delimiter|KeyMarker|NextKeyMarker)>([^<]*)</\1>")
"""The elements that S3 encodes. Source: "EncodingType", response of ListObjectVersions."""

_NOT_IN_RANGE: Final = b"<Error><Code>InvalidRange</Code><Message>no byte of it</Message></Error>"


def _encoded(found: re.Match[str]) -> str:
    name, text = found.groups()
    return f"<{name}>{quote(unescape(text), safe='/')}</{name}>"


def _list_encoded(bucket: str, query: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = _list_versions(bucket, query)
    if "encoding-type" not in query or status != HTTPStatus.OK:
        return status, headers, body
    text = _NAMES.sub(_encoded, body.decode())
    return status, headers, text.replace("<IsTruncated>", "<EncodingType>url</EncodingType><IsTruncated>", 1).encode()


def _get_in_range(
    bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None
) -> tuple[int, dict[str, str], bytes]:
    # A checksum is of the whole object: S3 gives none with a part of it.
    asked = {name: value for name, value in headers.items() if name != "x-amz-checksum-mode"}
    if "range" not in asked or "versionId" not in (query or {}):
        return _get_object(bucket, key, headers, query)
    status, answered, body = _get_object(bucket, key, asked, query)
    if status != HTTPStatus.OK:
        return status, answered, body
    found = _range_of(asked["range"], len(body))
    if found is None:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Type": "application/xml"}, _NOT_IN_RANGE
    start, end = found
    some = body[start : end + 1]
    extent = {"Content-Length": str(len(some)), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return HTTPStatus.PARTIAL_CONTENT, answered | extent, some


def _collect_fairly(queue: dict[str, Any], max_messages: int, visibility_seconds: int) -> list[dict[str, Any]]:
    if not queue["is_fifo"]:
        queue = {**queue, "messages": _fairest(queue["messages"], max_messages, time.time())}
    return _collect(queue, max_messages, visibility_seconds)


def _fairest(messages: list[dict[str, Any]], max_messages: int, now: float) -> list[dict[str, Any]]:
    """Return what a fair queue delivers: of the group with the fewest messages in flight, then the oldest."""
    in_flight: Counter[Any] = Counter()
    waiting: dict[Any, deque[dict[str, Any]]] = {}
    for each in messages:
        group = each.get("group_id") or id(each)  # without one it is a group of its own
        if each.get("visible_at", now) > now:
            in_flight[group] += bool(each.get("receive_count"))  # a delayed one is in nobody's hand
        else:
            waiting.setdefault(group, deque()).append(each)
    found: list[dict[str, Any]] = []
    while waiting and len(found) < max_messages:
        group = min(waiting, key=lambda name: in_flight[name])
        found.append(waiting[group].popleft())
        in_flight[group] += 1
        if not waiting[group]:
            del waiting[group]
    return found


def _holds_soon(expression: str, item: Any, values: Any, names: Any, slot: str = "ConditionExpression") -> bool:
    if slot == "KeyConditionExpression" and (found := _ONE_EQUALITY.fullmatch(expression)):
        name, value = found.groups()
        if name in item and "S" in values.get(value, ()):
            return item[name] == values[value]
    return _holds(expression, item, values, names, slot)


_OF_LOCKS: Final = (
    *("baton_local.locks.gate", "baton_local.locks.roles"),
    *("ministack.core.iam_actions", "ministack.services.sts"),
    *("ministack.core.lambda_runtime", "ministack.services.lambda_svc"),
)


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _locked(unlocked: Any, declared: Path) -> Any:
    """Return the application behind a lock, for the roles that the file declares."""
    here = Path(__file__).parents[1]
    # By its place: on the path, its neighbours would replace libraries of the emulator's.
    spec = importlib.util.spec_from_file_location(
        "baton_local", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    assert spec
    sys.modules["baton_local"] = importlib.util.module_from_spec(spec)
    gate, roles, actions, sts, runtime, functions = map(_module, _OF_LOCKS)
    known = roles.Roles.read(declared)
    make_token, lend = sts._gen_session_token, runtime.execution_credentials  # noqa: SLF001 - it has no other way in

    def token() -> str:
        return gate.granted.get("") or make_token()

    def lent(config: dict[str, Any]) -> dict[str, str]:
        role = config["Role"].rpartition("/")[2]
        return lend(config) | ({"AWS_SESSION_TOKEN": roles.token(role)} if known.has(role) else {})

    def refused(refusal: Any, headers: dict[str, str]) -> Any:
        return actions.access_denied_response(
            refusal.service, refusal.action, "", "local", message=str(refusal), headers=headers
        )

    sts._gen_session_token = token  # noqa: SLF001 - the same
    runtime.execution_credentials = functions.execution_credentials = lent
    region = os.environ["BATON_LOCKED_REGION"]  # noqa: TID251 - there is nobody else to tell it
    return gate.before(unlocked, known, region, refused)


_s3._list_object_versions = _list_encoded  # noqa: SLF001 - it has no other way in
_s3._get_object = _get_in_range  # noqa: SLF001 - the same
_sqs._collect_msgs = _collect_fairly  # noqa: SLF001 - it has no other way in
_dynamodb._evaluate_condition = _holds_soon  # noqa: SLF001 - the same

if _declared := os.environ.get("BATON_LOCKS"):  # noqa: TID251 - there is nobody else to tell it
    app = _locked(app, Path(_declared))
