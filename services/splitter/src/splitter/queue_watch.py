"""Finds the moment before which every message in a queue has been received: later ones are queued, not lost."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final

from baton.bounded import at_once
from baton.messages import KINDS, OF_USERS, Kind, Lane
from baton.ports import Clock, Outbox

_SIGN_WITHIN: Final = timedelta(seconds=60)
"""A handler writes a sign of life within a third of a minute; two of them may fail."""
_COUNTED_WITHIN: Final = timedelta(seconds=60)
"""How far SQS's count of waiting messages may be behind. Source: "ApproximateNumberOfMessages", GetQueueAttributes."""

_AT_ONCE: Final = 16
"""All of them: one that does not answer delays the sweep once."""


class QueueWatch:
    """One Region's queues, as one sweeper sees them from time to time."""

    def __init__(self, *, outbox: Outbox, clock: Clock, alone: Callable[[str], AbstractContextManager[None]]) -> None:
        """`alone` isolates one queue's errors from the others: what one lost must not be hidden by another."""
        self._outbox = outbox
        self._clock = clock
        self._alone = alone
        self._wanted: set[tuple[Kind, Lane]] = set()
        self._empty_at: dict[tuple[Kind, Lane], list[datetime]] = {
            (kind, lane): [] for kind in KINDS for lane in OF_USERS
        }
        """When nothing waited in a queue: the last moment that is long enough ago, and those after it."""

    def want(self, queues: Iterable[tuple[Kind, Lane]]) -> None:
        """Have these queues looked at the next time."""
        self._wanted.update(queues)

    async def look(self) -> None:
        """Read the count of each queue that is needed, once."""
        wanted, self._wanted = self._wanted, set()

        async def one(queue: tuple[Kind, Lane]) -> None:
            with self._alone(" ".join(("queue", *queue))):
                if await self._outbox.backlog(*queue) == 0:
                    self._empty_at[queue].append(self._clock.now())
                    self._read_up_to(queue)  # drops those before, though no batch is ever old enough to ask

        await at_once(_AT_ONCE, sorted(wanted), one)

    def read_up_to(self, queues: Iterable[tuple[Kind, Lane]]) -> datetime | None:
        """Return the moment before which every message in these queues was sent that has not been received.

        None: that is not known (yet). Who took a message that was sent before has given a sign of life by now.
        """
        moments = [self._read_up_to(queue) for queue in queues]
        known = [moment for moment in moments if moment is not None]
        return min(known) if known and len(known) == len(moments) else None

    def _read_up_to(self, queue: tuple[Kind, Lane]) -> datetime | None:
        empty_at = self._empty_at[queue]
        before = self._clock.now() - _SIGN_WITHIN
        while len(empty_at) > 1 and empty_at[1] <= before:
            del empty_at[0]
        return empty_at[0] - _COUNTED_WITHIN if empty_at and empty_at[0] <= before else None
