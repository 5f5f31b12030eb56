"""Arrivals in memory."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from baton.memory.refusals import Refusals
from baton.ports.objects import ObjectInfo


class MemoryArrivals:
    """One Region's files that were left to the other one."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryArrivals)
        self._rows: list[tuple[datetime, ObjectInfo]] = []

    async def note(self, info: ObjectInfo, *, at: datetime) -> None:
        self.refusals.check("note", info.key)
        self._rows.append((at, replace(info, metadata={}, etag="")))
        self._rows.sort(key=lambda row: row[0])

    async def noted(self, *, since: datetime) -> AsyncIterator[Sequence[ObjectInfo]]:
        self.refusals.check("noted")
        yield [info for at, info in self._rows if at >= since]
