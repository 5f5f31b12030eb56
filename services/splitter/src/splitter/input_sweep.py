"""Finds versions of inputs that were never admitted, in the bucket of one Region."""

import asyncio
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

from baton.admission import ADMITTED_AGE_MAX, Admitter
from baton.bounded import at_once
from baton.model import paths
from baton.model.batch import Batch
from baton.model.control import Control
from baton.model.identity import batch_id_of
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, ListedVersion, ObjectStore, PageEnd, VersionPage
from baton.telemetry import Log
from splitter.alone import Alone
from splitter.batch_sweep import BatchSweep
from splitter.places import ListPart, PageEnds
from splitter.remembered import Remembered
from splitter.settings import SplitterSettings

_AT_ONCE: Final = 16
_PAGES_AT_ONCE: Final = 16
"""Of a Region that became active. S3 takes 50 to 100 ms for each, and the SDK 40 ms of our CPU."""
_DISCARDED_AT_ONCE: Final = 10_000
"""Some 10 ms of work between two turns of the event loop."""
_REMEMBERED_SLACK: Final = 100_000
"""How many ids more than twice those of a whole pass are remembered, before all are dropped."""


@dataclass(frozen=True, slots=True)
class _View:
    """How a Region looks at its inputs under one epoch."""

    control: Control
    is_active: bool
    oldest: datetime
    """A version from before that, if it has no row, may have had one that is deleted."""
    newest: datetime
    """A version from after that is left to its event."""

    def skips(self, version: ListedVersion) -> bool:
        """Return whether this Region ignores this version, so that the ledger need not be read."""
        info = version.info
        if paths.parse_input_key(info.key) is None or paths.is_marker(info.key, info.size_bytes):
            return True
        if info.last_modified > self.newest:
            return True
        # What is old and hidden was filed away, and its row may be gone. What is old and there is looked at.
        return info.last_modified < self.oldest and not (self.is_active and version.is_current)


class InputSweep:
    """One Region's `input/`. Goes through it in passes, a bounded number of pages in each sweep."""

    def __init__(
        self,
        *,
        region: str,
        ledger: Ledger,
        objects: ObjectStore,
        admitter: Admitter,
        open_batches: BatchSweep,
        clock: Clock,
        settings: SplitterSettings,
        log: Log,
    ) -> None:
        self._region = region
        self._ledger = ledger
        self._objects = objects
        self._admitter = admitter
        self._open_batches = open_batches
        self._clock = clock
        self._settings = settings
        self._log = log
        self._alone = Alone(log)
        self._epoch: int | None = None
        self._after: PageEnd | None = None
        """Where the next sweep continues."""
        self._settled = Remembered()
        """Batches that were seen settled: not asked about in every sweep."""
        self._ran: AbstractSet[str] = frozenset()
        """Batches that were running at the last sweep: none of them is among the settled ones."""
        self._met = 0
        """Remembered ones that this pass has met, or made."""
        self._places = PageEnds()
        self._parts_left: set[ListPart] = set()
        """Of the pass that a Region makes once it became active."""
        self._parts_epoch: int | None = None
        self.moved_on_at = clock.now()
        """When the last page was gone through. A pass may take hours, a page does not."""

    async def sweep(self, running: AbstractSet[str], *, just_activated: bool) -> None:
        """Look at the next pages of inputs. Batches that are `running`, by id, have a row.

        `just_activated`: at all pages, many at once, and no input is too young, since the events of the time around a
        switch went to nobody. A call that raises is continued by the next one, if that says the same.
        """
        await self._forget_settled(running)
        if just_activated:
            await self._sweep_whole(running)
            return
        for _ in range(self._settings.sweep_pages_max):
            page = await self._sweep_page(self._after, running, just_activated=False)
            if page is None:
                return
            self._places.passed(page)
            self._after = page.end
            if page.end is None:
                self._pass_ended()
                return

    async def _sweep_whole(self, running: AbstractSet[str]) -> None:
        epoch = (await self._ledger.control()).epoch
        if not self._parts_left or epoch != self._parts_epoch:
            self._parts_left, self._parts_epoch = set(self._places.parts(_PAGES_AT_ONCE)), epoch

        async def one(left: ListPart | None) -> None:
            while left and (page := await self._sweep_page(left.after, running, just_activated=True)):
                self._parts_left.remove(left)
                left = left.without(page)
                if left:
                    self._parts_left.add(left)

        ended = await asyncio.gather(*map(one, self._parts_left), return_exceptions=True)
        for error in filter(None, ended):
            raise error
        self._after = None
        self._pass_ended()

    async def _sweep_page(
        self, after: PageEnd | None, running: AbstractSet[str], *, just_activated: bool
    ) -> VersionPage | None:
        """Go through one page; return it, or None while nothing is admitted."""
        view = self._view(await self._ledger.control(), just_activated=just_activated)
        if view is None:
            self.moved_on_at = self._clock.now()
            return None
        page = await self._objects.list_versions(paths.INPUT, after=after)
        await self._sweep_some(page.versions, running, view)
        self.moved_on_at = self._clock.now()
        return page

    async def _forget_settled(self, running: AbstractSet[str]) -> None:
        """No longer count as settled what runs again since the last sweep: it may need a look once it has settled."""
        for some in batched(running - self._ran, _DISCARDED_AT_ONCE):
            self._settled.discard(some)
            await asyncio.sleep(0)
        self._ran = running

    def _view(self, control: Control, *, just_activated: bool) -> _View | None:
        """Return how to look at inputs under this control row; None while nothing is admitted."""
        if control.epoch != self._epoch:
            self._settled.clear()  # whose inputs these are, and who files them away, is another question now
            self._epoch = control.epoch
        if not control.admits(self._clock.now()):
            return None
        is_active, now = control.active_region == self._region, self._clock.now()
        settings = self._settings
        age_seconds = settings.unadmitted_seconds if is_active else settings.unadmitted_standby_seconds
        newest = now if just_activated and is_active else now - timedelta(seconds=age_seconds)
        return _View(control, is_active, oldest=now - ADMITTED_AGE_MAX, newest=newest)

    def _pass_ended(self) -> None:
        self._places.begin_anew()
        if len(self._settled) > 2 * self._met + _REMEMBERED_SLACK:
            self._settled.clear()  # most of them are gone from the bucket
        self._met = 0

    async def _sweep_some(self, versions: Collection[ListedVersion], running: AbstractSet[str], view: _View) -> None:
        asked: dict[str, ListedVersion] = {}
        for version in versions:
            if view.skips(version):
                continue
            batch_id = batch_id_of(version.info.key, version.info.origin)
            if batch_id in self._settled:
                self._met += 1
            elif batch_id not in running:
                asked[batch_id] = version
        if not asked:
            return
        rows = await self._ledger.get_many(list(asked))

        async def one(batch_id: str) -> None:
            with self._alone(asked[batch_id].info.key):
                await self._sweep_one(batch_id, asked[batch_id], rows, view)

        await at_once(_AT_ONCE, asked, one)

    async def _sweep_one(
        self, batch_id: str, version: ListedVersion, rows: Mapping[str, Batch | None], view: _View
    ) -> None:
        if batch_id not in rows:
            if await self._admitter.admit_listed(version.info, view.control) is None:
                self._remember(batch_id)  # never admitted, and the log says why
            return
        batch = rows[batch_id]
        if batch is None:
            self._log.error("row_unreadable", batch_id=batch_id, key=version.info.key)
        elif batch.state is BatchState.COMPLETED and version.is_current and view.is_active:
            # Completed, yet still in `input/`: the notifier is at it, or died before it archived.
            await self._open_batches.look_after(batch)
        elif batch.is_settled:
            self._remember(batch_id)

    def _remember(self, batch_id: str) -> None:
        self._settled.add(batch_id)
        self._met += 1
