"""Port: reference data, as immutable snapshots of lookup tables, of which one version is current."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

type Row = Mapping[str, str]
"""One reference row: column name to text, the key column included."""

type Rows = Mapping[str, Row] | Iterable[tuple[str, Row]]
"""Rows by key, each key once. They are gone through twice: an iterator will not do."""


@dataclass(frozen=True, slots=True)
class ReferenceVersion:
    """One snapshot of a data set."""

    dataset: str
    version: str
    rows: int
    columns: tuple[str, ...]
    size_bytes: int | None = field(default=None, compare=False)
    """Of all its values in UTF-8, found when it was published; None if an older Baton did that."""


class ReferenceData(Protocol):
    """Lookup tables in DynamoDB. A batch is pinned to the version that was current when it was planned."""

    async def current(self, dataset: str) -> ReferenceVersion | None:
        """Return the version that new batches use; None if the data set was never loaded."""
        ...

    async def describe(self, dataset: str, version: str) -> ReferenceVersion | None:
        """Return one version; None if it is not here (or no longer)."""
        ...

    async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
        """Return the whole snapshot by key, all pages.

        Raises `NotFound` if there are fewer rows than its version has (replication lag), or more.
        """
        ...

    async def is_complete(self, version: ReferenceVersion) -> bool:
        """Return whether exactly its rows are here, without holding them: each replicates on its own."""
        ...

    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        """Return the rows of those keys that exist. Any number, duplicates allowed; unprocessed ones retried.

        Ask for a version that is complete: a row that has not come yet looks like one that does not exist.
        """
        ...

    async def publish(self, version: ReferenceVersion, rows: Rows) -> None:
        """Write every row of a new version, then make it the current one; memory does not grow with the rows.

        Repeating it is harmless: rows that are there already are left alone. What else lies under that version (a load
        that broke off, other rows) is taken away first. Raises `ValueError` if the rows are not as announced or
        take too much; the version is not current then.
        """
        ...

    async def prune(self, dataset: str, *, replaced_before: datetime) -> Sequence[str]:
        """Remove versions that were replaced as the current one before that time; return their names, sorted.

        So too what is left of a load that began before it and never ended.
        """
        ...
