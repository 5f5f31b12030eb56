"""Ports: the interfaces to everything outside, as Protocols. Adapters are in `aws` and `memory`.

Every method may raise `baton.errors.Unavailable` or `Refused`; other errors are named where they can occur.
"""

from baton.ports.arrivals import ARRIVALS_KEPT, Arrivals
from baton.ports.clock import Clock
from baton.ports.events import EventBus
from baton.ports.heartbeats import Heartbeats, Nudges, Signs
from baton.ports.journal import Journal
from baton.ports.ledger import Admission, BatchPage, Ledger, batches_of, whole_list
from baton.ports.links import LINK_LIFE, Link, LinkReader, Links
from baton.ports.mail import Mail, Mailer
from baton.ports.objects import (
    BytesPiece,
    CopyPiece,
    JoinedPiece,
    ListedVersion,
    ObjectInfo,
    ObjectStore,
    PageEnd,
    Piece,
    Stretch,
    VersionPage,
)
from baton.ports.progress import ChunkDone, Progress, RejectCount, Tally
from baton.ports.provisions import Headroom, MailProvision, Provisions, TaskCounts
from baton.ports.queues import Delivery, Inbox, Outbox
from baton.ports.reference import ReferenceData, ReferenceVersion, Row, Rows
from baton.ports.rejects import RejectIndex, StoredReject
from baton.ports.switch import Endpoints, Routes, Switch
from baton.ports.vitals import CallStats, QueueVitals, ReplicationVitals, Vitals

__all__ = [
    "ARRIVALS_KEPT",
    "LINK_LIFE",
    "Admission",
    "Arrivals",
    "BatchPage",
    "BytesPiece",
    "CallStats",
    "ChunkDone",
    "Clock",
    "CopyPiece",
    "Delivery",
    "Endpoints",
    "EventBus",
    "Headroom",
    "Heartbeats",
    "Inbox",
    "JoinedPiece",
    "Journal",
    "Ledger",
    "Link",
    "LinkReader",
    "Links",
    "ListedVersion",
    "Mail",
    "MailProvision",
    "Mailer",
    "Nudges",
    "ObjectInfo",
    "ObjectStore",
    "Outbox",
    "PageEnd",
    "Piece",
    "Progress",
    "Provisions",
    "QueueVitals",
    "ReferenceData",
    "ReferenceVersion",
    "RejectCount",
    "RejectIndex",
    "ReplicationVitals",
    "Routes",
    "Row",
    "Rows",
    "Signs",
    "StoredReject",
    "Stretch",
    "Switch",
    "Tally",
    "TaskCounts",
    "VersionPage",
    "Vitals",
    "batches_of",
    "whole_list",
]
