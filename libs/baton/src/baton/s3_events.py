"""Parses S3 events: from S3 itself, or wrapped by SNS, SQS, EventBridge or Lambda. Pure.

The trigger, as a Lambda and as a poller, and the splitter, for canaries, use the same parser. Anything else is an
error: ignoring an unknown event would leave a file waiting for the sweeper.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypedDict
from urllib.parse import unquote_plus

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

_CREATED: Final = "ObjectCreated:"
_EVENT_BRIDGE_CREATED: Final = "Object Created"


_DEPTH_MAX: Final = 10
"""Of wrappings. Real ones are three: what Lambda gave up, of a queue, of a topic."""
type _Bytes = Annotated[int, Field(ge=0)]


def _if_readable(said: Any, read: ValidatorFunctionWrapHandler) -> datetime | None:
    try:
        return read(said)
    except ValidationError:
        return None


type _Moment = Annotated[AwareDatetime | None, WrapValidator(_if_readable)]
"""Few events need it: one whose time cannot be read is an event for all that."""


class Created(NamedTuple):
    """An object that was created. What the event leaves out is None."""

    key: str
    version_id: str | None = None
    size_bytes: int | None = None
    created_at: datetime | None = None
    """When the request that created it ended. A replica's is that of the replica."""


class _S3Object(TypedDict):
    key: str
    versionId: NotRequired[str | None]
    size: NotRequired[_Bytes | None]


class _S3Entity(TypedDict):
    object: _S3Object


class _S3Record(TypedDict):
    """S3's own record. Of events that create nothing only the name is read."""

    eventName: str
    eventTime: NotRequired[_Moment]
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
    Records: Annotated[list[Any], Field(min_length=1)]
    """Each is read separately: one that cannot be read does not affect the others."""


class _Test(TypedDict):
    """What S3 sends when a notification is made."""

    Event: Literal["s3:TestEvent"]


class _Notification(TypedDict):
    """What a queue gets of a topic."""

    Type: Literal["Notification"]
    Message: str


_BridgeObject = TypedDict(
    "_BridgeObject", {"key": str, "version-id": NotRequired[str | None], "size": NotRequired[_Bytes | None]}
)


class _BridgeDetail(TypedDict):
    object: _BridgeObject


_Bridge = TypedDict(
    "_Bridge",
    {"source": Literal["aws.s3"], "detail-type": str, "detail": _BridgeDetail, "time": NotRequired[_Moment]},
)
"""S3's event by way of EventBridge, which does not encode keys."""


class _GivenUp(TypedDict):
    """What Lambda leaves in the dead-letter queue of an event that always failed: it may be sent again as it is."""

    requestPayload: Mapping[str, Any]


type Event = _Records | _Test | _Notification | _Bridge | _GivenUp

_ADAPTER: Final[TypeAdapter[Event]] = TypeAdapter(Event)
_RECORD: Final[TypeAdapter[_S3Record | _SnsRecord | _SqsRecord]] = TypeAdapter(_S3Record | _SnsRecord | _SqsRecord)


def parse(body: str) -> Event:
    """Read an event with all that is wrapped in it. Raises `pydantic.ValidationError` if nothing of it can be read."""
    event = _ADAPTER.validate_json(body)
    created, errors = created_objects(event)
    if errors and not created:
        raise errors[0]
    return event


def created_objects(event: Mapping[str, Any]) -> tuple[list[Created], list[ValidationError]]:
    """Return each created object of an event, and what is wrong with each part of it that is no event of S3."""
    created: list[Created] = []
    errors: list[ValidationError] = []
    for found in _found(event, _ADAPTER, 1):
        if isinstance(found, Created):
            created.append(found)
        else:
            errors.append(found)
    return created, errors


def log_fields(event: Event) -> Mapping[str, object]:
    """Return what names an event in log lines."""
    return {"keys": [created.key for created in created_objects(event)[0]]}


def _found(
    event: str | Mapping[str, Any], adapter: TypeAdapter[Any], depth: int
) -> Iterator[Created | ValidationError]:
    """Yield the objects of one part of an event, given as text or parsed."""
    if depth > 2 * _DEPTH_MAX:  # a list of records and what a record wraps are two
        yield _too_deep()
        return
    try:
        if isinstance(event, str) and adapter is _ADAPTER:
            read = adapter.validate_json(event)
        else:
            read = adapter.validate_python(event)
    except ValidationError as error:
        yield error
        return
    if adapter is _RECORD:
        yield from _of_record(read, depth)
    else:
        yield from _of_event(read, depth)


def _too_deep() -> ValidationError:
    said = PydanticCustomError("wrapped_too_deep", "An event is wrapped at most {depth} times", {"depth": _DEPTH_MAX})
    return ValidationError.from_exception_data("event", [{"type": said, "input": None}])


def _of_event(read: Mapping[str, Any], depth: int) -> Iterator[Created | ValidationError]:
    for record in read.get("Records", ()):
        yield from _found(record, _RECORD, depth + 1)
    if "Message" in read:
        yield from _found(read["Message"], _ADAPTER, depth + 2)
    if "requestPayload" in read:
        yield from _found(read["requestPayload"], _ADAPTER, depth + 2)
    if read.get("detail-type") == _EVENT_BRIDGE_CREATED:
        found = read["detail"]["object"]
        yield Created(found["key"], found.get("version-id"), found.get("size"), read.get("time"))


def _of_record(record: Mapping[str, Any], depth: int) -> Iterator[Created | ValidationError]:
    if "Sns" in record:
        yield from _found(record["Sns"]["Message"], _ADAPTER, depth + 1)
    elif "body" in record:
        yield from _found(record["body"], _ADAPTER, depth + 1)
    # Some that speak S3's protocol put `s3:` before the name.
    elif record["eventName"].removeprefix("s3:").startswith(_CREATED):
        found = record["s3"]["object"]
        # S3 encodes keys as form fields.
        key = unquote_plus(found["key"])
        yield Created(key, found.get("versionId"), found.get("size"), record.get("eventTime"))
