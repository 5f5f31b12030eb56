"""The controller's loop: look, decide, act, write a heartbeat.

Decisions are made in `handover.decide`. Slow calls run in background tasks and report to the next look, so that a
hanging Region cannot delay the loop.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from baton.errors import BatonError
from baton.model.control import Control, StepName
from baton.model.journal import Assessment, Heartbeat, Verdict
from baton.ports import Clock
from baton.telemetry import Log, emf
from failover_controller.lookout import Lookout
from failover_controller.publisher import Publisher
from failover_controller.reach import Asking, Reach
from failover_controller.records import Records
from handover import brakes, events, switching, writes
from handover.decide import assess, assess_unread, decide, hold_left_seconds
from handover.facts import Memory, Seen, StepResult
from handover.intents import Act, Intent, LookAtDrain, Note, Settle, Write
from handover.look import Look
from handover.metrics import metrics_of
from handover.settings import ControllerSettings
from handover.timeline import LOOKS_PER_BEAT_MAX


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
        self._records = Records(reach.journal, ask=self._ask, log=log)
        self._publisher = Publisher(reach.events, ask=self._ask, log=log)
        self._control: Control | None = None
        self._sequence = 0
        self._passed_over: frozenset[str] = frozenset()
        self._running: dict[object, asyncio.Task[None]] = {}
        self._beat_at: float | None = None
        self._told_at: datetime | None = None
        self._told_taken_over = 0
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
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop) for loop in loops]
            await stop.wait()
            for task in (*tasks, *self._running.values()):
                task.cancel()

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
        await self._perform(intents)
        if self._publisher.waiting:
            self._beside("events", self._publisher.send)
        self._beat_at = asyncio.get_running_loop().time()
        await self._write_heartbeat(seen)

    async def _look(self) -> Seen:
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
        return Seen(
            control=control.value if not unread else None,
            heartbeats=heartbeats.value or {},
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
        )

    def _told_of(self, passed_over: Mapping[str, str]) -> frozenset[str]:
        """Log each row that cannot be read once; return all of them."""
        for name in passed_over.keys() - self._passed_over:
            self._log.error("row_unreadable", row=name, error=passed_over[name])
        return frozenset(passed_over)

    async def _perform(self, intents: tuple[Intent, ...]) -> None:
        """Carry them out in order. What fails holds back nothing but what rests on it."""
        self._beside("records", self._records.put_waiting)
        for intent in intents:
            match intent:
                case Write():
                    if not await self._write(intent):
                        return  # what follows it was meant for the row that it did not make
                case Note():
                    self._publisher.add(intent.event)
                    await self._records.put(intent.decision)
                case Settle():
                    # A list may show it for a moment after it was settled: then somebody else has done it.
                    await self._tried(intent, self._reach.journal.settle, intent.command)
                case Act():
                    self._begin(intent.step, intent.control.epoch)
                case LookAtDrain():
                    self._beside("drain", partial(self._drain, intent.control))

    async def _write(self, write: Write) -> bool:
        """Change the row, with the record before and after it; say whether that is known to have been done."""
        if write.intended is not None:
            await self._records.put(write.intended, left=write.left)
        if not await self._tried(write, self._reach.ledger.set_control, write.after, before=write.before):
            self._urged.set()
            return False  # the next look reads what became of it
        self._control = write.after
        self._memory = writes.won(self._memory, write)
        self._started(write)
        self._publisher.add(events.of_write(write))
        await self._records.put(write.decision, left=None if write.intended else write.left)
        return True

    async def _tried[**P](
        self, intent: Intent, call: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
    ) -> bool:
        answer = await self._ask.told(call, *args, **kwargs)
        if answer.error is not None:
            self._log.warning("intent_failed", intent=type(intent).__name__, error=answer.error)
        return answer.error is None

    def _started(self, write: Write) -> None:
        """Begin the steps of a switch at once: ownership must not wait for the next beat."""
        moved = write.after.epoch != write.before.epoch
        if (
            moved
            and not switching.stands_still(write.after, self._clock.now())
            and switching.drives(self._memory, write.after.active_region, self._clock.now())
        ):
            for step in switching.STEPS:
                self._begin(step, write.after.epoch)

    def _begin(self, step: StepName, epoch: int) -> None:
        self._beside((step, epoch), partial(self._act, step, epoch))

    def _beside(self, key: object, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a background task, unless the same one runs already."""
        if key in self._running:
            return
        task = asyncio.create_task(work())
        self._running[key] = task

        def ended(done: asyncio.Task[None]) -> None:
            self._running.pop(key, None)
            if not done.cancelled() and (error := done.exception()):
                self._log.error("controller_bug", exc_info=error)

        task.add_done_callback(ended)

    async def _act(self, step: StepName, epoch: int) -> None:
        try:
            async with asyncio.timeout(self._settings.step_seconds):
                result = await self._reach.actor.act(step, epoch)
        except TimeoutError:
            note = f"it took longer than {self._settings.step_seconds:g} s"
            result = StepResult(step, epoch, done=False, note=note)
        if not result.done:
            self._log.warning("step_failed", step=step, epoch=epoch, note=result.note)
        # Only now: a look may have taken the inbox away meanwhile.
        self.lookout.inbox.results.append(result)

    async def _drain(self, control: Control) -> None:
        self.lookout.inbox.drain = await self._ask(self._reach.actor.drain, control)

    # --- the heartbeat -----------------------------------------------------------------------------------------------

    async def _write_heartbeat(self, seen: Seen) -> None:
        now = self._clock.now()
        assessment = self.assessment(seen, now)
        control, memory = self._control, self._memory
        self._tell(assessment, control, now)
        self._sequence += 1
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
        )
        try:
            async with asyncio.timeout(self._settings.call_seconds):
                await self._reach.journal.beat(heartbeat)
        except (BatonError, TimeoutError) as error:
            self._log.warning("heartbeat_not_written", error=str(error) or "no answer in time")
        else:
            # As of its start: it cannot have been read before.
            self._memory = replace(self._memory, written_at=now)

    def assessment(self, seen: Seen, now: datetime) -> Assessment:
        """Return this controller's present assessment."""
        if seen.control is None or self._control is None:
            return assess_unread(self._memory, now, seen.unread)
        return assess(Look(self._memory, seen, self._control, now))

    def _tell(self, assessment: Assessment, control: Control | None, now: datetime) -> None:
        """Log the state with its metrics, as often as vitals are taken."""
        if self._told_at and now < self._told_at + timedelta(seconds=self._settings.vitals_seconds):
            return
        self._told_at = now
        taken_over = self._reach.actor.taken_over
        new, self._told_taken_over = taken_over - self._told_taken_over, taken_over
        metrics = metrics_of(
            assessment,
            control,
            waiting=self.lookout.inbox.waiting,
            taken_over=new,
            events_waiting=self._publisher.waiting,
        )
        dimensions = {"Service": "failover-controller", "Region": self._memory.region}
        self._log.info(
            "assessed",
            state=assessment.standing,
            conclusion=assessment.conclusion,
            **emf(metrics, dimensions=dimensions, now=now),
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
