"""Several processes with every service each, side by side on virtual time, under random faults.

Calls take time, sometimes minutes; messages are delivered again, late; a process ends before or after an effect, with
everything it was doing, and a new one starts. `flaws_of` checks what must hold all the same.
"""

import asyncio
import inspect
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast, override

from baton.catalog import Catalog
from baton.memory import LoopClock, MemoryLedger, MemoryMailer, MemoryProgress
from baton.messages import KINDS
from baton.model.batch import Batch, Counts
from baton.model.states import BatchState
from baton.ports import Mail
from baton.settings import RunnerSettings
from baton.testing.faults import EFFECTS, Crash, CrashPlan
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.sales import SalesFile, financial
from splitter.settings import SplitterSettings

PROCESSES = 4
CRASHES_MAX = 8
HOURS_MAX = 12
LEASE_SECONDS = 120
"""Of a mail claim, as the notifier has it by default."""
_SPLITTER: Final = SplitterSettings(chunk_bytes=500)
# Processes end by the dice, more often than a step may end them: no message is the cause.
_RUNNER: Final = RunnerSettings(deaths_max=CRASHES_MAX + 1)
LIFE = ("ADMITTED", "SPLIT", "PROCESSED", "MERGED", "NOTIFIED", "COMPLETED")


@dataclass(slots=True)
class Odds:
    """How bad the luck is: chances for each call."""

    crash: float = 0.03
    slow: float = 0.01
    again: float = 0.2


@dataclass(frozen=True, slots=True)
class SwarmResult:
    """The result of a batch, and what went wrong on the way."""

    batch: Batch
    result: bytes
    rejects: bytes
    flaws: Sequence[str]
    crashes: Sequence[str]


class ClaimWatchingMailer(MemoryMailer):
    """Notes a mail that no claim allows: after the mark, or while another claim's lease must still run."""

    def __init__(self, ledger: MemoryLedger, clock: LoopClock) -> None:
        super().__init__()
        self._ledger = ledger
        self._clock = clock
        self._sent_at: datetime | None = None
        self.flaws: list[str] = []

    @override
    async def send(self, mail: Mail) -> str:
        row = await self._ledger.get(mail.message_id.split(".")[1])
        now = self._clock.now()
        if row is None or row.mail_claim is None:
            self.flaws.append("a mail was sent without a claim")
        elif row.is_announced:
            self.flaws.append("a mail was sent after it was marked as sent")
        if self._sent_at and now - self._sent_at < timedelta(seconds=LEASE_SECONDS / 4):
            self.flaws.append("two mails were sent within one lease")
        self._sent_at = now
        return await super().send(mail)


class ProcessFate(CrashPlan):
    """What happens to one process. Once it is dead no call of its goes through any more."""

    def __init__(self, swarm: "Swarm") -> None:
        super().__init__(at=None)
        self.swarm = swarm
        self.killed = asyncio.Event()

    @override
    def wrap[P](self, port: P, name: str) -> P:
        return cast("P", _Fated(port, name, self))

    def live(self) -> None:
        if self.killed.is_set():
            raise Crash("this process is dead")

    def die(self, where: str) -> None:
        """Die here, if the dice say so and there were not too many deaths yet."""
        swarm = self.swarm
        if len(swarm.crashes) < swarm.crashes_max and swarm.dice.random() < swarm.odds.crash:
            swarm.crashes.append(where)
            self.killed.set()
            raise Crash(where)

    async def dawdle(self) -> None:
        dice = self.swarm.dice
        seconds = dice.uniform(100, 400) if dice.random() < self.swarm.odds.slow else dice.uniform(0, 0.2)
        await asyncio.sleep(seconds)
        self.live()


class _Fated:
    def __init__(self, port: Any, name: str, fate: ProcessFate) -> None:
        self._port, self._name, self._fate = port, name, fate

    def __getattr__(self, attribute: str) -> Any:
        member = getattr(self._port, attribute)
        name, fate = f"{self._name}.{attribute}", self._fate
        if not inspect.iscoroutinefunction(member):
            fate.live()
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            fate.live()
            if attribute == "receive":
                return await member(*args, **kwargs)
            await fate.dawdle()
            if attribute in EFFECTS:
                fate.die(f"before {name}")
            result = await member(*args, **kwargs)
            if name == "outbox.send":
                fate.swarm.send_again(args[0])
            if attribute in EFFECTS:
                fate.die(f"after {name}")
            await fate.dawdle()
            return result

        vars(self)[attribute] = call  # made once: to ask what a member is takes longer than many a call
        return call


@dataclass(slots=True)
class Swarm:
    """One Region, one batch, several processes, one seed."""

    catalog: Catalog
    sample: SalesFile
    seed: int
    odds: Odds = field(default_factory=Odds)
    region: Region = field(default_factory=lambda: Region(clock=LoopClock(), progress=MemoryProgress()))
    dice: random.Random = field(init=False)
    crashes_max: int = field(init=False)
    crashes: list[str] = field(default_factory=list[str])
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    mailer: ClaimWatchingMailer = field(init=False)

    def __post_init__(self) -> None:
        assert isinstance(self.region.clock, LoopClock)
        self.dice = random.Random(self.seed)
        self.crashes_max = self.dice.randint(0, CRASHES_MAX)
        self.region.mailer = self.mailer = ClaimWatchingMailer(self.region.ledger, self.region.clock)

    async def run(self, key: str) -> SwarmResult:
        """Follow one file from its upload to its end. Raises `TimeoutError` if it never ends."""
        await financial(self.region.reference, self.sample)
        uploader = self._process(ProcessFate(self))
        announced = self.dice.random() < 0.7
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(self._live(stop)) for _ in range(PROCESSES)]
            batch_id = await uploader.upload(key, self.sample.body, announce=announced)
            async with asyncio.timeout(HOURS_MAX * 3_600):
                while not await self._at_rest(batch_id):  # noqa: ASYNC110 - virtual time: a poll costs nothing
                    await asyncio.sleep(10)
            stop.set()
            await asyncio.wait(lives)
        return await self._ending(uploader, batch_id)

    def send_again(self, messages: Sequence[Any]) -> None:
        for message in messages:
            if self.dice.random() < self.odds.again:
                late = 300 * self.dice.random() ** 4  # most of them within seconds: races; some after the successor
                self.region.queues.put_raw(
                    message.kind, message.model_dump_json(), group=message.batch_id, delay_seconds=late
                )

    async def _live(self, stop: asyncio.Event) -> None:
        """Be one process after the other until `stop`."""
        while not stop.is_set():
            fate = ProcessFate(self)
            process = self._process(fate).process
            ends = [asyncio.create_task(runner.run(stop)) for runner in process.runners.values()]
            ends.append(asyncio.create_task(process.sweeper.run(stop)))
            waits = [fate.killed.wait(), stop.wait()]
            await asyncio.wait([asyncio.create_task(each) for each in waits], return_when=asyncio.FIRST_COMPLETED)
            fate.killed.set()  # also at the end: what is not at rest by now is of no interest
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            await asyncio.sleep(self.dice.uniform(1, 40))

    def _process(self, fate: ProcessFate) -> Pipeline:
        return Pipeline(
            self.catalog,
            region=self.region,
            crash=fate,
            log=recording_log(self.lines),
            splitter_settings=_SPLITTER,
            runner_settings=_RUNNER,
        )

    async def _at_rest(self, batch_id: str) -> bool:
        batch = await self.region.ledger.get(batch_id)
        inputs = [info async for info in self.region.objects.list("input/")]
        busy = any(self.region.queues.queued(kind) for kind in KINDS)
        archived = batch is not None and (batch.state is not BatchState.COMPLETED or not inputs)
        return batch is not None and batch.is_settled and archived and not busy

    async def _ending(self, uploader: Pipeline, batch_id: str) -> SwarmResult:
        batch = await uploader.batch(batch_id)
        flaws = [*self.mailer.flaws, *flaws_of(batch, [mail.message_id for mail in self.mailer.outbox])]
        flaws += [f"{line['event']}: {line.get('exc_info')}" for line in self.lines if line["event"] in _BUGS]
        tally = await self.region.progress.tally(batch_id, batch.plan_id or "")
        if tally is None or (tally.chunks_done, tally.counts) != (tally.chunks, batch.counts):
            flaws.append(f"the tally says {tally}")
        if batch.published is None:
            return SwarmResult(batch, b"", b"", flaws, self.crashes)
        result = await self.region.objects.get(batch.published.result_key)
        return SwarmResult(
            batch, result, await self.region.objects.get(batch.published.rejects_key), flaws, self.crashes
        )


_BUGS = frozenset({"handler_bug", "give_up_failed", "not_swept"})


def flaws_of(batch: Batch, mails: Sequence[str]) -> list[str]:
    """Return what must not be, of a good file: it completes once, through every state, mailed under one Message-ID."""
    flaws: list[str] = []
    if tuple(step.state for step in batch.history) != LIFE:
        flaws.append(f"its life was {[step.state.value for step in batch.history]}: {batch.failure}")
    if len(set(mails)) != 1:
        flaws.append(f"its mails were {mails}")
    if batch.counts == Counts() or not batch.counts.balanced:
        flaws.append(f"its counts are {batch.counts}")
    return flaws
