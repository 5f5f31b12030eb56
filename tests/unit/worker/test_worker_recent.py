"""Cached values are made once, even for concurrent callers, and the cache is bounded."""

import asyncio

import pytest

from baton.errors import Retry
from baton.testing.virtual_time import run
from worker.recent import Recent


class Shelf:
    """Makes values of its keys, each in ten seconds."""

    def __init__(self, *, size: int = 2, letters_max: int = 1_000) -> None:
        self.made: list[str] = []
        self.failures = 0
        self._kept = Recent[str, str](size, weigh=len, weight_max=letters_max)

    async def get(self, key: str) -> str:
        return await self._kept.get_or_make(key, lambda: self._make(key))

    async def _make(self, key: str) -> str:
        self.made.append(key)
        await asyncio.sleep(10)
        if self.failures:
            self.failures -= 1
            raise Retry("not yet", delay_seconds=1)
        return key.upper()


def test_two_that_ask_at_once_share_one_making() -> None:
    shelf = Shelf()

    async def story() -> list[str]:
        return list(await asyncio.gather(shelf.get("a"), shelf.get("b"), shelf.get("a")))

    assert run(story()) == ["A", "B", "A"]
    assert shelf.made == ["a", "b"]


def test_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    shelf = Shelf()
    shelf.failures = 1

    async def story() -> tuple[list[object], str]:
        first = await asyncio.gather(shelf.get("a"), shelf.get("a"), return_exceptions=True)
        return list(first), await shelf.get("a")

    failed, value = run(story())

    assert [type(error) for error in failed] == [Retry, Retry]
    assert value == "A"
    assert shelf.made == ["a", "a"]


def test_who_is_cancelled_takes_nothing_from_the_others() -> None:
    shelf = Shelf()

    async def story() -> str:
        first = asyncio.create_task(shelf.get("a"))
        second = asyncio.create_task(shelf.get("a"))
        await asyncio.sleep(1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert run(story()) == "A"
    assert shelf.made == ["a"]


def test_least_recently_used_goes_first() -> None:
    shelf = Shelf()

    async def story() -> None:
        for key in "abacba":
            await shelf.get(key)

    run(story())

    assert shelf.made == ["a", "b", "c", "b", "a"]


def test_values_are_kept_up_to_their_weight_together() -> None:
    shelf = Shelf(size=9, letters_max=5)

    async def story() -> list[str]:
        return [await shelf.get(key) for key in ("aa", "bbb", "aa", "c", "aa", "dddddd", "aa")]

    assert run(story()) == ["AA", "BBB", "AA", "C", "AA", "DDDDDD", "AA"]
    assert shelf.made == ["aa", "bbb", "c", "dddddd", "aa"], "what alone is too heavy is not kept"
