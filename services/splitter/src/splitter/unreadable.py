"""Handles rows that this version of Baton cannot read: reported in each sweep, and mailed to the recipients once.

What would be right for such a batch is unknown, so nothing is done with it. The active Region's sweeper asks the
notifier for a mail once the row could not be read for a while: by then a rolling deployment is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from baton.messages import NotifyBatch
from baton.model.unreadable import UnreadableRow
from baton.ports import Clock, Ledger, Outbox
from baton.telemetry import Log
from splitter.settings import SplitterSettings


class UnreadableRows:
    """What one sweeper saw of them."""

    def __init__(
        self, *, region: str, ledger: Ledger, outbox: Outbox, clock: Clock, settings: SplitterSettings, log: Log
    ) -> None:
        self._region = region
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock
        self._settings = settings
        self._log = log
        self._since: dict[str, datetime] = {}
        """When each was first seen so, or its mail was last asked for."""

    async def found(self, rows: Sequence[UnreadableRow]) -> None:
        """Take note of those that a whole sweep found. Raises what ports raise."""
        now = self._clock.now()
        for row in rows:
            names = {"job": row.job, "key": row.key, "version_id": row.version_id, "owner_epoch": row.owner_epoch}
            self._log.error("row_unreadable", batch_id=row.batch_id, state=row.state, **names)
        self._since = {row.batch_id: self._since.get(row.batch_id, now) for row in rows if not row.is_canary}
        patience = timedelta(seconds=self._settings.unreadable_seconds)
        due = [batch_id for batch_id, since in self._since.items() if now >= since + patience]
        if not due:
            return
        control = await self._ledger.control()
        if control.active_region != self._region:
            return
        await self._outbox.send(
            [NotifyBatch(batch_id=each, owner_epoch=control.epoch, unreadable=True) for each in due]
        )
        self._since |= dict.fromkeys(due, now)
