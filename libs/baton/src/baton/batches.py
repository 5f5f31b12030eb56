"""The steps that every service takes with a batch: load it under its fence, move it on, fail it, hand it over.

Each step is safe to repeat: a crash after any line is followed by a second delivery that finds what was done.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from baton.errors import BatchFailed, Fenced, Reject
from baton.messages import MergeBatch, Message, NotifyBatch, SplitBatch
from baton.model.batch import Batch, Failure
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, Outbox, Tally


class Batches:
    """One Region's hand on its batches."""

    def __init__(self, *, ledger: Ledger, outbox: Outbox, clock: Clock) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock

    async def owned(self, message: Message) -> Batch:
        """Return the message's batch. Raises `Reject` if there is none, `Fenced` if another epoch owns it."""
        batch = await self._ledger.get(message.batch_id)
        if batch is None:
            raise Reject("no such batch in the ledger")
        if batch.owner_epoch != message.owner_epoch:
            raise Fenced(f"owned by epoch {batch.owner_epoch}, the message is of epoch {message.owner_epoch}")
        return batch

    async def move(self, batch: Batch, state: BatchState, **changes: Any) -> Batch:
        """Write the batch's next state by compare-and-set. Raises `Fenced` if the row moved on meanwhile."""
        now = later_than(batch.updated_at, self._clock.now())
        return await self._ledger.update(batch, replace(batch, state=state, updated_at=now, nudges=0, **changes))

    async def chunks_done(self, batch: Batch, tally: Tally) -> None:
        """Every chunk is recorded: say so and call the merger."""
        if batch.state is BatchState.SPLIT:
            batch = await self.move(batch, BatchState.PROCESSED, counts=tally.counts)
        await self._outbox.send([MergeBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch)])

    async def fail(self, batch: Batch, failed: BatchFailed) -> None:
        """End the batch FAILED and call the notifier."""
        batch = await self.move(batch, BatchState.FAILED, failure=Failure(failed.code, failed.reason))
        await self.announce(batch)

    async def announce(self, batch: Batch) -> None:
        """Call the notifier unless the mail of this run is out."""
        if not batch.is_announced:
            await self._outbox.send([NotifyBatch(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch)])

    async def leave(self, batch: Batch, *, why: str) -> NoReturn:
        """Drop a message that its batch no longer needs; a failure that was never announced is announced now.

        Raises `Reject`, always: the caller is done.
        """
        if batch.state is BatchState.FAILED:
            await self.announce(batch)
        raise Reject(f"{why}: the batch is {batch.state}")

    async def nudge(self, batch: Batch) -> None:
        """Send the message of the batch's state again: whatever was lost, the work goes on."""
        epoch = batch.owner_epoch
        match batch.state:
            case BatchState.ADMITTED | BatchState.WAITING_INPUT | BatchState.SPLIT:
                message: Message = SplitBatch(batch_id=batch.batch_id, owner_epoch=epoch)
            case BatchState.PROCESSED:
                message = MergeBatch(batch_id=batch.batch_id, owner_epoch=epoch)
            case BatchState.MERGED | BatchState.NOTIFIED | BatchState.COMPLETED | BatchState.FAILED:
                message = NotifyBatch(batch_id=batch.batch_id, owner_epoch=epoch)
            case BatchState.PAUSED | BatchState.CANCELLED:
                return
        await self._outbox.send([message])


def later_than(before: datetime, now: datetime) -> datetime:
    """Return `now`, or the next microsecond after `before` if the clock has not moved: row versions must grow."""
    return max(now, before + timedelta(microseconds=1))
