"""S3 events as AWS sends them."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from baton.admission import Admitter, admit_all
from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import READS
from baton.model.states import BatchState
from baton.ports import batches_of
from baton.s3_events import Created, created_objects, parse
from baton_proof.pipeline import Pipeline

PAYLOADS = Path(__file__).parents[2] / "payloads"
NAME = "input/sales/Ümläut a+b (100%).csv"


def _event(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / name).read_text())


def test_a_created_object_is_found_under_its_real_name_and_version() -> None:
    found, errors = created_objects(_event("s3_object_created.json"))

    assert not errors
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert found == [Created(NAME, "096fKKXTRTtl3on89fVO.nfljtsv6qko", 717337, at)]


def test_the_event_that_s3_sends_when_a_notification_is_made_holds_nothing() -> None:
    assert created_objects(_event("s3_test_event.json")) == ([], [])


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_key_survives_the_encoding_of_events(key: str) -> None:
    record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key), "versionId": "v"}}}

    assert created_objects({"Records": [record]}) == ([Created(key, "v")], [])


def test_an_event_admits_its_object_once_however_often_it_comes() -> None:
    async def story() -> tuple[list[int], int, BatchState]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        info = await pipeline.region.objects.put(NAME, b"a\n1\n")
        event = _event("s3_object_created.json")
        event["Records"][0]["s3"]["object"]["versionId"] = info.version_id
        admitted = [await admit_all(event, pipeline.process.admitter) for _ in range(3)]
        open_batches = await batches_of(pipeline.region.ledger.list_open())
        return admitted, len(open_batches), open_batches[0].state

    assert asyncio.run(story()) == ([1, 1, 1], 1, BatchState.ADMITTED)


def test_an_unreachable_ledger_fails_the_event_so_that_lambda_tries_it_again() -> None:
    class Unreachable(Admitter):
        async def admit(self, key: str, version_id: str | None, **said: object) -> None:
            del said
            raise Unavailable(f"ledger: timed out while {key} {version_id} was admitted")

    with pytest.raises(Unavailable):
        asyncio.run(admit_all(_event("s3_object_created.json"), Unreachable.__new__(Unreachable)))


def test_one_object_that_cannot_be_admitted_keeps_no_other_of_its_event_from_it() -> None:
    class Picky(Admitter):
        def __init__(self) -> None:
            self.tried: list[str] = []

        async def admit(self, key: str, version_id: str | None, **said: object) -> None:
            del said
            self.tried.append(key)
            if key == "a":
                raise RuntimeError(f"{key} {version_id}: encrypted with a key of the customer's own")

    records = [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}} for key in "ab"]
    admitter = Picky()

    with pytest.raises(RuntimeError):
        asyncio.run(admit_all({"Records": records}, admitter))

    assert admitter.tried == ["a", "b"]


ODD = "input/p/a+b %41.csv"
"""S3 encodes it, and EventBridge does not."""
S3 = {
    "Records": [
        {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-07-01T12:00:00.250Z",
            "s3": {"object": {"key": quote_plus(ODD), "versionId": "v", "size": 3}},
        }
    ]
}
BRIDGE = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "time": "2026-07-01T12:00:00.250Z",
    "detail": {"object": {"key": ODD, "version-id": "v", "size": 3}},
}
BY_TOPIC = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(S3)}}]}
NOTIFICATION = {"Type": "Notification", "MessageId": "m", "Message": json.dumps(S3)}
WRAPPED: dict[str, dict[str, Any]] = {
    "nothing": S3,
    "a topic": BY_TOPIC,
    "a queue": {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(S3)}]},
    "a topic, then a queue": {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(NOTIFICATION)}]},
    "a topic, read from a queue": NOTIFICATION,
    "EventBridge": BRIDGE,
    "EventBridge, then a queue": {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(BRIDGE)}]},
    "what Lambda gave up": {"version": "1.0", "requestContext": {}, "requestPayload": BY_TOPIC},
}


@pytest.mark.parametrize("by", WRAPPED)
def test_an_event_is_unwrapped_however_it_comes(by: str) -> None:
    expected = [Created(ODD, "v", 3, datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC))]

    assert created_objects(WRAPPED[by]) == (expected, [])
    assert created_objects(parse(json.dumps(WRAPPED[by]))) == (expected, [])


@pytest.mark.parametrize("said", ["yesterday", "2026-07-01T12:00:00", None, {}, []], ids=str)
def test_an_event_whose_time_cannot_be_read_is_an_event(said: Any) -> None:
    record = {**S3["Records"][0], "eventTime": said}

    created = [Created(ODD, "v", 3)]
    assert created_objects({"Records": [record]}) == (created, [])
    assert created_objects({**BRIDGE, "time": said}) == (created, [])


NO_EVENTS: list[dict[str, Any]] = [
    {},
    {"Records": []},
    {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]},
    {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {}}}]},
    {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "hello"}}]},
    {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
    {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    {"requestPayload": {}},
]


@pytest.mark.parametrize("event", NO_EVENTS, ids=str)
def test_what_is_no_event_of_s3_is_an_error_and_never_nothing_to_do(event: dict[str, Any]) -> None:
    created, errors = created_objects(event)

    assert (created, len(errors)) == ([], 1)
    with pytest.raises(ValidationError):
        parse(json.dumps(event))


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "k"}}}]},
        {"source": "aws.s3", "detail-type": "Object Deleted", "detail": {"object": {"key": "k"}}},
    ],
    ids=["S3", "EventBridge"],
)
def test_an_event_of_something_else_than_a_creation_holds_nothing(event: dict[str, Any]) -> None:
    assert created_objects(event) == ([], [])


UNREADABLE: list[Any] = [
    None,
    {},
    {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "k", "size": -1}}},
    {"eventSource": "aws:sqs", "body": "{"},
    json.dumps({"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "k"}}}),
]


@pytest.mark.parametrize("record", UNREADABLE, ids=str)
def test_a_record_that_cannot_be_read_keeps_no_other_of_its_event_from_being_admitted(record: Any) -> None:
    async def story() -> int:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        await pipeline.region.objects.put("input/passthrough/f.csv", b"a\n1\n")
        good = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "input/passthrough/f.csv"}}}
        event = {"Records": [record, good, record]}
        with pytest.raises(ExceptionGroup, match="2 of 3"):
            await admit_all(parse(json.dumps(event)), pipeline.process.admitter)
        return len(await batches_of(pipeline.region.ledger.list_open()))

    assert asyncio.run(story()) == 1


@pytest.mark.parametrize("depth", [11, 2_000])
def test_an_event_that_is_wrapped_too_often_is_refused(depth: int) -> None:
    event: dict[str, Any] = S3
    for _ in range(depth):
        event = {"requestPayload": event}

    created, errors = created_objects(event)

    assert created == []
    with pytest.raises(ValidationError, match="at most 10 times"):
        raise next(iter(errors))


def test_an_object_that_is_refused_and_has_no_version_is_left() -> None:
    async def story() -> int:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        pipeline.region.objects.refusals.refuse(*READS, key="input/passthrough/f.csv")
        await pipeline.process.admitter.admit("input/passthrough/f.csv", "null", size_bytes=3)
        return len(await batches_of(pipeline.region.ledger.list_open()))

    assert asyncio.run(story()) == 0
