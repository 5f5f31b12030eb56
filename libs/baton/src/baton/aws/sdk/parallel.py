"""Bounded parallel calls and waits with jitter."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from baton.bounded import at_once


async def in_parallel[T, R](limit: int, items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do `work` on every item, at most `limit` at once; return results in the order of the items.

    The first error cancels the rest and is raised as it is.
    """
    results: dict[int, R] = {}

    async def one(numbered: tuple[int, T]) -> None:
        index, item = numbered
        results[index] = await work(item)

    await at_once(limit, enumerate(items), one)
    return [results[index] for index in range(len(results))]


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do `work`; if this is cancelled, only once that is through.

    What a cancelled call has sent may still arrive, after whatever its caller does next.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


class Backoff:
    """Waits between attempts: full jitter below a doubling bound, as botocore does for what it retries itself."""

    def __init__(self, dice: random.Random, *, first_seconds: float = 0.05, most_seconds: float = 2.0) -> None:
        self._dice = dice
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds

    async def wait(self, attempt: int) -> None:
        """Wait after attempt number `attempt`, counted from 0."""
        bound = min(self._most_seconds, self._first_seconds * 2**attempt)
        await asyncio.sleep(self._dice.uniform(0, bound))
