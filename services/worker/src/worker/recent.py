"""A bounded cache that a worker keeps between chunks; each value is made once, even for concurrent callers."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

__all__ = ["Recent"]


class Recent[K, V]:
    """The most recently used values.

    `get_or_make` makes a value once: callers that arrive while it is being made wait for it. A failure is raised in all
    that wait, and not kept. A caller that is cancelled while waiting does not disturb the others.
    """

    def __init__(self, size: int, *, weigh: Callable[[V], int] | None = None, weight_max: int = 0) -> None:
        """`weigh`, if there is one: values are kept up to `weight_max` together; one that has more is not kept."""
        self._size = size
        self._weigh, self._weight_max = weigh, weight_max
        self._values: OrderedDict[K, V] = OrderedDict()
        self._in_the_making: dict[K, asyncio.Task[V]] = {}

    def get(self, key: K) -> V | None:
        """Return what is kept, now the most recently used."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    async def get_or_make(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """Return the value of this key; raises what `make` raises."""
        known = self.get(key)
        if known is not None:
            return known
        task = self._in_the_making.get(key)
        if task is None:
            task = self._in_the_making[key] = asyncio.ensure_future(self._make(key, make))
            task.add_done_callback(_looked_at)
        return await asyncio.shield(task)

    async def _make(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        try:
            value = await make()
        finally:
            del self._in_the_making[key]
        self._values[key] = value
        while len(self._values) > self._size or self._weight > self._weight_max:
            self._values.popitem(last=False)
        return value

    def keep_up_to(self, weight: int) -> None:
        """Drop the least recently used ones that are beyond it."""
        while self._values and self._weight > weight:
            self._values.popitem(last=False)

    @property
    def _weight(self) -> int:
        return sum(map(self._weigh, self._values.values())) if self._weigh else 0


def _looked_at(task: asyncio.Task[object]) -> None:
    """Mark a failure as retrieved: asyncio must not warn about it if no caller waits for it any more."""
    if not task.cancelled():
        task.exception()
