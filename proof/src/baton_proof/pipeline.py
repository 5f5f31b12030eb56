"""The whole pipeline of one Region in one process, on memory adapters and a clock that the test moves.

Real services and the runner's real decisions, without event loop tricks: `drive` takes one message after the other, in
an order drawn from a seed, until nothing is left to do. A `CrashPlan` kills the process at one effect; it is rebuilt
from the ports alone, as a restarted container would be.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import merger.main
import notifier.main
import splitter.main
import worker.main
from baton.admission import Admitter
from baton.catalog import Catalog
from baton.context import Context
from baton.memory import (
    MemoryClock,
)
from baton.messages import KINDS, LANES, ORDINARY, Kind, Lane, Message, log_fields, parse
from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.offload import Offload
from baton.outcome import Handled, Outcome
from baton.ports import (
    Delivery,
    batches_of,
)
from baton.runner import Handler, Runner
from baton.service import Service, settings_of
from baton.settings import RunnerSettings
from baton.telemetry import Log
from baton.testing.faults import Crash, CrashPlan
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import silent_log
from baton_proof.region import Region, WrappedPorts
from splitter.settings import SplitterSettings
from splitter.sweeper import Sweeper

_STEPS_MAX = 100_000
_IDLE_ROUNDS_MAX = 400
"""Rounds of 30 s without any message before a test is declared hung: over three simulated hours."""


async def inline[T](work: Callable[[], T], /) -> T:
    """Run CPU work where it is called: there is no thread to wait for on a test's clock."""
    return work()


@dataclass(frozen=True, slots=True)
class RegionServices:
    """Every service of the Region, built once; discarded at a crash."""

    admitter: Admitter
    sweeper: Sweeper
    handlers: dict[Kind, Handler[Message]]
    """Of the ordinary lane."""
    lanes: dict[tuple[Kind, Lane], Runner[Message]]
    """What consumes each queue."""

    @property
    def runners(self) -> dict[Kind, Runner[Message]]:
        """What consumes the queues of the ordinary lane."""
        return {kind: runner for (kind, lane), runner in self.lanes.items() if lane == ORDINARY}


class Pipeline:
    """Feeds files to a Region and drives its services."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        region: Region | None = None,
        crash: CrashPlan | None = None,
        chunk_bytes: int = 500,
        duplicate: bool = False,
        seed: int | None = None,
        offload: Offload = inline,
        compute: Offload = inline,
        compute_of: Callable[[Lane], Offload] | None = None,
        log: Log | None = None,
        splitter_settings: SplitterSettings | None = None,
        runner_settings: RunnerSettings | None = None,
    ) -> None:
        self.region = region or Region()
        self.crash = crash or CrashPlan(at=None)
        self.crashes: list[str] = []
        self.deliveries = 0
        self._catalog = catalog
        self._splitter_settings = splitter_settings or SplitterSettings(chunk_bytes=chunk_bytes)
        self._runner_settings = runner_settings or RunnerSettings()
        self._duplicate = duplicate
        self._offload = offload
        self._compute = compute
        self._compute_of = compute_of
        self._log = log or silent_log()
        self._dice = random.Random(seed) if seed is not None else None
        self.process = self._build()

    # --- the user's side -----------------------------------------------------------------------------------------

    async def upload(self, key: str, body: bytes, *, announce: bool = True) -> str:
        """Put a file as its sender would, let the trigger handle it (unless its event is lost); return the batch ID."""
        info = await self.region.objects.put(key, body)
        if announce:
            await self.announce(key, info.version_id)
        return batch_id_of(info.key, info.origin)

    async def announce(self, key: str, version_id: str) -> None:
        """Deliver the S3 event; like Lambda, try again (twice) after a crash."""
        for _ in range(3):
            if await self._survives(self.process.admitter.admit(key, version_id)):
                return

    async def batch(self, batch_id: str) -> Batch:
        found = await self.region.ledger.get(batch_id)
        assert found is not None, f"no batch {batch_id}"
        return found

    async def result(self, batch_id: str) -> bytes:
        batch = await self.batch(batch_id)
        assert batch.published is not None, f"{batch.state}: {batch.failure}"
        return await self.region.objects.get(batch.published.result_key)

    async def rejects(self, batch_id: str) -> bytes:
        batch = await self.batch(batch_id)
        assert batch.published is not None, f"{batch.state}: {batch.failure}"
        return await self.region.objects.get(batch.published.rejects_key)

    # --- the machinery -------------------------------------------------------------------------------------------

    async def drive(self) -> None:
        """Run until every queue is empty and every batch settled, moving the clock when nothing can be done now."""
        idle_rounds = 0
        for _ in range(_STEPS_MAX):
            if await self.step():
                idle_rounds = 0
                continue
            if await self._all_settled() and not self._anything_queued() and idle_rounds >= 4:
                return  # four more sweeps after the last event found nothing
            idle_rounds += 1
            assert idle_rounds < _IDLE_ROUNDS_MAX, "the pipeline makes no progress"
            self.advance(30)
            await self._survives(self.process.sweeper.sweep())
        raise AssertionError("the pipeline never comes to rest")

    def restart(self) -> None:
        """Throw every process away and build them anew on the Region's ports as they are now."""
        self.process = self._build()

    def advance(self, seconds: float) -> None:
        assert isinstance(self.region.clock, MemoryClock), "a loop's clock moves automatically: use `serve`"
        self.region.clock.advance(seconds)

    async def serve(self, until: Callable[[], Awaitable[bool]]) -> None:
        """Run every service's real loop side by side, on the event loop's clock, until `until` says so."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for runner in self.process.lanes.values():
                group.create_task(runner.run(stop))
            while not await until():  # noqa: ASYNC110 - virtual time: a poll costs nothing
                await asyncio.sleep(0.1)
            stop.set()

    async def step(self) -> bool:
        """Handle one visible message of one queue; say whether there was one."""
        queues: list[tuple[Kind, Lane]] = [(kind, lane) for kind in KINDS for lane in LANES]
        if self._dice:
            self._dice.shuffle(queues)
        for queue in queues:
            inbox = self.region.queues.inbox(*queue)
            deliveries = list(await inbox.receive(max_messages=10 if self._dice else 1, wait_seconds=0))
            if self._dice:
                self._dice.shuffle(deliveries)
            for delivery in deliveries:
                await self._deliver(queue, delivery)
            if deliveries:
                return True
        return False

    async def _deliver(self, queue: tuple[Kind, Lane], delivery: Delivery) -> None:
        self.deliveries += 1
        inbox = self.crash.wrap(self.region.queues.inbox(*queue), f"inbox.{queue[0]}")
        if self._duplicate:
            await self._survives(self.process.lanes[queue].process(delivery))
        handled = await self._survives(self.process.lanes[queue].process(delivery))
        if isinstance(handled, Handled) and handled.outcome is Outcome.UNREADABLE:
            await self._survives(inbox.dead_letter(delivery))
        elif isinstance(handled, Handled) and handled.delete:
            await self._survives(inbox.delete([delivery]))
        elif isinstance(handled, Handled):
            await self._survives(inbox.set_visibility(delivery, seconds=handled.delay_seconds or 0))

    async def _survives(self, work: Awaitable[object]) -> object:
        """Do a process's work; if that ends the process, start a new one and return None."""
        try:
            return await work or True
        except Crash as crash:
            self.crashes.append(str(crash))
            self.process = self._build()
            return None

    async def _all_settled(self) -> bool:
        return not await batches_of(self.region.ledger.list_open())

    def _anything_queued(self) -> bool:
        return any(self.region.queues.queued(kind, lane) for kind in KINDS for lane in LANES)

    def _build(self) -> RegionServices:
        context = Context(
            region=self.region.region,
            regions=REGIONS_DEFAULT,
            ports=WrappedPorts(self.region, self.crash),
            clock=self.region.clock,
            catalog=self._catalog,
            log=self._log,
        )
        settings = self._splitter_settings
        services: dict[Kind, Service] = {
            "split": splitter.main.build(context, settings, offload=self._offload),
            "chunk": worker.main.build(context, offload=self._offload, compute=self._computes),
            "merge": merger.main.build(context, offload=self._offload),
            "notify": notifier.main.build(context, offload=self._offload),
        }
        handlers: dict[Kind, Handler[Message]] = {kind: service.handler for kind, service in services.items()}
        lanes: dict[tuple[Kind, Lane], Runner[Message]] = {
            (kind, lane): self._runner(kind, lane, handler, context)
            for kind, service in services.items()
            for lane, handler in service.handlers.items()
        }
        return RegionServices(context.admitter(), splitter.main.sweeper(context, settings), handlers, lanes)

    def _computes(self, lane: Lane) -> Offload:
        return self._compute_of(lane) if self._compute_of else self._compute

    def _runner(self, kind: Kind, lane: Lane, handler: Handler[Message], context: Context) -> Runner[Message]:
        return Runner(
            service=kind,
            region=self.region.region,
            inbox=self.crash.wrap(self.region.queues.inbox(kind, lane), f"inbox.{kind}"),
            handler=handler,
            parse=parse,
            log_fields=log_fields,
            settings=settings_of(lane, self._runner_settings),
            clock=self.region.clock,
            dice=random.Random(0),
            log=self._log,
            beat=context.beat,
            attempts=context,
        )
