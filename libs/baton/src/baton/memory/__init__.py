"""Every port in memory: deterministic, without real time, and tested by the same contract suite as `baton.aws`."""

from baton.memory.arrivals import MemoryArrivals
from baton.memory.clock import LoopClock, MemoryClock
from baton.memory.events import MemoryEventBus
from baton.memory.heartbeats import MemoryHeartbeats
from baton.memory.journal import MemoryJournal
from baton.memory.ledger import MemoryLedger
from baton.memory.links import MemoryLinkReader, MemoryLinks
from baton.memory.mail import MemoryMailer
from baton.memory.objects import READS, MemoryObjectStore
from baton.memory.progress import MemoryProgress
from baton.memory.provisions import MemoryProvisions
from baton.memory.queues import MemoryInbox, MemoryOutbox, MemoryQueues
from baton.memory.reference import MemoryReferenceData
from baton.memory.refusals import Refusal, Refusals
from baton.memory.rejects import MemoryRejectIndex
from baton.memory.replication import MemoryReplication
from baton.memory.switch import MemoryRoutes, MemorySwitch
from baton.memory.vitals import MemoryVitals

__all__ = [
    "READS",
    "LoopClock",
    "MemoryArrivals",
    "MemoryClock",
    "MemoryEventBus",
    "MemoryHeartbeats",
    "MemoryInbox",
    "MemoryJournal",
    "MemoryLedger",
    "MemoryLinkReader",
    "MemoryLinks",
    "MemoryMailer",
    "MemoryObjectStore",
    "MemoryOutbox",
    "MemoryProgress",
    "MemoryProvisions",
    "MemoryQueues",
    "MemoryReferenceData",
    "MemoryRejectIndex",
    "MemoryReplication",
    "MemoryRoutes",
    "MemorySwitch",
    "MemoryVitals",
    "Refusal",
    "Refusals",
]
