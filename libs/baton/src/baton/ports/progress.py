"""Port: one Region's record of finished chunks. A chunk counts once, however often it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from baton.model import paths
from baton.model.batch import Counts


@dataclass(frozen=True, slots=True)
class RejectCount:
    """How many records of a chunk were rejected for this reason first; `column` is "" for the record as a whole."""

    column: str
    rule: str
    records: int


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """A finished chunk: its counts, and size and CRC64NVME of its two part objects (0 bytes: not written)."""

    batch_id: str
    plan_id: str
    index: int
    counts: Counts
    part_bytes: int
    part_crc64nvme: int
    rejects_bytes: int
    rejects_crc64nvme: int
    reject_counts: tuple[RejectCount, ...] = ()
    """Most frequent first. Of these 20 are kept, their texts cut at 100 characters: the sum may be below
    `counts.rejects`."""

    @property
    def part_key(self) -> str:
        return paths.part_key(self.batch_id, self.plan_id, self.index, self.part_crc64nvme)

    @property
    def rejects_key(self) -> str:
        return paths.rejects_part_key(self.batch_id, self.plan_id, self.index, self.rejects_crc64nvme)


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a batch is."""

    batch_id: str
    plan_id: str
    chunks: int
    chunks_done: int
    counts: Counts
    updated_at: datetime

    @property
    def complete(self) -> bool:
        """Whether every chunk is done."""
        return self.chunks_done >= self.chunks


class Progress(Protocol):
    """Chunk completion, exactly once per chunk of a plan."""

    async def open(self, batch_id: str, plan_id: str, *, chunks: int, now: datetime) -> Tally:
        """Start counting for a plan and return its tally. Opening the same plan again changes nothing."""
        ...

    async def complete(self, done: ChunkDone, *, now: datetime) -> Tally:
        """Record a chunk and add its counts in one transaction; return the tally after it.

        A chunk that is already recorded changes nothing. The tally never runs ahead, and the writer of the last
        chunk sees it complete. Raises `NotFound` if the plan was never opened here, `Conflict` if others who counted
        at the same time left no room: nothing is recorded then, and nothing is wrong.
        """
        ...

    async def tally(self, batch_id: str, plan_id: str) -> Tally | None:
        """Return the tally by a strong read; None if the plan was never opened here."""
        ...

    async def done(self, batch_id: str, plan_id: str) -> Sequence[ChunkDone]:
        """Return every finished chunk, all pages, by index. Strong read."""
        ...

    async def is_done(self, batch_id: str, plan_id: str, index: int) -> bool:
        """Return whether this chunk is recorded. Strong read."""
        ...
