"""What the AWS adapters make of answers that no emulator gives: half a batch done, a transaction refused."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.aws.dynamodb.batch_calls import BatchCalls
from baton.aws.dynamodb.progress import DynamoProgress
from baton.aws.queues import QueueUrls, SqsOutbox
from baton.aws.s3.links import LinkTarget, StsLinks
from baton.errors import NotFound, Refused, Unavailable
from baton.memory import LoopClock
from baton.messages import ORDINARY, Kind, Lane, ProcessChunk
from baton.model.batch import Counts
from baton.ports import ChunkDone
from baton.testing.virtual_time import run

DONE = ChunkDone("b1", "p1", 0, Counts(10, 9, 1), 100, 1, 10, 2)
KEYS = [{"pk": {"S": f"k{number}"}} for number in range(10)]


class HalfDone:
    """DynamoDB and SQS that do some of a batch at each call: the entries with these places in it."""

    def __init__(self, *done: Sequence[int]) -> None:
        self._done = list(done)
        self.asked: list[list[Any]] = []

    def _split(self, entries: list[Any]) -> tuple[list[Any], list[Any]]:
        self.asked.append(entries)
        now = self._done.pop(0) if self._done else range(len(entries))
        done = [entry for place, entry in enumerate(entries) if place in now]
        return done, [entry for entry in entries if entry not in done]

    async def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - the SDK's names
        done, left = self._split(RequestItems["t"]["Keys"])
        unprocessed: Any = {"t": {"Keys": left}} if left else None
        return {"Responses": {"t": done}, "UnprocessedKeys": unprocessed or {}}

    async def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - the SDK's names
        _, left = self._split(RequestItems["t"])
        return {"UnprocessedItems": {"t": left}}

    async def get_queue_url(self, *, QueueName: str) -> Any:  # noqa: N803 - the SDK's names
        return {"QueueUrl": QueueName}

    async def send_message_batch(self, *, Entries: list[Any], **_: Any) -> Any:  # noqa: N803 - the SDK's names
        left = self._split(Entries)[1]
        return {"Failed": [{"Id": each["Id"], "Code": "InternalError"} for each in left]}


def _batches(client: Any) -> BatchCalls:
    return BatchCalls(client, table="t", dice=random.Random(1))


def test_items_of_every_answer_are_found_though_some_keys_stayed_unprocessed() -> None:
    table = HalfDone([0, 3, 4], [], [1, 2])

    found = run(_batches(table).get(KEYS))

    assert sorted(each["pk"]["S"] for each in found) == sorted(each["pk"]["S"] for each in KEYS)
    assert [len(keys) for keys in table.asked] == [10, 7, 7, 5]


def test_only_items_that_stayed_unprocessed_are_written_again() -> None:
    table = HalfDone([0, 3, 4], [0])

    run(_batches(table).put(KEYS))

    assert [len(items) for items in table.asked] == [10, 7, 6]


class Slow:
    """DynamoDB that has written a batch only a second after it was sent, even if the caller is gone."""

    def __init__(self) -> None:
        self.written = 0
        self._writing: list[asyncio.Task[None]] = []

    async def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803 - the SDK's names
        self._writing.append(asyncio.create_task(self._write(len(RequestItems["t"]))))
        await asyncio.sleep(1)
        return {}

    async def _write(self, items: int) -> None:
        await asyncio.sleep(1)
        self.written += items


def test_writes_that_break_off_leave_none_that_arrives_later() -> None:
    def broken() -> Iterator[Any]:
        yield from KEYS * 5
        raise OSError("the disk went away")

    async def story() -> list[int]:
        table = Slow()
        with pytest.raises(OSError, match="went away"):
            await _batches(table).put(broken())
        at_once = table.written
        await asyncio.sleep(10)
        return [at_once, table.written]

    assert run(story()) == [50, 50]


@pytest.mark.parametrize("call", ["get", "put"])
def test_what_stays_unprocessed_is_unavailable(call: str) -> None:
    with pytest.raises(Unavailable, match="10 attempts"):
        run(getattr(_batches(HalfDone(*[()] * 10)), call)(KEYS))


def test_only_messages_that_were_refused_are_sent_again() -> None:
    queues = HalfDone([0, 1, 2, 5, 6, 7, 8, 9])
    messages = [ProcessChunk(batch_id="b1", owner_epoch=2, plan_id="p", index=index) for index in range(10)]
    names: dict[tuple[Kind, Lane], str] = {("chunk", ORDINARY): "chunks"}

    async def scenario() -> None:
        async def client() -> Any:
            return queues

        await SqsOutbox(client, QueueUrls(client, names=names), dice=random.Random(1)).send(messages)

    run(scenario())

    first, again = queues.asked
    assert len(first) == 10
    assert [each["MessageBody"] for each in again] == [messages[3].model_dump_json(), messages[4].model_dump_json()]


@pytest.mark.parametrize(
    ("reasons", "outcome"),
    [
        (("ConditionalCheckFailed", "None"), None),
        (("ConditionalCheckFailed", "ConditionalCheckFailed"), None),
        (("None", "ConditionalCheckFailed"), NotFound),
        (("ValidationError", "None"), Refused),
        ((), Refused),
    ],
)
def test_why_a_transaction_was_refused_decides(reasons: tuple[str, ...], outcome: type[Exception] | None) -> None:
    class Table:
        async def transact_write_items(self, **_: Any) -> None:
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": code} for code in reasons],
            }
            raise ClientError(answer, "TransactWriteItems")

        async def get_item(self, **_: Any) -> Any:
            numbers = ("chunks", "chunks_done", "records_in", "records_out", "rejects")
            row = {name: {"N": "1"} for name in numbers}
            return {"Item": row | {"pk": {"S": "b1#p1"}, "updated_at": {"S": "2026-01-01T00:00:00.000000Z"}}}

    async def scenario() -> None:
        async def client() -> Any:
            return Table()

        progress = DynamoProgress(client, table="t", dice=random.Random(1))
        if outcome is None:
            assert (await progress.complete(DONE, now=LoopClock().now())).complete
            return
        with pytest.raises(outcome):
            await progress.complete(DONE, now=LoopClock().now())

    run(scenario())


@pytest.mark.parametrize("minutes", [10, 59, 60, 75])
def test_a_link_lives_as_long_as_its_credentials_and_an_hour_at_most(minutes: int) -> None:
    clock = LoopClock()
    asked: list[int] = []

    class Events:
        def register(self, *_: Any, **__: Any) -> None: ...

    class Meta:
        events = Events()

    class Aws:
        meta = Meta()

        async def assume_role(self, **_: Any) -> Any:
            ends_at = clock.now() + timedelta(minutes=minutes)
            return {
                "Credentials": {"AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends_at}
            }

        async def generate_presigned_url(self, *_: Any, ExpiresIn: int, **__: Any) -> str:  # noqa: N803 - the SDK's names
            asked.append(ExpiresIn)
            return "https://link"

    async def scenario() -> datetime:
        async def client() -> Any:
            return Aws()

        target = LinkTarget("arn:aws:iam::1:role/link", "bucket", ["arn:aws:s3:::bucket/"])
        return (await StsLinks(client, client, target=target, clock=clock).sign("output/r.csv")).expires_at

    async def told() -> tuple[datetime, datetime]:
        return await scenario(), clock.now()

    expires_at, now = run(told())

    lives = timedelta(minutes=min(minutes, 60))
    assert lives - timedelta(seconds=2) < expires_at - now.astimezone(UTC) <= lives
    assert lives.total_seconds() - 2 < asked[0] <= lives.total_seconds()
