"""One Region in memory: the ports that every world of the tests and proofs is built from."""

from dataclasses import dataclass, field

from baton.memory import (
    LoopClock,
    MemoryArrivals,
    MemoryClock,
    MemoryHeartbeats,
    MemoryLedger,
    MemoryLinks,
    MemoryMailer,
    MemoryObjectStore,
    MemoryProgress,
    MemoryQueues,
    MemoryReferenceData,
    MemoryRejectIndex,
)
from baton.model.control import Control
from baton.ports import (
    Arrivals,
    Heartbeats,
    Ledger,
    Links,
    Mailer,
    ObjectStore,
    Outbox,
    Progress,
    ReferenceData,
    RejectIndex,
)
from baton.testing.faults import CrashPlan
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT


@dataclass(slots=True)
class Region:
    """The stores, queues and mailer of one Region: what outlives every process."""

    region: str = REGIONS_DEFAULT[0]
    clock: MemoryClock | LoopClock = field(default_factory=MemoryClock)
    queues: MemoryQueues = field(init=False)
    objects: MemoryObjectStore = field(init=False)
    progress: MemoryProgress = field(default_factory=MemoryProgress)
    heartbeats: MemoryHeartbeats = field(default_factory=MemoryHeartbeats)
    arrivals: MemoryArrivals = field(default_factory=MemoryArrivals)
    reference: MemoryReferenceData = field(default_factory=MemoryReferenceData)
    rejects: MemoryRejectIndex = field(default_factory=MemoryRejectIndex)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    links: MemoryLinks = field(init=False)
    ledger: MemoryLedger = field(init=False)

    def __post_init__(self) -> None:
        self.queues = MemoryQueues(self.clock)
        self.objects = MemoryObjectStore(self.clock, region=self.region)
        self.links = MemoryLinks(self.clock)
        self.ledger = MemoryLedger(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))


@dataclass(frozen=True, slots=True)
class WrappedPorts:
    """The Region's ports as one process sees them: every effect is counted, and may be the last."""

    region: Region
    crash: CrashPlan

    def ledger(self) -> Ledger:
        return self.crash.wrap(self.region.ledger, "ledger")

    def objects(self) -> ObjectStore:
        return self.crash.wrap(self.region.objects, "objects")

    def outbox(self) -> Outbox:
        return self.crash.wrap(self.region.queues.outbox(), "outbox")

    def progress(self) -> Progress:
        return self.crash.wrap(self.region.progress, "progress")

    def heartbeats(self) -> Heartbeats:
        return self.crash.wrap(self.region.heartbeats, "heartbeats")

    def arrivals(self) -> Arrivals:
        return self.crash.wrap(self.region.arrivals, "arrivals")

    def reference(self) -> ReferenceData:
        return self.region.reference

    def rejects(self) -> RejectIndex:
        return self.crash.wrap(self.region.rejects, "rejects")

    def mailer(self) -> Mailer:
        return self.crash.wrap(self.region.mailer, "mailer")

    def links(self) -> Links:
        return self.crash.wrap(self.region.links, "links")
