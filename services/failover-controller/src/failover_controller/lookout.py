"""Measures canaries and vitals in background tasks; the results wait in the inbox for the next look."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

from baton.model.batch import Batch
from baton.model.control import Control
from baton.model.identity import owner_of
from baton.model.journal import Signal, Verdict
from baton.model.states import BatchState
from baton.ports import Clock, Endpoints
from failover_controller.provisions_asker import ProvisionsAsker
from failover_controller.reach import Reach
from handover import samples
from handover.facts import Drain, Sample, StepResult
from handover.provided import Provided
from handover.settings import ControllerSettings
from handover_shell.acts import open_batches
from handover_shell.asking import Asking

_LOOKED_AT_ONCE: Final = 25_000
"""Batches that are gone through between two turns of the event loop: 10 ms."""


@dataclass(slots=True)
class PendingFindings:
    """Results of background tasks, until the next look takes them."""

    samples: list[Sample] = field(default_factory=list[Sample])
    results: list[StepResult] = field(default_factory=list[StepResult])
    activity: dict[str, str] = field(default_factory=dict[str, str])
    provided: list[Provided] = field(default_factory=list[Provided])
    endpoints: Endpoints | None = None
    drain: Drain | None = None
    waiting: int | None = None
    """Batches in WAITING_INPUT."""
    refused_everywhere: bool = False
    """Whether both Regions refused the newest canaries."""

    def taken(self) -> "PendingFindings":
        """Return what came in since the last call, and drop all but the values that hold until they change."""
        taken = replace(self)
        self.samples, self.results, self.provided, self.endpoints, self.drain = [], [], [], None, None
        return taken

    def answered(self, provided: Provided) -> None:
        """Take what became of a question on what our Region has ready."""
        self.provided.append(provided)

    def ended(self, result: StepResult) -> None:
        """Take the result of one attempt of a step."""
        self.results.append(result)

    def drained(self, drain: Drain | None) -> None:
        """Take how far a planned switch is; None: there was no answer."""
        self.drain = drain


class Lookout:
    """Measures this controller's own Region and the active one. A call that hangs here delays no look."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        reach: Reach,
        settings: ControllerSettings,
        clock: Clock,
        control: Callable[[], Control | None],
        urge: Callable[[], None],
    ) -> None:
        """`control` returns the control row as it was read last; None: it was not. `urge` asks for a look at once."""
        self._region = region
        self._regions = regions
        self._reach = reach
        self._settings = settings
        self._clock = clock
        self._control = control
        self._urge = urge
        self._ask = Asking(settings.call_seconds)
        self._dead_letters: dict[str, deque[tuple[datetime, int]]] = {}
        self._failed_at: dict[str, datetime] = {}
        """By Region: when a canary last failed there."""
        self._changes: dict[str, tuple[datetime | None, datetime | None]] = {}
        """By Region: its newest change by its own clocks, and when it was first seen by ours."""
        self._loads: dict[str, float] = {}
        """By Region: its open work, in bytes."""
        self.inbox = PendingFindings()
        self.provisions = ProvisionsAsker(
            reach.provisions, settings=settings, clock=clock, found=self.inbox.answered, link=reach.link
        )

    async def probe(self) -> None:
        """Send a canary through our own Region, and from outside through the active one."""
        control, me = self._control(), self._region
        regions = {me: Signal.INSIDE_CANARY}
        if control and control.active_region != me:
            regions[control.active_region] = Signal.OUTSIDE_CANARY
        probes = (
            self._probe(region, signal, beside=number > 0)
            for region, signal in regions.items()
            for number in range(self._probes_of(region))
        )
        refused = [sample for sample in await asyncio.gather(*probes) if sample is not None]
        everywhere = len(regions) > 1 and {sample.region for sample in refused} == regions.keys()
        self.inbox.refused_everywhere = everywhere
        self.inbox.samples += [self._of_refusal(sample, everywhere=everywhere) for sample in refused]
        if refused:
            self._urge()

    def _of_refusal(self, sample: Sample, *, everywhere: bool) -> Sample:
        """Return the sample of a refused canary: UNKNOWN if our own Region refuses as well, since it is our rights."""
        if not everywhere or sample.region == self._region:
            return sample
        return replace(sample, verdict=Verdict.UNKNOWN, value=f"our own Region refuses it as well: {sample.value}")

    def _probes_of(self, region: str) -> int:
        """Return how many canaries to send at once: more while some of them fail, since chance says less of many."""
        failed_at, window = self._failed_at.get(region), timedelta(seconds=self._settings.grey_seconds)
        doubtful = failed_at is not None and self._clock.now() - failed_at <= window
        return self._settings.grey_probes if doubtful else 1

    async def _probe(self, region: str, signal: Signal, *, beside: bool) -> Sample | None:
        """Send one canary and pass on what it found; return it instead if it was refused."""
        started = self._clock.now()
        limit = self._settings.probe_deadline_seconds
        probe = await self._reach.canary.probe(region, seconds_max=limit)
        at = self._clock.now()
        sample = Sample(signal, region, probe.verdict, probe.value, f"within {limit:g} s", at, started)
        load = self._loads.get(region, 0.0)
        sample = replace(sample, seconds=probe.seconds, load=load, beside=beside)
        if probe.verdict is Verdict.UNHEALTHY:
            self._failed_at[region] = at
        if probe.refused:
            return sample
        self.inbox.samples.append(sample)
        if probe.verdict is Verdict.UNHEALTHY:
            self._urge()
        return None

    async def look_around(self) -> None:
        """Measure the vitals of our own Region and of the active one, and which endpoints of the switch answer."""
        control, me = self._control(), self._region
        regions = {me, control.active_region if control else me}
        endpoints, batches, _ = await asyncio.gather(
            self._ask(self._reach.switch.endpoints),
            self._ask(open_batches, self._reach.ledger),
            asyncio.gather(*(self._vitals_of(region) for region in sorted(regions))),
        )
        self.inbox.endpoints = endpoints
        if batches is not None:
            await self._from_batches(batches.batches, regions)

    async def _from_batches(self, batches: Sequence[Batch], regions: set[str]) -> None:
        now = self._clock.now()
        self.inbox.waiting = sum(batch.state is BatchState.WAITING_INPUT for batch in batches)
        for region in self._regions:
            await asyncio.sleep(0)  # of 100,000 batches, each stretch without one takes 10 to 25 ms
            own = [batch for batch in batches if owner_of(batch.owner_epoch, self._regions) == region]
            last, load, change = "", 0.0, None
            for some in batched(own, _LOOKED_AT_ONCE):
                await asyncio.sleep(0)
                last = max(last, samples.last_step_of(region, some))
                load += samples.load_of(some)
                newest = samples.newest_change(some)
                change = max(change, newest) if change and newest else change or newest
            self.inbox.activity[region] = max(self.inbox.activity.get(region, ""), last)
            self._loads[region] = load
            if region in regions:
                await asyncio.sleep(0)
                moved_at = self._first_seen(region, change, now)
                measured = samples.Measured(region, now, open_batches=own, moved_at=moved_at)
                self.inbox.samples += samples.samples_of(measured, self._settings)

    def _first_seen(self, region: str, change: datetime | None, now: datetime) -> datetime | None:
        """Return when this change was first seen, by our own clock; None: as long as we look."""
        known = self._changes.get(region)
        if known is None or known[0] != change:
            self._changes[region] = change, None if known is None else now
        return self._changes[region][1]

    async def _vitals_of(self, region: str) -> None:
        vitals = self._reach.places[region].vitals
        queues, alarms, replication = await asyncio.gather(
            self._ask(vitals.queues), self._ask(vitals.alarms), self._ask(vitals.replication)
        )
        now = self._clock.now()
        before = self._dead_letters_before(region, samples.dead_letters(queues), now) if queues else None
        measured = samples.Measured(
            region, now, queues, alarms, replication, vitals.calls(), dead_letters_before=before
        )
        self.inbox.samples += samples.samples_of(measured, self._settings)

    def _dead_letters_before(self, region: str, count: int, now: datetime) -> int:
        """Remember the count; return what it was when the window of known dead letters began."""
        counts = self._dead_letters.setdefault(region, deque())
        counts.append((now, count))
        while now - counts[0][0] > timedelta(seconds=self._settings.dead_letters_seconds):
            counts.popleft()
        return counts[0][1]
