"""S3's events, however they come: from S3 itself, or wrapped by SNS, SQS, EventBridge or Lambda. Pure.

One parser for the Lambda and the poller. What is none of these is an error: an event that is answered with "nothing
to do" is a file that nobody looks at until the sweeper does.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypedDict, cast
from urllib.parse import unquote_plus

from pydantic import Field, TypeAdapter

_CREATED: Final = "ObjectCreated:"
_EVENT_BRIDGE_CREATED: Final = "Object Created"


class Created(NamedTuple):
    """An object that was created. What the event leaves out is None."""

    key: str
    version_id: str | None = None
    size_bytes: int | None = None


class _S3Object(TypedDict):
    key: str
    versionId: NotRequired[str | None]
    size: NotRequired[int | None]


class _S3Entity(TypedDict):
    object: _S3Object


class _S3Record(TypedDict):
    """S3's own record. Of events that create nothing only the name is read."""

    eventName: str
    s3: _S3Entity


class _Sns(TypedDict):
    Message: str


class _SnsRecord(TypedDict):
    """What Lambda gets of a topic."""

    EventSource: Literal["aws:sns"]
    Sns: _Sns


class _SqsRecord(TypedDict):
    """What Lambda gets of a queue."""

    eventSource: Literal["aws:sqs"]
    body: str


class _Records(TypedDict):
    Records: Annotated[list[_S3Record | _SnsRecord | _SqsRecord], Field(min_length=1)]


class _Test(TypedDict):
    """What S3 sends when a notification is made."""

    Event: Literal["s3:TestEvent"]


class _Notification(TypedDict):
    """What a queue gets of a topic."""

    Type: Literal["Notification"]
    Message: str


_BridgeObject = TypedDict(
    "_BridgeObject", {"key": str, "version-id": NotRequired[str | None], "size": NotRequired[int | None]}
)


class _BridgeDetail(TypedDict):
    object: _BridgeObject


_Bridge = TypedDict("_Bridge", {"source": Literal["aws.s3"], "detail-type": str, "detail": _BridgeDetail})
"""S3's event by way of EventBridge, which does not encode keys."""


class _GivenUp(TypedDict):
    """What Lambda leaves in the dead-letter queue of an event that always failed: it may be sent again as it is."""

    requestPayload: Mapping[str, Any]


type Event = _Records | _Test | _Notification | _Bridge | _GivenUp

_ADAPTER: Final[TypeAdapter[Event]] = TypeAdapter(Event)


def parse(body: str) -> Event:
    """Read an event with all that is wrapped in it. Raises `pydantic.ValidationError` for anything else."""
    event = _ADAPTER.validate_json(body)
    list(created_objects(event))
    return event


def created_objects(event: Mapping[str, Any]) -> Iterator[Created]:
    """Yield each created object of an event. Raises `pydantic.ValidationError` for what is no event of S3."""
    read = cast("Mapping[str, Any]", _ADAPTER.validate_python(event))
    for record in read.get("Records", ()):
        yield from _of_record(record)
    if "Message" in read:
        yield from created_objects(_inner(read["Message"]))
    if "requestPayload" in read:
        yield from created_objects(read["requestPayload"])
    if read.get("detail-type") == _EVENT_BRIDGE_CREATED:
        found = read["detail"]["object"]
        yield Created(found["key"], found.get("version-id"), found.get("size"))


def _of_record(record: Mapping[str, Any]) -> Iterator[Created]:
    if "Sns" in record:
        yield from created_objects(_inner(record["Sns"]["Message"]))
    elif "body" in record:
        yield from created_objects(_inner(record["body"]))
    # Some that speak S3's protocol put `s3:` before the name.
    elif record["eventName"].removeprefix("s3:").startswith(_CREATED):
        found = record["s3"]["object"]
        # S3 encodes keys as form fields.
        yield Created(unquote_plus(found["key"]), found.get("versionId"), found.get("size"))


def _inner(text: str) -> Mapping[str, Any]:
    return _ADAPTER.validate_json(text)
