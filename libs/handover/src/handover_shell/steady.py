"""A clock for durations: it starts with the machine's time and advances by the event loop's monotonic time.

Whatever sets the machine's clock forward or back is followed so slowly that no wait, hold or age changes by more than a
twentieth, and is told meanwhile.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from baton.ports import Clock

_FOLLOWS: Final = 1 / 20
"""Of the time that passes: 5 minutes are made good in 100, and a hold of 25 s is at most 1.25 s off meanwhile."""


class SteadyClock:
    """The machine's clock without its steps. Used within the running event loop only."""

    def __init__(self, clock: Clock) -> None:
        """`clock` is the machine's."""
        self._clock = clock
        self._shown: tuple[datetime, float] | None = None
        """What was shown last, and the loop's time then."""

    def now(self) -> datetime:
        """Return the time. Never goes back."""
        machine, passed_at = self._clock.now(), asyncio.get_running_loop().time()
        if self._shown is None:
            self._shown = machine, passed_at
        shown, at = self._shown
        passed = timedelta(seconds=passed_at - at)
        most = passed * _FOLLOWS
        off = machine - (shown + passed)
        now = shown + passed + max(-most, min(most, off))
        self._shown = now, passed_at
        return now

    def off_seconds(self) -> float:
        """Return by how much the machine's clock is ahead of this one; below zero: behind."""
        return (self._clock.now() - self.now()).total_seconds()
