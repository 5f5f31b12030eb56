"""Bounds work: how many tasks run at once (those that wait are not created yet), and how long one may take."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sized
from contextlib import asynccontextmanager


async def at_once[T](limit: int, items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Do `work` on every item, at most `limit` at once. The first error ends the rest and is raised as it is."""
    queue = iter(items)
    failed = False

    async def worker() -> None:
        nonlocal failed
        for item in queue:
            if failed:
                return
            try:
                await work(item)
            except BaseException:
                failed = True
                raise

    # No more than there are items, if that is known: a sweep asks again and again for what is hardly ever there.
    workers_max = min(limit, len(items)) if isinstance(items, Sized) else limit
    if not workers_max:
        return
    workers = [asyncio.create_task(worker()) for _ in range(workers_max)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """End what takes longer. Raises `TimeoutError` that says so: asyncio's own has no text."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"not done within {seconds:,.0f} s") from error
        raise


async def first_of(*events: asyncio.Event, timeout_seconds: float) -> None:
    """Wait until one of the events is set or the time is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
