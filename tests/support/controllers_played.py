"""Both Regions in memory, with controllers that really decide and act at once: for tests of the operator's command."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, override

from baton.errors import Conflict, Unavailable
from baton.memory import LoopClock
from baton.model.control import StepName, SwitchBackend
from baton.model.journal import Heartbeat, Signal, Verdict
from baton.ports import Endpoints
from baton.topology import REGIONS_DEFAULT
from baton_cli.reach.connection import Connection
from cli_world import CliWorld
from controller_made import provided
from handover import brakes
from handover.decide import assess, decide
from handover.facts import Drain, Memory, Sample, Seen, StepResult
from handover.intents import Act, Intent, LookAtDrain, Note, Settle, Write
from handover.look import Look
from handover.settings import ControllerSettings
from handover.writes import won

TAKEN_OVER = 7
NOTES = {
    StepName.SWITCH: "set On for {region}, read back",
    StepName.ROUTES: "set 100 % to {region}, read back",
    StepName.TAKEOVER: f"{TAKEN_OVER} batches taken over",
}
WARM_SECONDS = 60.0
"""After it every canary counts as well."""


@dataclass(slots=True)
class Played:
    """One controller: `decide` and its intents, with a world that does at once what it is told."""

    world: CliWorld
    region: str
    settings: ControllerSettings = field(default_factory=ControllerSettings)
    canary: Verdict = Verdict.HEALTHY
    waiting: tuple[str, ...] = ()
    """Why a planned switch cannot drain."""
    hanging: frozenset[StepName] = frozenset()
    """Steps that never get through."""
    memory: Memory = field(init=False)
    results: list[StepResult] = field(default_factory=list[StepResult])
    drain: Drain | None = None
    beats: int = 0

    def __post_init__(self) -> None:
        instance = f"{self.region[:2]}{self.region[-1]}0cafe"
        self.memory = Memory(self.region, REGIONS_DEFAULT, instance, self.settings)

    async def run(self) -> None:
        while True:
            with suppress(Unavailable):
                await self.beat()
            await asyncio.sleep(self.settings.beat_seconds)

    async def beat(self) -> None:
        """Look, decide, act, write a heartbeat."""
        now = self.world.clock.now()
        control, journal = await self.world.ledger.control(), self.world.journal
        results, self.results = tuple(self.results), []
        drain, self.drain = self.drain, None
        canary = Sample(Signal.INSIDE_CANARY, self.region, self.canary, "2.0 s", "within 10 s", now, now)
        seen = Seen(
            control=control,
            heartbeats=await journal.heartbeats(),
            commands=tuple(await journal.pending()),
            samples=(canary,),
            results=results,
            written_at=now,
            endpoints=Endpoints(5, 5),
            drain=drain,
            provided=provided(now),
        )
        self.memory, intents = decide(self.memory, seen, now)
        with suppress(Conflict):
            for intent in intents:
                await self._do(intent)
        self.beats += 1
        own = brakes.own_readiness(self.memory, now)
        heartbeat = Heartbeat(
            region=self.region,
            instance=self.memory.instance,
            sequence=self.beats,
            at=now,
            epoch_seen=control.epoch,
            canary=brakes.canary_of(self.memory, now).verdict,
            ready=brakes.verdict_of(own),
            assessment=assess(Look(self.memory, seen, control, now)),
            settings=self.settings.model_dump_json(),
            switch=SwitchBackend.ARC,
        )
        await journal.beat(heartbeat)
        self.memory = replace(self.memory, written_at=now)

    async def _do(self, intent: Intent) -> None:
        journal = self.world.journal
        match intent:
            case Write():
                if intent.intended is not None:
                    await journal.record(intent.intended)
                await self.world.ledger.set_control(intent.after, before=intent.before)
                self.memory = won(self.memory, intent)
                await journal.record(intent.decision, left=intent.left)
            case Note():
                await journal.record(intent.decision)
            case Settle():
                await journal.settle(intent.command)
            case Act():
                if intent.step not in self.hanging:
                    note = NOTES[intent.step].format(region=intent.control.active_region)
                    taken = TAKEN_OVER if intent.step is StepName.TAKEOVER else None
                    epoch = intent.control.epoch
                    self.results.append(StepResult(intent.step, epoch, done=True, note=note, taken_over=taken))
            case LookAtDrain():
                self.drain = Drain(self.world.clock.now(), 3, self.waiting)


@dataclass(slots=True)
class PlayedWorld(CliWorld):
    """A world that lives while somebody is connected: its controllers, and whatever else `life` says."""

    clock: Any = field(default_factory=LoopClock)
    controllers: dict[str, Played] = field(default_factory=dict[str, Played])
    life: Callable[["PlayedWorld"], Any] | None = None

    def play(self, *regions: str, **changes: Any) -> "PlayedWorld":
        """Give these Regions a controller."""
        for region in regions:
            self.controllers[region] = Played(self, region, **changes)
        return self

    @asynccontextmanager
    @override
    async def connect(self) -> AsyncGenerator[Connection]:
        tasks = [asyncio.create_task(controller.run()) for controller in self.controllers.values()]
        if tasks:
            await asyncio.sleep(WARM_SECONDS)
        if self.life:
            tasks.append(asyncio.create_task(self.life(self)))
        try:
            yield self.connection
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [each for each in ended if isinstance(each, Exception)]
        assert not broken, broken
