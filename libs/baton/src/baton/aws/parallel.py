"""Bounded parallel calls and jittered waits."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable


async def in_parallel[T, R](limit: int, items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do `work` on every item, at most `limit` at once; return results in the order of the items.

    The first error cancels the rest and is raised as it is.
    """
    results: dict[int, R] = {}
    queue = enumerate(items)

    async def worker() -> None:
        for index, item in queue:
            results[index] = await work(item)

    tasks = [asyncio.create_task(worker()) for _ in range(limit)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [results[index] for index in sorted(results)]


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
