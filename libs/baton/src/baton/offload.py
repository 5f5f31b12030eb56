"""Runs CPU work outside the event loop, which must stay free for heartbeats and health checks."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Offload(Protocol):
    """Runs CPU work away from the event loop: `asyncio.to_thread`, a pool of threads, or inline in tests."""

    def __call__[T](self, work: Callable[[], T], /) -> Awaitable[T]: ...
