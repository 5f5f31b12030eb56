"""Looks at every open batch of a Region: wakes what stands still, ends what is too late, reports what is open."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final

from baton.batches import Batches
from baton.canary import is_canary
from baton.catalog import Catalog
from baton.errors import BatchFailed
from baton.job import Limits
from baton.model.batch import Batch
from baton.model.identity import owner_of
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, Progress
from baton.telemetry import Log, emf
from splitter.alone import at_once
from splitter.canaries import CanarySweep
from splitter.settings import SplitterSettings

_AT_ONCE: Final = 16
_BEFORE_RESULT: Final = frozenset(
    {BatchState.ADMITTED, BatchState.WAITING_INPUT, BatchState.SPLIT, BatchState.PROCESSED, BatchState.PAUSED}
)
"""The job's deadline is for the result: once it is published, only the mail is left, whose trials are counted."""
_BOUNDED: Final = frozenset({BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED, BatchState.MERGED})
"""States whose message is sent again a bounded number of times. WAITING_INPUT waits for the deadline instead."""


class BatchSweep:
    """One Region's open batches."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        ledger: Ledger,
        progress: Progress,
        batches: Batches,
        canaries: CanarySweep,
        catalog: Catalog,
        clock: Clock,
        settings: SplitterSettings,
        log: Log,
        alone: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        """`alone` keeps one batch's trouble from the others."""
        self._region = region
        self._regions = regions
        self._ledger = ledger
        self._progress = progress
        self._batches = batches
        self._canaries = canaries
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._log = log
        self._alone = alone

    async def sweep(self) -> set[str]:
        """Wake what stands still; return the id of every open batch."""
        running: set[str] = set()
        own: list[Batch] = []
        unreadable = 0
        cursor: str | None = None
        while True:
            page = await self._ledger.list_open(cursor=cursor)
            running |= {listed.batch_id for listed in page.batches}
            mine = [each for each in page.batches if owner_of(each.owner_epoch, self._regions) == self._region]
            own += [each for each in mine if not is_canary(each)]
            await at_once(_AT_ONCE, mine, self._sweep_alone)
            unreadable += len(page.unreadable)
            for batch_id in page.unreadable:
                self._log.error("row_unreadable", batch_id=batch_id)
            cursor = page.cursor
            if cursor is None:
                self._report(own, unreadable)
                return running

    async def _sweep_alone(self, listed: Batch) -> None:
        with self._alone(listed.batch_id):
            await self._sweep_batch(listed)

    def _report(self, own: Sequence[Batch], unreadable: int) -> None:
        """Measure what is open and what of it waits for its file, also if nothing does: alarms watch it."""
        now = self._clock.now()
        waiting = [now - batch.entered_at for batch in own if batch.state is BatchState.WAITING_INPUT]
        # A person holds what is paused, who knows how old it is.
        working = [now - batch.admitted_at for batch in own if batch.state is not BatchState.PAUSED]
        self._log.info(
            "swept",
            **emf(
                {
                    "OpenBatches": (len(own), "Count"),
                    "OldestBatch": (_oldest_seconds(working), "Seconds"),
                    "BatchesWaitingInput": (len(waiting), "Count"),
                    "OldestWaitingInput": (_oldest_seconds(waiting), "Seconds"),
                    "UnreadableBatches": (unreadable, "Count"),
                },
                dimensions={"Service": "splitter", "Region": self._region},
                now=now,
            ),
        )

    async def _sweep_batch(self, listed: Batch) -> None:
        # The list is eventually consistent: decide on the row itself.
        batch = await self._ledger.get(listed.batch_id)
        if batch is None or batch.is_settled or batch.owner_epoch != listed.owner_epoch:
            return
        now = self._clock.now()
        if is_canary(batch):
            await self._canaries.end(batch)
        elif batch.state in _BEFORE_RESULT and now > batch.admitted_at + self._deadline(batch):
            await self._batches.fail(batch, BatchFailed("deadline", _too_late(batch)))
        elif batch.state is not BatchState.PAUSED and now > await self._last_sign(batch) + self.patience(batch):
            await self.wake(batch)

    async def wake(self, batch: Batch) -> None:
        """Send the message of the batch's state again, or end it FAILED if that has been done in vain too often."""
        if batch.nudges >= self._settings.nudges_max and batch.state in _BOUNDED:
            await self._batches.fail(
                batch,
                BatchFailed(
                    "stalled", f"stood in {batch.state} and made no progress after {batch.nudges} new attempts"
                ),
            )
            return
        batch = await self._batches.move(batch, batch.state, nudges=batch.nudges + 1)
        self._log.warning("nudged", batch_id=batch.batch_id, state=batch.state, nudges=batch.nudges)
        await self._batches.nudge(batch)

    async def _last_sign(self, batch: Batch) -> datetime:
        """Return when the batch last moved: its row, or its chunks."""
        if batch.state is BatchState.SPLIT and batch.plan_id:
            tally = await self._progress.tally(batch.batch_id, batch.plan_id)
            if tally:
                return max(batch.updated_at, tally.updated_at)
        return batch.updated_at

    def patience(self, batch: Batch) -> timedelta:
        """Return how long the batch may be silent before it is woken."""
        if batch.state is BatchState.WAITING_INPUT:
            return timedelta(seconds=self._settings.sweep_seconds)
        return timedelta(seconds=self._settings.stalled_seconds * 2 ** min(batch.nudges, self._settings.nudges_max))

    def _deadline(self, batch: Batch) -> timedelta:
        loaded = self._catalog.get(batch.job)
        limits = loaded.job.limits if loaded else Limits()
        return timedelta(minutes=limits.deadline_minutes)


def _oldest_seconds(ages: Sequence[timedelta]) -> float:
    return max(ages, default=timedelta()).total_seconds()


def _too_late(batch: Batch) -> str:
    if batch.state is BatchState.WAITING_INPUT:
        return f"{batch.source.key}: the file, or what it was planned with, never reached the Region that owns it"
    return f"not finished by its deadline: it stands in {batch.state}"
