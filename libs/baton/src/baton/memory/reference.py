"""Reference data in memory."""

from collections.abc import Mapping, Sequence

from baton.errors import NotFound
from baton.ports.reference import ReferenceVersion, Row
from baton.ports.rules import check_rows


class MemoryReferenceData:
    """Snapshots by data set and version."""

    def __init__(self) -> None:
        self._current: dict[str, ReferenceVersion] = {}
        self._versions: dict[tuple[str, str], tuple[ReferenceVersion, dict[str, Row]]] = {}

    async def current(self, dataset: str) -> ReferenceVersion | None:
        return self._current.get(dataset)

    async def describe(self, dataset: str, version: str) -> ReferenceVersion | None:
        found = self._versions.get((dataset, version))
        return found[0] if found else None

    async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
        rows = self._rows(version)
        if len(rows) != version.rows:
            raise NotFound(f"{version.dataset}@{version.version}: {len(rows)} of {version.rows} rows are here")
        return dict(rows)

    async def is_complete(self, version: ReferenceVersion) -> bool:
        return len(self._rows(version)) == version.rows

    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        rows = self._rows(version)
        return {key: rows[key] for key in keys if key in rows}

    async def publish(self, version: ReferenceVersion, rows: Mapping[str, Row]) -> None:
        check_rows(version, rows)
        self.arrive(version, rows)
        self._current[version.dataset] = version

    def arrive(self, version: ReferenceVersion, rows: Mapping[str, Row]) -> None:
        """Hold what has replicated of a version: not the current one yet, and perhaps not all of its rows."""
        self._versions[version.dataset, version.version] = (version, {key: dict(row) for key, row in rows.items()})

    def _rows(self, version: ReferenceVersion) -> dict[str, Row]:
        found = self._versions.get((version.dataset, version.version))
        return found[1] if found else {}
