"""The shell around the decisions: what comes in beside the beat reaches the next look, whenever it comes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from typing import Any, override

import pytest

from actors_made import HealthyCanary
from batches_made import admitted
from baton.errors import Unavailable
from baton.ledger_switch import LedgerSwitch
from baton.memory import (
    LoopClock,
    MemoryEventBus,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProvisions,
    MemoryQueues,
    MemoryRoutes,
    MemoryVitals,
)
from baton.model.batch import Step
from baton.model.control import Control, StepName, SwitchKind, Transition
from baton.model.journal import Command, CommandKind, Heartbeat, Signal, Verdict
from baton.model.states import BatchState
from baton.ports import BatchPage, ObjectInfo
from baton.telemetry import Log
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import recording_log, silent_log
from controller_made import EAST, START, WEST, control_made
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover.facts import StepResult
from handover.settings import ControllerSettings
from handover_shell.acts import Actor, Place
from handover_shell.canary import Probe
from loop_steps import LOOP_SECONDS_MAX, longest_step, steps_of

SETTINGS = ControllerSettings()


class SlowActor(Actor):
    """Takes longer for each act than a look lasts, and counts them."""

    seconds = 7.0

    def __init__(self, ledger: MemoryLedger, places: dict[str, Place], clock: LoopClock) -> None:
        super().__init__(
            regions=REGIONS_DEFAULT,
            ledger=ledger,
            switch=LedgerSwitch(),
            routes=MemoryRoutes(),
            places=places,
            clock=clock,
            at_once=1,
            dials_seconds=120,
        )
        self.acts: list[StepName] = []

    @override
    async def act(self, step: StepName, epoch: int) -> StepResult:
        if epoch > INITIAL_EPOCH:  # before it, it keeps the world as it is
            self.acts.append(step)
        await asyncio.sleep(self.seconds)
        return await super().act(step, epoch)


class DeafJournal(MemoryJournal):
    """A journal that goes away permanently at some moment."""

    gone = False

    @override
    async def pending(self) -> tuple[Command, ...]:
        if self.gone:
            raise Unavailable("gone")
        return tuple(await super().pending())


def _made(
    ledger: MemoryLedger,
    journal: MemoryJournal,
    *,
    objects: type[MemoryObjectStore] = MemoryObjectStore,
    log: Log | None = None,
    canary: HealthyCanary | None = None,
) -> tuple[Controller, SlowActor]:
    clock = LoopClock()
    queues = MemoryQueues(clock)
    place = Place(objects(clock), queues.outbox(), MemoryVitals(queues))
    places = {EAST: place, WEST: place}
    actor = SlowActor(ledger, places, clock)
    canary = canary or HealthyCanary()
    reach = Reach(ledger, journal, LedgerSwitch(), actor, places, canary, MemoryEventBus(), MemoryProvisions())
    controller = Controller(
        region=WEST,
        regions=REGIONS_DEFAULT,
        instance="i1",
        reach=reach,
        settings=SETTINGS,
        clock=clock,
        log=log or silent_log(),
    )
    return controller, actor


def test_a_step_that_takes_longer_than_a_look_is_done_once() -> None:
    async def story() -> tuple[Control, list[StepName]]:
        ledger, journal = MemoryLedger(Control(INITIAL_EPOCH, EAST)), MemoryJournal()
        controller, actor = _made(ledger, journal)
        stop = asyncio.Event()
        running = asyncio.create_task(controller.run(stop))
        await asyncio.sleep(60)
        at = LoopClock().now()
        await journal.submit(Command("c1", CommandKind.FAILOVER, "ana", at, target=WEST))
        await asyncio.sleep(25)
        stop.set()
        await running
        return await ledger.control(), actor.acts

    control, acts = virtual_time.run(story())

    assert control.active_region == WEST
    assert sorted(acts) == sorted([StepName.SWITCH, StepName.ROUTES, StepName.TAKEOVER])


def test_batches_that_are_taken_over_are_measured_once() -> None:
    lines: list[dict[str, Any]] = []

    async def story() -> Control:
        ledger, journal = MemoryLedger(Control(INITIAL_EPOCH, EAST)), MemoryJournal()
        controller, _ = _made(ledger, journal, log=recording_log(lines))
        for number in range(3):
            await ledger.admit(admitted(f"b{number}", START))
        stop = asyncio.Event()
        running = asyncio.create_task(controller.run(stop))
        await asyncio.sleep(60)
        at = LoopClock().now()
        await journal.submit(Command("c1", CommandKind.FAILOVER, "ana", at, target=WEST))
        await asyncio.sleep(120)
        stop.set()
        await running
        return await ledger.control()

    control = virtual_time.run(story())

    assert control.transition is not None
    assert control.transition.taken_over == 3
    measured = [line["BatchesTakenOver"] for line in lines if "BatchesTakenOver" in line]
    assert (sum(measured), max(measured)) == (3, 3)
    assert len(measured) > 8  # none is a figure too: a graph without data would say nothing


def test_a_controller_without_commands_still_beats() -> None:
    async def story() -> int:
        ledger, journal = MemoryLedger(Control(INITIAL_EPOCH, EAST)), DeafJournal()
        controller, _ = _made(ledger, journal)
        journal.gone = True
        await controller.beat()
        await controller.beat()
        return (await journal.heartbeats())[WEST].sequence

    assert virtual_time.run(story()) == 2


def test_a_controller_whose_loop_does_not_beat_is_unhealthy() -> None:
    async def story() -> list[bool]:
        controller, _ = _made(MemoryLedger(Control(INITIAL_EPOCH, EAST)), MemoryJournal())
        await controller.beat()
        found: list[bool] = []
        for seconds in (0, SETTINGS.driver_seconds - 1, 2):
            await asyncio.sleep(seconds)
            found.append(controller.health()[0])
        return found

    assert virtual_time.run(story()) == [True, True, False]


class SlowJournal(MemoryJournal):
    """Takes a moment to write a heartbeat."""

    @override
    async def beat(self, heartbeat: Heartbeat) -> None:
        await asyncio.sleep(2)
        await super().beat(heartbeat)


def test_a_heartbeat_that_takes_long_is_as_old_as_its_start() -> None:
    async def story() -> None:
        controller, _ = _made(MemoryLedger(Control(INITIAL_EPOCH, EAST)), SlowJournal())
        began = LoopClock().now()
        await controller.beat()
        assert LoopClock().now() > began
        assert controller.memory.written_at == began, "before it, nobody can have read it"

    virtual_time.run(story())


def test_an_order_is_not_obeyed_by_half_a_look() -> None:
    """Without heartbeats nobody knows whether the other Region is ready: the control row alone decides nothing."""

    async def story() -> tuple[Control, Control]:
        ledger, journal = MemoryLedger(Control(INITIAL_EPOCH, EAST)), MemoryJournal()
        controller, _ = _made(ledger, journal)
        stop = asyncio.Event()
        running = asyncio.create_task(controller.run(stop))
        await asyncio.sleep(60)
        journal.refusals.refuse("heartbeats")
        await journal.submit(Command("c1", CommandKind.FAILOVER, "ana", LoopClock().now(), target=WEST))
        await asyncio.sleep(30)
        blind = await ledger.control()
        journal.refusals.allow()
        await asyncio.sleep(30)
        stop.set()
        await running
        return blind, await ledger.control()

    blind, seeing = virtual_time.run(story())

    assert (blind.active_region, seeing.active_region) == (EAST, WEST)


class BuggyCanary(HealthyCanary):
    """Has a bug, once."""

    broke = False

    @override
    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        if not self.broke:
            self.broke = True
            raise ZeroDivisionError
        return await super().probe(region, seconds_max=seconds_max)


def test_a_bug_in_one_turn_of_a_loop_is_logged_and_the_next_turn_comes() -> None:
    lines: list[dict[str, Any]] = []

    async def story() -> Controller:
        ledger = MemoryLedger(Control(INITIAL_EPOCH, EAST))
        controller, _ = _made(ledger, MemoryJournal(), log=recording_log(lines), canary=BuggyCanary())
        stop = asyncio.Event()
        running = asyncio.create_task(controller.run(stop))
        await asyncio.sleep(60)
        stop.set()
        await running
        return controller

    memory = virtual_time.run(story()).memory

    assert len([line for line in lines if line["event"] == "controller_bug"]) == 1
    assert memory.series[WEST, Signal.INSIDE_CANARY].newest.verdict is Verdict.HEALTHY


def test_a_pause_ends_with_the_hold_of_a_suspicion() -> None:
    async def story() -> list[float]:
        controller, _ = _made(MemoryLedger(Control(INITIAL_EPOCH, EAST)), MemoryJournal())
        await controller.beat()
        loop, waited = asyncio.get_running_loop(), list[float]()
        for left in (None, 3.0):
            held = SETTINGS.hold_seconds - left if left else 0.0
            since = LoopClock().now() - timedelta(seconds=held) if left else None
            controller._memory = replace(controller.memory, suspect_since=since)  # pyright: ignore[reportPrivateUsage] - as if it had
            began = loop.time()
            await controller._pause(began)  # pyright: ignore[reportPrivateUsage] - one turn of its loop
            waited.append(loop.time() - began)
        return waited

    assert virtual_time.run(story()) == pytest.approx([SETTINGS.beat_seconds, 3.0], abs=0.01)


class ManyBatches(MemoryLedger):
    """A ledger that lists 100,000 open batches once, as that on AWS does; by then all of them have settled."""

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        one, at = admitted("", START), START
        history = (
            Step(at, BatchState.ADMITTED, EAST),
            Step(at, BatchState.SPLIT, EAST),
            Step(at, BatchState.SPLIT, WEST),
        )
        self._batches = [
            replace(one, batch_id=f"{number:032x}", state=BatchState.SPLIT, history=history)
            for number in range(100_000)
        ]

    @override
    async def list_open(self) -> AsyncIterator[BatchPage]:
        for page in batched(self._batches, 800):
            await asyncio.sleep(0)
            yield BatchPage(page)
        self._batches = []  # the next pass finds none

    @override
    async def get(self, batch_id: str) -> None:
        await asyncio.sleep(0)


class DistantObjects(MemoryObjectStore):
    """A store that takes a moment to answer."""

    @override
    async def find_version(self, key: str, origin_version_id: str) -> ObjectInfo | None:
        await asyncio.sleep(0)
        return await super().find_version(key, origin_version_id)


@pytest.mark.parametrize("what", ["look around", "drain", "take over"])
def test_a_hundred_thousand_open_batches_never_hold_the_event_loop(what: str) -> None:
    active = WEST if what == "take over" else EAST
    switch = Transition("t1", SwitchKind.SWITCHOVER, EAST, WEST, "test", START, automatic=False)
    ledger = ManyBatches(control_made(active_region=active, epoch=3 if active == WEST else INITIAL_EPOCH))

    async def story() -> None:
        controller, actor = _made(ledger, MemoryJournal(), objects=DistantObjects)
        control = await ledger.control()
        match what:
            case "look around":
                await controller.lookout.look_around()
            case "drain":
                drain = await actor.drain(replace(control, transition=switch))
                assert drain.open_batches == 100_000
            case _:
                await Actor.act(actor, StepName.TAKEOVER, control.epoch)

    assert longest_step(lambda: max(steps_of(story())[1])) < LOOP_SECONDS_MAX
