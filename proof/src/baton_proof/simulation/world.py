"""Both simulated Regions: stores that outlive every process, and processes that start and end."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from baton.catalog import Catalog, load_jobs
from baton.errors import BatonError
from baton.memory import LoopClock, MemoryEventBus, MemoryProvisions, MemoryReplication, MemoryRoutes, MemoryVitals
from baton.messages import Message, lane_of
from baton.model.batch import Batch
from baton.model.control import Control
from baton.model.identity import batch_id_of, owner_of
from baton.model.journal import Command, CommandKind
from baton.ports import Clock, Journal, Ledger, Switch
from baton.testing.faults import Crash
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.sales import financial, sales_file
from baton_proof.simulation import faults
from baton_proof.simulation.canaries import RealCanary, SimCanary
from baton_proof.simulation.judge import Judge
from baton_proof.simulation.measured import SeenVitals, SimVitals, Skewed
from baton_proof.simulation.network import LEDGER, ROUTES, SWITCH, Life, Network, Partition, WayMode
from baton_proof.simulation.schedule import HOME, Order, Schedule, Trouble
from baton_proof.simulation.watch import Watch, WatchedJournal, WatchedLedger, WatchedMailer, WatchedSwitch
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover.commands import SWITCHES
from handover.settings import ControllerSettings
from handover_shell.acts import Actor, Place
from handover_shell.canary import BatchCanary, Canary
from handover_shell.steady import SteadyClock
from splitter.settings import SplitterSettings

SPLITTER = SplitterSettings(chunk_bytes=500, sweep_seconds=15, unadmitted_seconds=30, stalled_seconds=60)
"""Shorter than in production, so that no hours without events are simulated."""
BUGS = frozenset({"handler_bug", "give_up_failed", "not_swept", "controller_bug", "sweep_failed"})

SWITCH_WAIT = timedelta(seconds=60)
"""Between two changes of the switch, as `make deploy` sets it."""

SAMPLE = sales_file(records=6, bad=1)
"""What every sender sends."""


@cache
def _catalog() -> Catalog:
    """Return the jobs, which no process changes: read once for all."""
    return load_jobs("baton_jobs")


@cache
def expected_result() -> bytes:
    """Return the expected result: that of an undisturbed run. Call it first outside of a running loop."""

    async def in_peace() -> bytes:
        quiet = Pipeline(_catalog())
        await financial(quiet.region.reference, SAMPLE)
        batch_id = await quiet.upload("input/sales/peace.csv", SAMPLE.body)
        await quiet.drive()
        return await quiet.result(batch_id)

    return asyncio.run(in_peace())


def _place(life: Life, side: Region, vitals: MemoryVitals) -> Place:
    """Return a Region as one controller reaches it."""
    return Place(
        objects=life.wrap(side.objects, f"objects@{side.region}"),
        outbox=life.wrap(side.queues.outbox(), f"outbox@{side.region}"),
        vitals=SeenVitals(life.wrap(vitals, f"vitals@{side.region}"), life, side.region),
    )


@dataclass(slots=True)
class Sent:
    """A file that its sender got into a bucket."""

    key: str
    batch_id: str
    region: str
    number: int


@dataclass(slots=True)
class World:
    """Everything there is."""

    schedule: Schedule
    make_controller: Callable[..., Controller] = Controller
    page_batches: int = 2
    """Open batches on a page of their list: so few that a dozen are many pages."""
    dice: random.Random = field(init=False)
    clock: LoopClock = field(default_factory=LoopClock)
    watch: Watch = field(init=False)
    network: Network = field(init=False)
    ledger: WatchedLedger = field(init=False)
    journal: WatchedJournal = field(default_factory=WatchedJournal)
    switch: WatchedSwitch = field(init=False)
    events: MemoryEventBus = field(default_factory=MemoryEventBus)
    routes: MemoryRoutes = field(init=False)
    sides: dict[str, Region] = field(default_factory=dict[str, Region])
    replication: MemoryReplication = field(init=False)
    lives: list[Life] = field(default_factory=list[Life])
    lying: set[str] = field(default_factory=set[str])
    grey: dict[str, float] = field(default_factory=dict[str, float])
    """By Region: share of its canaries that fail."""
    vitals: dict[str, SimVitals] = field(default_factory=dict[str, SimVitals])
    judge: Judge = field(init=False)
    sent: list[Sent] = field(default_factory=list[Sent])
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    background: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    processes: dict[str, Pipeline] = field(default_factory=dict[str, Pipeline])
    """By Region: the newest process, whose trigger answers events."""
    skews: dict[str, float] = field(init=False)
    """By Region: how wrong the clock of its controller's machine is, in seconds."""
    skewed: set[float] = field(init=False)
    """How wrong any of them ever was."""
    clocks: dict[str, SteadyClock] = field(default_factory=dict[str, SteadyClock])
    """By instance of a controller: the clock that it goes by."""
    without_controllers: bool = False
    """Whether no controller starts."""
    healed: bool = False
    """Whether the faults are over: from then on every event of a bucket arrives, and at once."""
    started: int = 0
    orders: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.schedule.seed * 7 + 1)
        self.skews = {region: self.schedule.skews.get(region, 0.0) for region in REGIONS_DEFAULT}
        self.skewed = set(self.skews.values())
        self.watch = Watch(self.clock)
        self.judge = Judge(self)
        self.journal.decided = lambda decision: self.judge.decided(decision, self.watch.controls[-1][1])
        self.network = Network(random.Random(self.schedule.seed * 7 + 2), on_send=self._doubled)
        self.ledger = WatchedLedger(Control(INITIAL_EPOCH, HOME), page_batches=self.page_batches).watched(
            self.watch, self._results
        )
        self.watch.controls.append((self.clock._start, Control(INITIAL_EPOCH, HOME)))  # pyright: ignore[reportPrivateUsage] - before the loop runs
        self.watch.rows = lambda: self.ledger.rows
        self.watch.listed = lambda: self.ledger.listed
        self.watch.has = lambda region, key: self.sides[region].objects._find(key, None) is not None  # pyright: ignore[reportPrivateUsage] - the truth
        self.switch = WatchedSwitch(
            clock=self.clock,
            wait=SWITCH_WAIT,
            lag=timedelta(seconds=self.schedule.switch_lag_seconds),
            dice=random.Random(self.schedule.seed * 7 + 9),
        )
        self.routes = MemoryRoutes(
            clock=self.clock,
            turns=timedelta(seconds=self.schedule.dials_seconds),
            dice=random.Random(self.schedule.seed * 7 + 10),
        )
        self.switch.watch = self.journal.watch = self.watch
        if self.schedule.dry_region:
            self.watch.dry.add(self.schedule.dry_region)
        mailer = WatchedMailer(self.ledger, self.watch)
        for region in REGIONS_DEFAULT:
            side = Region(region=region, clock=self.clock, mailer=mailer)
            side.ledger = self.ledger
            side.objects.listen(lambda version, region=region: self._written(region, version))
            self.sides[region] = side
            self.vitals[region] = SimVitals(side.queues)
        stores = {region: side.objects for region, side in self.sides.items()}
        self.replication = MemoryReplication(
            stores, self.clock, lag_seconds=self.schedule.lag_seconds, dice=random.Random(self.schedule.seed * 7 + 3)
        )

    def _results(self, row: Batch) -> tuple[bytes | None, bytes | None]:
        """Return the published bytes of a merged row, and what they must be. Canaries are checked by their senders."""
        known = next((each for each in self.sent if each.batch_id == row.batch_id), None)
        if known is None or row.published is None:
            return None, None
        owner = owner_of(row.owner_epoch, REGIONS_DEFAULT)
        body = self.sides[owner].objects._body(row.published.result_key, None)  # pyright: ignore[reportPrivateUsage] - the truth, without a network
        return body, expected_result()

    # --- processes ----------------------------------------------------------------------------------------------------

    def beside(self, work: Awaitable[None]) -> None:
        async def quietly() -> None:
            try:
                await work
            except (BatonError, Crash):
                return

        task = asyncio.create_task(quietly())
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def life(self, region: str, name: str) -> Life:
        life = Life(self.network, region, name, self.watch.acts)
        self.lives = [each for each in self.lives if not each.killed.is_set()]
        self.lives.append(life)
        return life

    async def live_services(self, region: str, stop: asyncio.Event) -> None:
        """Be one process of every service after the other."""
        while not stop.is_set():
            life = self.life(region, "services")
            self.processes[region] = process = self.process_of(region, life)
            works = [runner.run(stop) for runner in process.process.lanes.values()]
            await self._until_dead(life, stop, [*works, process.process.sweeper.run(stop)])

    def process_of(self, region: str, life: Life) -> Pipeline:
        """Return one process of every service of a Region, as it starts."""
        return Pipeline(
            _catalog(),
            region=self.sides[region],
            crash=life,
            splitter_settings=SPLITTER,
            log=recording_log(self.lines),
        )

    async def live_controller(self, region: str, stop: asyncio.Event) -> None:
        """Be one controller after the other."""
        await asyncio.sleep(self.schedule.late_controllers.get(region, 0.0))
        while not stop.is_set():
            while self.without_controllers:  # noqa: ASYNC110 - virtual time: a poll costs nothing
                await asyncio.sleep(1)
            life = self.life(region, "controller")
            controller = self._controller(region, life)
            await self._until_dead(life, stop, [controller.run(stop)])

    async def _until_dead(self, life: Life, stop: asyncio.Event, works: list[Awaitable[None]]) -> None:
        ends = [asyncio.ensure_future(work) for work in works]
        waits = [asyncio.ensure_future(life.killed.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait([*waits, *ends], return_when=asyncio.FIRST_COMPLETED)
        finally:  # at the end of the story this task is cancelled, and no part of it may outlive it
            life.killed.set()
            for end in (*ends, *waits):
                end.cancel()
            await asyncio.gather(*ends, *waits, return_exceptions=True)
        if not stop.is_set():
            await asyncio.sleep(self.dice.uniform(*self.schedule.restart_seconds))

    def machine_clock(self, region: str) -> Clock:
        """Return the clock of the machine that a Region's controller runs on."""
        return Skewed(self.clock, self.skews, region)

    def set_clock(self, region: str, seconds: float) -> None:
        """Set the clock of the machine that a Region's controller runs on: wrong by so much from now on."""
        self.skews[region] = seconds
        self.skewed.add(seconds)

    def _controller(self, region: str, life: Life) -> Controller:
        self.started += 1
        settings: ControllerSettings = self.schedule.settings
        if region == self.schedule.dry_region:
            settings = settings.model_copy(update={"dry_run": True})
        clock = SteadyClock(self.machine_clock(region))
        instance = f"{region[-1]}{self.started}"
        self.clocks[instance] = clock
        ledger: Ledger = life.wrap(self.ledger, "ledger")
        journal: Journal = life.wrap(self.journal, "journal")
        switch: Switch = life.wrap(self.switch, "switch")
        places = self._places(life)
        objects = {name: place.objects for name, place in places.items()}
        canary: Canary = SimCanary(self, life)
        if self.schedule.real_canary:
            real = BatchCanary(sender=region, ledger=ledger, objects=objects, clock=clock, instance=instance)
            canary = RealCanary(self, real)
        reach = Reach(ledger, journal, switch, self.actor(life, clock), places, canary, self.events, MemoryProvisions())
        return self.make_controller(
            region=region,
            regions=REGIONS_DEFAULT,
            instance=instance,
            reach=reach,
            settings=settings,
            clock=clock,
            off_seconds=clock.off_seconds,
            log=recording_log(self.lines),
        )

    def _places(self, life: Life) -> dict[str, Place]:
        return {name: _place(life, side, self.vitals[name]) for name, side in self.sides.items()}

    def actor(self, life: Life, clock: Clock) -> Actor:
        """Return what changes switch, dials and owners, as one process reaches them."""
        settings = self.schedule.settings
        return Actor(
            regions=REGIONS_DEFAULT,
            ledger=life.wrap(self.ledger, "ledger"),
            switch=life.wrap(self.switch, "switch"),
            routes=life.wrap(self.routes, "routes"),
            places=self._places(life),
            clock=clock,
            at_once=settings.takeovers_at_once,
            dials_seconds=settings.dials_seconds,
        )

    # --- the user's side ----------------------------------------------------------------------------------------------

    async def send(self, number: int, at: float, name: str = "file") -> None:
        """Be a sender who tries until a Region takes the file, through the access point."""
        await asyncio.sleep(at)
        key = f"input/sales/{name} {number}.csv"
        while True:
            region = next(name for name, dial in self.routes.routing.items() if dial)
            with contextlib.suppress(BatonError):
                if self.serves(region):
                    info = await self.sides[region].objects.put(key, SAMPLE.body)
                    break
            await asyncio.sleep(20)
        batch_id = batch_id_of(info.key, info.origin)
        self.sent.append(Sent(key, batch_id, region, number))

    def serves(self, region: str) -> bool:
        """Return whether users reach the Region's bucket."""
        return self.network.mode("users", region) is WayMode.OPEN

    def _written(self, region: str, version: Any) -> None:
        """Tell the trigger of a new object as S3 does: late, twice, or never."""
        key = version.info.key
        if version.body is None or not key.startswith(("input/", "canary/")):
            return
        if self.dice.random() < 0.08 and not self.healed:
            return
        for _ in range(2 if self.dice.random() < 0.1 else 1):
            self.beside(self._trigger(region, key, version.info.version_id))

    async def _trigger(self, region: str, key: str, version_id: str) -> None:
        """Be Lambda: three attempts, each with a timeout of a minute."""
        late = self.dice.random() >= 0.9 and not self.healed
        await asyncio.sleep(self.dice.uniform(2, 90) if late else self.dice.uniform(0.1, 2))
        for _ in range(3):
            process = self.processes.get(region)
            if process is not None:
                try:
                    await process.process.admitter.admit(key, version_id)
                except (BatonError, Crash):
                    pass
                else:
                    return
            await asyncio.sleep(60)

    def _doubled(self, region: str, messages: list[Message]) -> None:
        for message in messages:
            if self.dice.random() < self.network.odds.again:
                late = 300 * self.dice.random() ** 4
                body = message.model_dump_json()
                lane, group = lane_of(message), message.batch_id
                self.sides[region].queues.put_raw(message.kind, body, lane=lane, group=group, delay_seconds=late)

    async def send_poison(self, at: float) -> None:
        """Be the sender of a file that kills what touches it."""
        self.network.poison = "input/sales/poison 0.csv"
        await self.send(0, at, "poison")

    # --- faults and orders --------------------------------------------------------------------------------------------

    async def trouble(self, trouble: Trouble) -> None:
        """Break something, wait, repair it."""
        await asyncio.sleep(trouble.at)
        repair = faults.begin(self, trouble)
        await asyncio.sleep(trouble.seconds)
        repair()

    def with_rules(self, *rules: Partition) -> Callable[[], None]:
        """Put rules into the network; return what takes them out."""
        self.network.rules += rules

        def undo() -> None:
            for rule in rules:
                self.network.rules.remove(rule)

        return undo

    def lose_for_good(self, region: str) -> None:
        """Take a Region away with everything in it."""
        self.with_rules(
            Partition(None, region, WayMode.DROPPED),
            *(Partition(region, to, WayMode.DROPPED) for to in (LEDGER, SWITCH, ROUTES)),
        )
        self.replication.set(cut=True)

    async def order(self, order: Order) -> None:
        """Be an operator, who sits outside both Regions."""
        await asyncio.sleep(order.at)
        await self.command(order.kind, order.target, force=order.force)

    async def command(self, kind: CommandKind, target: str, *, force: bool = False) -> None:
        self.orders += 1
        now = self.clock.now()
        minutes = {CommandKind.FREEZE: 8, CommandKind.DRILL: 4}.get(kind)
        until = now + timedelta(minutes=minutes) if minutes else None
        to = target if kind in SWITCHES else None
        command = Command(f"c{self.orders}", kind, "ana", now, "because", to, force=force, until=until)
        await self.journal.submit(command)
