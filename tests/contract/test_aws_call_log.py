"""How the calls of a process are counted: every attempt, by Region and service, for a minute."""

import socket

import pytest
from aiobotocore.session import AioSession

from aio import run
from batches_made import admitted, stepped
from baton.aws import SystemClock
from baton.aws.sdk.calls import WINDOW_SECONDS, CallLog
from baton.aws.sdk.clients import ATTEMPTS
from baton.errors import NotFound, Unavailable
from baton.messages import MergeBatch
from baton.model.states import BatchState
from baton.ports import CallStats
from lossy import LossyAws, error
from worlds import EAST, WEST, aws_at


def test_attempts_are_counted_by_region_and_service_for_a_minute() -> None:
    now = [1_000.9]
    log = CallLog(monotonic=lambda: now[0])

    log.add(EAST, "s3", failed=True)
    log.add(EAST, "s3", failed=False)
    log.add(EAST, "sqs", failed=False)
    log.add(WEST, "s3", failed=True)
    now[0] += 30
    log.add(EAST, "s3", failed=False)

    assert log.stats(EAST) == {"s3": CallStats(3, 1), "sqs": CallStats(1, 0)}
    assert log.stats(WEST) == {"s3": CallStats(1, 1)}
    now[0] += WINDOW_SECONDS - 31
    assert log.stats(WEST) == {"s3": CallStats(1, 1)}
    now[0] += 1
    assert log.stats(EAST) == {"s3": CallStats(1, 0)}
    assert log.stats(WEST) == {}
    now[0] += 3_600
    assert log.stats(EAST) == {}


def test_a_busy_process_keeps_seconds_and_not_calls() -> None:
    now = [0.0]
    log = CallLog(monotonic=lambda: now[0])

    for tick in range(10_000):
        now[0] = tick / 10
        log.add(EAST, "s3", failed=tick % 2 == 0)

    assert log.stats(EAST) == {"s3": CallStats(600, 300)}
    kept = log._seconds  # pyright: ignore[reportPrivateUsage] - its size is what this test is about
    assert len(kept[EAST, "s3"]) == WINDOW_SECONDS


def test_an_answer_that_got_lost_is_an_error_and_a_lost_condition_is_none(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            assert aws.vitals().calls() == {}
            batch = admitted("b1", SystemClock().now())
            await aws.ledger().admit(batch)
            lossy.lose_answers["PutItem"] = 1

            await aws.ledger().update(batch, stepped(batch, BatchState.SPLIT))

            # The lost write, the one that meets it, and the look at whose it is.
            assert lossy.seen == ["PutItem", "PutItem", "PutItem", "GetItem"]
            assert aws.vitals().calls() == {"dynamodb": CallStats(4, 1)}
            assert aws.vitals(WEST).calls() == {}

    run(scenario())


def test_throttling_and_a_servers_error_are_errors(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["SendMessageBatch"] = [error("RequestThrottled"), error("InternalError", status=500)]
            lossy.answers["GET"] = [error("SlowDown", status=503)]

            await aws.outbox().send([MergeBatch(batch_id="b1", owner_epoch=2)])
            with pytest.raises(NotFound):
                await aws.objects().get("input/none")

            calls = aws.vitals().calls()
            assert (calls["sqs"].errors, calls["s3"].errors) == (2, 1)
            assert sum(each.calls for each in calls.values()) == len(lossy.seen)

    run(scenario())


def test_a_long_poll_is_counted_with_its_service(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["ReceiveMessage"] = [error("ServiceUnavailable", status=503)]

            with pytest.raises(Unavailable):
                await aws.inbox("chunk").receive(max_messages=1, wait_seconds=0)

            assert aws.vitals().calls() == {"sqs": CallStats(2, 1)}

    run(scenario())


def test_every_attempt_that_nobody_answers_is_an_error(environment: str, sdk_session: AioSession) -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            # Bound, and nobody listens: every connection is refused.
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            async with aws_at(url, environment, region=WEST, session=sdk_session) as aws:
                with pytest.raises(Unavailable):
                    await aws.ledger().control()

                # The emulated ledger signs for the first Region; its calls are those of the Region that makes them.
                assert aws.vitals(WEST).calls() == {"dynamodb": CallStats(ATTEMPTS, ATTEMPTS)}
                assert aws.vitals(EAST).calls() == {}

    run(scenario(), timeout_seconds=30)
