"""Two Regions in memory for switches without controllers: processes that are killed, and controllers that resume."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, cast

from batches_made import admitted
from baton.memory import (
    LoopClock,
    MemoryEventBus,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProvisions,
    MemoryQueues,
    MemoryRoutes,
    MemorySwitch,
    MemoryVitals,
)
from baton.model.control import Control, Phase
from baton.model.journal import Command, CommandKind, DecisionKind, Verdict
from baton.ports import batches_of
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import recording_log
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover.settings import ControllerSettings
from handover_shell.acts import Actor, Place
from handover_shell.by_hand import ByHand, Hand
from handover_shell.canary import Probe

EAST, WEST = REGIONS_DEFAULT
BATCHES: Final = ("b1", "b2", "b3")
_EFFECTS: Final = frozenset(
    {"submit", "settle", "record", "set_control", "set_states", "set_dials", "update", "send", "probe", "put"}
)
_CANARY_SECONDS: Final = 2.0


@dataclass(slots=True)
class Kill:
    """A process that is killed at its effect number `at`, before or after it reached the world; None: it is not."""

    at: int | None = None
    before: bool = True
    seen: int = 0
    names: list[str] = field(default_factory=list[str])
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    watched: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has begun `watched` effects."""

    async def survived(self, *, due: bool) -> None:
        """Return if the process lives; never, if this is where it dies or it is dead."""
        if due:
            self.dead.set()
        if self.dead.is_set():
            await asyncio.Event().wait()

    def wrap[P](self, port: P) -> P:
        """Return the port as this process sees it: after its death no call does anything, or returns."""
        return cast("P", _Killed(port, self))


class _Killed:
    def __init__(self, port: Any, kill: Kill) -> None:
        self._port, self._kill = port, kill

    def __getattr__(self, name: str) -> Any:
        member, kill = getattr(self._port, name), self._kill
        if not inspect.iscoroutinefunction(member):
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            due = name in _EFFECTS and kill.seen == kill.at
            if name in _EFFECTS:
                kill.seen += 1
                kill.names.append(name)
                if kill.seen >= kill.watched:
                    kill.reached.set()
            await kill.survived(due=due and kill.before)
            answer = await member(*args, **kwargs)
            await kill.survived(due=due)
            return answer

        return call


class Canaries:
    """Canaries of Regions that are all well, or not."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        """Return what a canary through the Region finds."""
        del seconds_max
        await asyncio.sleep(_CANARY_SECONDS)
        if region in self.bad:
            return Probe(Verdict.UNHEALTHY, "its bucket accepts no file")
        return Probe(Verdict.HEALTHY, "went the whole way")


@dataclass(slots=True)
class Scene:
    """What outlives every process: the ledger, the switch, the dials, and both Regions' stores."""

    clock: LoopClock = field(default_factory=LoopClock)
    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(Control(INITIAL_EPOCH, EAST)))
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    events: MemoryEventBus = field(default_factory=MemoryEventBus)
    routes: MemoryRoutes = field(default_factory=MemoryRoutes)
    canaries: Canaries = field(default_factory=Canaries)
    settings: ControllerSettings = field(default_factory=ControllerSettings)
    switch: MemorySwitch = field(init=False)
    queues: dict[str, MemoryQueues] = field(init=False)
    objects: dict[str, MemoryObjectStore] = field(init=False)
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    orders: int = 0

    def __post_init__(self) -> None:
        self.switch = MemorySwitch(clock=self.clock, wait=timedelta(seconds=60))
        self.queues = {region: MemoryQueues(self.clock) for region in REGIONS_DEFAULT}
        self.objects = {region: MemoryObjectStore(self.clock, region=region) for region in REGIONS_DEFAULT}

    async def admit(self) -> None:
        """Have open batches in the first Region."""
        for name in BATCHES:
            await self.ledger.admit(admitted(name, self.clock.now()))

    def order(self, target: str = WEST, **changes: Any) -> Command:
        """Return an operator's order to fail over."""
        self.orders += 1
        return Command(f"c{self.orders}", CommandKind.FAILOVER, "ann@desk", self.clock.now(), target=target, **changes)

    def by_hand(self, command: Command, kill: Kill | None = None, *, target: str = WEST) -> ByHand:
        """Return one run of the command, which may be killed."""
        kill = kill or Kill()
        ledger, journal, switch = kill.wrap(self.ledger), kill.wrap(self.journal), kill.wrap(self.switch)
        actor = self._actor(ledger, switch, kill)
        return ByHand(
            target=target,
            regions=REGIONS_DEFAULT,
            operator="ann@desk",
            instance=command.id,
            hand=Hand(ledger, journal, switch, actor, kill.wrap(self.canaries), kill.wrap(self.events)),
            settings=self.settings,
            clock=self.clock,
            log=recording_log(self.lines),
        )

    def controller(self, region: str, kill: Kill | None = None) -> Controller:
        """Return a controller of the Region that has just started."""
        kill = kill or Kill()
        ledger, journal, switch = kill.wrap(self.ledger), kill.wrap(self.journal), kill.wrap(self.switch)
        actor, canaries = self._actor(ledger, switch, kill), kill.wrap(self.canaries)
        reach = Reach(
            ledger, journal, switch, actor, self._places(kill), canaries, kill.wrap(self.events), MemoryProvisions()
        )
        return Controller(
            region=region,
            regions=REGIONS_DEFAULT,
            instance=f"{region}-i",
            reach=reach,
            settings=self.settings,
            clock=self.clock,
            log=recording_log(self.lines),
        )

    @asynccontextmanager
    async def awake(self, region: str, kill: Kill | None = None) -> AsyncGenerator[None]:
        """Have a controller of the Region that has just started, and may be killed."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.controller(region, kill).run(stop))
        try:
            yield
        finally:
            stop.set()
            await running

    def _actor(self, ledger: MemoryLedger, switch: MemorySwitch, kill: Kill) -> Actor:
        return Actor(
            regions=REGIONS_DEFAULT,
            ledger=ledger,
            switch=switch,
            routes=kill.wrap(self.routes),
            places=self._places(kill),
            clock=self.clock,
            at_once=2,
            dials_seconds=120,
        )

    def _places(self, kill: Kill) -> Mapping[str, Place]:
        return {
            region: Place(self.objects[region], kill.wrap(queues.outbox()), MemoryVitals(queues))
            for region, queues in self.queues.items()
        }

    async def until_over(self, *, seconds: float = 600) -> Control:
        """Return the control row once no switch is under way, and one has been. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while True:
                control = await self.ledger.control()
                if control.transition is not None and control.phase in {Phase.COOLDOWN, Phase.STEADY}:
                    return control
                await asyncio.sleep(1)

    async def check(self, region: str = WEST, epoch: int = INITIAL_EPOCH + 1) -> None:
        """Assert that everything is as the row says, and that history tells one switch."""
        control = await self.ledger.control()
        assert (control.active_region, control.epoch) == (region, epoch)
        assert await self.switch.states() == control.switch_states(REGIONS_DEFAULT)
        assert await self.routes.dials() == control.dials(REGIONS_DEFAULT)
        open_ones = await batches_of(self.ledger.list_open())
        assert {batch.owner_epoch for batch in open_ones} == {epoch}
        kinds = [each.kind for each in await self.journal.decisions(limit=100)]
        # Who dies between the write of the row and its record leaves the intention alone.
        assert DecisionKind.INTENDED in kinds
        assert kinds.count(DecisionKind.COMMITTED) <= 1
        assert not [line for line in self.lines if line.get("event") == "controller_bug"]
