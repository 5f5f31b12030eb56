"""The shell around the decisions: what comes in beside the beat reaches the next look, whenever it comes."""

import asyncio
from typing import override

from baton.errors import Unavailable
from baton.ledger_switch import LedgerSwitch
from baton.memory import (
    LoopClock,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryQueues,
    MemoryRoutes,
    MemoryVitals,
)
from baton.model.control import Control, StepName
from baton.model.journal import Command, CommandKind, Verdict
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from controller_made import EAST, WEST
from failover_controller.acts import Actor, Place
from failover_controller.canary import Probe
from failover_controller.controller import Controller, Reach
from failover_controller.domain import StepResult
from failover_controller.settings import ControllerSettings
from logs import silent_log


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
        )
        self.acts: list[StepName] = []

    @override
    async def act(self, step: StepName, epoch: int) -> StepResult:
        if epoch > INITIAL_EPOCH:  # before it, it keeps the world as it is
            self.acts.append(step)
        await asyncio.sleep(self.seconds)
        return await super().act(step, epoch)


class WellCanary:
    """Every Region is well."""

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        del region, seconds_max
        return Probe(Verdict.HEALTHY, "went the whole way")


class DeafJournal(MemoryJournal):
    """A journal that goes away for good at some moment."""

    gone = False

    @override
    async def pending(self) -> tuple[Command, ...]:
        if self.gone:
            raise Unavailable("gone")
        return tuple(await super().pending())


def _made(ledger: MemoryLedger, journal: MemoryJournal) -> tuple[Controller, SlowActor]:
    clock = LoopClock()
    queues = MemoryQueues(clock)
    place = Place(MemoryObjectStore(clock), queues.outbox(), MemoryVitals(queues))
    places = {EAST: place, WEST: place}
    actor = SlowActor(ledger, places, clock)
    reach = Reach(ledger, journal, LedgerSwitch(), actor, places, WellCanary())
    controller = Controller(
        region=WEST,
        regions=REGIONS_DEFAULT,
        instance="i1",
        reach=reach,
        settings=ControllerSettings(),
        clock=clock,
        log=silent_log(),
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


def test_a_controller_without_commands_still_beats() -> None:
    async def story() -> int:
        ledger, journal = MemoryLedger(Control(INITIAL_EPOCH, EAST)), DeafJournal()
        controller, _ = _made(ledger, journal)
        journal.gone = True
        await controller.beat()
        await controller.beat()
        return (await journal.heartbeats())[WEST].sequence

    assert virtual_time.run(story()) == 2
