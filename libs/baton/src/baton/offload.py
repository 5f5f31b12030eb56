"""CPU work beside the event loop, which must be free for heartbeats and health at any time."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Offload(Protocol):
    """Runs CPU work away from the event loop: `asyncio.to_thread`, a pool of threads, or inline in tests."""

    def __call__[T](self, work: Callable[[], T], /) -> Awaitable[T]: ...
