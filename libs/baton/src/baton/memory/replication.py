"""Replication between two buckets in memory, both ways, with a lag and an interruption that can be set.

Each change of an object is replicated on its own: objects written one after the other may arrive in any order, as with
S3. The changes of one key keep their order. What is under way when the lag is changed follows the new one.
"""

import asyncio
import contextlib
import heapq
import math
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from baton.memory.objects import MemoryObjectStore, Version
from baton.model.paths import REPLICATED
from baton.ports.clock import Clock

_PACE_MIN, _PACE_MAX = 0.25, 1.75
"""How much of the lag a change takes, drawn for each: the lag itself on average."""
_TIMER_SECONDS_MIN: Final = 1e-6
"""The resolution of `datetime`: a shorter timer could come back before the clock shows a difference."""


@dataclass(frozen=True, slots=True)
class _Change:
    number: int
    version: Version
    written_at: datetime
    pace: float


@dataclass(slots=True)
class _Direction:
    """What is under way out of one Region."""

    target: MemoryObjectStore
    lag_seconds: float
    cut: bool = False
    failing: float = 0.0
    """Share of the changes that end FAILED: nobody tries them again."""
    failed: list[_Change] = field(default_factory=list[_Change])
    waiting: dict[str, deque[_Change]] = field(default_factory=dict[str, deque[_Change]])
    """By key, the oldest first."""

    def due_at(self, change: _Change) -> datetime | None:
        """Return when the change arrives; None if it never does as things are."""
        if self.cut or math.isinf(self.lag_seconds):
            return None
        return change.written_at + timedelta(seconds=self.lag_seconds * change.pace)

    def next_changes(self) -> Iterator[tuple[datetime, int, str]]:
        """Yield when the oldest change of each key is due, its number and its key."""
        for key, changes in self.waiting.items():
            due_at = self.due_at(changes[0])
            if due_at is not None:
                yield due_at, changes[0].number, key

    def take(self, key: str) -> _Change:
        changes = self.waiting[key]
        change = changes.popleft()
        if not changes:
            del self.waiting[key]
        return change


class MemoryReplication:
    """Copies what changed below the replicated prefixes from each of two buckets to the other.

    `deliver` does what is due by the clock, for tests that move it; `run` does so on an event loop whose
    time is the clock's. Without `dice` a change takes the lag exactly, so changes arrive in the order of writing.
    """

    def __init__(
        self,
        stores: Mapping[str, MemoryObjectStore],
        clock: Clock,
        *,
        lag_seconds: float = 0.0,
        dice: random.Random | None = None,
        prefixes: tuple[str, ...] = REPLICATED,
    ) -> None:
        """Listen to both buckets, given by Region, from now on. Raises `ValueError` unless there are two."""
        if len(stores) != 2:  # noqa: PLR2004 - from one to the other
            raise ValueError(f"replication is between two buckets, not {len(stores)}")
        self._clock = clock
        self._dice = dice
        self._prefixes = prefixes
        self._numbers = 0
        self._woken: asyncio.Event | None = None
        self._directions: dict[str, _Direction] = {}
        for region, store in stores.items():
            (other,) = (each for name, each in stores.items() if name != region)
            self._directions[region] = _Direction(other, lag_seconds)
            store.listen(lambda version, source=region: self._changed(source, version))

    def set(
        self,
        source: str | None = None,
        *,
        lag_seconds: float | None = None,
        cut: bool | None = None,
        failing: float | None = None,
    ) -> None:
        """Change what happens to objects that leave `source` (None: both ways); None leaves a value as it is.

        An infinite lag holds everything back, as a cut does, until another one is set.
        """
        for region, direction in self._directions.items():
            if source is None or source == region:
                direction.lag_seconds = direction.lag_seconds if lag_seconds is None else lag_seconds
                direction.cut = direction.cut if cut is None else cut
                direction.failing = direction.failing if failing is None else failing
        self._wake()

    def replicate_failed(self) -> int:
        """Replicate what ended FAILED, both ways, as S3 Batch Replication does; return how many changes that were."""
        count = 0
        for direction in self._directions.values():
            failed, direction.failed = direction.failed, []
            count += len(failed)
            for change in failed:
                direction.waiting.setdefault(change.version.info.key, deque()).appendleft(change)
        self._wake()
        return count

    def lose(self, source: str) -> int:
        """Drop what is under way out of `source`, as if its disks were gone; return how many changes that were."""
        lost = self.backlog()[source]
        self._directions[source].waiting.clear()
        return lost

    def backlog(self) -> dict[str, int]:
        """Return how many changes of each Region have not arrived yet."""
        return {
            region: sum(len(changes) for changes in direction.waiting.values())
            for region, direction in self._directions.items()
        }

    def oldest_seconds(self, source: str) -> float | None:
        """Return the age of the oldest change that waits to leave `source`; None if none does."""
        waiting = [changes[0].written_at for changes in self._directions[source].waiting.values()]
        return (self._clock.now() - min(waiting)).total_seconds() if waiting else None

    def deliver(self) -> int:
        """Let everything arrive that is due now, in the order in which it is due; return how many changes did."""
        delivered = 0
        now = self._clock.now()
        for direction in self._directions.values():
            due = [each for each in direction.next_changes() if each[0] <= now]
            heapq.heapify(due)
            while due:
                _, _, key = heapq.heappop(due)
                change = direction.take(key)
                if direction.failing and (self._dice is None or self._dice.random() < direction.failing):
                    direction.failed.append(change)
                else:
                    direction.target.replicate(change.version)
                    delivered += 1
                if key in direction.waiting:
                    change = direction.waiting[key][0]
                    due_at = direction.due_at(change)
                    if due_at is not None and due_at <= now:
                        heapq.heappush(due, (due_at, change.number, key))
        return delivered

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set. Sleeps until the next change is due, or until something changes."""
        self._woken = asyncio.Event()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake())
        try:
            while not stop.is_set():
                self._woken.clear()
                self.deliver()
                await self._pause(self._woken)
        finally:
            stopping.cancel()
            self._woken = None

    async def _pause(self, woken: asyncio.Event) -> None:
        due = [each[0] for direction in self._directions.values() for each in direction.next_changes()]
        seconds = max(_TIMER_SECONDS_MIN, (min(due) - self._clock.now()).total_seconds()) if due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()

    def _changed(self, source: str, version: Version) -> None:
        if version.is_replica or not version.info.key.startswith(self._prefixes):
            return
        self._numbers += 1
        pace = self._dice.uniform(_PACE_MIN, _PACE_MAX) if self._dice else 1.0
        change = _Change(self._numbers, version, self._clock.now(), pace)
        self._directions[source].waiting.setdefault(version.info.key, deque()).append(change)
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()
