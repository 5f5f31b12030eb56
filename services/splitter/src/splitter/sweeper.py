"""Finds inputs that were never admitted and batches that make no progress, at intervals, in the splitter's process.

Not needed for safety: messages may be sent twice, handlers are idempotent.

The active Region's sweeper admits inputs whose event was lost. The standby's sweeper does so on its behalf, after a
longer wait, for inputs in its own bucket: a file that only one Region has gets a row as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress

from baton.errors import Unavailable
from baton.ports import Clock, Ledger
from baton.telemetry import Log, emf
from baton.topology import CANARY_SWEEP_SECONDS
from splitter.arrival_sweep import ArrivalSweep
from splitter.batch_sweep import BatchSweep
from splitter.canaries import CanarySweep
from splitter.input_sweep import InputSweep
from splitter.retention import Retention
from splitter.settings import SplitterSettings


class Sweeper:
    """One Region's sweeper."""

    def __init__(
        self,
        *,
        region: str,
        ledger: Ledger,
        open_batches: BatchSweep,
        canaries: CanarySweep,
        arrivals: ArrivalSweep,
        inputs: InputSweep,
        retention: Retention,
        clock: Clock,
        settings: SplitterSettings,
        log: Log,
    ) -> None:
        self._region = region
        self._ledger = ledger
        self.open_batches = open_batches
        self._canaries = canaries
        self._arrivals = arrivals
        self._inputs = inputs
        self._retention = retention
        self._clock = clock
        self._settings = settings
        self._log = log
        self._running: set[str] = set()
        """Ids of open batches, as the last look at them found."""
        self._activated = asyncio.Event()
        self._arrivals_due = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set. A sweep may be cut short anywhere: whatever it left, the next one finds.

        Each kind of work goes at its own pace: a long list of batches holds up no input, and neither holds up the look
        at who is active.
        """
        seconds = self._settings.sweep_seconds
        work = (
            self._for_ever(self._sweep_batches, seconds),
            self._for_ever(self._sweep_canaries, CANARY_SWEEP_SECONDS),
            self._sweep_arrivals_for_ever(seconds),
            self._sweep_inputs_for_ever(seconds),
            self._watch_epoch(),
            self._for_ever(self._delete_old, seconds),
        )
        async with asyncio.TaskGroup() as group:
            sweeping = [group.create_task(each) for each in work]
            await stop.wait()
            for each in sweeping:
                each.cancel()

    async def sweep(self, *, just_activated: bool = False) -> None:
        """Look once at everything, one after the other. What fails is logged, and tried again by the next sweep."""
        await self._sweep_batches()
        await self._sweep_canaries()
        await self._sweep_arrivals()
        await self._try_inputs(just_activated=just_activated)
        await self._delete_old()

    async def _for_ever(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await work()
            await asyncio.sleep(seconds)

    @contextmanager
    def _logged(self, what: str) -> Generator[None]:
        try:
            yield
        except Unavailable as error:
            self._log.warning("sweep_failed", what=what, error=str(error))
        except Exception as error:  # noqa: BLE001 - the consumer beside us must not die of what we could not read
            self._log.error("sweep_failed", what=what, exc_info=error)

    # --- batches -------------------------------------------------------------------------------------------------

    async def _sweep_batches(self) -> None:
        with self._logged("batches"):
            self._running = await self.open_batches.sweep()

    async def _sweep_canaries(self) -> None:
        with self._logged("canaries"):
            await self._canaries.sweep()

    async def _delete_old(self) -> None:
        with self._logged("old batches"):
            await self._retention.delete_old()

    # --- arrivals ------------------------------------------------------------------------------------------------

    async def _sweep_arrivals(self) -> None:
        with self._logged("arrivals"):
            await self._arrivals.sweep()

    async def _sweep_arrivals_for_ever(self, seconds: float) -> None:
        """Look at what came lately, and at once if this Region becomes the active one."""
        while True:
            self._arrivals_due.clear()
            await self._sweep_arrivals()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrivals_due.wait(), seconds)

    # --- inputs --------------------------------------------------------------------------------------------------

    async def _sweep_inputs_for_ever(self, seconds: float) -> None:
        """Sweep inputs at intervals, and at once if this Region becomes the active one."""
        just_activated = False
        while True:
            sweeping = asyncio.create_task(self._try_inputs(just_activated=just_activated))
            if await self._activated_before(sweeping):
                just_activated = True
                continue
            if sweeping.result():
                just_activated = False
            pause = asyncio.create_task(asyncio.sleep(seconds))
            just_activated = await self._activated_before(pause) or just_activated

    async def _activated_before(self, task: asyncio.Task[bool] | asyncio.Task[None]) -> bool:
        """Return whether this Region becomes the active one before the task has ended; it is cancelled then."""
        activated = asyncio.create_task(self._activated.wait())
        try:
            await asyncio.wait({task, activated}, return_when=asyncio.FIRST_COMPLETED)
            is_activated = self._activated.is_set()
        finally:
            for each in (task, activated):
                each.cancel()
            await asyncio.gather(task, activated, return_exceptions=True)
        self._activated.clear()
        return is_activated

    async def _watch_epoch(self) -> None:
        epoch: int | None = None
        while True:
            with self._logged("control row"):
                control = await self._ledger.control()
                if epoch is not None and control.epoch != epoch and control.active_region == self._region:
                    self._activated.set()
                    self._arrivals_due.set()
                epoch = control.epoch
            await asyncio.sleep(self._settings.epoch_poll_seconds)

    async def _try_inputs(self, *, just_activated: bool) -> bool:
        """Sweep inputs; say whether that went through. How long no page did is measured: files may lie there unseen."""
        is_through = False
        with self._logged("inputs"):
            await self._inputs.sweep(self._running, just_activated=just_activated)
            is_through = True
        now = self._clock.now()
        age_seconds = (now - self._inputs.moved_on_at).total_seconds()
        dimensions = {"Service": "splitter", "Region": self._region}
        self._log.info(
            "inputs_swept", **emf({"InputSweepAge": (age_seconds, "Seconds")}, dimensions=dimensions, now=now)
        )
        return is_through
