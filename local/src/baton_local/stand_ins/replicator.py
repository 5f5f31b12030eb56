"""Stand-in for S3 replication of the data buckets, both ways, with a lag and an interruption that can be set.

An event only says that a key changed. What is to be done is found by comparing both Regions' versions of the key,
oldest first: so events may come twice, late and in any order, and the versions of a key still arrive in the order in
which they were written. A replica carries the version ID of its origin, which distinguishes it from an original: no
loops. As with S3, permanently deleting a version deletes it on its own side only. A Region whose emulator came back
empty is filled again from the other one, as an operator on AWS would do with S3 Batch Replication.
"""

import asyncio
import heapq
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from baton.aws.sdk.failures import code_of
from baton.model.paths import REPLICATED
from baton_local.stand_ins.side import Described, Side

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient

_log = logging.getLogger(__name__)

EVENTS: Final = ("s3:ObjectCreated:*", "s3:ObjectRemoved:DeleteMarkerCreated")
_NO_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_COPIES_AT_ONCE: Final = 8
_MESSAGES_MAX: Final = 10
"""Of a receive."""
_RETRY_SECONDS: Final = 0.5
_REFUSALS_MAX: Final = 5
_SERVER_ERROR: Final = 500
_TOO_MANY_REQUESTS: Final = 429
_WAIT_SECONDS: Final = 1
"""Long poll; short, so that a heal is noticed soon."""
_GATHER_SECONDS: Final = 0.1
"""Between two polls that brought something, so that events come ten at a time. AWS replicates within seconds."""


@dataclass(frozen=True, slots=True)
class ReplicationLink:
    """One direction: changes of `source`, as its queue tells them, go to `target`."""

    region: str
    source: Side
    target: Side
    queue: "SQSClient"
    queue_url: str


@dataclass(frozen=True, slots=True, order=True)
class _Change:
    """Something happened to a key at that time, in seconds since 1970."""

    at_seconds: float
    key: str
    version_id: str
    link: ReplicationLink = field(compare=False)
    refills: bool = field(default=False, compare=False)
    """The target lost what it had: its own originals are copied back to it."""
    refusals: int = field(default=0, compare=False)
    """How often it could not be copied though both Regions answered."""


class Replicator:
    """Copies what changed, `lag_seconds` after it changed, unless it is cut."""

    def __init__(self, links: Mapping[str, ReplicationLink], *, now: Callable[[], float] = time.time) -> None:
        self._links = links
        self._now = now
        self._lag_seconds = 0.0
        self._cut = False
        self._waiting: list[_Change] = []
        self._running: set[tuple[str, str]] = set()
        self._emptied: set[str] = set()
        """Regions whose queue was gone when last seen."""
        self._woken = asyncio.Event()

    @property
    def lag_seconds(self) -> float:
        return self._lag_seconds

    @property
    def is_cut(self) -> bool:
        return self._cut

    def set(self, *, lag_seconds: float | None = None, cut: bool | None = None) -> None:
        """Change the lag or the cut; None leaves it. What already waits follows the new lag."""
        if lag_seconds is not None:
            self._lag_seconds = lag_seconds
        if cut is not None:
            self._cut = cut
        self._woken.set()

    def backlog(self) -> dict[str, int]:
        """Return how many changes of each Region are not copied yet."""
        counts = dict.fromkeys(self._links, 0)
        for change in self._waiting:
            counts[change.link.region] += 1
        for region, _ in self._running:
            counts[region] += 1
        return counts

    def oldest_seconds(self) -> float:
        """Return the age of the oldest change that waits; 0 if none does."""
        return max(0.0, self._now() - self._waiting[0].at_seconds) if self._waiting else 0.0

    async def run(self) -> None:
        """Listen and copy until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self._links.values():
                tasks.create_task(self._listen(link))
            for _ in range(_COPIES_AT_ONCE):
                tasks.create_task(self._copy())

    async def _listen(self, link: ReplicationLink) -> None:
        while True:
            try:
                await self._receive(link)
                if link.region in self._emptied:
                    await self._refill(link.region)
            except (BotoCoreError, ClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
                if isinstance(error, ClientError) and code_of(error) in _NO_QUEUE:
                    self._emptied.add(link.region)
                # The Region is cut or busy: its queue keeps the events.
                _log.info("replication_queue_unreachable region=%s error=%r", link.region, error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _receive(self, link: ReplicationLink) -> None:
        answer = await link.queue.receive_message(
            QueueUrl=link.queue_url, MaxNumberOfMessages=_MESSAGES_MAX, WaitTimeSeconds=_WAIT_SECONDS
        )
        messages = answer.get("Messages", [])
        for message in messages:
            try:
                changes = _changes(link, json.loads(message.get("Body", "{}")))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                _log.warning("replication_event_unreadable region=%s message=%r error=%r", link.region, message, error)
                continue
            for change in changes:
                heapq.heappush(self._waiting, change)
        self._woken.set()
        if messages:
            await link.queue.delete_message_batch(
                QueueUrl=link.queue_url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": message.get("ReceiptHandle", "")}
                    for index, message in enumerate(messages)
                ],
            )
            if len(messages) < _MESSAGES_MAX:
                await asyncio.sleep(_GATHER_SECONDS)

    async def _refill(self, region: str) -> None:
        """Have everything copied to a Region again that the other one holds."""
        (link,) = (each for each in self._links.values() if each.region != region)
        found = [key for prefix in REPLICATED async for key in link.source.keys(prefix)]
        _log.info("replication_refills region=%s keys=%d", region, len(found))
        for key in found:
            heapq.heappush(self._waiting, _Change(self._now(), key, "", link, refills=True))
        self._emptied.discard(region)
        self._woken.set()

    async def _copy(self) -> None:
        while True:
            change = await self._next()
            running = (change.link.region, change.key)
            self._running.add(running)
            try:
                if not change.link.source.wrote(change.key, change.version_id):
                    until_seconds = self._now() - self._lag_seconds
                    await converge(change.link, change.key, until_seconds=until_seconds, refills=change.refills)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one key, the others are copied
                await asyncio.sleep(_RETRY_SECONDS)
                self._again(change, error)
            finally:
                self._running.discard(running)
                self._woken.set()

    def _again(self, change: _Change, error: Exception) -> None:
        """Have a change tried again: as long as a Region does not answer, and a few times what it refuses."""
        if not _is_outage(error):
            change = replace(change, refusals=change.refusals + 1)
        what = "left" if change.refusals >= _REFUSALS_MAX else "retried"
        level = logging.WARNING if change.refusals else logging.INFO
        _log.log(level, "replication_%s region=%s key=%r error=%r", what, change.link.region, change.key, error)
        if change.refusals < _REFUSALS_MAX:
            heapq.heappush(self._waiting, change)

    async def _next(self) -> _Change:
        while (change := self._take_due()) is None:
            self._woken.clear()
            pause = self._waiting[0].at_seconds + self._lag_seconds - self._now() if self._waiting else 0.0
            try:
                # Nothing due: until a new event, the end of a copy, a changed setting, or the time of the oldest one.
                await asyncio.wait_for(self._woken.wait(), pause if pause > 0 else None)
            except TimeoutError:
                continue
        return change

    def _take_due(self) -> _Change | None:
        """Take the oldest change that is due and whose key nobody is copying."""
        passed: list[_Change] = []
        found: _Change | None = None
        while not self._cut and self._waiting and self._waiting[0].at_seconds + self._lag_seconds <= self._now():
            change = heapq.heappop(self._waiting)
            if (change.link.region, change.key) not in self._running:
                found = change
                break
            passed.append(change)
        for change in passed:
            heapq.heappush(self._waiting, change)
        return found


def _is_outage(error: Exception) -> bool:
    """Return whether this is the fault of no key: a Region is cut, busy or gone."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status >= _SERVER_ERROR or error.status == _TOO_MANY_REQUESTS
    return isinstance(error, aiohttp.ClientError | OSError)


def _changes(link: ReplicationLink, body: dict[str, Any]) -> list[_Change]:
    """Return the changes below a replicated prefix that an S3 event reports. Keys in it are encoded as form fields."""
    changes: list[_Change] = []
    for record in body.get("Records", ()):
        found = record["s3"]["object"]
        at_seconds = datetime.fromisoformat(record["eventTime"]).timestamp()
        changes.append(_Change(at_seconds, unquote_plus(found["key"]), found.get("versionId", ""), link))
    return [change for change in changes if change.key.startswith(REPLICATED)]


async def converge(link: ReplicationLink, key: str, *, until_seconds: float, refills: bool = False) -> None:
    """Bring the target up to what the source was at that time: each version once, in order, and delete markers.

    `refills`: versions that came from the target go back to it; without it, one that it deleted would rise again.
    """
    there = await _Copies.of(link.target, key)
    below: str | None = None
    for version in await link.source.versions(key):
        if version.last_modified.timestamp() > until_seconds:
            return
        if version.is_marker:
            await there.hide(below)
            below = None
        else:
            below = await there.take(link.source, version.version_id, refills=refills) or below


class _Copies:
    """What the target holds of one key."""

    def __init__(self, target: Side, key: str) -> None:
        self._target = target
        self._key = key
        self._origins: set[str] = set()
        self._current: Described | None = None

    @classmethod
    async def of(cls, target: Side, key: str) -> "_Copies":
        copies = cls(target, key)
        if await target.is_new(key):
            return copies
        for version in await target.versions(key):
            described = None if version.is_marker else await target.describe(key, version.version_id)
            if described:
                copies._origins.add(described.origin)
            copies._current = described
        return copies

    async def take(self, source: Side, version_id: str, *, refills: bool) -> str | None:
        """Copy an original that is not here; return the origin of whatever version that is, None if it is gone."""
        if version_id in self._origins:
            return version_id
        async with source.open(self._key, version_id) as opened:
            if opened is None:
                return None
            origin = opened.described.origin
            if origin not in self._origins and (refills or not opened.described.is_replica):
                self._current = await self._target.take(self._key, opened)
                self._origins.add(origin)
            return origin

    async def hide(self, origin: str | None) -> None:
        """Delete the key if its current version is that one: a newer one, or a marker already there, stays."""
        if self._current and self._current.origin == origin and await self._target.hide(self._key, self._current):
            self._current = None
