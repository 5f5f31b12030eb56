"""Reference data in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched
from typing import Final

from baton.errors import NotFound
from baton.memory.clock import LoopClock
from baton.memory.items import KEYS_MAX
from baton.memory.refusals import Refusals
from baton.ports.clock import Clock
from baton.ports.preconditions import check_rows, replaced, rows_of
from baton.ports.reference import ReferenceVersion, Row, Rows

_ITEMS_MAX: Final = 25
"""Of one call to DynamoDB that writes."""


@dataclass(slots=True)
class _Stored:
    """What lies under the name of a version. Rows add up, as items of a table do: nothing takes away but `publish`."""

    version: ReferenceVersion | None = None
    """None: its rows came, and not yet itself."""
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    content: str = ""
    at: datetime | None = None
    """When it was last published, or when its load began."""


class MemoryReferenceData:
    """Snapshots by data set and version."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.refusals = Refusals(MemoryReferenceData)
        self._clock = clock or LoopClock()
        self._current: dict[str, ReferenceVersion] = {}
        self._stored: dict[tuple[str, str], _Stored] = {}

    async def current(self, dataset: str) -> ReferenceVersion | None:
        self.refusals.check("current", dataset)
        return self._current.get(dataset)

    async def describe(self, dataset: str, version: str) -> ReferenceVersion | None:
        self.refusals.check("describe", dataset)
        found = self._stored.get((dataset, version))
        return found.version if found else None

    async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
        self.refusals.check("load", version.dataset)
        rows = self._rows(version)
        if len(rows) != version.rows:
            raise NotFound(f"{version.dataset}@{version.version}: {len(rows)} of {version.rows} rows are here")
        return dict(rows)

    async def is_complete(self, version: ReferenceVersion) -> bool:
        self.refusals.check("is_complete", version.dataset)
        return len(self._rows(version)) == version.rows

    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        rows = self._rows(version)
        for some in batched(keys, KEYS_MAX):
            self.refusals.check("get_many", version.dataset, *some)
        return {key: rows[key] for key in sorted(keys)[::-1] if key in rows}  # in no order that anybody may rely on

    async def publish(self, version: ReferenceVersion, rows: Rows) -> None:
        content, size_bytes = check_rows(version, rows)
        self.refusals.check("publish", version.dataset)
        version = replace(version, size_bytes=size_bytes)
        name = (version.dataset, version.version)
        stored = self._stored.get(name)
        is_there = stored and stored.version == version and stored.content == content
        if not stored or not is_there or not await self.is_complete(version):
            stored = self._stored[name] = _Stored(at=self._clock.now())
            for some in batched(rows_of(rows), _ITEMS_MAX):
                self.refusals.check("publish", version.dataset)
                stored.rows.update((key, dict(row)) for key, row in some)
            if check_rows(version, rows)[0] != content or not await self.is_complete(version):
                raise ValueError(f"{version.dataset}@{version.version}: its rows changed while they were written")
        stored.version, stored.content, stored.at = version, content, self._clock.now()
        self._current[version.dataset] = version

    async def prune(self, dataset: str, *, replaced_before: datetime) -> Sequence[str]:
        self.refusals.check("prune", dataset)
        current = self._current.get(dataset)
        if current is None:
            return []
        of_set = {version: stored for (name, version), stored in self._stored.items() if name == dataset}
        published = {name: stored.at for name, stored in of_set.items() if stored.version and stored.at}
        gone = replaced(published, current=current.version, before=replaced_before)
        broken = [name for name, each in of_set.items() if not each.version and each.at and each.at < replaced_before]
        for version in (*gone, *broken):
            del self._stored[dataset, version]
        return sorted((*gone, *broken))

    def arrive(self, version: ReferenceVersion, rows: Mapping[str, Row], *, current: bool = False) -> None:
        """Hold what has replicated of a version: perhaps not all of its rows, though it may be the current one."""
        stored = self._stored.setdefault((version.dataset, version.version), _Stored())
        stored.version = version
        stored.rows.update({key: dict(row) for key, row in rows.items()})
        if current:
            self._current[version.dataset] = version

    def _rows(self, version: ReferenceVersion) -> dict[str, Row]:
        found = self._stored.get((version.dataset, version.version))
        return found.rows if found else {}
