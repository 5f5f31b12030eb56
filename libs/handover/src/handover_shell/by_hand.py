"""Carries out a switch from an operator's machine, in place of the target's controller and without its lookout.

The same decisions, acts and records as a controller's. What else acts meanwhile (a controller that is back, the same
command once more) meets it at the control row, which only one of them can change at a time. Killed at any moment, it
leaves what any of them can continue.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from baton.model.control import Control, Phase, StepName
from baton.model.journal import Command, CommandState, Signal, Verdict
from baton.ports import Clock, Endpoints, EventBus, Journal, Ledger, Switch
from baton.telemetry import Log
from handover.by_hand import decide_by_hand
from handover.facts import Drain, Memory, Sample, Seen, StepResult
from handover.settings import ControllerSettings
from handover.switching import STEPS
from handover.timeline import LOOKS_PER_BEAT_MAX
from handover_shell.acts import Actor
from handover_shell.asking import Asking
from handover_shell.canary import Canary, Probe
from handover_shell.performing import Performer, Told


@dataclass(frozen=True, slots=True)
class Hand:
    """The ports that an operator acts through."""

    ledger: Ledger
    journal: Journal
    switch: Switch
    actor: Actor
    canary: Canary
    events: EventBus


@dataclass(slots=True)
class _Inbox:
    """What came in since the last look."""

    urge: Callable[[], None]
    samples: list[Sample] = field(default_factory=list[Sample])
    results: list[StepResult] = field(default_factory=list[StepResult])
    endpoints: Endpoints | None = None
    newest: dict[StepName, StepResult] = field(default_factory=dict[StepName, StepResult])
    in_line: asyncio.Event = field(default_factory=asyncio.Event)

    def ended(self, result: StepResult) -> None:
        """Take the result of one attempt of a step."""
        self.results.append(result)
        self.newest[result.step] = result
        if all(step in self.newest and self.newest[step].done for step in STEPS):
            self.in_line.set()
        self.urge()

    def drained(self, drain: Drain | None) -> None:
        """Take nothing: what an operator does himself waits for no drain."""

    def taken(self) -> "_Inbox":
        """Return what came in since the last call."""
        taken = replace(self)
        self.samples, self.results, self.endpoints = [], [], None
        return taken


class ByHand:
    """One operator's way to one target."""

    def __init__(
        self,
        *,
        target: str,
        regions: tuple[str, str],
        operator: str,
        instance: str,
        hand: Hand,
        settings: ControllerSettings,
        clock: Clock,
        log: Log,
    ) -> None:
        """Take scaled settings, those of the controllers, and a clock that never steps. `instance` is part of ids."""
        self._target = target
        self._hand = hand
        self._settings = settings
        self._clock = clock
        self._log = log
        self._ask = Asking(settings.call_seconds)
        self._memory = Memory(region=target, regions=regions, instance=instance, settings=settings, operator=operator)
        self._control: Control | None = None
        self._written_at: datetime | None = None
        self._urged = asyncio.Event()
        self._inbox = _Inbox(self._urged.set)
        self._probing: asyncio.Task[Probe] | None = None
        told = Told(self._inbox, wrote=self._wrote, urge=self._urged.set)
        self._performer = Performer(hand, settings=settings, clock=clock, log=log, told=told)

    @property
    def in_line(self) -> asyncio.Event:
        """Set once switch, dials and owners are as the row says."""
        return self._inbox.in_line

    @property
    def results(self) -> Mapping[StepName, StepResult]:
        """The newest attempt of each step."""
        return self._inbox.newest

    async def prove(self) -> tuple[Probe, ...]:
        """Find out whether the target could be active, as its controller does: canaries, and the switch's endpoints."""
        probes = await asyncio.gather(*(self._probe() for _ in range(self._settings.ready_samples)))
        for _ in range(self._settings.ready_samples):  # the first call of a process also opens its connections
            self._inbox.endpoints = await self._ask(self._hand.switch.endpoints)
            if self._inbox.endpoints is not None:
                break
        return tuple(probes)

    @contextlib.asynccontextmanager
    async def acting(self, command: Command | None) -> AsyncGenerator[None]:
        """Order this and carry out what is under way to the target, for as long as the context lasts.

        Without an order, bring switch, dials and owners in line with the control row. What is still on its way to the
        ledger when the context ends is written first.
        """
        loop = asyncio.create_task(self._loop(command))
        try:
            yield
            loop.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.call_seconds):
                    await self._performer.settled()
        finally:
            for task in (loop, self._probing):
                if task is not None:
                    task.cancel()
            self._performer.stop()

    async def _loop(self, command: Command | None) -> None:
        while True:
            try:
                seen = await self._look(command)
                self._memory, intents = decide_by_hand(self._memory, seen, self._clock.now())
                self._memory = await self._performer.perform(self._memory, intents)
                self._verify()
            except Exception as error:  # noqa: BLE001 - what is under way must not stop at a bug of one look
                self._log.error("controller_bug", exc_info=error)
            await self._pause()

    async def _pause(self) -> None:
        """Wait until something came in, and never for no time at all: a ledger that fails at once is asked again."""
        await asyncio.sleep(self._settings.beat_seconds / LOOKS_PER_BEAT_MAX)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.retry_seconds):
                await self._urged.wait()
        self._urged.clear()

    async def _look(self, command: Command | None) -> Seen:
        pending = await self._pending(command) if command else None
        control = await self._ask.told(self._hand.ledger.control)
        self._control = control.value
        inbox = self._inbox.taken()
        return Seen(
            control=control.value,
            unread=control.error or "",
            commands=(pending,) if pending else (),
            samples=tuple(inbox.samples),
            results=tuple(inbox.results),
            endpoints=inbox.endpoints,
            written_at=self._written_at,
        )

    async def _pending(self, command: Command) -> Command | None:
        """Return the order as long as nobody answered it. Writing it shows that we can write at all."""
        now = self._clock.now()
        found = await self._ask(self._hand.journal.command, command.id)
        if found is not None and found.state is not CommandState.PENDING:
            return None
        if (await self._ask.told(self._hand.journal.submit, command)).error is not None:
            return None
        self._written_at = now
        return found or command

    def _wrote(self, control: Control) -> None:
        self._control = control
        self._urged.set()

    # --- canaries ----------------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        """Send canaries, one after the other, while the switch waits for one."""
        control = self._control
        busy = self._probing is not None and not self._probing.done()
        if busy or control is None or control.phase is not Phase.VERIFYING or control.active_region != self._target:
            return
        self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> Probe:
        started, limit = self._clock.now(), self._settings.probe_deadline_seconds
        probe = await self._hand.canary.probe(self._target, seconds_max=limit)
        at = self._clock.now()
        sample = Sample(
            Signal.INSIDE_CANARY, self._target, probe.verdict, probe.value, f"within {limit:g} s", at, started
        )
        self._inbox.samples.append(sample)
        if probe.verdict is not Verdict.UNKNOWN:
            self._urged.set()
        return probe
