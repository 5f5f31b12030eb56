"""The ledger in memory. Every method is one step of the event loop, so every method is one atomic write or read.

As strict as the table: a row has at most 400 kB, an index may lag behind, a row may be one that nobody here can read.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import batched

from baton.errors import Conflict, Fenced, NotFound, Refused
from baton.memory.items import KEYS_MAX, check_item
from baton.memory.refusals import Refusals
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control
from baton.model.rows import BATCH, CONTROL
from baton.model.states import BatchState
from baton.model.unreadable import UnreadableRow
from baton.ports.ledger import Admission, BatchPage
from baton.ports.preconditions import check_control, check_final, check_step, with_claim
from baton.requests import PAGE_BATCHES


@dataclass(slots=True)
class _Store:
    control: Control | None
    batches: dict[str, Batch] = field(default_factory=dict[str, Batch])
    spoiled: dict[str, UnreadableRow] = field(default_factory=dict[str, UnreadableRow])
    """What is known of rows that this version cannot read."""
    index: dict[str, Batch] | None = None
    """What lists see while the index lags: the rows as they were. None: it does not lag."""


class MemoryLedger:
    """One ledger; `view` gives another client of the same rows."""

    def __init__(self, control: Control | None = None, *, page_batches: int = PAGE_BATCHES) -> None:
        self.refusals = Refusals(MemoryLedger)
        self._store = _Store(control)
        self._page_batches = page_batches

    def view(self) -> "MemoryLedger":
        """Return the same ledger as the other Region's client of it, whose calls are refused apart from these."""
        view = MemoryLedger(page_batches=self._page_batches)
        view._store = self._store
        return view

    @property
    def rows(self) -> Mapping[str, Batch]:
        """Every batch as it is, by id, also one that this version cannot read."""
        return self._store.batches

    @property
    def listed(self) -> Mapping[str, Batch]:
        """The batches of which lists are made, by id: readable ones, as the index has them."""
        rows, spoiled = self._store.index, self._store.spoiled
        rows = self._store.batches if rows is None else rows
        return {each: batch for each, batch in rows.items() if each not in spoiled}

    def spoil(self, batch_id: str, *, leaving: UnreadableRow | None = None) -> None:
        """Make the row one that this version of Baton cannot read, as if a later one had written it.

        `leaving`: what is known of it, if that is less than usual.
        """
        self._store.spoiled[batch_id] = leaving or _remains_of(self._store.batches[batch_id])

    def saved(self) -> Callable[[], None]:
        """Return what restores every row as it is now, as a restore of the table to this moment does."""
        control, batches = self._store.control, dict(self._store.batches)

        def restore() -> None:
            self._store.control, self._store.batches = control, dict(batches)

        return restore

    def mend(self, batch_id: str) -> None:
        """Make the row one that can be read again."""
        self._store.spoiled.pop(batch_id, None)

    def hold_index(self) -> None:
        """Let lists show the rows as they are now, whatever is written from now on."""
        self._store.index = dict(self._store.batches)

    def release_index(self) -> None:
        """Let lists show the rows as they are."""
        self._store.index = None

    async def control(self) -> Control:
        self.refusals.check("control")
        if self._store.control is None:
            raise NotFound("the ledger has no control row: the world is not set up")
        return self._store.control

    async def set_control(self, after: Control, *, before: Control | None) -> None:
        check_control(before, after)
        self.refusals.check("set_control")
        check_item("the control row", CONTROL.adapter.dump_json(after))
        current = self._store.control
        if (current and current.revision) != (before and before.revision):
            raise Conflict(f"the control row changed: it is {current}")
        self._store.control = after

    async def admit(self, batch: Batch) -> Admission:
        self.refusals.check("admit", batch.batch_id)
        if batch.batch_id in self._store.batches:
            return Admission.ALREADY_THERE
        check_item(f"batch {batch.batch_id}", BATCH.adapter.dump_json(batch))
        self._store.batches[batch.batch_id] = batch
        return Admission.ADMITTED

    async def get(self, batch_id: str) -> Batch | None:
        self.refusals.check("get", batch_id)
        if batch_id in self._store.spoiled:
            raise Refused(f"the row of batch {batch_id} cannot be read by this version")
        return self._store.batches.get(batch_id)

    async def unreadable(self, batch_id: str) -> UnreadableRow | None:
        self.refusals.check("unreadable", batch_id)
        return self._store.spoiled.get(batch_id)

    async def get_many(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | None]:
        rows, spoiled = self._store.batches, self._store.spoiled
        for some in batched(batch_ids, KEYS_MAX):
            self.refusals.check("get_many", *some)
        # In no order that anybody may rely on.
        return {each: None if each in spoiled else rows[each] for each in sorted(batch_ids)[::-1] if each in rows}

    async def update(self, before: Batch, after: Batch) -> Batch:
        check_step(before, after)
        self.refusals.check("update", after.batch_id)
        check_item(f"batch {after.batch_id}", BATCH.adapter.dump_json(after))
        self._check_unchanged(before)
        self._store.batches[after.batch_id] = after
        return after

    async def claim_mail(self, before: Batch, claim: MailClaim) -> Batch:
        self.refusals.check("claim_mail", before.batch_id)
        return await self.update(before, with_claim(before, claim))

    def list_open(self) -> AsyncIterator[BatchPage]:
        return self._pages("list_open", lambda batch: not batch.is_settled)

    def list_recent(self, *, since: datetime) -> AsyncIterator[BatchPage]:
        return self._pages("list_recent", lambda batch: batch.admitted_at >= since)

    def list_settled(self, day: date) -> AsyncIterator[BatchPage]:
        return self._pages(
            "list_settled", lambda batch: batch.is_settled and batch.updated_at.astimezone(UTC).date() == day
        )

    async def delete(self, batch: Batch) -> None:
        check_final(batch)
        self.refusals.check("delete", batch.batch_id)
        if batch.batch_id in self._store.batches:
            self._check_unchanged(batch)
            del self._store.batches[batch.batch_id]

    def _check_unchanged(self, before: Batch) -> None:
        row = self._store.batches.get(before.batch_id)
        if row is None or _condition(row) != _condition(before):
            raise Fenced(f"batch {before.batch_id} is no longer {before.state} of epoch {before.owner_epoch}")

    async def _pages(self, operation: str, listed: Callable[[Batch], bool]) -> AsyncIterator[BatchPage]:
        cursor: str | None = None
        while True:
            page, cursor = await self._page(operation, listed, cursor)
            yield page
            if cursor is None:
                return

    async def _page(
        self, operation: str, listed: Callable[[Batch], bool], cursor: str | None
    ) -> tuple[BatchPage, str | None]:
        """Return a page and where the next one begins: one request, so that a test may let it take its time."""
        self.refusals.check(operation)
        rows = self._store.batches if self._store.index is None else self._store.index
        below = [b for b in rows.values() if listed(b) and (cursor is None or _listed_at(b) < cursor)]
        newest_first = sorted(below, key=_listed_at, reverse=True)
        page = newest_first[: self._page_batches]
        more = len(newest_first) > len(page)
        spoiled = self._store.spoiled
        readable = [batch for batch in page if batch.batch_id not in spoiled]
        unreadable = [spoiled[batch.batch_id] for batch in page if batch.batch_id in spoiled]
        return BatchPage(readable, unreadable), _listed_at(page[-1]) if more else None


def _remains_of(batch: Batch) -> UnreadableRow:
    source = batch.source
    return UnreadableRow(batch.batch_id, batch.job, source.key, source.version_id, batch.state.value, batch.owner_epoch)


def _condition(batch: Batch) -> tuple[BatchState, int, int, datetime]:
    return batch.state, batch.owner_epoch, batch.run, batch.updated_at


def _listed_at(batch: Batch) -> str:
    return f"{batch.admitted_at.isoformat(timespec='microseconds')}#{batch.batch_id}"
