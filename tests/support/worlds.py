"""The adapters for one contract test: in memory, or on an emulator under names of its own."""

import functools
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol

from aiobotocore.session import AioSession

from aio import run
from baton.address import Address
from baton.aws import Aws, EmulatorEndpoints, SystemClock
from baton.aws.bootstrap import create_global, create_region
from baton.aws.dynamodb.journal import DynamoJournal
from baton.aws.dynamodb.ledger import DynamoLedger
from baton.memory import (
    LoopClock,
    MemoryArrivals,
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
    MemoryVitals,
)
from baton.messages import ORDINARY, Kind, Lane
from baton.model.control import Control
from baton.model.events import SOURCE
from baton.model.paths import INPUT, OUTPUT
from baton.ports import (
    Arrivals,
    Clock,
    EventBus,
    Heartbeats,
    Inbox,
    Journal,
    Ledger,
    Links,
    Mail,
    Mailer,
    ObjectStore,
    Outbox,
    Progress,
    ReferenceData,
    RejectIndex,
    ReplicationVitals,
    Vitals,
)
from baton.settings import WorldSettings
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from emulator_process import ACCOUNT_ID
from emulators import Emulator

SENDER: Final = Address("Bätön", "baton", "example.com")
UNVERIFIED: Final = Address("", "nobody", "example.net")
PAGE_BATCHES: Final = 3
PAGE_ROWS: Final = 3
EAST, WEST = REGIONS_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Every port of one world, and what a test must see beyond them."""

    clock: Clock
    ledger: Ledger
    """Pages of three batches."""
    ledger_in_west: Ledger
    journal: Journal
    """Pages of three rows."""
    vitals: Vitals
    objects: ObjectStore
    outbox: Outbox
    inbox: "_Inboxes"
    progress: Progress
    heartbeats: Heartbeats
    arrivals: Arrivals
    reference: ReferenceData
    rejects: RejectIndex
    mailer: Mailer
    """Refuses the sender `UNVERIFIED`."""
    links: Links
    dead: "_DeadLetters"
    """Bodies in the dead-letter queue."""
    spoil: Callable[[str], Awaitable[None]]
    """Make a batch's row one that this version of Baton cannot read."""
    hold_lists: Callable[[], Awaitable[None]]
    """Let lists of tables lag from now on: they show what is there now."""
    drop_control: Callable[[], Awaitable[None]]
    """Take the control row away, as before the world was set up."""
    sent: Callable[[], Awaitable[Sequence[Mail]]]
    """Mails that went out, without their ids."""
    events: EventBus
    listen: Callable[[], Awaitable["Heard"]]
    """Hear from now on what goes over the bus."""
    set_alarm: Callable[[str, bool | None], Awaitable[str]]
    """Make an alarm of this environment, firing, quiet or without data; return its full name."""
    set_replication: Callable[[ReplicationVitals], Awaitable[None]]
    """Publish the store's metrics of replication into this Region; None publishes nothing."""


type Heard = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
"""Returns the events that were heard since it was asked last, as a target gets them."""


class _Inboxes(Protocol):
    def __call__(self, kind: Kind, lane: Lane = ORDINARY) -> Inbox: ...


class _DeadLetters(Protocol):
    def __call__(self, kind: Kind, lane: Lane = ORDINARY) -> Awaitable[Sequence[str]]: ...


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


@dataclass(frozen=True, slots=True)
class _InMemory:
    """What a test sees and does beside the ports, in memory."""

    queues: MemoryQueues
    ledger: MemoryLedger
    mailer: MemoryMailer
    vitals: MemoryVitals
    bus: MemoryEventBus

    async def dead(self, kind: Kind, lane: Lane = ORDINARY) -> Sequence[str]:
        return self.queues.dead(kind, lane)

    async def spoil(self, batch_id: str) -> None:
        self.ledger.spoil(batch_id)

    async def drop_control(self) -> None:
        self.ledger._store.control = None  # pyright: ignore[reportPrivateUsage] - no world of ours takes it away

    async def sent(self) -> Sequence[Mail]:
        return [replace(mail, message_id="") for mail in self.mailer.outbox]

    async def set_alarm(self, name: str, fires: bool | None) -> str:  # noqa: FBT001 - in the order of the port
        self.vitals.firing[name] = fires
        return name

    async def listen(self) -> Heard:
        async def heard() -> Sequence[Mapping[str, Any]]:
            entries, self.bus.entries[:] = list(self.bus.entries), []
            return [
                {"source": each["Source"], "detail-type": each["DetailType"], "detail": json.loads(each["Detail"])}
                for each in entries
            ]

        return heard

    async def set_replication(self, measured: ReplicationVitals) -> None:
        self.vitals.replicated = measured


@asynccontextmanager
async def memory_world() -> AsyncGenerator[Ports]:
    """Give a world in memory that starts with a control row."""
    clock, mailer = LoopClock(), MemoryMailer()
    mailer.refuses.add(UNVERIFIED.spec)
    queues = MemoryQueues(clock)
    vitals = MemoryVitals(queues)
    ledger = MemoryLedger(Control(INITIAL_EPOCH, EAST), page_batches=PAGE_BATCHES)
    journal, rejects = MemoryJournal(), MemoryRejectIndex()

    bus = MemoryEventBus("memory")
    levers = _InMemory(queues, ledger, mailer, vitals, bus)
    yield Ports(
        clock=clock,
        ledger=ledger,
        ledger_in_west=ledger.view(),
        journal=journal,
        vitals=vitals,
        objects=MemoryObjectStore(clock, stand_ins=True),
        outbox=queues.outbox(),
        inbox=queues.inbox,
        progress=MemoryProgress(),
        heartbeats=MemoryHeartbeats(),
        arrivals=MemoryArrivals(),
        reference=MemoryReferenceData(),
        rejects=rejects,
        mailer=mailer,
        links=MemoryLinks(clock),
        dead=levers.dead,
        spoil=levers.spoil,
        hold_lists=functools.partial(_hold_in_memory, ledger, journal, rejects),
        drop_control=levers.drop_control,
        sent=levers.sent,
        events=bus,
        listen=levers.listen,
        set_alarm=levers.set_alarm,
        set_replication=levers.set_replication,
    )


def settings_for(environment: str, region: str, url: str) -> WorldSettings:
    """Return settings of a process in that Region, with everything at one emulator."""
    return WorldSettings(
        environment=environment,
        account_id=ACCOUNT_ID,
        region=region,
        ledger_endpoint_url=url,
        mrap_endpoint_url=url,
        mrap_control_endpoint_url=url,
        stand_in_replication=True,
    )


def aws_at(url: str, environment: str, *, region: str = EAST, session: AioSession | None = None) -> Aws:
    """Return adapters that find everything at one URL."""
    endpoints = EmulatorEndpoints(dict.fromkeys(REGIONS_DEFAULT, url), url)
    return Aws(settings_for(environment, region, url), endpoints=endpoints, session=session)


@asynccontextmanager
async def emulator_world(
    emulator: Emulator, url: str, environment: str, session: AioSession, *, shared: bool
) -> AsyncGenerator[Ports]:
    """Give a world on an emulator, made by the bootstrap: what is shared, or what is the first Region's."""
    async with aws_at(url, environment, session=session) as aws:
        await (create_global(aws, senders=[SENDER.spec]) if shared else create_region(aws, EAST))
        yield Ports(
            clock=SystemClock(),
            ledger=_ledger(aws),
            ledger_in_west=_ledger(aws),
            journal=_journal(aws),
            vitals=aws.vitals(),
            objects=aws.objects(),
            outbox=aws.outbox(),
            inbox=aws.inbox,
            progress=aws.progress(),
            heartbeats=aws.heartbeats(),
            arrivals=aws.arrivals(),
            reference=aws.reference(),
            rejects=aws.rejects(),
            mailer=aws.mailer(),
            links=aws.links(),
            dead=functools.partial(_dead, aws),
            spoil=functools.partial(_spoil, aws),
            hold_lists=functools.partial(_hold_lists, aws, shared=shared),
            drop_control=functools.partial(_drop_control, aws),
            sent=functools.partial(emulator.sent, url),
            events=aws.events(),
            listen=functools.partial(_listen, aws),
            set_alarm=functools.partial(set_alarm, aws),
            set_replication=functools.partial(_set_replication, aws),
        )


def _ledger(aws: Aws) -> DynamoLedger:
    return DynamoLedger(
        aws.ledger_client(),
        table=aws.topology.ledger_table,
        clock=SystemClock(),
        dice=random.SystemRandom(),
        page_batches=PAGE_BATCHES,
    )


def _journal(aws: Aws) -> DynamoJournal:
    table = aws.topology.ledger_table
    return DynamoJournal(aws.ledger_client(), table=table, dice=random.SystemRandom(), page_rows=PAGE_ROWS)


async def _dead(aws: Aws, kind: Kind, lane: Lane = ORDINARY) -> Sequence[str]:
    client = await aws.client("sqs", EAST)()
    url = (await client.get_queue_url(QueueName=aws.topology.queue(kind, lane).dead_letter_name))["QueueUrl"]
    answer = await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


async def _spoil(aws: Aws, batch_id: str) -> None:
    client = await aws.ledger_client()()
    await client.update_item(
        TableName=aws.topology.ledger_table,
        Key={"pk": {"S": f"batch#{batch_id}"}, "sk": {"S": "batch"}},
        UpdateExpression="SET #state = :later",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":later": {"S": "OF_A_LATER_VERSION"}},
    )


async def _hold_in_memory(*stores: MemoryLedger | MemoryJournal | MemoryRejectIndex) -> None:
    for store in stores:
        store.hold_index()


async def _hold_lists(aws: Aws, *, shared: bool) -> None:
    """Make lists read a copy of their table, which stays as it is: an index that lags shows just that."""
    table = aws.topology.ledger_table if shared else aws.topology.rejects_table
    client: Any = await (aws.ledger_client() if shared else aws.client("dynamodb", EAST))()
    described = (await client.describe_table(TableName=table))["Table"]
    kept = ("IndexName", "KeySchema", "Projection")
    indexes = [{name: index[name] for name in kept} for index in described.get("GlobalSecondaryIndexes", ())]
    copy = f"{table}-held"
    await client.create_table(
        TableName=copy,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    await client.get_waiter("table_exists").wait(TableName=copy)
    async for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            await client.put_item(TableName=copy, Item=item)

    def read_the_copy(params: dict[str, Any], **_: object) -> None:
        if params["TableName"] == table and not params.get("ConsistentRead"):
            params["TableName"] = copy

    client.meta.events.register("before-parameter-build.dynamodb.Query", read_the_copy)


async def _drop_control(aws: Aws) -> None:
    client = await aws.ledger_client()()
    await client.delete_item(TableName=aws.topology.ledger_table, Key={"pk": {"S": "control"}, "sk": {"S": "control"}})


async def _listen(aws: Aws) -> Heard:
    """Let a rule put the events of this environment into a queue, as docs/events.md shows."""
    name = f"{aws.topology.environment}-heard"
    sqs = await aws.client("sqs", EAST)()
    url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
    bus: Any = await aws.client("events", EAST)()
    pattern = {"source": [SOURCE], "detail": {"environment": [aws.topology.environment]}}
    await bus.put_rule(Name=name, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": f"arn:aws:sqs:{EAST}:{ACCOUNT_ID}:{name}"}
    await bus.put_targets(Rule=name, Targets=[target])

    async def heard() -> Sequence[Mapping[str, Any]]:
        answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        messages = answer.get("Messages", [])
        for message in messages:
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return heard


async def set_alarm(aws: Aws, name: str, fires: bool | None) -> str:  # noqa: FBT001 - three states, in the order of the port
    """Make an alarm of the first Region on a metric that nobody publishes; its state stays as it is put."""
    client = await aws.client("cloudwatch", EAST)()
    full_name = f"{aws.topology.alarm_prefix}{name}"
    await client.put_metric_alarm(
        AlarmName=full_name,
        Namespace="Baton",
        MetricName=name,
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        # Or the next evaluation, which comes at once on LocalStack, takes the state away again.
        TreatMissingData="ignore",
    )
    if fires is not None:
        await client.set_alarm_state(AlarmName=full_name, StateValue="ALARM" if fires else "OK", StateReason="a test")
    return full_name


async def _set_replication(aws: Aws, measured: ReplicationVitals) -> None:
    buckets = {"SourceBucket": aws.topology.data_bucket(WEST), "DestinationBucket": aws.topology.data_bucket(EAST)}
    # Of different rules: what is measured is the worst latency of all, and everything that is pending.
    values = {
        ("ReplicationLatency", OUTPUT): measured.lag_seconds,
        ("OperationsPendingReplication", INPUT): measured.pending,
    }
    for (name, prefix), value in values.items():
        if value is not None:
            rule = {**buckets, "RuleId": aws.topology.replication_rule(prefix)}
            await publish(aws, "AWS/S3", name, rule, value)


async def publish(
    aws: Aws, namespace: str, name: str, dimensions: Mapping[str, str], value: float, *, seconds_ago: float = 60
) -> None:
    """Put one data point of a metric into the first Region."""
    client = await aws.client("cloudwatch", EAST)()
    datum = {
        "MetricName": name,
        "Dimensions": [{"Name": each, "Value": where} for each, where in dimensions.items()],
        "Timestamp": SystemClock().now() - timedelta(seconds=seconds_ago),
        "Value": value,
    }
    await client.put_metric_data(Namespace=namespace, MetricData=[datum])
