"""The steps that every service takes with a batch: load it under its fence, advance it, fail it, hand it over.

Each step is idempotent: after a crash at any line, a second delivery finds what was done.
"""

from typing import Any, Final

from baton.errors import BatchFailed, Fenced, Reject
from baton.job import Limits
from baton.messages import MergeBatch, Message, NotifyBatch, SplitBatch
from baton.model.batch import Batch, Counts, Failure
from baton.model.states import APART, BatchState
from baton.model.takeover import QUARANTINED, Turn, taken_over
from baton.ports import Clock, Ledger, Outbox, Tally
from baton.shown import shown

REASON_CHARACTERS_MAX: Final = 2_000
"""Of why a batch failed. The ledger's row takes 400 kB, and a reader of the mail much less."""


def check_rejects(batch: Batch, limits: Limits, counts: Counts) -> None:
    """Raise `BatchFailed("too_many_rejects", …)` if these counts are over the job's limits.

    Asked after every chunk, to stop early, and before publication, because a retry finds its chunks done.
    """
    allowed = limits.rejects_allowed(batch.records_total)
    if counts.rejects > allowed:
        were = "was" if counts.rejects == 1 else "were"
        raise BatchFailed(
            "too_many_rejects",
            f"at least {counts.rejects:,} of {counts.records_in:,} checked records {were} rejected; "
            f"the job {batch.job!r} allows {allowed:,} of {batch.records_total:,}",
        )


def _message_of(batch: Batch) -> Message | None:
    """Return the message that takes the batch on from its state."""
    match batch.state:
        case BatchState.ADMITTED | BatchState.WAITING_INPUT | BatchState.SPLIT:
            return _for(SplitBatch, batch)
        case BatchState.PROCESSED:
            return _for(MergeBatch, batch)
        case BatchState.MERGED | BatchState.NOTIFIED | BatchState.COMPLETED | BatchState.FAILED:
            return _for(NotifyBatch, batch)
        case BatchState.PAUSED | BatchState.QUARANTINED | BatchState.CANCELLED:
            return None


def _for[M: (SplitBatch, MergeBatch, NotifyBatch)](kind: type[M], batch: Batch) -> M:
    return kind(batch_id=batch.batch_id, owner_epoch=batch.owner_epoch, large=batch.is_large, apart=batch.is_apart)


class Batches:
    """One Region's hand on its batches."""

    def __init__(self, *, region: str, ledger: Ledger, outbox: Outbox, clock: Clock) -> None:
        self._region = region
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
        after = batch.moved(state, at=self._clock.now(), by=self._region, **changes)
        return await self._ledger.update(batch, after)

    async def chunks_done(self, batch: Batch, tally: Tally) -> None:
        """Every chunk is recorded: say so and call the merger."""
        if batch.state is BatchState.SPLIT:
            batch = await self.move(batch, BatchState.PROCESSED, counts=tally.counts)
        await self._outbox.send([_for(MergeBatch, batch)])

    async def fail(self, batch: Batch, failed: BatchFailed, *, counts: Counts | None = None) -> None:
        """End the batch FAILED and call the notifier. The reason is cut: it may quote a whole value.

        `counts`: of the chunks done so far, if they are known.
        """
        failure = Failure(failed.code, shown(failed.reason, most=REASON_CHARACTERS_MAX))
        batch = await self.move(batch, BatchState.FAILED, failure=failure, counts=counts or batch.counts)
        await self.announce(batch)

    async def set_aside(self, message: Message, *, cause: str) -> None:
        """Set the message's batch aside, for an operator to decide. Raises `Reject` or `Fenced` if it has moved on."""
        batch = await self.owned(message)
        if batch.state not in APART:
            raise await self.left(batch, why="nothing to set aside")
        reason = f"it was in hand when a Region turned unhealthy, and after its takeover {cause}"
        await self.move(batch, BatchState.QUARANTINED, failure=Failure(QUARANTINED, reason))

    async def announce(self, batch: Batch) -> None:
        """Call the notifier unless the mail of this run is out."""
        if not batch.is_announced:
            await self._outbox.send([_for(NotifyBatch, batch)])

    async def left(self, batch: Batch, *, why: str) -> Reject:
        """Return what drops a message that its batch no longer needs, to be raised.

        A failure that was never announced is announced now.
        """
        if batch.state is BatchState.FAILED:
            await self.announce(batch)
        return Reject(f"{why}: the batch is {batch.state}")

    async def take_over(self, batch: Batch, *, epoch: int, turn: Turn | None = None) -> Batch:
        """Become this batch's owner under `epoch` and send the message of its state to this Region's own queue.

        `turn`: what the other Region is left for. One compare-and-set. Doing it again under the same epoch only sends
        the message again. Raises `Fenced` if the row moved or a later epoch owns it: read it again. Raises `ValueError`
        for a settled batch or a canary.
        """
        if batch.owner_epoch > epoch:  # S5: what a newer epoch took is left alone
            raise Fenced(f"batch {batch.batch_id} is owned by epoch {batch.owner_epoch}, later than {epoch}")
        if batch.owner_epoch < epoch:
            after = taken_over(batch, epoch=epoch, at=self._clock.now(), by=self._region, turn=turn)
            batch = await self._ledger.update(batch, after)
        await self.nudge(batch)
        return batch

    async def nudge(self, batch: Batch) -> None:
        """Send the message of the batch's state again: whatever was lost, the work continues."""
        message = _message_of(batch)
        if message is not None:
            await self._outbox.send([message])
