"""Nothing ends in silence: finds inputs that nobody admitted and batches that stand still.

Runs beside the splitter in both Regions. It never holds a batch's safety in its hands: whatever it sends twice is
handled once.

The active Region's sweeper admits what no event announced. The standby's does so for it, after a longer while, with
what lies in its own bucket: a file that only one Region has is never without a row.
"""

import asyncio
from collections.abc import Container, Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final

from baton.batches import Batches
from baton.catalog import Catalog
from baton.errors import Fenced, Unavailable
from baton.model import paths
from baton.model.batch import Batch
from baton.model.identity import origin_version, owner_of
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, ObjectInfo, ObjectStore, Progress
from baton.telemetry import Log
from baton.topology import RETENTION_DAYS
from splitter.admission import Admitter
from splitter.batch_sweep import BatchSweep
from splitter.canaries import CanarySweep
from splitter.settings import SplitterSettings

_ON_BEHALF: Final = timedelta(days=RETENTION_DAYS / 2)
"""Younger inputs the standby admits: the row of an older one may be forgotten before its delete marker arrives."""
_FORGET_EVERY: Final = timedelta(hours=1)
_FORGET_DAYS: Final = 3
"""Days looked at each time, so that a sweeper that was away for a day misses none."""


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
        self._admitter = admitter
        self._clock = clock
        self._settings = settings
        self._log = log
        self._canaries = CanarySweep(
            region=region, ledger=ledger, objects=objects, batches=batches, clock=clock, alone=self._alone
        )
        self.open_batches = BatchSweep(
            region=region,
            regions=regions,
            ledger=ledger,
            progress=progress,
            batches=batches,
            canaries=self._canaries,
            catalog=catalog,
            clock=clock,
            settings=settings,
            log=log,
            alone=self._alone,
        )
        self._epoch: int | None = None
        """The last one that was looked at."""
        self._settled: dict[str, tuple[str, datetime]] = {}
        """Inputs whose row was seen final, with what tells a version in a listing: not asked about in every sweep."""
        self._forgot_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set. A sweep may be cut short anywhere: whatever it left, the next one finds."""
        async with asyncio.TaskGroup() as group:
            sweeping = group.create_task(self._sweep_for_ever())
            await stop.wait()
            sweeping.cancel()

    async def _sweep_for_ever(self) -> None:
        just_activated = False
        while True:
            await self.sweep(just_activated=just_activated)
            just_activated = await self._wait()

    async def _wait(self) -> bool:
        """Wait until the next sweep is due. True, and early, if this Region became the active one meanwhile."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._settings.sweep_seconds
        while (seconds := due - loop.time()) > 0:
            await asyncio.sleep(min(seconds, self._settings.epoch_poll_seconds))
            with self._logged("control row"):
                if await self._became_active():
                    return True
        return False

    async def _became_active(self) -> bool:
        control = await self._ledger.control()
        before, self._epoch = self._epoch, control.epoch
        if before is None or control.epoch == before:
            return False
        self._settled.clear()  # whose inputs these are, and who files them away, is another question now
        return control.active_region == self._region

    async def sweep(self, *, just_activated: bool = False) -> None:
        """Look once at every open batch and every input. What fails is logged, and tried again by the next sweep.

        `just_activated`: no input is too young, since the events of the time around a switch went to nobody.
        """
        running: set[str] = set()
        with self._logged("batches"):
            running = await self.open_batches.sweep()
            self._settled = {key: mark for key, mark in self._settled.items() if key not in running}
        with self._logged("inputs"):
            await self._sweep_inputs(running, just_activated=just_activated)
        with self._logged("canaries"):
            await self._canaries.sweep()
        with self._logged("old batches"):
            await self._forget_old()

    @contextmanager
    def _logged(self, what: str) -> Generator[None]:
        try:
            yield
        except Unavailable as error:
            self._log.warning("sweep_failed", what=what, error=str(error))
        except Exception as error:  # noqa: BLE001 - the consumer beside us must not die of what we could not read
            self._log.error("sweep_failed", what=what, exc_info=error)

    @contextmanager
    def _alone(self, what: str) -> Generator[None]:
        """Keep one object's or one batch's trouble from all the others; an outage is everybody's."""
        try:
            yield
        except Unavailable:
            raise
        except Fenced:
            return  # it moved while we looked at it: alive
        except Exception as error:  # noqa: BLE001 - the next one is none the worse for it
            self._log.error("not_swept", what=what, exc_info=error)

    # --- inputs that nobody admitted -----------------------------------------------------------------------------

    async def _sweep_inputs(self, running: Container[str], *, just_activated: bool) -> None:
        """Admit what has no row. Inputs of batches that are `running` have one."""
        control = await self._ledger.control()
        if not control.admits:
            return
        if self._epoch is None:
            self._epoch = control.epoch
        is_active = control.active_region == self._region
        now, oldest = self._clock.now(), datetime.min.replace(tzinfo=UTC)
        patience = self._settings.unadmitted_seconds if is_active else self._settings.unadmitted_standby_seconds
        newest = now if just_activated else now - timedelta(seconds=patience)
        if not is_active:
            oldest = now - _ON_BEHALF
        seen: set[str] = set()
        async for info in self._objects.list(paths.INPUT):
            seen.add(info.key)
            settled = self._settled.get(info.key) == _mark(info)
            if not settled and info.key not in running and oldest <= info.last_modified <= newest:
                with self._alone(info.key):
                    await (self._sweep_input(info) if is_active else self._sweep_standby(info))
        self._settled = {key: mark for key, mark in self._settled.items() if key in seen}

    async def _sweep_input(self, info: ObjectInfo) -> None:
        batch = await self._admitter.admit(info.key, None)
        if batch is None:
            return
        if batch.state is BatchState.COMPLETED:
            # Completed, yet still in `input/`: the notifier is at it, or died before it archived.
            if self._clock.now() > batch.updated_at + self.open_batches.patience(batch):
                await self.open_batches.wake(batch)
        elif batch.is_settled:
            self._settled[info.key] = _mark(info)

    async def _sweep_standby(self, info: ObjectInfo) -> None:
        batch = await self._admitter.admit_on_behalf(info.key)
        if batch is not None and batch.is_settled:
            self._settled[info.key] = _mark(info)

    # --- batches of long ago -------------------------------------------------------------------------------------

    async def _forget_old(self) -> None:
        """Delete rows older than any replication lag, once an hour: no late copy can start such a batch again."""
        now = self._clock.now()
        if self._forgot_at and now < self._forgot_at + _FORGET_EVERY:
            return
        for days in range(RETENTION_DAYS + 1, RETENTION_DAYS + 1 + _FORGET_DAYS):
            await self._forget_day((now - timedelta(days=days)).date(), now - timedelta(days=RETENTION_DAYS))
        self._forgot_at = now

    async def _forget_day(self, day: date, settled_before: datetime) -> None:
        cursor: str | None = None
        while True:
            page = await self._ledger.list_settled(day, cursor=cursor)
            for batch in page.batches:
                mine = owner_of(batch.owner_epoch, self._regions) == self._region
                if mine and batch.updated_at < settled_before:
                    with self._alone(batch.batch_id):
                        await self._forget(batch)
            cursor = page.cursor
            if cursor is None:
                return

    async def _forget(self, batch: Batch) -> None:
        # Without its row, an input that still lies there (its batch failed or was cancelled) would be admitted anew.
        there = await self._objects.head(batch.source.key)
        if there is None or origin_version(there.version_id, there.metadata) != batch.source.version_id:
            await self._ledger.forget(batch)


def _mark(info: ObjectInfo) -> tuple[str, datetime]:
    return info.etag, info.last_modified
