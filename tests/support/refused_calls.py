"""Calls every method of every port with valid arguments, on every adapter."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from batches_made import admitted, stepped
from baton.address import Address
from baton.aws import Aws
from baton.memory import (
    MemoryArrivals,
    MemoryClock,
    MemoryEventBus,
    MemoryHeartbeats,
    MemoryJournal,
    MemoryLedger,
    MemoryLinks,
    MemoryMailer,
    MemoryObjectStore,
    MemoryProgress,
    MemoryQueues,
    MemoryReferenceData,
    MemoryRejectIndex,
    MemoryRoutes,
    MemorySwitch,
    MemoryVitals,
)
from baton.messages import SplitBatch
from baton.model.batch import Counts, MailClaim
from baton.model.control import Control, SwitchBackend
from baton.model.states import BatchState
from baton.ports import (
    BytesPiece,
    ChunkDone,
    CopyPiece,
    Delivery,
    Mail,
    Nudges,
    ObjectInfo,
    ReferenceVersion,
    StoredReject,
)
from baton.ports.preconditions import PART_BYTES_MIN
from baton.settings import SwitchSettings
from events_made import EVENT
from journals_made import asked, beaten, decided, settled
from worlds import EAST, WEST

type Call = Callable[[], Awaitable[object]]

NOW: Final = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ROW: Final = admitted("b1", NOW)
DELIVERY: Final = Delivery("receipt", "{}", 1)
CONTROL: Final = Control(2, EAST)
REFERENCE: Final = ReferenceVersion("products", "v1", rows=1, columns=("sku",))
ARGUMENTS: Final[Mapping[str, Any]] = {
    "at": NOW,
    "batch_id": "b1",
    "step": "split",
    "by": "a process",
    "for_good": True,
    "batch_ids": ["b1", "b2"],
    "body": b"x",
    "chunks": 1,
    "claim": MailClaim(run=1, epoch=2, claimed_at=NOW),
    "command_id": "c1",
    "dataset": "products",
    "day": date(2026, 1, 2),
    "decision": decided("d1", NOW),
    "decision_id": "d1",
    "deliveries": [DELIVERY],
    "delivery": DELIVERY,
    "dials": {EAST: 100, WEST: 0},
    "done": ChunkDone("b1", "p1", 0, Counts(1, 1, 0), 1, 1, 0, 0),
    "event": EVENT,
    "heartbeat": beaten(EAST, NOW),
    "if_version_is": "v1",
    "index": 0,
    "info": ObjectInfo("input/sales/x.csv", "v1", 1, NOW),
    "key": "input/sales/x.csv",
    "keys": ["a"],
    "kind": "split",
    "lease": timedelta(seconds=120),
    "limit": 1,
    "mail": Mail(
        "id", Address.parse("from@example.com"), [Address.parse("to@example.com")], "subject", "text", "<p>text</p>"
    ),
    "max_messages": 1,
    "messages": [SplitBatch(batch_id="b1", owner_epoch=2)],
    "now": NOW,
    "nudges": Nudges(NOW, 1, NOW),
    "origin_version_id": "v1",
    "pieces": [CopyPiece("work/1", PART_BYTES_MIN), BytesPiece(b"x")],
    "plan_id": "p1",
    "prefix": "input/",
    "replaced_before": NOW,
    "rejects": [StoredReject(1, 0, "sku", "missing", "", "")],
    "rows": {"a": {"sku": "a"}},
    "seconds": 60,
    "since": NOW - timedelta(days=1),
    "source": ObjectInfo("input/sales/x.csv", "v1", 1, NOW),
    "states": {EAST: True, WEST: False},
    "target_key": "archive/x",
    "transition_id": "t1",
    "version": REFERENCE,
    "wait_seconds": 0,
}
"""What the adapters' methods are called with, by name of the parameter."""
SPECIAL: Final[Mapping[tuple[str, str], Any]] = {
    ("admit", "batch"): ROW,
    ("claim_mail", "before"): ROW,
    ("count_nudge", "before"): None,
    ("describe", "version"): "v1",
    ("delete", "batch"): stepped(ROW, BatchState.CANCELLED),
    ("set_control", "after"): CONTROL.changed(),
    ("set_control", "before"): CONTROL,
    ("settle", "command"): settled(asked("c1", NOW)),
    ("submit", "command"): asked("c1", NOW),
    ("update", "after"): stepped(ROW, BatchState.SPLIT),
    ("update", "before"): ROW,
}
"""By method and parameter, where one name means different things."""
COUNTED: Final = {"endpoints"}
"""Methods that count who does not answer."""


def in_memory() -> dict[str, Any]:
    """Return every adapter in memory that has refusals."""
    clock = MemoryClock()
    queues = MemoryQueues(clock)
    return {
        "ledger": MemoryLedger(CONTROL),
        "journal": MemoryJournal(),
        "objects": MemoryObjectStore(clock),
        "events": MemoryEventBus(),
        "outbox": queues.outbox(),
        "inbox": queues.inbox("split"),
        "progress": MemoryProgress(),
        "heartbeats": MemoryHeartbeats(),
        "arrivals": MemoryArrivals(),
        "reference": MemoryReferenceData(clock),
        "rejects": MemoryRejectIndex(),
        "mailer": MemoryMailer(),
        "links": MemoryLinks(clock),
        "vitals": MemoryVitals(queues),
        "routes": MemoryRoutes(),
        "switch": MemorySwitch(clock=clock),
    }


def of_aws(aws: Aws) -> dict[str, Any]:
    """Return the adapters of AWS for the same ports."""
    return {
        "ledger": aws.ledger(),
        "journal": aws.journal(),
        "objects": aws.objects(),
        "outbox": aws.outbox(),
        "inbox": aws.inbox("split"),
        "progress": aws.progress(),
        "heartbeats": aws.heartbeats(),
        "arrivals": aws.arrivals(),
        "reference": aws.reference(),
        "rejects": aws.rejects(),
        "events": aws.events(),
        "mailer": aws.mailer(),
        "links": aws.links(),
        "vitals": aws.vitals(),
        "routes": aws.routes(),
    }


def switches(aws: Aws, url: str) -> dict[str, Any]:
    """Return the adapters of AWS that turn traffic, with everything at one URL."""
    controls = {
        region: f"arn:aws:route53-recovery-control::1:controlpanel/p/routingcontrol/{region}" for region in (EAST, WEST)
    }
    five = {f"r{number}": url for number in range(5)}
    arc = SwitchSettings(kind=SwitchBackend.ARC, endpoints=five, controls=controls)
    plan = SwitchSettings(kind=SwitchBackend.REGION_SWITCH, endpoints={EAST: url, WEST: url}, plan="arn:plan")
    return {"arc": aws.switch(arc), "plan": aws.switch(plan)}


def calls_of(adapter: object) -> dict[str, Call]:
    """Return every public asynchronous method with its arguments; one with a new parameter needs a line above."""
    calls: dict[str, Call] = {}
    for name, method in inspect.getmembers(adapter, inspect.ismethod):
        returns = str(inspect.signature(method).return_annotation)
        streams = "AsyncGenerator" in returns or "AsyncIterator" in returns
        if name.startswith("_") or name in COUNTED or not (inspect.iscoroutinefunction(method) or streams):
            continue
        wanted = [each for each in inspect.signature(method).parameters.values() if each.default is each.empty]
        given: dict[str, Any] = {
            each.name: SPECIAL[name, each.name] if (name, each.name) in SPECIAL else ARGUMENTS[each.name]
            for each in wanted
        }
        calls[name] = partial(_called, method, given, streams=streams)
    return calls


async def _called(method: Callable[..., Any], given: Mapping[str, Any], *, streams: bool) -> object:
    if not streams:
        return await method(**given)
    return [each async for each in method(**given)]
