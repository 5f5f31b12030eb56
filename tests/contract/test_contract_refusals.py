"""What each call of each port raises when it is refused: the adapters in memory, when told to, as those of AWS."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, override

import pytest
from aiobotocore.session import AioSession

from aio import run
from baton.aws import Aws
from baton.aws.dynamodb.progress import DynamoProgress
from baton.aws.sdk import clients
from baton.errors import Archived, BatonError, Conflict, NotSent, Refused, Unavailable
from baton.memory import Refusal
from refused_calls import Call, calls_of, in_memory, of_aws, switches
from refusing import refusing
from worlds import EAST, aws_at

OPERATIONS: Final[Mapping[str, str]] = {
    "ledger": "control set_control admit get unreadable get_many update claim_mail list_open list_recent list_settled "
    "delete",
    "journal": "beat heartbeats submit command pending settle record switch decision decisions",
    "objects": "head find_version read get put compose copy delete hide list list_versions",
    "outbox": "send backlog",
    "inbox": "receive delete set_visibility hand_back dead_letter",
    "progress": "open complete tally done is_done",
    "heartbeats": "beat signs count_nudge claim_notice notice_sent attempt_begun attempt_alive attempt_ended",
    "arrivals": "note noted",
    "reference": "current describe load is_complete get_many publish prune",
    "rejects": "put list",
    "events": "put",
    "mailer": "send",
    "links": "sign",
    "vitals": "queues replication alarms",
    "routes": "dials set_dials",
    "switch": "states set_states",
}
ALWAYS: Final = {Refusal.FORBIDDEN: Refused, Refusal.KMS: Refused, Refusal.THROTTLED: Unavailable}
"""What every call may meet."""
ARCHIVED: Final = {Refusal.ARCHIVED: Archived}
OWN: Final[Mapping[str, Mapping[Refusal, type[BatonError]]]] = {
    "objects.read": ARCHIVED,
    "objects.get": ARCHIVED,
    "objects.compose": ARCHIVED,
    "objects.copy": ARCHIVED,
    "progress.complete": {Refusal.CONTENDED: Conflict},
    "mailer.send": {Refusal.THROTTLED: NotSent},
}
"""What only these may meet, or have an error of their own for."""
TABLE: Final[Mapping[str, Mapping[Refusal, type[BatonError]]]] = {
    name: {**ALWAYS, **OWN.get(name, {})}
    for name in (f"{port}.{operation}" for port, operations in OPERATIONS.items() for operation in operations.split())
}
WIRE: Final[Mapping[Refusal, Mapping[str, tuple[str, int]]]] = {
    Refusal.FORBIDDEN: {"": ("AccessDenied", 403), "dynamodb": ("AccessDeniedException", 400)},
    Refusal.KMS: {"": ("KMSDisabledException", 400), "s3": ("KMS.DisabledException", 400), "sqs": ("KmsDisabled", 400)},
    Refusal.ARCHIVED: {"": ("InvalidObjectState", 403)},
    Refusal.THROTTLED: {
        "": ("Throttling", 400),
        "s3": ("SlowDown", 503),
        "dynamodb": ("ProvisionedThroughputExceededException", 400),
        "sqs": ("RequestThrottled", 403),
    },
    Refusal.CONTENDED: {"": ("TransactionCanceledException", 400)},
}
"""How each service says it, and under "" all others."""

type Side = Callable[[Refusal], AbstractAsyncContextManager[Mapping[str, Any]]]


class NoWait(random.Random):
    """Dice that make every pause between attempts one of no time."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Turned:
    """An adapter, and what is told before each of its calls that it is to be refused."""

    adapter: Any
    by: Refusal

    def calls(self) -> dict[str, Call]:
        return {name: partial(self._refused, name, call) for name, call in calls_of(self.adapter).items()}

    async def _refused(self, name: str, call: Call) -> object:
        self.adapter.refusals.refuse(name, by=self.by)
        try:
            return await call()
        finally:
            self.adapter.refusals.allow()


@asynccontextmanager
async def memory(by: Refusal) -> AsyncGenerator[Mapping[str, Mapping[str, Call]]]:
    yield {name: Turned(adapter, by).calls() for name, adapter in in_memory().items()}


@asynccontextmanager
async def aws(
    by: Refusal, *, environment: str, session: AioSession
) -> AsyncGenerator[Mapping[str, Mapping[str, Call]]]:
    async with refusing() as service, aws_at(service.url, environment, session=session) as made:
        service.of_service = WIRE[by]
        service.code, service.status = WIRE[by][""]
        service.reasons = ("None", "TransactionConflict") if by is Refusal.CONTENDED else ()
        yield {name: calls_of(adapter) for name, adapter in _without_pauses(made, service.url).items()}


def _without_pauses(made: Aws, url: str) -> dict[str, Any]:
    progress = DynamoProgress(made.client("dynamodb", EAST), table=made.topology.progress_table, dice=NoWait())
    return {**of_aws(made), "progress": progress, "switch": switches(made, url)["arc"]}


_AT_ONCE: Final = 4
"""Calls: of all at once one may not get through to its endpoint within its second, on a busy machine."""


@pytest.fixture(params=["memory", "aws"])
def side(
    request: pytest.FixtureRequest, environment: str, sdk_session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> Side:
    """Give every call of every port, refused."""
    monkeypatch.setattr(clients, "ATTEMPTS", 1)  # what the SDK retries is not what is asked here
    return memory if request.param == "memory" else partial(aws, environment=environment, session=sdk_session)


@pytest.mark.parametrize("by", Refusal)
def test_a_refused_call_raises_what_the_table_says(side: Side, by: Refusal) -> None:
    async def scenario() -> dict[str, str]:
        some = asyncio.Semaphore(_AT_ONCE)

        async def limited(call: Call) -> object:
            async with some:
                return await call()

        async with side(by) as ports:
            calls = {f"{port}.{name}": call for port, all_ in ports.items() for name, call in all_.items()}
            assert calls.keys() == TABLE.keys()
            wanted = [name for name in TABLE if by in TABLE[name]]
            raised = await asyncio.gather(*(limited(calls[name]) for name in wanted), return_exceptions=True)
        return {
            name: f"{type(error).__name__}: {error}"
            for name, error in zip(wanted, raised, strict=True)
            if type(error) is not TABLE[name][by]
        }

    assert run(scenario(), timeout_seconds=60) == {}
