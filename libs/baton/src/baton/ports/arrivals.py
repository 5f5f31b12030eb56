"""Port: files without a row that a Region's trigger left to the other Region, in case that one is lost.

A bucket can only list everything that it holds, not what is new; this records what is new.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from baton.ports.objects import ObjectInfo

ARRIVALS_KEPT: Final = timedelta(days=1)
"""How long a file stays noted. The standby reads the notes after minutes, and lists the bucket in any case."""


class Arrivals(Protocol):
    """One Region's, by the time at which they were noted."""

    async def note(self, info: ObjectInfo, *, at: datetime) -> None:
        """Note a version of an object, at least once: noted again later, it may be yielded twice."""
        ...

    def noted(self, *, since: datetime) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Yield all that was noted since then, page by page, the oldest first, by strong reads; without metadata."""
        ...
