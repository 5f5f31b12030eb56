"""Every error of every AWS adapter is one of ours, whatever a service answers."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from aio import run
from batches_made import admitted, stepped
from baton.address import Address
from baton.aws import Aws
from baton.aws.failures import in_our_words
from baton.errors import BatonError, Conflict, NotFound, Refused, SwitchRefused, Unavailable
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
from baton.ports.rules import PART_BYTES_MIN
from baton.settings import SwitchSettings
from journals_made import asked, beaten, decided, settled
from refusing import Refusing, refusing
from worlds import EAST, WEST, aws_at

NOW: Final = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ROW: Final = admitted("b1", NOW)
DELIVERY: Final = Delivery("receipt", "{}", 1)
CONTROL: Final = Control(2, EAST)
REFERENCE: Final = ReferenceVersion("products", "v1", rows=1, columns=("sku",))
ARGUMENTS: Final[Mapping[str, Any]] = {
    "at": NOW,
    "batch_id": "b1",
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
    "heartbeat": beaten(EAST, NOW),
    "if_version_is": "v1",
    "index": 0,
    "key": "input/sales/x.csv",
    "keys": ["a"],
    "kind": "split",
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
    ("forget", "batch"): stepped(ROW, BatchState.CANCELLED),
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


def adapters(aws: Aws, url: str) -> dict[str, object]:
    """Return every adapter."""
    controls = {
        region: f"arn:aws:route53-recovery-control::1:controlpanel/p/routingcontrol/{region}" for region in (EAST, WEST)
    }
    five = {f"r{number}": url for number in range(5)}
    arc = SwitchSettings(kind=SwitchBackend.ARC, endpoints=five, controls=controls)
    plan = SwitchSettings(kind=SwitchBackend.REGION_SWITCH, endpoints={EAST: url, WEST: url}, plan="arn:plan")
    return {
        "ledger": aws.ledger(),
        "journal": aws.journal(),
        "objects": aws.objects(),
        "outbox": aws.outbox(),
        "inbox": aws.inbox("split"),
        "progress": aws.progress(),
        "heartbeats": aws.heartbeats(),
        "reference": aws.reference(),
        "rejects": aws.rejects(),
        "mailer": aws.mailer(),
        "links": aws.links(),
        "vitals": aws.vitals(),
        "routes": aws.routes(),
        "arc": aws.switch(arc),
        "plan": aws.switch(plan),
    }


def calls_of(adapter: object) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    """Return every public asynchronous method with its arguments; one with a new parameter needs a line above."""
    calls: list[tuple[str, Callable[[], Awaitable[object]]]] = []
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
        calls.append((name, partial(_called, method, given, streams=streams)))
    return calls


async def _called(method: Callable[..., Any], given: Mapping[str, Any], *, streams: bool) -> object:
    if not streams:
        return await method(**given)
    return [each async for each in method(**given)]


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("KMS.DisabledException", 400), ("InvalidRequest", 400), ("SomethingNew", 418)],
)
def test_whatever_is_refused_is_our_own_error_in_every_method_of_every_adapter(
    environment: str, sdk_session: AioSession, code: str, status: int
) -> None:
    async def scenario() -> dict[str, str]:
        wrong: dict[str, str] = {}
        async with refusing() as service:
            service.code, service.status = code, status
            async with _aws_at(service, environment, sdk_session) as aws:
                for name, adapter in adapters(aws, service.url).items():
                    for method, call in calls_of(adapter):
                        try:
                            wrong[f"{name}.{method}"] = f"answered {await call()!r}"
                        except (Refused, SwitchRefused):
                            pass
                        except Exception as error:  # noqa: BLE001 - the very question
                            wrong[f"{name}.{method}"] = f"{type(error).__name__}: {error}"
        return wrong

    assert run(scenario(), timeout_seconds=60) == {}


def _aws_at(service: Refusing, environment: str, session: AioSession) -> Aws:
    return aws_at(service.url, environment, session=session)


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("AccessDenied", 403, Refused),
        ("403", 403, Refused),
        ("400", 400, Refused),
        ("KMS.NotFoundException", 400, Refused),
        ("ValidationException", 400, Refused),
        ("KMS.ThrottlingException", 400, Unavailable),
        ("SlowDown", 503, Unavailable),
        ("SomethingNew", 500, Unavailable),
        ("SomethingNew", 429, Unavailable),
        ("ExpiredToken", 400, Unavailable),
        ("ResourceNotFoundException", 400, NotFound),
        ("NoSuchKey", 404, NotFound),
        ("404", 404, NotFound),
        ("PreconditionFailed", 412, Conflict),
        ("ConditionalCheckFailedException", 400, Conflict),
    ],
)
def test_an_answer_has_one_meaning(code: str, status: int, ours: type[BatonError]) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    assert type(in_our_words(ClientError(answer, "AnyCall"))) is ours
