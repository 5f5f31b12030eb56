"""Admits the files that this Region's trigger left to the other one, if they still have no row.

Its cost depends on the number of new files, not on all that the bucket holds.
"""

from datetime import datetime, timedelta
from typing import Final

from baton.admission import Admitter
from baton.bounded import at_once
from baton.model.control import Control
from baton.model.identity import batch_id_of
from baton.ports import ARRIVALS_KEPT, Arrivals, Clock, Ledger, ObjectInfo
from baton.telemetry import Log
from splitter.alone import Alone
from splitter.settings import SplitterSettings

_AT_ONCE: Final = 32
_OVERLAP: Final = timedelta(minutes=2)
"""Looked at again: a row may be written a little later than it says, and clocks differ."""


class ArrivalSweep:
    """One Region's. The standby's gives the active Region its time; one that is active has nobody to wait for."""

    def __init__(
        self,
        *,
        region: str,
        ledger: Ledger,
        arrivals: Arrivals,
        admitter: Admitter,
        clock: Clock,
        settings: SplitterSettings,
        log: Log,
    ) -> None:
        self._region = region
        self._ledger = ledger
        self._arrivals = arrivals
        self._admitter = admitter
        self._clock = clock
        self._settings = settings
        self._alone = Alone(log)
        self._looked_until: datetime | None = None

    async def sweep(self) -> None:
        """Look at what came since the last time, and is due. While nothing comes, the control row is not read."""
        now = self._clock.now()
        since = self._looked_until - _OVERLAP if self._looked_until else now - ARRIVALS_KEPT
        due = now
        async for infos in self._arrivals.noted(since=since):
            if not infos:
                continue
            control = await self._ledger.control()
            if not control.admits(self._clock.now()):
                return
            if control.active_region != self._region:
                due = now - timedelta(seconds=self._settings.unadmitted_standby_seconds)
            await self._admit({batch_id_of(each.key, each.origin): each for each in infos}, control, due)
        self._looked_until = due

    async def _admit(self, infos: dict[str, ObjectInfo], control: Control, due: datetime) -> None:
        waiting = [batch_id for batch_id, info in infos.items() if info.last_modified <= due]
        if not waiting:
            return
        rows = await self._ledger.get_many(waiting)

        async def one(batch_id: str) -> None:
            with self._alone(infos[batch_id].key):
                await self._admitter.admit_listed(infos[batch_id], control)

        await at_once(_AT_ONCE, [each for each in waiting if each not in rows], one)
