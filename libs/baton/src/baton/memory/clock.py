"""Clocks without real time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When memory worlds begin: any fixed moment will do."""


class MemoryClock:
    """A clock that does not move until it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock on, or back if `seconds` is negative."""
        self._now += timedelta(seconds=seconds)

    def set(self, now: datetime) -> None:
        self._now = now


class LoopClock:
    """Reads the running event loop's time, counted from `start`: on a virtual loop, sleeping moves this clock."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start

    def now(self) -> datetime:
        """Return `start` plus the loop's time. Raises `RuntimeError` outside a running loop."""
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())
