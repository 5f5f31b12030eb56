"""Two Regions in one process: one ledger, and for each Region a bucket, queues and tables of its own."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from baton.batches import Batches
from baton.catalog import Catalog
from baton.memory import MemoryClock, MemoryObjectStore, MemoryReplication
from baton.memory.objects import Version
from baton.messages import Kind
from baton.model.batch import Batch
from baton.model.control import Control, SwitchKind, Transition
from baton.model.identity import next_epoch
from baton.model.states import BatchState
from baton.model.takeover import Turn, turn_of
from baton.telemetry import Log
from baton.topology import REGIONS_DEFAULT, other_region
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

EAST, WEST = REGIONS_DEFAULT


@dataclass(slots=True)
class TwoRegions:
    """Both Regions' pipelines, the East active at first. Nothing is replicated until `replicate` is called."""

    catalog: Catalog
    log: Log | None = None
    dice: random.Random | None = None
    objects_of: Callable[[MemoryClock, str], MemoryObjectStore] | None = None
    """Makes each Region's bucket, by its clock and name, if it is not an ordinary one."""
    clock: MemoryClock = field(default_factory=MemoryClock)
    east: Pipeline = field(init=False)
    west: Pipeline = field(init=False)
    link: MemoryReplication = field(init=False)
    computed: list[str] = field(default_factory=list[str])
    """Key of each part that a worker made, in either Region."""

    def __post_init__(self) -> None:
        east, west = (Region(region=region, clock=self.clock) for region in REGIONS_DEFAULT)
        west.ledger = east.ledger.view()
        for side in (east, west):
            side.objects = self.objects_of(self.clock, side.region) if self.objects_of else side.objects
        stores = {EAST: east.objects, WEST: west.objects}
        self.link = MemoryReplication(stores, self.clock, dice=self.dice)
        for store in stores.values():
            store.listen(self._note)
        self.east, self.west = (Pipeline(self.catalog, region=region, log=self.log) for region in (east, west))

    def _note(self, version: Version) -> None:
        if "/parts/" in version.info.key and not version.is_replica:
            self.computed.append(version.info.key)

    @property
    def pipelines(self) -> Mapping[str, Pipeline]:
        return {EAST: self.east, WEST: self.west}

    @property
    def mails(self) -> list[str]:
        """Message-ID of each mail that was sent, in either Region."""
        return [mail.message_id for each in self.pipelines.values() for mail in each.region.mailer.outbox]

    async def control(self, **changes: object) -> Control:
        """Change the control row; return it as it is now."""
        ledger = self.east.region.ledger
        before = await ledger.control()
        if changes:
            await ledger.set_control(before.changed(**changes), before=before)
        return await ledger.control()

    async def activate(self, region: str, **changes: object) -> int:
        """Move the epoch, and nothing else but these fields; return the new one."""
        epoch = next_epoch((await self.control()).epoch, region, REGIONS_DEFAULT)
        await self.control(epoch=epoch, active_region=region, **changes)
        return epoch

    async def fail_over(
        self, to: str, *, kind: SwitchKind = SwitchKind.FAILOVER, automatic: bool = True
    ) -> Turn | None:
        """Make that Region active and its own all that is open, as its controller does; return what it was left for."""
        now, source = self.clock.now(), other_region(to, REGIONS_DEFAULT)
        switch = Transition("t", kind, source, to, "", now, automatic=automatic, unhealthy_since=now)
        epoch = await self.activate(to, transition=switch)
        turn, batches = turn_of(await self.control()), self.batches(to)
        async for page in self.east.region.ledger.list_open():
            for batch in page.batches:
                await batches.take_over(batch, epoch=epoch, turn=turn)
        return turn

    async def take_over(self, batch: Batch, *, to: str = WEST) -> Batch:
        """Make that Region active, if it is not, and let it take over one batch."""
        control = await self.control()
        epoch = control.epoch if control.active_region == to else await self.activate(to)
        return await self.batches(to).take_over(batch, epoch=epoch)

    def batches(self, region: str) -> Batches:
        ports = self.pipelines[region].region
        return Batches(region=region, ledger=ports.ledger, outbox=ports.queues.outbox(), clock=self.clock)

    async def until(self, batch_id: str, state: BatchState, *, region: str = EAST) -> Batch:
        """Let one Region work, message by message, until the batch is in that state."""
        pipeline = self.pipelines[region]
        while (batch := await pipeline.batch(batch_id)).state is not state:
            assert await pipeline.step(), f"nothing to do, and it is {batch.state}: {batch.failure}"
        return batch

    async def until_queued(self, kind: Kind, *, region: str = EAST) -> None:
        while not self.pipelines[region].region.queues.queued(kind):
            assert await self.pipelines[region].step()

    async def settle(self, region: str) -> None:
        """Let one Region work until it has nothing to do right now; the clock is stopped."""
        while await self.pipelines[region].step():
            pass

    async def pass_time(self, seconds: float, *, region: str = WEST, every_seconds: float = 30) -> None:
        """Let time pass in one Region, sweeping."""
        for _ in range(int(seconds / every_seconds)):
            await self.settle(region)
            self.clock.advance(every_seconds)
            await self.pipelines[region].process.sweeper.sweep()
        await self.settle(region)

    def replicate(self) -> None:
        """Let everything arrive, both ways."""
        self.link.set(lag_seconds=0, cut=False)
        self.link.deliver()

    def replicate_only(self, *parts_of_keys: str) -> None:
        """Let the East's objects arrive in the West whose keys hold one of these texts; the others stay under way."""
        east, west = self.east.region.objects, self.west.region.objects
        for versions in east.history().values():
            for version in versions:
                if any(part in version.info.key for part in parts_of_keys):
                    west.replicate(version)
