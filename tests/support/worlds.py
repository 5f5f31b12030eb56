"""One world of adapters for a contract test: in memory, or on an emulator under names of its own."""

import asyncio
import functools
import json
import random
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from aiobotocore.session import AioSession

from aio import run
from baton.aws import Aws, Endpoints, SystemClock
from baton.aws.bootstrap import create_global, create_region
from baton.aws.ledger import DynamoLedger
from baton.memory import (
    LoopClock,
    MemoryLedger,
    MemoryLinks,
    MemoryMailer,
    MemoryObjectStore,
    MemoryProgress,
    MemoryQueues,
    MemoryReferenceData,
    MemoryRejectIndex,
)
from baton.messages import Kind
from baton.model.control import Control
from baton.ports import (
    Clock,
    Inbox,
    Ledger,
    Links,
    Mail,
    Mailer,
    ObjectStore,
    Outbox,
    Progress,
    ReferenceData,
    RejectIndex,
)
from baton.settings import WorldSettings
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from emulator_process import ACCOUNT_ID

SENDER: Final = "baton@example.com"
UNVERIFIED: Final = "nobody@example.net"
PAGE_BATCHES: Final = 3
EAST, WEST = REGIONS_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Every port of one world, and what a test must see beyond them."""

    clock: Clock
    ledger: Ledger
    """Pages of three batches."""
    ledger_in_west: Ledger
    objects: ObjectStore
    outbox: Outbox
    inbox: Callable[[Kind], Inbox]
    progress: Progress
    reference: ReferenceData
    rejects: RejectIndex
    mailer: Mailer
    """Refuses the sender `UNVERIFIED`."""
    links: Links
    dead: Callable[[Kind], Awaitable[Sequence[str]]]
    """Bodies in the dead-letter queue."""
    drop_control: Callable[[], Awaitable[None]]
    """Take the control row away, as before the world was set up."""
    sent: Callable[[], Awaitable[Sequence[Mail]]]
    """Mails that went out, without their ids."""


type World = Callable[[], AbstractAsyncContextManager[Ports]]


def in_world(test: Callable[[Ports], Awaitable[None]]) -> Callable[[World], None]:
    """Make a test of one world out of `async def test(ports)`; pytest hands in each world in turn."""

    def runs(world: World) -> None:
        async def main() -> None:
            async with world() as ports:
                await test(ports)

        run(main())

    # Not functools.wraps: pytest would read the signature through it and look for a fixture called `ports`.
    runs.__name__, runs.__doc__, runs.__module__ = test.__name__, test.__doc__, test.__module__
    runs.__qualname__ = test.__qualname__
    return runs


@asynccontextmanager
async def memory_world() -> AsyncGenerator[Ports]:
    """Give a world in memory that starts with a control row."""
    clock, mailer = LoopClock(), MemoryMailer()
    mailer.refuses.add(UNVERIFIED)
    queues = MemoryQueues(clock)
    ledger = MemoryLedger(Control(INITIAL_EPOCH, EAST), page_batches=PAGE_BATCHES)

    async def dead(kind: Kind) -> Sequence[str]:
        return queues.dead(kind)

    async def drop_control() -> None:
        ledger._store.control = None  # pyright: ignore[reportPrivateUsage] - no world of ours takes it away

    async def sent() -> Sequence[Mail]:
        return [replace(mail, message_id="") for mail in mailer.outbox]

    yield Ports(
        clock=clock,
        ledger=ledger,
        ledger_in_west=ledger.seen_from(WEST),
        objects=MemoryObjectStore(clock),
        outbox=queues.outbox(),
        inbox=queues.inbox,
        progress=MemoryProgress(),
        reference=MemoryReferenceData(),
        rejects=MemoryRejectIndex(),
        mailer=mailer,
        links=MemoryLinks(clock),
        dead=dead,
        drop_control=drop_control,
        sent=sent,
    )


def settings_for(environment: str, region: str, url: str) -> WorldSettings:
    """Return settings of a process in that Region, with everything at one emulator."""
    return WorldSettings(
        environment=environment,
        account_id=ACCOUNT_ID,
        region=region,
        ledger_endpoint_url=url,
        mrap_endpoint_url=url,
    )


def aws_at(url: str, environment: str, *, region: str = EAST, session: AioSession | None = None) -> Aws:
    """Return adapters that find everything at one URL."""
    endpoints = Endpoints(dict.fromkeys(REGIONS_DEFAULT, url), url)
    return Aws(settings_for(environment, region, url), endpoints=endpoints, session=session)


@asynccontextmanager
async def ministack_world(url: str, environment: str, session: AioSession, *, shared: bool) -> AsyncGenerator[Ports]:
    """Give a world on the emulator, made by the bootstrap: what is shared, or what is the first Region's."""
    async with aws_at(url, environment, session=session) as aws:
        await (create_global(aws, senders=[SENDER]) if shared else create_region(aws, EAST))
        yield Ports(
            clock=SystemClock(),
            ledger=_ledger(aws, EAST),
            ledger_in_west=_ledger(aws, WEST),
            objects=aws.objects(),
            outbox=aws.outbox(),
            inbox=aws.inbox,
            progress=aws.progress(),
            reference=aws.reference(),
            rejects=aws.rejects(),
            mailer=aws.mailer(),
            links=aws.links(),
            dead=functools.partial(_dead, aws),
            drop_control=functools.partial(_drop_control, aws),
            sent=functools.partial(_sent, url),
        )


def _ledger(aws: Aws, region: str) -> DynamoLedger:
    return DynamoLedger(
        aws.ledger_client(),
        table=aws.topology.ledger_table,
        region=region,
        clock=SystemClock(),
        dice=random.SystemRandom(),
        page_batches=PAGE_BATCHES,
    )


async def _dead(aws: Aws, kind: Kind) -> Sequence[str]:
    client = await aws.client("sqs", EAST)()
    url = (await client.get_queue_url(QueueName=aws.topology.queue(kind).dead_letter_name))["QueueUrl"]
    answer = await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


async def _drop_control(aws: Aws) -> None:
    client = await aws.ledger_client()()
    await client.delete_item(TableName=aws.topology.ledger_table, Key={"pk": {"S": "control"}, "sk": {"S": "control"}})


async def _sent(url: str) -> Sequence[Mail]:
    def fetch() -> bytes:
        with urllib.request.urlopen(f"{url}/_ministack/ses/messages", timeout=10) as answer:  # noqa: S310 - http, to ourselves
            return answer.read()

    kept: list[dict[str, Any]] = json.loads(await asyncio.to_thread(fetch))["messages"].get(ACCOUNT_ID, [])
    return [Mail("", each["Source"], each["To"], each["Subject"], each["BodyText"], each["BodyHtml"]) for each in kept]
