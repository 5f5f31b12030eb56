"""Deletes rows of batches that ended longer ago than any replication lag."""

from datetime import date, datetime, timedelta
from typing import Final

from baton.bounded import at_once
from baton.errors import Refused
from baton.model.batch import Batch
from baton.model.identity import owner_of
from baton.ports import Clock, Ledger, ObjectStore
from baton.telemetry import Log
from baton.topology import RETENTION_DAYS
from splitter.alone import Alone

_EVERY: Final = timedelta(hours=1)
_EVERY_WHOLE: Final = timedelta(days=1)
_DAYS: Final = 2
"""Days looked at each time; each is a query."""
_DAYS_WHOLE: Final = 400
"""Days looked at once a day and after the start, a few with each sweep: a process that has just started has better
things to do than four hundred queries. Finds rows that were not deleted when they were due, because no sweeper ran or
because their input was still there."""
_AT_ONCE: Final = 16


class Retention:
    """One Region's: of the batches that it owned last. May run in several processes at once."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        ledger: Ledger,
        objects: ObjectStore,
        clock: Clock,
        log: Log,
    ) -> None:
        self._region = region
        self._regions = regions
        self._ledger = ledger
        self._objects = objects
        self._clock = clock
        self._log = log
        self._alone = Alone(log)
        self._done_at: datetime | None = None
        self._whole_at: datetime | None = None
        self._left = range(0)
        """Days of the long look that are still to come."""

    async def delete_old(self) -> None:
        """Delete what may be deleted, once an hour: no late copy of a file can start such a batch again."""
        now = self._clock.now()
        if self._done_at is None or now >= self._done_at + _EVERY:
            await self._delete_days(range(_DAYS), now)
            self._done_at = now
        if not self._left and (self._whole_at is None or now >= self._whole_at + _EVERY_WHOLE):
            self._left, self._whole_at = range(_DAYS, _DAYS_WHOLE), now
        await self._delete_days(self._left[:_DAYS], now)
        self._left = self._left[_DAYS:]

    async def _delete_days(self, beyond: range, now: datetime) -> None:
        """Look at days that lie so many days beyond the retention."""
        for days in beyond:
            day = (now - timedelta(days=RETENTION_DAYS + days)).date()
            await self._delete_day(day, now - timedelta(days=RETENTION_DAYS))

    async def _delete_day(self, day: date, settled_before: datetime) -> None:
        async for page in self._ledger.list_settled(day):
            mine = [each for each in page.batches if owner_of(each.owner_epoch, self._regions) == self._region]
            await at_once(_AT_ONCE, [each for each in mine if each.updated_at < settled_before], self._delete)
            for row in page.unreadable:
                self._log.error("row_unreadable", batch_id=row.batch_id, job=row.job, key=row.key)

    async def _delete(self, batch: Batch) -> None:
        with self._alone(batch.batch_id):
            if not await self._is_current(batch):
                await self._ledger.delete(batch)

    async def _is_current(self, batch: Batch) -> bool:
        """Return whether its input is still in `input/`: the batch may be retried, and people may look it up."""
        try:
            there = await self._objects.head(batch.source.key)
        except Refused:
            return True
        return there is not None and there.origin == batch.source.version_id
