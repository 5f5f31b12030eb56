"""Carries out intents in order: writes of the control row, records, answers to orders; acts run in the background."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from baton.model.control import Control, StepName
from baton.ports import Clock, EventBus, Journal, Ledger
from baton.telemetry import Log
from handover import events, switching, writes
from handover.facts import Drain, Memory, StepResult
from handover.intents import Act, Intent, LookAtDrain, Note, Settle, Write
from handover.settings import ControllerSettings
from handover_shell.acts import Actor
from handover_shell.asking import Asking
from handover_shell.publisher import Publisher
from handover_shell.records import Records


class Ports(Protocol):
    """What intents are carried out through."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def actor(self) -> Actor: ...

    @property
    def events(self) -> EventBus: ...


class Findings(Protocol):
    """Takes what background tasks find, for the next look."""

    def ended(self, result: StepResult) -> None:
        """Take the result of one attempt of a step."""
        ...

    def drained(self, drain: Drain | None) -> None:
        """Take how far a planned switch is; None: there was no answer."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """Where results, records and events go."""

    inbox: Findings
    wrote: Callable[[Control], None]
    """Takes the control row that was written."""
    urge: Callable[[], None]
    """Asks for a look at once."""


class Performer:
    """Carries out the intents of one decider. Everything that it leaves half done, another one may continue."""

    def __init__(
        self,
        ports: Ports,
        *,
        settings: ControllerSettings,
        clock: Clock,
        log: Log,
        told: Told,
    ) -> None:
        """Take scaled settings."""
        self._ledger = ports.ledger
        self._journal = ports.journal
        self._actor = ports.actor
        self._settings = settings
        self._clock = clock
        self._log = log
        self._inbox = told.inbox
        self._wrote = told.wrote
        self._urge = told.urge
        self._ask = Asking(settings.call_seconds)
        self._records = Records(ports.journal, ask=self._ask, log=log)
        self._publisher = Publisher(ports.events, ask=self._ask, log=log)
        self._running: dict[object, asyncio.Task[None]] = {}

    def stop(self) -> None:
        """Break off what runs in the background."""
        for task in self._running.values():
            task.cancel()

    async def settled(self) -> None:
        """Return once nothing runs in the background. What waits for the ledger is tried once more."""
        self.beside("records", self._records.put_waiting)
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    @property
    def events_waiting(self) -> int:
        """How many events wait: none, unless the bus takes none."""
        return self._publisher.waiting

    async def perform(self, memory: Memory, intents: tuple[Intent, ...]) -> Memory:
        """Carry them out in order; return the memory. What fails holds back nothing but what rests on it."""
        self.beside("records", self._records.put_waiting)
        memory = await self._in_order(memory, intents)
        if self._publisher.waiting:
            self.beside("events", self._publisher.send)
        return memory

    async def _in_order(self, memory: Memory, intents: tuple[Intent, ...]) -> Memory:
        for intent in intents:
            match intent:
                case Write():
                    won = await self._write(memory, intent)
                    if won is None:
                        return memory  # what follows it was meant for the row that it did not make
                    memory = won
                case Note():
                    self._publisher.add(intent.event)
                    await self._records.put(intent.decision)
                case Settle():
                    # A list may show it for a moment after it was settled: then somebody else has done it.
                    await self._tried(intent, self._journal.settle, intent.command)
                case Act():
                    self._begin(intent.step, intent.control.epoch)
                case LookAtDrain():
                    self.beside("drain", partial(self._drain, intent.control))
        return memory

    async def _write(self, memory: Memory, write: Write) -> Memory | None:
        """Change the row, with the record before and after it. None: it is not known to have been done."""
        if write.intended is not None:
            await self._records.put(write.intended, left=write.left)
        if not await self._tried(write, self._ledger.set_control, write.after, before=write.before):
            self._urge()
            return None  # the next look reads what became of it
        self._wrote(write.after)
        memory = writes.won(memory, write)
        self._started(memory, write)
        self._publisher.add(events.of_write(write))
        await self._records.put(write.decision, left=None if write.intended else write.left)
        return memory

    async def _tried[**P](
        self, intent: Intent, call: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
    ) -> bool:
        answer = await self._ask.told(call, *args, **kwargs)
        if answer.error is not None:
            self._log.warning("intent_failed", intent=type(intent).__name__, error=answer.error)
        return answer.error is None

    def _started(self, memory: Memory, write: Write) -> None:
        """Begin the steps of a switch at once: ownership must not wait for the next beat."""
        moved = write.after.epoch != write.before.epoch
        if (
            moved
            and not switching.stands_still(write.after, self._clock.now())
            and switching.drives(memory, write.after.active_region, self._clock.now())
        ):
            for step in switching.STEPS:
                self._begin(step, write.after.epoch)

    def _begin(self, step: StepName, epoch: int) -> None:
        self.beside((step, epoch), partial(self._act, step, epoch))

    def beside(self, key: object, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
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
                result = await self._actor.act(step, epoch)
        except TimeoutError:
            note = f"it took longer than {self._settings.step_seconds:g} s"
            result = StepResult(step, epoch, done=False, note=note)
        if not result.done and not result.under_way:
            self._log.warning("step_failed", step=step, epoch=epoch, note=result.note)
        # Only now: a look may have taken the inbox away meanwhile.
        self._inbox.ended(result)

    async def _drain(self, control: Control) -> None:
        self._inbox.drained(await self._ask(self._actor.drain, control))
