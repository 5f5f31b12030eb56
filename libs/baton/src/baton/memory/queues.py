"""SQS in memory: visibility timeouts, receive counts, redrive to a dead-letter list, delays, fairness, long polls."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

from baton.memory.refusals import Refusals
from baton.messages import KINDS, LANES, ORDINARY, Kind, Lane, Message, lane_of, parse
from baton.ports.clock import Clock
from baton.ports.preconditions import check_delay, check_deletes, check_message, check_receive, check_visibility
from baton.ports.queues import Delivery
from baton.topology import MAX_RECEIVES

_TIMER_SECONDS_MIN = 1e-6
"""The resolution of `datetime`: a shorter timer could come back before the clock shows a difference."""


_ENTRIES_MAX: Final = 10
"""Of one call to SQS."""


@dataclass(slots=True)
class _Stored:
    number: int
    group: str
    body: str
    sent_at: datetime
    visible_at: datetime
    receives: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.number}#{self.receives}"


@dataclass(slots=True)
class _Queue:
    kind: Kind
    clock: Clock
    visibility: timedelta
    max_receives: int
    sent: int = 0
    stored: dict[int, _Stored] = field(default_factory=dict[int, _Stored])
    """By number, so in the order in which they were sent."""
    dead: list[str] = field(default_factory=list[str])
    waiters: dict[asyncio.Future[None], None] = field(default_factory=dict[asyncio.Future[None], None])
    """A dict for its order: a set would release the waiters in the order of their addresses, different in each run."""

    def put(self, body: str, group: str, delay_seconds: float) -> None:
        self.sent += 1
        now = self.clock.now()
        self.stored[self.sent] = _Stored(self.sent, group, body, now, now + timedelta(seconds=delay_seconds))
        self.wake()

    def take(self, max_messages: int) -> list[Delivery]:
        now = self.clock.now()
        self._dead_letter()
        in_flight = Counter(m.group for m in self.stored.values() if m.receives and m.visible_at > now)
        groups: dict[str, deque[_Stored]] = {}
        for message in self.stored.values():
            if message.visible_at <= now:
                groups.setdefault(message.group, deque()).append(message)
        taken: list[Delivery] = []
        while groups and len(taken) < max_messages:
            group = min(groups, key=lambda name: (in_flight[name], groups[name][0].number))
            message = groups[group].popleft()
            if not groups[group]:
                del groups[group]
            in_flight[group] += 1
            message.receives += 1
            message.visible_at = now + self.visibility
            taken.append(Delivery(message.receipt, message.body, message.receives, message.group))
        return taken

    def _dead_letter(self) -> None:
        now = self.clock.now()
        for message in tuple(self.stored.values()):
            if message.visible_at <= now and message.receives >= self.max_receives:
                self.dead.append(self.stored.pop(message.number).body)

    def backlog(self) -> int:
        """Return how many messages are in sight, or delayed and never received."""
        now = self.clock.now()
        return sum(message.visible_at <= now or not message.receives for message in self.stored.values())

    def held(self, receipt: str) -> _Stored | None:
        """Return the message if this is its latest receipt."""
        message = self.stored.get(int(receipt.partition("#")[0]))
        return message if message and message.receipt == receipt else None

    def wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self, seconds: float) -> None:
        """Wait until something was sent or handed back, a hidden message comes into sight, or `seconds` passed."""
        now = self.clock.now()
        hidden = [(m.visible_at - now).total_seconds() for m in self.stored.values()]
        waiter = asyncio.get_running_loop().create_future()
        self.waiters[waiter] = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(_TIMER_SECONDS_MIN, min([seconds, *hidden]))):
                    await waiter
        finally:
            self.waiters.pop(waiter, None)


class MemoryInbox:
    """The receiving side of one queue."""

    def __init__(self, queue: _Queue, refusals: Refusals) -> None:
        self._queue = queue
        self.refusals = refusals

    async def receive(self, *, max_messages: int, wait_seconds: int) -> Sequence[Delivery]:
        check_receive(max_messages, wait_seconds)
        self.refusals.check("receive", self._queue.kind)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while not (taken := self._queue.take(max_messages)) and loop.time() < deadline:
            await self._queue.changed(deadline - loop.time())
        return taken

    async def delete(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        check_deletes(deliveries)
        self.refusals.check("delete", self._queue.kind)
        return [delivery for delivery in deliveries if not self._delete(delivery.receipt)]

    def _delete(self, receipt: str) -> bool:
        message = self._queue.held(receipt)
        if message is not None:
            del self._queue.stored[message.number]
            return True
        # Deleted before: fine. Received again since: SQS may delete it or not, so nobody may rely on either.
        return int(receipt.partition("#")[0]) not in self._queue.stored

    async def set_visibility(self, delivery: Delivery, *, seconds: int) -> None:
        check_visibility(seconds)
        self.refusals.check("set_visibility", self._queue.kind)
        message = self._queue.held(delivery.receipt)
        now = self._queue.clock.now()
        if message is not None and message.visible_at > now:
            message.visible_at = now + timedelta(seconds=seconds)
            self._queue.wake()

    async def hand_back(self, delivery: Delivery) -> None:
        self.refusals.check("hand_back", self._queue.kind)
        self._queue.put(delivery.body, delivery.group, 0)
        self._delete(delivery.receipt)

    async def dead_letter(self, delivery: Delivery) -> None:
        self.refusals.check("dead_letter", self._queue.kind)
        self._queue.dead.append(delivery.body)
        self._delete(delivery.receipt)


class MemoryOutbox:
    """The sending side of all queues of one Region."""

    def __init__(self, queues: "_Queues", refusals: Refusals) -> None:
        self._queues = queues
        self.refusals = refusals

    async def send(self, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        check_delay(delay_seconds)
        by_queue: dict[tuple[Kind, Lane], list[tuple[str, str]]] = {}
        for message in messages:
            body = message.model_dump_json()
            check_message(body)
            by_queue.setdefault((message.kind, lane_of(message)), []).append((body, message.batch_id))
        for (kind, lane), same in by_queue.items():
            for ten in batched(same, _ENTRIES_MAX):
                self.refusals.check("send", kind)
                for body, group in ten:
                    self._queues[kind, lane].put(body, group, delay_seconds)

    async def backlog(self, kind: Kind, lane: Lane = ORDINARY) -> int:
        self.refusals.check("backlog", kind)
        return self._queues[kind, lane].backlog()


type _Queues = dict[tuple[Kind, Lane], _Queue]


class MemoryQueues:
    """All queues of one Region.

    Fairness: the batch with the fewest messages in flight is served first, then the oldest message. AWS is less
    strict: a fair queue holds back a group only once it is noisy (above a tenth of what is in flight, and 30 messages;
    or above a tenth of the time that receivers took lately). Of several noisy ones it serves the one with the fewest in
    flight first. It orders nothing else. Code must be right without any fairness; this is the best case.

    Times are read from `clock`. Waiting uses the loop's timers, so the two should agree: `LoopClock` on a virtual
    loop, or a clock that the test moves and no long poll.
    """

    def __init__(self, clock: Clock, *, visibility_seconds: float = 60, max_receives: int = MAX_RECEIVES) -> None:
        visibility = timedelta(seconds=visibility_seconds)
        self._queues: _Queues = {
            (kind, lane): _Queue(kind, clock, visibility, max_receives) for kind in KINDS for lane in LANES
        }
        self.refusals = Refusals(MemoryInbox, MemoryOutbox)
        """Of every inbox and outbox."""

    def outbox(self) -> MemoryOutbox:
        return MemoryOutbox(self._queues, self.refusals)

    def inbox(self, kind: Kind, lane: Lane = ORDINARY) -> MemoryInbox:
        return MemoryInbox(self._queues[kind, lane], self.refusals)

    def put_raw(
        self, kind: Kind, body: str, *, lane: Lane = ORDINARY, group: str = "", delay_seconds: float = 0
    ) -> None:
        """Queue any body, also one that no sender of ours would write."""
        self._queues[kind, lane].put(body, group, delay_seconds)

    def show_again(self, kind: Kind, lane: Lane = ORDINARY) -> None:
        """Bring every message in hand into sight, as SQS may: it is delivered twice though its receiver lives."""
        queue = self._queues[kind, lane]
        for stored in queue.stored.values():
            stored.visible_at = min(stored.visible_at, queue.clock.now())
        queue.wake()

    def queued(self, kind: Kind, lane: Lane = ORDINARY) -> Sequence[Message]:
        """Return all messages of a queue that were not deleted, in flight or not, in the order of sending."""
        return [parse(stored.body) for stored in self._queues[kind, lane].stored.values()]

    def waiting(self, kind: Kind, lane: Lane = ORDINARY) -> int:
        """Return how many messages of a queue were not deleted, in flight, delayed or neither."""
        return len(self._queues[kind, lane].stored)

    def oldest_seconds(self, kind: Kind, lane: Lane = ORDINARY) -> float:
        """Return the age of the oldest message that was not deleted, in flight or not; 0 of an empty queue."""
        queue = self._queues[kind, lane]
        now = queue.clock.now()
        return max(((now - stored.sent_at).total_seconds() for stored in queue.stored.values()), default=0.0)

    def dead(self, kind: Kind, lane: Lane = ORDINARY) -> Sequence[str]:
        """Return the bodies in the dead-letter queue. A message moves there when it would be received once more."""
        return tuple(self._queues[kind, lane].dead)
