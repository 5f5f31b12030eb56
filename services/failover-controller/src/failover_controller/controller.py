"""The controller's loop: look, decide, act, write a heartbeat.

Decisions are made in `handover.decide`. Slow calls run in background tasks and report to the next look, so that a
hanging Region cannot delay the loop.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from baton.errors import BatonError
from baton.model.control import Control
from baton.model.journal import Assessment, Heartbeat, Verdict
from baton.ports import Clock
from baton.telemetry import Log, Noteworthy, emf
from failover_controller.high_water import Kept
from failover_controller.lookout import Lookout
from failover_controller.reach import Reach
from handover import brakes
from handover.decide import assess, assess_unread, decide, hold_left_seconds
from handover.facts import Memory, Seen
from handover.look import Look
from handover.metrics import is_due, metrics_of
from handover.settings import ControllerSettings
from handover.timeline import LOOKS_PER_BEAT_MAX
from handover_shell.asking import Asking
from handover_shell.performing import Performer, Told


class Controller:
    """The controller of one Region."""

    def __init__(
        self,
        *,
        region: str,
        regions: tuple[str, str],
        instance: str,
        reach: Reach,
        settings: ControllerSettings,
        clock: Clock,
        log: Log,
        off_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take scaled settings, and a clock that never steps: by `off_seconds()` the machine's is ahead of it."""
        self._reach = reach
        self._settings = settings
        self._clock = clock
        self._off_seconds = off_seconds
        self._log = log
        self._memory = Memory(region=region, regions=regions, instance=instance, settings=settings)
        self._ask = Asking(settings.call_seconds)
        self._control: Control | None = None
        self._sequence = self._told_taken_over = 0
        self._kept = Kept(region=region, places=reach.places, settings=settings, clock=clock)
        self._passed_over: frozenset[str] = frozenset()
        self._beat_at: float | None = None
        self._told_at: datetime | None = None
        self._noteworthy = Noteworthy("Active")
        self._urged = asyncio.Event()
        """Set when the next look has something new to decide, and should not wait for its turn."""
        self.lookout = Lookout(
            region=region,
            regions=regions,
            reach=reach,
            settings=settings,
            clock=clock,
            control=lambda: self._control,
            urge=self._urged.set,
        )
        told = Told(self.lookout.inbox, wrote=self._wrote, urge=self._urged.set)
        self._performer = Performer(reach, settings=settings, clock=clock, log=log, told=told)

    @property
    def memory(self) -> Memory:
        """What it remembers."""
        return self._memory

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`. Whatever it leaves half done, either controller continues."""
        settings = self._settings
        loops = [
            self._every(self._pause, self.beat),
            self._every(partial(_turn, settings.probe_seconds), self.lookout.probe),
            self._every(partial(_turn, settings.vitals_seconds), self.lookout.look_around),
            self._every(partial(_turn, settings.vitals_seconds), self.lookout.provisions.ask),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop) for loop in loops]
            await stop.wait()
            for task in tasks:
                task.cancel()
            self._performer.stop()

    async def _every(self, pause: Callable[[float], Awaitable[None]], work: Callable[[], Awaitable[None]]) -> None:
        """Do this work again and again; `pause` waits until the next time, from when it began last."""
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - if the loop ended, the Region would look dead
                self._log.error("controller_bug", exc_info=error)
            await pause(started)

    async def _pause(self, started: float) -> None:
        """Wait for the next beat's turn; less if a hold ends before it, or something urges a look."""
        settings, now = self._settings, asyncio.get_running_loop().time()
        due = started + settings.beat_seconds - now
        hold = hold_left_seconds(self._memory, self._clock.now())
        least = settings.beat_seconds / LOOKS_PER_BEAT_MAX
        await asyncio.sleep(least)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(due, hold or due) - least)):
                await self._urged.wait()
        self._urged.clear()

    # --- the beat ----------------------------------------------------------------------------------------------------

    async def beat(self) -> None:
        """Look, decide, act, and write a heartbeat."""
        seen = await self._look()
        self._memory, intents = decide(self._memory, seen, self._clock.now())
        self._memory = await self._performer.perform(self._memory, intents)
        self._performer.beside("high water", self._keep)
        self._beat_at = asyncio.get_running_loop().time()
        await self._write_heartbeat(seen)

    async def _look(self) -> Seen:
        kept, is_known = self._kept.known, self._kept.is_known  # before the ledger is read: it must not be behind
        control, heartbeats, commands = await asyncio.gather(
            self._ask.told(self._reach.ledger.control),
            self._ask.told(self._reach.journal.heartbeats),
            self._ask(self._reach.journal.pending),
        )
        self._control = control.value
        unread = control.error or heartbeats.error or ""
        if unread:
            self._log.warning("ledger_not_read", error=unread)
        self._passed_over = self._told_of(self._reach.journal.unreadable())
        inbox = self.lookout.inbox.taken()
        found = heartbeats.value or {}
        return Seen(
            control=control.value if not unread else None,
            heartbeats=found,
            beats=self._beats(found),
            kept=kept,
            kept_is_known=is_known,
            unread=unread,
            refused_everywhere=inbox.refused_everywhere,
            stepped_seconds=self._off_seconds(),
            activity=dict(inbox.activity),
            commands=tuple(commands or ()),
            samples=tuple(inbox.samples),
            results=tuple(inbox.results),
            written_at=self._memory.written_at,
            endpoints=inbox.endpoints,
            drain=inbox.drain,
            provided=tuple(inbox.provided),
        )

    def _beats(self, heartbeats: Mapping[str, Heartbeat]) -> Mapping[str, int]:
        """Return how many heartbeats the ledger counts by Region: 0 if the row is gone, none if it is mute."""
        gone = {} if self._passed_over else dict.fromkeys(self._memory.regions, 0)
        said = {region: each.beats for region, each in heartbeats.items()}
        return {region: count for region, count in (gone | said).items() if count is not None}

    def _told_of(self, passed_over: Mapping[str, str]) -> frozenset[str]:
        """Log each row that cannot be read once; return all of them."""
        for name in passed_over.keys() - self._passed_over:
            self._log.error("row_unreadable", row=name, error=passed_over[name])
        return frozenset(passed_over)

    def _wrote(self, control: Control) -> None:
        self._control = control

    async def _keep(self) -> None:
        """Read and write how far the ledger has been. While it is behind that, what is kept stays as it is."""
        await self._kept.read()
        memory = self._memory
        if memory.high_water is not None and memory.went_back is None:
            await self._kept.write(memory.high_water)

    # --- the heartbeat -----------------------------------------------------------------------------------------------

    async def _write_heartbeat(self, seen: Seen) -> None:
        now = self._clock.now()
        assessment = self.assessment(seen, now)
        control, memory = self._control, self._memory
        self._tell(assessment, control, now)
        self._sequence += 1
        beats = self._counted(seen)
        heartbeat = Heartbeat(
            region=memory.region,
            instance=self._memory.instance,
            sequence=self._sequence,
            at=now,
            epoch_seen=control.epoch if control else 0,
            canary=brakes.canary_of(memory, now).verdict,
            ready=brakes.verdict_of(brakes.own_readiness(memory, now)),
            assessment=assessment,
            settings=self._settings.model_dump_json(),
            switch=self._reach.switch.backend,
            beats=beats,
            high_water=memory.high_water,
        )
        try:
            async with asyncio.timeout(self._settings.call_seconds):
                await self._reach.journal.beat(heartbeat)
        except (BatonError, TimeoutError) as error:
            self._log.warning("heartbeat_not_written", error=str(error) or "no answer in time")
        else:
            # As of its start: it cannot have been read before.
            self._memory = replace(self._memory, written_at=now)

    def _counted(self, seen: Seen) -> int | None:
        """Return the number of our next heartbeat, of all that our Region ever sent; None: the ledger does not say it.

        Until it is known how far the ledger has been, the number stays as it is: it may be one that went back.
        """
        region, found = self._memory.region, self._memory.high_water
        if not seen.kept_is_known or found is None:
            return seen.beats.get(region)
        return max(seen.beats.get(region, 0), found.beats.get(region, 0)) + 1

    def assessment(self, seen: Seen, now: datetime) -> Assessment:
        """Return this controller's present assessment."""
        if seen.control is None or self._control is None:
            return assess_unread(self._memory, now, seen.unread)
        return assess(Look(self._memory, seen, self._control, now))

    def _tell(self, assessment: Assessment, control: Control | None, now: datetime) -> None:
        """Log the state, as often as vitals are taken, and send what of it is noteworthy as metrics."""
        if not is_due(self._told_at, now, self._settings.vitals_seconds):
            return
        self._told_at = now
        taken_over = self._reach.actor.taken_over
        new, self._told_taken_over = taken_over - self._told_taken_over, taken_over
        metrics = metrics_of(
            assessment,
            control,
            waiting=self.lookout.inbox.waiting,
            taken_over=new,
            events_waiting=self._performer.events_waiting,
        )
        dimensions = {"Service": "failover-controller", "Region": self._memory.region}
        self._log.info(
            "assessed",
            state=assessment.standing,
            conclusion=assessment.conclusion,
            **emf(metrics, dimensions=dimensions, now=now, sent=self._noteworthy.of(metrics, now)),
        )

    # --- health ------------------------------------------------------------------------------------------------------

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the loop still runs, and the facts behind it."""
        now = asyncio.get_running_loop().time()
        idle = now - self._beat_at if self._beat_at is not None else 0.0
        healthy = idle < self._settings.driver_seconds
        ready = brakes.verdict_of(brakes.own_readiness(self._memory, self._clock.now()))
        return healthy, {
            "service": "failover-controller",
            "healthy": healthy,
            "seconds_since_beat": round(idle, 1),
            "epoch": self._control.epoch if self._control else None,
            "ready": ready is Verdict.HEALTHY,
        }


async def _turn(seconds: float, started: float) -> None:
    """Wait until so many seconds have passed since then."""
    await asyncio.sleep(max(0.0, started + seconds - asyncio.get_running_loop().time()))
