"""While canaries fail now and then, more of them are sent at a time; what each took, and under which load, is kept."""

import asyncio
from dataclasses import dataclass, field, replace

from actors_made import actor_made
from batches_made import admitted
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
from baton.model.control import Control
from baton.model.journal import Signal, Verdict
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from controller_made import EAST, START, WEST
from failover_controller.lookout import Lookout
from failover_controller.reach import Reach
from handover.facts import Sample
from handover.settings import ControllerSettings
from handover_shell.acts import Place
from handover_shell.canary import Probe

SETTINGS = ControllerSettings()


@dataclass
class ToldCanary:
    """Says of each Region what it is told to, and counts."""

    bad: set[str] = field(default_factory=set[str])
    sent: list[str] = field(default_factory=list[str])

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        del seconds_max
        self.sent.append(region)
        if region in self.bad:
            return Probe(Verdict.UNHEALTHY, "it stood in SPLIT")
        return Probe(Verdict.HEALTHY, "went the whole way", 2.5)


def _lookout(canary: ToldCanary, ledger: MemoryLedger) -> Lookout:
    clock = LoopClock()
    queues = MemoryQueues(clock)
    place = Place(MemoryObjectStore(clock), queues.outbox(), MemoryVitals(queues))
    places: dict[str, Place] = {EAST: place, WEST: place}
    switch, routes = LedgerSwitch(), MemoryRoutes()
    actor = actor_made(ledger, places, clock, switch=switch, routes=routes)
    reach = Reach(ledger, MemoryJournal(), switch, actor, places, canary, MemoryEventBus(), MemoryProvisions())
    control = Control(INITIAL_EPOCH, EAST)
    return Lookout(
        region=WEST,
        regions=REGIONS_DEFAULT,
        reach=reach,
        settings=SETTINGS,
        clock=clock,
        control=lambda: control,
        urge=lambda: None,
    )


def test_two_are_sent_at_a_time_from_the_first_that_fails_until_ten_minutes_after_the_last() -> None:
    async def story() -> list[int]:
        canary = ToldCanary()
        lookout = _lookout(canary, MemoryLedger())
        found: list[int] = []
        for bad in (False, True, False, False):
            canary.bad, canary.sent = {EAST} if bad else set[str](), []
            await lookout.probe()
            found.append(canary.sent.count(EAST))
            assert canary.sent.count(WEST) == 1, "one Region's canaries are no doubt about the other's"
        await asyncio.sleep(SETTINGS.grey_seconds - 1)
        for _ in range(2):
            canary.sent = []
            await lookout.probe()
            found.append(canary.sent.count(EAST))
            await asyncio.sleep(1)
        return found

    assert virtual_time.run(story()) == [1, 1, 2, 2, 2, 1]


def test_of_those_sent_at_a_time_one_is_the_step_of_the_series() -> None:
    async def story() -> list[Sample]:
        lookout = _lookout(ToldCanary({EAST}), MemoryLedger())
        await lookout.probe()
        await lookout.probe()
        return [each for each in lookout.inbox.samples if each.signal is Signal.OUTSIDE_CANARY]

    assert [each.beside for each in virtual_time.run(story())] == [False, False, True]


def test_what_it_took_and_the_open_work_of_its_region_come_with_it() -> None:
    async def story() -> list[Sample]:
        ledger = MemoryLedger()
        batch = admitted("b1", START)
        await ledger.admit(batch)
        waiting = replace(admitted("b2", START), state=BatchState.WAITING_INPUT)
        await ledger.admit(waiting)
        lookout = _lookout(ToldCanary(), ledger)
        await lookout.look_around()
        await lookout.probe()
        canaries = {Signal.INSIDE_CANARY, Signal.OUTSIDE_CANARY}
        return [each for each in lookout.inbox.samples if each.signal in canaries]

    own, other = virtual_time.run(story())

    assert (own.seconds, own.load) == (2.5, 0)
    assert (other.seconds, other.load) == (2.5, admitted("b1", START).source.size_bytes + 2**20)
