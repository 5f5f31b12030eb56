"""Port: the strongly consistent store of record for ownership, a DynamoDB global table in MRSC mode.

MRSC has no transactions and no TTL, so every rule is one conditional write on one item. Lists come from an eventually
consistent index: safety never rests on a list.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from baton.model.batch import Batch, MailClaim
from baton.model.control import Control
from baton.model.unreadable import UnreadableRow


class Admission(StrEnum):
    """The outcome of `admit`."""

    ADMITTED = "ADMITTED"
    ALREADY_THERE = "ALREADY_THERE"


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of a list of batches, newest admission first. Its size is the adapter's."""

    batches: Sequence[Batch]
    unreadable: Sequence[UnreadableRow] = ()
    """Rows that this version of Baton cannot read: a later one wrote them, or a person. All others are read."""


async def whole_list(pages: AsyncIterator[BatchPage]) -> BatchPage:
    """Return a list on one page, each row once."""
    batches: dict[str, Batch] = {}
    unreadable: dict[str, UnreadableRow] = {}
    async for page in pages:
        batches.update((batch.batch_id, batch) for batch in page.batches)
        unreadable.update((row.batch_id, row) for row in page.unreadable)
    return BatchPage(list(batches.values()), list(unreadable.values()))


async def batches_of(pages: AsyncIterator[BatchPage]) -> list[Batch]:
    """Return every batch of a list that can be read, each once."""
    return list((await whole_list(pages)).batches)


class Ledger(Protocol):
    """Ownership and state of every batch."""

    async def control(self) -> Control:
        """Return the control row by a strong read. Raises `NotFound` before the world is set up."""
        ...

    async def set_control(self, after: Control, *, before: Control | None) -> None:
        """Write the control row if its revision is still that of `before` (None: if there is no row yet).

        Raises `Conflict` if it is not; `ValueError` if the revision does not grow by one, if the epoch shrinks, or if
        the active Region changes without it.
        """
        ...

    async def admit(self, batch: Batch) -> Admission:
        """Create the row if no row has this `batch_id` (S2 of docs/simulation.md). Never changes an existing row.

        Raises `Refused`, as `update` does, for a row of more than 400 kB: the store's own bound.
        """
        ...

    async def get(self, batch_id: str) -> Batch | None:
        """Return one batch by a strong read. Raises `Refused` if this version of Baton cannot read its row."""
        ...

    async def unreadable(self, batch_id: str) -> UnreadableRow | None:
        """Return what is known of a row that this version cannot read, by a strong read; None if there is none."""
        ...

    async def get_many(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | None]:
        """Return those of these batches that have a row, by strong reads; None for a row that cannot be read."""
        ...

    async def update(self, before: Batch, after: Batch) -> Batch:
        """Replace `before` by `after` if the row still has `before`'s state, owner_epoch, run and updated_at.

        Returns `after`. Raises `Fenced` if the row changed or is gone; raises `ValueError` if the state table does not
        allow the step (a state may stay as it is). The caller sets `updated_at`, which must grow.
        """
        ...

    async def claim_mail(self, before: Batch, claim: MailClaim) -> Batch:
        """Write the claim if the row still is `before` and holds no claim for this run or the same one as `before`.

        Raises `Fenced` otherwise. Same condition as `update`, named because it is the step that must not happen twice.
        """
        ...

    def list_open(self) -> AsyncIterator[BatchPage]:
        """Yield every batch that is not settled (`Batch.is_settled`), page by page, newest admission first.

        Eventually consistent, as every list: a batch that moves meanwhile may stand on two pages, or on none.
        """
        ...

    def list_recent(self, *, since: datetime) -> AsyncIterator[BatchPage]:
        """Yield every batch of any state admitted since `since`, page by page, newest admission first."""
        ...

    def list_settled(self, day: date) -> AsyncIterator[BatchPage]:
        """Yield every settled batch that was last written on that day, in UTC, page by page, newest admission first."""
        ...

    async def delete(self, batch: Batch) -> None:
        """Delete a final row that is unchanged. Raises `Fenced` if it changed."""
        ...
