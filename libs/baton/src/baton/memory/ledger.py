"""The ledger in memory. Every method is one step of the event loop, so every method is one atomic write or read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from baton.errors import Conflict, Fenced, NotFound
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control
from baton.model.states import BatchState
from baton.ports.ledger import Admission, BatchPage
from baton.ports.rules import check_control, check_final, check_step, with_claim
from baton.topology import REGIONS_DEFAULT

_PAGE_BATCHES: Final = 100


@dataclass(slots=True)
class _Store:
    control: Control | None
    batches: dict[str, Batch] = field(default_factory=dict[str, Batch])


class MemoryLedger:
    """One ledger; `seen_from` gives the other Region's view of the same rows."""

    def __init__(
        self,
        control: Control | None = None,
        *,
        region: str = REGIONS_DEFAULT[0],
        page_batches: int = _PAGE_BATCHES,
    ) -> None:
        self._store = _Store(control)
        self._region = region
        self._page_batches = page_batches

    def seen_from(self, region: str) -> "MemoryLedger":
        """Return the same ledger as written to from another Region: history names it."""
        view = MemoryLedger(region=region, page_batches=self._page_batches)
        view._store = self._store
        return view

    async def control(self) -> Control:
        if self._store.control is None:
            raise NotFound("the ledger has no control row: the world is not set up")
        return self._store.control

    async def set_control(self, after: Control, *, before: Control | None) -> None:
        check_control(before, after)
        current = self._store.control
        if (current and current.revision) != (before and before.revision):
            raise Conflict(f"the control row changed: it is {current}")
        self._store.control = after

    async def admit(self, batch: Batch) -> Admission:
        if batch.batch_id in self._store.batches:
            return Admission.ALREADY_THERE
        self._store.batches[batch.batch_id] = batch
        return Admission.ADMITTED

    async def get(self, batch_id: str) -> Batch | None:
        return self._store.batches.get(batch_id)

    async def update(self, before: Batch, after: Batch) -> Batch:
        check_step(before, after)
        self._check_unchanged(before)
        self._store.batches[after.batch_id] = after
        return after

    async def claim_mail(self, before: Batch, claim: MailClaim) -> Batch:
        return await self.update(before, with_claim(before, claim))

    async def list_open(self, *, cursor: str | None = None) -> BatchPage:
        return self._page((b for b in self._store.batches.values() if not b.is_settled), cursor)

    async def list_recent(self, *, since: datetime, cursor: str | None = None) -> BatchPage:
        return self._page((b for b in self._store.batches.values() if b.admitted_at >= since), cursor)

    async def list_settled(self, day: date, *, cursor: str | None = None) -> BatchPage:
        settled = (b for b in self._store.batches.values() if b.is_settled and b.admitted_at.date() == day)
        return self._page(settled, cursor)

    async def forget(self, batch: Batch) -> None:
        check_final(batch)
        if batch.batch_id in self._store.batches:
            self._check_unchanged(batch)
            del self._store.batches[batch.batch_id]

    def _check_unchanged(self, before: Batch) -> None:
        row = self._store.batches.get(before.batch_id)
        if row is None or _condition(row) != _condition(before):
            raise Fenced(f"batch {before.batch_id} is no longer {before.state} of epoch {before.owner_epoch}")

    def _page(self, batches: Iterable[Batch], cursor: str | None) -> BatchPage:
        below = (b for b in batches if cursor is None or _listed_at(b) < cursor)
        newest_first = sorted(below, key=_listed_at, reverse=True)
        page = newest_first[: self._page_batches]
        more = len(newest_first) > len(page)
        return BatchPage(page, _listed_at(page[-1]) if more else None)


def _condition(batch: Batch) -> tuple[BatchState, int, int, datetime]:
    return batch.state, batch.owner_epoch, batch.run, batch.updated_at


def _listed_at(batch: Batch) -> str:
    return f"{batch.admitted_at.isoformat(timespec='microseconds')}#{batch.batch_id}"
