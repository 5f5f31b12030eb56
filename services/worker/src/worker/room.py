"""Bounds what all chunks of users' files hold in a process at the same time, in all lanes.

Each chunk in hand has a share of the memory, which ordinary chunks never exceed. What a chunk needs beyond it is there
once in the process: another chunk that needs more waits until the first is written. A canary's lane has a room of its
own, so that it waits for nobody.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from baton.messages import APART, CANARY, LARGE, ORDINARY, Lane
from baton.model.batch import LARGE_FROM_BYTES
from baton.model.plan import MIB

__all__ = ["SHARES", "ChunkPlace", "Room", "Share"]


@dataclass(frozen=True, slots=True)
class Share:
    """What a chunk may hold without asking."""

    chunk_bytes: int
    """As they are read."""
    rows_bytes: int
    """Of reference data that is looked up for this chunk alone."""
    output_bytes: int
    """Result and rejects together, from when they are written down to when they are uploaded."""


_OF_SMALL: Final = Share(chunk_bytes=LARGE_FROM_BYTES, rows_bytes=8 * MIB, output_bytes=16 * MIB)
# Two ordinary chunks, and four times what one has: enriched sales become twice what they were. A file over 281 GiB
# has larger chunks, and is processed one at a time.
_OF_LARGE: Final = Share(chunk_bytes=32 * MIB, rows_bytes=32 * MIB, output_bytes=64 * MIB)
SHARES: Final[Mapping[Lane, Share]] = {
    CANARY: _OF_SMALL,
    ORDINARY: _OF_SMALL,
    LARGE: _OF_LARGE,
    # What is suspected may be of either size.
    APART: _OF_LARGE,
}


class Room:
    """What is there once in the process."""

    def __init__(self) -> None:
        self._rest = asyncio.Lock()

    @asynccontextmanager
    async def place(self, share: Share) -> AsyncGenerator["ChunkPlace"]:
        """Give a chunk its place, for as long as it is in hand."""
        place = ChunkPlace(self._rest, share)
        try:
            yield place
        finally:
            place.leave()


class ChunkPlace:
    """What one chunk may hold. Who has the rest of the room waits for no place, so that nobody waits in a circle."""

    def __init__(self, rest: asyncio.Lock, share: Share) -> None:
        self._rest = rest
        self._share = share
        self._has_rest = False

    async def hold(self, *, chunk_bytes: int = 0, rows_bytes: int = 0, output_bytes: int = 0) -> None:
        """Return once so much may be held. Call it before, as far as that is known before."""
        share = self._share
        if chunk_bytes > share.chunk_bytes or rows_bytes > share.rows_bytes or output_bytes > share.output_bytes:
            await self.hold_anything()

    async def hold_anything(self) -> None:
        """Return once all that is left beside the shares of others is this chunk's."""
        if not self._has_rest:
            await self._rest.acquire()
            self._has_rest = True

    def leave(self) -> None:
        """Give the rest of the room to the next one, if it was this chunk's."""
        if self._has_rest:
            self._rest.release()
            self._has_rest = False
