"""Checks every open batch of a Region: sends lost messages again, ends overdue batches, reports open ones.

A batch whose message waits in a queue, or is being handled, makes no progress for a good reason. Its message is sent
again only if neither is the case, and doing so writes nothing that a step of the batch is compared with.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from baton.batches import Batches
from baton.bounded import at_once
from baton.catalog import Catalog
from baton.errors import BatchFailed, Conflict
from baton.job import Limits
from baton.model.batch import Batch
from baton.model.identity import owner_of
from baton.model.states import BatchState
from baton.model.unreadable import UnreadableRow
from baton.ports import Clock, Heartbeats, Ledger, Outbox, Progress, Signs
from baton.telemetry import Log, Metrics, Noteworthy, emf
from splitter.canaries import CanarySweep
from splitter.liveness import BOUNDED, BatchSeen, may_be_lost, queues_of, silence_max
from splitter.queue_watch import QueueWatch
from splitter.settings import SplitterSettings
from splitter.unreadable import UnreadableRows

_BEFORE_RESULT: Final = frozenset(
    {
        BatchState.ADMITTED,
        BatchState.WAITING_INPUT,
        BatchState.SPLIT,
        BatchState.PROCESSED,
        BatchState.PAUSED,
        BatchState.QUARANTINED,
    }
)
"""The job's deadline is for the result: once it is published, only the mail is left, whose trials are counted."""
_HELD: Final = frozenset({BatchState.PAUSED, BatchState.QUARANTINED})
"""A person holds these, who knows how old they are."""
_AT_ONCE: Final = 16
"""Batches looked at side by side: each is a few small reads."""


@dataclass(slots=True)
class OpenReport:
    """What a report says of the open batches."""

    now: datetime
    batches: int = 0
    oldest: timedelta = field(default_factory=timedelta)
    waiting: int = 0
    oldest_waiting: timedelta = field(default_factory=timedelta)

    quarantined: int = 0
    unreadable: dict[str, UnreadableRow] = field(default_factory=dict[str, UnreadableRow])

    def add(self, batch: Batch) -> None:
        if batch.is_canary:
            return
        self.batches += 1
        if batch.state not in _HELD:
            self.oldest = max(self.oldest, self.now - batch.began_at)
        self.quarantined += batch.state is BatchState.QUARANTINED
        if batch.state is BatchState.WAITING_INPUT:
            self.waiting += 1
            self.oldest_waiting = max(self.oldest_waiting, self.now - batch.entered_at)

    @property
    def metrics(self) -> Metrics:
        return {
            "OpenBatches": (self.batches, "Count"),
            "OldestBatch": (self.oldest.total_seconds(), "Seconds"),
            "BatchesWaitingInput": (self.waiting, "Count"),
            "OldestWaitingInput": (self.oldest_waiting.total_seconds(), "Seconds"),
            "QuarantinedBatches": (self.quarantined, "Count"),
            "UnreadableBatches": (len(self.unreadable), "Count"),
        }


class BatchSweep:
    """One Region's open batches."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        ledger: Ledger,
        progress: Progress,
        heartbeats: Heartbeats,
        outbox: Outbox,
        batches: Batches,
        canaries: CanarySweep,
        catalog: Catalog,
        clock: Clock,
        settings: SplitterSettings,
        log: Log,
        alone: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        """`alone` isolates the errors of one batch, or of one queue, from the others."""
        self._region = region
        self._regions = regions
        self._ledger = ledger
        self._progress = progress
        self._heartbeats = heartbeats
        self._batches = batches
        self._canaries = canaries
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._log = log
        self._alone = alone
        self._noteworthy = Noteworthy()
        self._queues = QueueWatch(outbox=outbox, clock=clock, alone=alone)
        self._unreadable = UnreadableRows(
            region=region, ledger=ledger, outbox=outbox, clock=clock, settings=settings, log=log
        )

    async def sweep(self) -> set[str]:
        """Send lost messages again; return the id of every open batch. Raises `Unavailable` in an outage."""
        running: set[str] = set()
        found = OpenReport(self._clock.now())
        await self._queues.look()
        async for page in self._ledger.list_open():
            running |= {listed.batch_id for listed in page.batches}
            own = [batch for batch in page.batches if owner_of(batch.owner_epoch, self._regions) == self._region]
            for batch in own:
                found.add(batch)
                self._queues.want(queues_of(batch))
            await at_once(_AT_ONCE, [batch for batch in own if self._needs_a_look(batch)], self._sweep_alone)
            found.unreadable |= {row.batch_id: row for row in page.unreadable}
        self._report(found)
        await self._unreadable.found(list(found.unreadable.values()))
        return running

    async def _sweep_alone(self, listed: Batch) -> None:
        with self._alone(listed.batch_id):
            await self._sweep_batch(listed)

    def _report(self, found: OpenReport) -> None:
        """Log what is open and what of it waits for its file, and measure it while there is any: alarms watch it."""
        metrics, dimensions = found.metrics, {"Service": "splitter", "Region": self._region}
        sent = self._noteworthy.of(metrics, found.now)
        self._log.info("swept", **emf(metrics, dimensions=dimensions, now=found.now, sent=sent))

    def _needs_a_look(self, listed: Batch) -> bool:
        """Return whether the row could need anything. The list may be late, never early: a young row is no older."""
        now = self._clock.now()
        is_silent = may_be_lost(listed, now, self._settings) and not self._waits_its_turn(listed)
        return listed.is_canary or self._is_late(listed, now) or is_silent

    async def _sweep_batch(self, listed: Batch) -> None:
        signs = None
        if not listed.is_canary and not self._is_late(listed, self._clock.now()):
            # Of a batch that is in hand nothing else is read: the row itself is as old as the listed one, or younger.
            signs = await self._heartbeats.signs(listed.batch_id)
            if self._is_alive(BatchSeen(listed, signs)):
                return
        # The list is eventually consistent: decide on the row itself.
        batch = await self._ledger.get(listed.batch_id)
        if batch is None or batch.is_settled or batch.owner_epoch != listed.owner_epoch:
            return
        if batch.is_canary:
            await self._canaries.end(batch)
        elif self._is_late(batch, self._clock.now()):
            await self._batches.fail(batch, BatchFailed("deadline", _too_late(batch)))
        else:
            await self.look_after(batch, signs)

    async def look_after(self, batch: Batch, signs: Signs | None = None) -> None:
        """Send the batch's message again if it is lost; end it FAILED if that has been done in vain too often.

        `signs`: what was just read of it.
        """
        self._queues.want(queues_of(batch))
        if not may_be_lost(batch, self._clock.now(), self._settings) or self._waits_its_turn(batch):
            return
        seen = await self._seen(batch, signs or await self._heartbeats.signs(batch.batch_id))
        now = self._clock.now()
        if self._is_alive(seen) or self._may_be_queued(seen):
            return
        if seen.nudges >= self._settings.nudges_max and batch.state in BOUNDED:
            said = f"stood in {batch.state} and made no progress after {seen.nudges} new attempts"
            await self._batches.fail(batch, BatchFailed("stalled", said))
            return
        nudges = seen.nudged(now)
        try:
            await self._heartbeats.count_nudge(batch.batch_id, nudges, before=seen.signs.nudges)
        except Conflict:
            return  # another sweeper was faster
        self._log.warning("nudged", batch_id=batch.batch_id, state=batch.state, nudges=nudges.count)
        await self._batches.nudge(batch)

    def _is_alive(self, seen: BatchSeen) -> bool:
        return self._clock.now() <= seen.last_sign + silence_max(seen, self._settings)

    async def _seen(self, batch: Batch, signs: Signs) -> BatchSeen:
        if batch.state is BatchState.SPLIT and batch.plan_id:
            return BatchSeen(batch, signs, await self._progress.tally(batch.batch_id, batch.plan_id))
        return BatchSeen(batch, signs)

    def _waits_its_turn(self, batch: Batch) -> bool:
        """Return whether the row alone tells that the batch's message may still be queued: nobody is asked about it."""
        return self._may_be_queued(BatchSeen(batch, Signs(worked_at=None, nudges=None)))

    def _may_be_queued(self, seen: BatchSeen) -> bool:
        """Return whether the batch's message may wait in its queue: then it is not lost, however long the queue is.

        A batch that waits for its input has none there, unless it was asked and has not answered.
        """
        if seen.batch.state is BatchState.WAITING_INPUT and not seen.is_asked:
            return False
        read_up_to = self._queues.read_up_to(queues_of(seen.batch))
        return read_up_to is None or seen.last_sign >= read_up_to

    def _is_late(self, batch: Batch, now: datetime) -> bool:
        loaded = self._catalog.get(batch.job)
        limits = loaded.job.limits if loaded else Limits()
        # Once published, only a new owner without the result goes back before it: that step has its own time. So has
        # the person who is to decide about what was set aside.
        anew = batch.published or batch.state is BatchState.QUARANTINED
        began_at = batch.entered_at if anew else batch.began_at
        deadline = began_at + timedelta(minutes=limits.deadline_minutes)
        return batch.state in _BEFORE_RESULT and now > deadline and not batch.is_canary


def _too_late(batch: Batch) -> str:
    if batch.state is BatchState.WAITING_INPUT:
        return f"{batch.source.key}: the file, or what it was planned with, never reached the Region that owns it"
    if batch.state is BatchState.QUARANTINED:
        return f"set aside, and nobody retried it before its deadline: {batch.failure.reason if batch.failure else ''}"
    return f"not finished by its deadline: it stands in {batch.state}"
