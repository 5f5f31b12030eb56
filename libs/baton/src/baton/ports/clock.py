"""Port: the clock."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time. Waiting is `asyncio.sleep`, which tests run on a virtual loop."""

    def now(self) -> datetime:
        """Return the time now, aware, in UTC."""
        ...
