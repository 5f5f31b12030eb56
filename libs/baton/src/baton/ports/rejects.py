"""Port: the first rejects of a batch, for queries; all of them are in `rejects.csv`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredReject:
    """One record that broke a rule. `byte_offset` is the record's start in the file; texts are cut, never dropped."""

    record_number: int
    byte_offset: int
    column: str
    rule: str
    value: str
    line: str


class RejectIndex(Protocol):
    """Rejects of a batch by record number, each plan's apart: under other rules other records are rejected."""

    async def put(self, batch_id: str, plan_id: str, rejects: Sequence[StoredReject]) -> None:
        """Store rejects of at most 300 kB each; storing one again replaces it with the same. Raises `ValueError`."""
        ...

    async def list(self, batch_id: str, plan_id: str, *, limit: int) -> Sequence[StoredReject]:
        """Return the first `limit` rejects by record number."""
        ...
