"""Where there is no Lambda: S3 leaves its events in a queue, and the poller, as its process builds it, admits them."""

import asyncio
import json
from typing import Any, Final

import pytest
from aiobotocore.session import AioSession

from aio import run
from baton.aws import Aws, SystemClock
from baton.canary import canary_epoch
from baton.catalog import load_jobs
from baton.context import Context
from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.service import Process, run_together
from baton.topology import INITIAL_EPOCH, MAX_RECEIVES, REGIONS_DEFAULT
from baton_local import bootstrap
from baton_proof.logs import silent_log
from splitter.main import canary_events
from trigger.poller import build
from worlds import EAST, aws_at

INPUT: Final = "input/passthrough/Ümläut a+b (100%).csv"
CANARY: Final = f"canary/{EAST}/c1.csv"


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_RUNNER_WAIT_SECONDS", "1")


async def _notified(aws: Aws) -> None:
    await bootstrap.create_world(aws)
    arn = await bootstrap.create_trigger_queue(aws, EAST)
    await bootstrap.notify(aws, EAST, trigger_queue_arn=arn)


async def _attributes(aws: Aws, name: str) -> dict[str, str]:
    sqs: Any = await aws.client("sqs", EAST)()
    url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
    return (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]


async def _row(aws: Aws, batch_id: str) -> Batch:
    async with asyncio.timeout(20):
        while (found := await aws.ledger().get(batch_id)) is None:  # noqa: ASYNC110 - the row is another task's
            await asyncio.sleep(0.05)
        return found


def test_each_input_reaches_the_poller_and_each_canary_the_splitter_by_a_queue_of_its_own(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    async def scenario() -> tuple[list[Batch], dict[str, str]]:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await _notified(aws)
            daemon = build(Process(aws.settings, aws, SystemClock(), silent_log()))
            context = Context(EAST, REGIONS_DEFAULT, aws, SystemClock(), load_jobs("baton_jobs"), silent_log())
            canaries = canary_events(context, aws.canary_events())
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(run_together(stop, [*daemon.tasks, canaries.run]))
                infos = [await aws.objects().put(key, b"a\n1\n") for key in (INPUT, CANARY, "work/x.csv")]
                rows = [await _row(aws, batch_id_of(info.key, info.version_id)) for info in infos[:2]]
                assert daemon.health()[0]
                stop.set()
            return rows, await _attributes(aws, aws.topology.trigger_queue)

    rows, queue = run(scenario())

    assert [(row.source.key, row.owner_epoch) for row in rows] == [
        (INPUT, INITIAL_EPOCH),
        (CANARY, canary_epoch(EAST, REGIONS_DEFAULT)),
    ]
    assert (queue["ApproximateNumberOfMessages"], queue["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_replication_is_told_of_an_input_as_well(ministack: str, environment: str, sdk_session: AioSession) -> None:
    async def scenario() -> None:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await _notified(aws)
            await aws.objects().put(INPUT, b"a\n1\n")
            sqs: Any = await aws.client("sqs", EAST)()
            url = (await sqs.get_queue_url(QueueName="local-replication"))["QueueUrl"]
            told = False
            while not told:  # the queue has one name for all tests; `run` has a deadline
                received = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
                bodies = [message["Body"] for message in received.get("Messages", [])]
                told = any(environment in body and "ObjectCreated" in body for body in bodies)

    run(scenario())


def test_an_event_that_nobody_admits_is_dead_lettered_where_lambdas_are(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    async def scenario() -> tuple[dict[str, str], str]:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await _notified(aws)
            dead = await _attributes(aws, aws.topology.trigger_dead_letter_queue)
            return await _attributes(aws, aws.topology.trigger_queue), dead["QueueArn"]

    queue, dead_arn = run(scenario())

    redrive = json.loads(queue["RedrivePolicy"])
    assert (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (dead_arn, MAX_RECEIVES)
    assert queue["VisibilityTimeout"] == "60"
