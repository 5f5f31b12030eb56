"""Reference data: immutable snapshots of lookup tables, one version current."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

type Row = Mapping[str, str]
"""One reference row: column name to text, the key column included."""


@dataclass(frozen=True, slots=True)
class ReferenceVersion:
    """One snapshot of a data set."""

    dataset: str
    version: str
    rows: int
    columns: tuple[str, ...]


class ReferenceData(Protocol):
    """Lookup tables in DynamoDB. A batch is pinned to the version that was current when it was planned."""

    async def current(self, dataset: str) -> ReferenceVersion | None:
        """Return the version that new batches use; None if the data set was never loaded."""
        ...

    async def describe(self, dataset: str, version: str) -> ReferenceVersion | None:
        """Return one version; None if it is not here (or no longer)."""
        ...

    async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
        """Return the whole snapshot by key, all pages. Raises `NotFound` if rows are missing (replication lag)."""
        ...

    async def is_complete(self, version: ReferenceVersion) -> bool:
        """Say whether every row of the snapshot is here, without holding it: its rows replicate each on its own."""
        ...

    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        """Return the rows of those keys that exist. Any number, duplicates allowed; unprocessed ones retried."""
        ...

    async def publish(self, version: ReferenceVersion, rows: Mapping[str, Row]) -> None:
        """Write every row of a new version, then make it the current one. Repeating it is harmless."""
        ...
