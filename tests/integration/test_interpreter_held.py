"""A rule that holds the interpreter stops its process. Computed apart, as what is suspected, it delays nobody."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from backtracking import backtracks
from worker.compute import ProcessApart

_SECONDS_MIN: Final = 1.0
_LETTERS_MAX: Final = 40


def _letters() -> int:
    """Return how many letters take this machine long enough."""
    return next(letters for letters in range(18, _LETTERS_MAX) if backtracks(letters) > _SECONDS_MIN)


async def _longest_step(work: Callable[[], object]) -> float:
    """Return the longest time for which nothing else of this process ran, besides the work."""
    loop = asyncio.get_running_loop()
    working = asyncio.ensure_future(asyncio.to_thread(work))
    longest, last = 0.0, loop.time()
    while not working.done():
        await asyncio.wait([working], timeout=0.01)
        longest, last = max(longest, loop.time() - last), loop.time()
    await working
    return longest


def test_only_where_it_is_computed_apart_everything_else_continues() -> None:
    letters, apart = _letters(), ProcessApart(seconds_max=600)
    work = partial(backtracks, letters)
    try:
        apart(partial(backtracks, 1))  # the process takes a while to start
        in_a_thread = asyncio.run(_longest_step(work))
        beside = asyncio.run(_longest_step(partial(apart, work)))
    finally:
        apart.end()

    assert in_a_thread > _SECONDS_MIN / 2, "it holds the interpreter for as long as it takes"
    assert beside < in_a_thread / 2
