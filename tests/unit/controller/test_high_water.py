"""A controller keeps how far the ledger has been where no restore of the table takes it back."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import override

import pytest

from actors_made import HealthyCanary, actor_made
from baton.ledger_switch import LedgerSwitch
from baton.memory import (
    LoopClock,
    MemoryEventBus,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProvisions,
    MemoryQueues,
    MemoryVitals,
)
from baton.model import high_water
from baton.model.control import Control
from baton.model.high_water import HighWater
from baton.model.journal import Command, CommandKind
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import silent_log
from controller_made import EAST, WEST
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover.settings import ControllerSettings
from handover_shell.acts import Place


class Mute(MemoryObjectStore):
    """A bucket that never answers what is asked of this key."""

    @override
    async def get(self, key: str, **_: object) -> bytes:
        await asyncio.get_running_loop().create_future()
        return b""


@dataclass
class Scene:
    """One ledger, two buckets, and controllers that come and go."""

    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(Control(INITIAL_EPOCH, EAST)))
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    clock: LoopClock = field(default_factory=LoopClock)
    buckets: dict[str, MemoryObjectStore] = field(default_factory=dict[str, MemoryObjectStore])
    started: int = 0

    def __post_init__(self) -> None:
        self.buckets = {region: MemoryObjectStore(self.clock) for region in REGIONS_DEFAULT} | self.buckets

    def controller(self, region: str = WEST) -> Controller:
        """Return a new process of the Region's controller."""
        self.started += 1
        queues = MemoryQueues(self.clock)
        places = {name: Place(bucket, queues.outbox(), MemoryVitals(queues)) for name, bucket in self.buckets.items()}
        actor = actor_made(self.ledger, places, self.clock)
        return Controller(
            region=region,
            regions=REGIONS_DEFAULT,
            instance=f"i{self.started}",
            reach=Reach(
                self.ledger,
                self.journal,
                LedgerSwitch(),
                actor,
                places,
                HealthyCanary(),
                MemoryEventBus(),
                MemoryProvisions(),
            ),
            settings=ControllerSettings(),
            clock=self.clock,
            log=silent_log(),
        )

    async def live(self, seconds: float, *regions: str) -> Mapping[str, Controller]:
        """Let new processes of these Regions' controllers run for so long."""
        stop, controllers = asyncio.Event(), {region: self.controller(region) for region in regions}
        running = [asyncio.create_task(each.run(stop)) for each in controllers.values()]
        await asyncio.sleep(seconds)
        stop.set()
        await asyncio.gather(*running)
        return controllers

    async def kept(self, region: str) -> HighWater:
        return high_water.read(await self.buckets[region].get(high_water.KEY))

    def saved(self) -> Callable[[], None]:
        """Return what restores the table to now."""
        ledger, journal = self.ledger.saved(), self.journal.saved()

        def restore() -> None:
            ledger()
            journal()

        return restore

    async def failover(self, to: str) -> None:
        await self.journal.submit(Command("c1", CommandKind.FAILOVER, "ana", self.clock.now(), target=to, force=True))


def test_each_region_keeps_what_it_has_seen_itself() -> None:
    async def story() -> tuple[HighWater, HighWater]:
        scene = Scene()
        await scene.live(400, WEST, EAST)
        return await scene.kept(EAST), await scene.kept(WEST)

    for kept in virtual_time.run(story()):
        assert kept.epoch == INITIAL_EPOCH
        assert kept.beats[EAST] >= 60
        assert kept.beats[WEST] >= 60


def test_a_controller_that_comes_later_counts_on_and_notices_nothing() -> None:
    async def story() -> tuple[int | None, object]:
        scene = Scene()
        await scene.live(400, WEST)
        second = await scene.live(60, WEST)
        return (await scene.journal.heartbeats())[WEST].beats, second[WEST].memory.went_back

    beats, went_back = virtual_time.run(story())

    assert beats is not None
    assert beats > 85
    assert went_back is None


@pytest.mark.parametrize("switched", [True, False])
def test_controllers_that_start_on_a_restored_table_refuse_to_act(*, switched: bool) -> None:
    async def story() -> tuple[Control, Mapping[str, Controller], Scene]:
        scene = Scene()
        await scene.live(60, WEST, EAST)
        restore = scene.saved()
        if switched:
            await scene.failover(WEST)
        await scene.live(900, WEST, EAST)
        assert ((await scene.ledger.control()).active_region == WEST) is switched
        restore()
        there = await scene.ledger.control()
        controllers = await scene.live(120, WEST, EAST)
        await scene.failover(WEST)
        await scene.live(60, WEST, EAST)
        assert await scene.ledger.control() == there
        return there, controllers, scene

    _, controllers, scene = virtual_time.run(story())

    for controller in controllers.values():
        assert controller.memory.went_back is not None
    command = virtual_time.run(scene.journal.command("c1"))
    assert command is not None
    assert "the ledger went back" in command.answer


def test_a_region_that_slept_through_the_switch_learns_of_it_from_the_other() -> None:
    async def story() -> Controller:
        scene = Scene()
        await scene.live(60, WEST, EAST)
        restore = scene.saved()
        await scene.failover(WEST)
        await scene.live(400, WEST)  # the East is away
        restore()
        return (await scene.live(90, EAST))[EAST]

    assert virtual_time.run(story()).memory.went_back is not None


def test_while_the_ledger_is_behind_what_is_kept_stays() -> None:
    async def story() -> HighWater:
        scene = Scene()
        await scene.live(60, WEST, EAST)
        restore = scene.saved()
        await scene.failover(WEST)
        await scene.live(400, WEST, EAST)
        restore()
        await scene.live(600, WEST, EAST)
        return await scene.kept(EAST)

    assert virtual_time.run(story()).epoch == INITIAL_EPOCH + 1


def test_a_bucket_that_never_answers_is_waited_for_half_a_minute_and_no_longer() -> None:
    async def story() -> tuple[bool, bool]:
        scene = Scene()
        scene.buckets[WEST] = Mute(scene.clock)
        await scene.failover(WEST)
        await scene.live(25, WEST)
        early = (await scene.ledger.control()).active_region == WEST
        await scene.live(60, WEST)
        return early, (await scene.ledger.control()).active_region == WEST

    assert virtual_time.run(story()) == (False, True)


def test_a_heartbeat_that_cannot_be_read_is_no_ledger_that_went_back() -> None:
    async def story() -> Controller:
        scene = Scene()
        await scene.live(90, WEST, EAST)
        scene.journal.spoil(f"heartbeat/{EAST}")
        return (await scene.live(60, WEST))[WEST]

    assert virtual_time.run(story()).memory.went_back is None


def test_heartbeats_are_not_counted_until_it_is_known_how_far_the_ledger_has_been() -> None:
    async def story() -> tuple[int | None, int | None]:
        scene = Scene()
        await scene.live(400, WEST)
        before = (await scene.journal.heartbeats())[WEST]
        scene.buckets = {region: Mute(scene.clock) for region in REGIONS_DEFAULT}
        await scene.live(25, WEST)
        after = (await scene.journal.heartbeats())[WEST]
        assert after.at > before.at
        return before.beats, after.beats

    before, after = virtual_time.run(story())

    assert before == after
