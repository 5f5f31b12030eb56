"""One key that cannot be copied, and one event that cannot be read, keep no other from being copied."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from baton.testing import virtual_time
from baton_local.stand_ins.replicator import ReplicationLink, Replicator
from baton_local.stand_ins.side import Version

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Source:
    """A bucket of which one key has versions that nobody can list."""

    def __init__(self, bad: Exception) -> None:
        self._bad = bad
        self.listed: list[str] = []

    def wrote(self, *_: str) -> bool:
        return False

    async def versions(self, key: str) -> list[Version]:
        self.listed.append(key)
        if "bell" in key:
            raise self._bad
        return []


class Target:
    """A bucket that holds nothing."""

    async def is_new(self, _: str) -> bool:
        return True


class Queue:
    """A queue with these messages, given once."""

    def __init__(self, *bodies: str) -> None:
        self._bodies = list(bodies)
        self.deleted = 0

    async def receive_message(self, **_: object) -> Any:
        if not self._bodies:
            await asyncio.sleep(1)
            return {}
        bodies, self._bodies = self._bodies, []
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in bodies]}

    async def delete_message_batch(self, **asked: Any) -> None:
        self.deleted += len(asked["Entries"])


def _event(*keys: str) -> str:
    objects = [{"key": quote_plus(key), "versionId": "v"} for key in keys]
    return json.dumps({"Records": [{"eventTime": NOW.isoformat(), "s3": {"object": each}} for each in objects]})


def _played(bad: Exception, *bodies: str, seconds: float) -> tuple[Source, Queue]:
    source, queue = Source(bad), Queue(*bodies)

    async def play() -> None:
        stand_ins: dict[str, Any] = {"source": source, "target": Target(), "queue": queue}
        replicator = Replicator({"east": ReplicationLink("east", **stand_ins, queue_url="url")}, now=NOW.timestamp)
        running = asyncio.create_task(replicator.run())
        await asyncio.sleep(seconds)
        assert not running.done(), running.exception()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual_time.run(play())
    return source, queue


def test_a_key_that_cannot_be_copied_is_left_with_its_reason_and_others_are_copied(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)

    source, _ = _played(ValueError("not well-formed"), _event("input/bell\a.csv", "input/good.csv"), seconds=60)

    assert source.listed.count("input/good.csv") == 1
    assert source.listed.count("input/bell\a.csv") == 5
    left = [record.getMessage() for record in caplog.records if "replication_left" in record.getMessage()]
    assert left == ["replication_left region=east key='input/bell\\x07.csv' error=ValueError('not well-formed')"]


def test_what_does_not_answer_is_tried_for_as_long_as_it_takes() -> None:
    source, _ = _played(ConnectionResetError("cut"), _event("input/bell\a.csv"), seconds=60)

    assert source.listed.count("input/bell\a.csv") > 100


@pytest.mark.parametrize("body", ["no json", "[]", '{"Records": [{}]}', '{"Records": 7}'])
def test_an_event_that_cannot_be_read_is_left_and_the_next_one_is_read(
    caplog: pytest.LogCaptureFixture, body: str
) -> None:
    source, queue = _played(ValueError(), body, _event("input/good.csv"), seconds=10)

    assert source.listed == ["input/good.csv"]
    assert queue.deleted == 2
    assert "replication_event_unreadable" in caplog.text
