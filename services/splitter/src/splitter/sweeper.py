"""Nothing ends in silence: finds inputs that nobody admitted and batches that stand still.

Runs beside the splitter in both Regions. It never holds a batch's safety in its hands: whatever it sends twice is
handled once.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from baton.batches import Batches
from baton.catalog import Catalog
from baton.errors import BatchFailed, BatonError, Fenced
from baton.job import Limits
from baton.model import paths
from baton.model.batch import Batch
from baton.model.identity import owner_of
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, ObjectInfo, ObjectStore, Progress
from baton.telemetry import Log
from splitter.admission import Admitter
from splitter.settings import SplitterSettings

_BEFORE_RESULT: Final = frozenset(
    {BatchState.ADMITTED, BatchState.WAITING_INPUT, BatchState.SPLIT, BatchState.PROCESSED, BatchState.PAUSED}
)
"""The job's deadline is for the result: once it is published, only the mail is left, and that is tried for ever."""
_BOUNDED: Final = frozenset({BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED, BatchState.MERGED})
"""States whose message is sent again a bounded number of times. WAITING_INPUT waits for the deadline instead."""


class Sweeper:
    """One Region's sweeper."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        ledger: Ledger,
        objects: ObjectStore,
        progress: Progress,
        batches: Batches,
        admitter: Admitter,
        catalog: Catalog,
        clock: Clock,
        settings: SplitterSettings,
        log: Log,
    ) -> None:
        self._region = region
        self._regions = regions
        self._ledger = ledger
        self._objects = objects
        self._progress = progress
        self._batches = batches
        self._admitter = admitter
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._log = log
        self._settled: set[tuple[str, str, datetime]] = set()
        """Inputs whose row was seen final (etag and time tell versions apart): not asked about in every sweep."""

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set; a sweep that fails is logged and the next one tries again."""
        while not stop.is_set():
            try:
                await self.sweep()
            except BatonError as error:
                self._log.warning("sweep_failed", error=str(error))
            try:
                async with asyncio.timeout(self._settings.sweep_seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def sweep(self) -> None:
        """Look once at every input and every open batch."""
        await self._sweep_inputs()
        await self._sweep_batches()

    # --- inputs that nobody admitted -----------------------------------------------------------------------------

    async def _sweep_inputs(self) -> None:
        control = await self._ledger.control()
        if control.active_region != self._region:
            return
        seen: set[tuple[str, str, datetime]] = set()
        oldest_left_alone = self._clock.now() - timedelta(seconds=self._settings.unadmitted_seconds)
        async for info in self._objects.list(paths.INPUT):
            mark = (info.key, info.etag, info.last_modified)
            seen.add(mark)
            if mark not in self._settled and info.last_modified <= oldest_left_alone:
                await self._sweep_input(info, mark)
        self._settled &= seen

    async def _sweep_input(self, info: ObjectInfo, mark: tuple[str, str, datetime]) -> None:
        batch = await self._admitter.admit(info.key, None)
        if batch is None:
            return
        if batch.state is BatchState.COMPLETED:
            # Completed, yet still in `input/`: the notifier died before it archived.
            await self._batches.nudge(batch)
        elif batch.is_settled:
            self._settled.add(mark)

    # --- batches that stand still --------------------------------------------------------------------------------

    async def _sweep_batches(self) -> None:
        cursor: str | None = None
        while True:
            page = await self._ledger.list_open(cursor=cursor)
            for listed in page.batches:
                if owner_of(listed.owner_epoch, self._regions) == self._region:
                    await self._sweep_batch(listed)
            cursor = page.cursor
            if cursor is None:
                return

    async def _sweep_batch(self, listed: Batch) -> None:
        # The list is eventually consistent: decide on the row itself.
        batch = await self._ledger.get(listed.batch_id)
        if batch is None or batch.is_settled or batch.owner_epoch != listed.owner_epoch:
            return
        now = self._clock.now()
        try:
            if batch.state in _BEFORE_RESULT and now > batch.admitted_at + self._deadline(batch):
                await self._batches.fail(batch, BatchFailed("deadline", _too_late(batch)))
            elif batch.state is not BatchState.PAUSED and now > await self._last_sign(batch) + self._patience(batch):
                await self._wake(batch)
        except Fenced:
            return  # it moved while we looked at it: alive

    async def _wake(self, batch: Batch) -> None:
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

    def _patience(self, batch: Batch) -> timedelta:
        if batch.state is BatchState.WAITING_INPUT:
            return timedelta(seconds=self._settings.sweep_seconds)
        return timedelta(seconds=self._settings.stalled_seconds * 2 ** min(batch.nudges, self._settings.nudges_max))

    def _deadline(self, batch: Batch) -> timedelta:
        loaded = self._catalog.get(batch.job)
        limits = loaded.job.limits if loaded else Limits()
        return timedelta(minutes=limits.deadline_minutes)


def _too_late(batch: Batch) -> str:
    if batch.state is BatchState.WAITING_INPUT:
        return f"{batch.source.key}: this version never reached the Region that owns the batch"
    return f"not finished by its deadline: it stands in {batch.state}"
