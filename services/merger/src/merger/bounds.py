"""Bounds what all merges of a process hold at the same time, in all lanes. Canaries have bounds of their own."""

import asyncio
from typing import Final

__all__ = ["LARGE_AT_ONCE", "LARGE_CHUNKS", "Bounds"]

LARGE_CHUNKS: Final = 500
"""From here on a batch is a large one: plan and counts take 6 kB a chunk until it is published, 54 MiB of 9,000."""
LARGE_AT_ONCE: Final = 2


class Bounds:
    """Made once for all lanes of users: one for each would be no bound on the process."""

    def __init__(self) -> None:
        self.large = asyncio.Semaphore(LARGE_AT_ONCE)
        """Held by a batch of `LARGE_CHUNKS` or more while it is merged."""
        self.indexing = asyncio.Lock()
        """Held while parts are read for the index of rejects."""
        self.widening = asyncio.Lock()
        """Held, within `indexing`, while more is read of one of these parts: its records are large."""
