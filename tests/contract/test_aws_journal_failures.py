"""What the journal and the vitals on AWS make of lost answers and of a Region that does not answer."""

import asyncio
import socket

import pytest
from aiobotocore.session import AioSession

from aio import run
from baton.aws import SystemClock
from baton.aws.vitals import AwsVitals
from baton.errors import Conflict, Unavailable
from baton.ports import CallStats
from handover.settings import ControllerSettings
from journals_made import asked, beaten, decided, settled
from lossy import LossyAws, error
from worlds import EAST, aws_at


def test_an_answer_to_a_command_whose_answer_got_lost_was_given(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            journal, command = aws.journal(), asked("c1", SystemClock().now())
            await journal.submit(command)
            lossy.lose_answers["PutItem"] = 1

            await journal.settle(settled(command))

            assert lossy.seen.count("PutItem") == 3
            assert await journal.command("c1") == settled(command)
            assert list(await journal.pending()) == []
            with pytest.raises(Conflict):
                await journal.settle(settled(command))

    run(scenario())


def test_records_whose_answers_got_lost_are_written_once(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            journal, now = aws.journal(), SystemClock().now()
            command, decision, heartbeat = asked("c1", now), decided("d1", now), beaten(EAST, now)

            for write in (journal.submit(command), journal.record(decision), journal.beat(heartbeat)):
                lossy.lose_answers["PutItem"] = 1
                await write

            assert lossy.seen.count("PutItem") == 6
            assert list(await journal.pending()) == [command]
            assert list(await journal.decisions(limit=10)) == [decision]
            assert await journal.heartbeats() == {EAST: heartbeat}

    run(scenario())


def test_a_settlement_that_met_another_regions_is_tried_again_under_its_condition(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            journal, command = aws.journal(), asked("c1", SystemClock().now())
            await journal.submit(command)
            lossy.answers["PutItem"] = [error("ReplicatedWriteConflictException")]
            await journal.settle(settled(command))

            lossy.answers["PutItem"] = [error("ReplicatedWriteConflictException")]
            with pytest.raises(Conflict):
                await journal.settle(settled(command))

    run(scenario())


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidClientTokenId", "ExpiredToken"])
def test_queues_are_counted_where_cloudwatch_refuses_us(lossy_aws: LossyAws, code: str) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["GetMetricData"] = [error(code, status=403)] * 4

            queues = await aws.vitals().queues()

            assert {(queue.waiting, queue.oldest_seconds) for queue in queues.values()} == {(0, None)}

    run(scenario())


def test_queues_are_counted_without_cloudwatch(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            operations = ("GetMetricData", "DescribeAlarms")
            for operation in operations:
                lossy.answers[operation] = [error("InternalFailure", status=500)] * 12

            queues = await aws.vitals().queues()

            assert {(queue.waiting, queue.oldest_seconds) for queue in queues.values()} == {(0, None)}
            with pytest.raises(Unavailable):
                await aws.vitals().replication()
            with pytest.raises(Unavailable):
                await aws.vitals().alarms()
            asked_for = sum(lossy.seen.count(operation) for operation in operations)
            assert aws.vitals().calls()["cloudwatch"] == CallStats(asked_for, asked_for)

    run(scenario())


def test_a_cloudwatch_that_hangs_does_not_hold_the_queues_back(
    lossy_aws: LossyAws, environment: str, sdk_session: AioSession
) -> None:
    async def scenario() -> None:
        with socket.socket() as silent:
            # It takes connections and never answers.
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            async with lossy_aws() as (aws, _), aws_at(url, environment, session=sdk_session) as hanging:
                region = AwsVitals(
                    aws.client("sqs", EAST),
                    hanging.client("cloudwatch", EAST),
                    region=EAST,
                    topology=aws.topology,
                    clock=SystemClock(),
                    calls=dict,
                )

                async with asyncio.timeout(ControllerSettings().call_seconds):  # as its caller does
                    queues = await region.queues()

                assert {(queue.waiting, queue.oldest_seconds) for queue in queues.values()} == {(0, None)}

    run(scenario(), timeout_seconds=9)


def test_a_region_whose_queues_do_not_answer_is_unavailable(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["GetQueueAttributes"] = [error("ServiceUnavailable", status=503)] * 64

            with pytest.raises(Unavailable):
                await aws.vitals().queues()

    run(scenario())
