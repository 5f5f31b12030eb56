"""What every measurement of a Region does. Metrics themselves are published by AWS, here by the test."""

import asyncio
from collections.abc import Mapping

import pytest

from aio import run
from baton.aws.vitals import ReusedAnswers
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryQueues, MemoryVitals
from baton.messages import KINDS, Kind, MergeBatch, ProcessChunk
from baton.ports import CallStats, Outbox, QueueVitals, ReplicationVitals
from baton.testing import virtual_time
from baton.topology import MAX_RECEIVES
from lossy import LossyAws
from worlds import EAST, Ports, in_world, publish, set_alarm


async def send_chunks(outbox: Outbox, count: int, *, delay_seconds: int = 0) -> None:
    """Send chunks of one batch."""
    chunks = [ProcessChunk(batch_id="b1", owner_epoch=2, plan_id="p", index=index) for index in range(count)]
    await outbox.send(chunks, delay_seconds=delay_seconds)


def counts(queues: Mapping[Kind, QueueVitals]) -> dict[Kind, tuple[int, int]]:
    """Return how many wait and how many are dead, of the queues that are not empty."""
    return {
        kind: (queue.waiting, queue.dead_letters)
        for kind, queue in queues.items()
        if queue.waiting or queue.dead_letters
    }


@in_world
async def test_a_new_region_has_empty_queues_and_nothing_measured(ports: Ports) -> None:
    queues = await ports.vitals.queues()

    assert tuple(queues) == KINDS
    assert counts(queues) == {}
    assert await ports.vitals.replication() == ReplicationVitals(lag_seconds=None, pending=None)
    assert await ports.vitals.alarms() == {}


@in_world
async def test_messages_wait_in_sight_in_flight_and_delayed(ports: Ports) -> None:
    await send_chunks(ports.outbox, 3)
    await send_chunks(ports.outbox, 2, delay_seconds=900)
    await ports.outbox.send([MergeBatch(batch_id="b1", owner_epoch=2)])
    (in_flight,) = await ports.inbox("chunk").receive(max_messages=1, wait_seconds=0)

    before = counts(await ports.vitals.queues())
    await ports.inbox("chunk").delete([in_flight])
    after = counts(await ports.vitals.queues())

    assert before == {"chunk": (5, 0), "merge": (1, 0)}
    assert after == {"chunk": (4, 0), "merge": (1, 0)}


@in_world
async def test_dead_letters_no_longer_wait(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await send_chunks(ports.outbox, 2)
    for _ in range(MAX_RECEIVES):
        for delivery in await inbox.receive(max_messages=10, wait_seconds=0):
            await inbox.set_visibility(delivery, seconds=0)
    assert list(await inbox.receive(max_messages=10, wait_seconds=0)) == []

    assert counts(await ports.vitals.queues()) == {"chunk": (0, 2)}


@in_world
async def test_replication_is_what_the_store_publishes(ports: Ports) -> None:
    await ports.set_replication(ReplicationVitals(lag_seconds=7.5, pending=12))

    assert await ports.vitals.replication() == ReplicationVitals(lag_seconds=7.5, pending=12)


@in_world
async def test_half_of_replications_metrics_may_be_missing(ports: Ports) -> None:
    await ports.set_replication(ReplicationVitals(lag_seconds=None, pending=0))

    assert await ports.vitals.replication() == ReplicationVitals(lag_seconds=None, pending=0)


@in_world
async def test_an_alarm_fires_or_is_quiet_or_cannot_say(ports: Ports) -> None:
    states = (True, False, None)
    names = [await ports.set_alarm(f"alarm-{fires}", fires) for fires in states]

    assert await ports.vitals.alarms() == dict(zip(names, states, strict=True))


def test_the_age_in_memory_is_that_of_the_oldest_message_that_was_not_deleted() -> None:
    async def main() -> list[float | None]:
        queues = MemoryQueues(LoopClock(), visibility_seconds=30)
        vitals, inbox = MemoryVitals(queues), queues.inbox("chunk")

        async def age() -> float | None:
            return (await vitals.queues())["chunk"].oldest_seconds

        ages = [await age()]
        await send_chunks(queues.outbox(), 1)
        await asyncio.sleep(10)
        await send_chunks(queues.outbox(), 1)
        await asyncio.sleep(90)
        ages.append(await age())
        (oldest,) = await inbox.receive(max_messages=1, wait_seconds=0)
        ages.append(await age())
        await inbox.delete([oldest])
        ages.append(await age())
        vitals.ages_known = False
        return [*ages, await age()]

    *known, unknown = virtual_time.run(main())

    assert known == pytest.approx([0, 100, 100, 90], abs=0.01)
    assert unknown is None


def test_memory_measures_a_body_that_is_no_message_and_the_calls_that_it_is_told() -> None:
    async def main() -> tuple[int, Mapping[str, CallStats]]:
        queues = MemoryQueues(LoopClock())
        vitals = MemoryVitals(queues)
        queues.put_raw("chunk", "no message")
        vitals.called["s3"] = CallStats(calls=3, errors=1)
        return (await vitals.queues())["chunk"].waiting, vitals.calls()

    assert virtual_time.run(main()) == (1, {"s3": CallStats(calls=3, errors=1)})


def test_the_age_on_aws_is_the_newest_point_of_the_last_minutes(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            points: list[tuple[Kind, float, float]] = [
                ("chunk", 50, 200),
                ("chunk", 7, 70),
                ("chunk", 30, 140),
                ("merge", 9, 600),
            ]
            for kind, age, seconds_ago in points:
                queue = {"QueueName": aws.topology.queue(kind).name}
                metric = "ApproximateAgeOfOldestMessage"
                await publish(aws, "AWS/SQS", metric, queue, age, seconds_ago=seconds_ago)

            queues = await aws.vitals().queues()

            assert {kind: queue.oldest_seconds for kind, queue in queues.items()} == {
                "split": None,
                "chunk": 7,
                "merge": None,
                "notify": None,
            }

    run(scenario())


def test_alarms_on_aws_are_all_pages_of_this_environment_composite_ones_too(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            names = [await set_alarm(aws, f"a{number:02}", fires=number == 3) for number in range(55)]
            client = await aws.client("cloudwatch", EAST)()
            composite = f"{aws.topology.alarm_prefix}zz-any"
            await client.put_composite_alarm(AlarmName=composite, AlarmRule=f'ALARM("{names[3]}")')
            await client.put_composite_alarm(AlarmName=f"other-{composite}", AlarmRule=f'ALARM("{names[3]}")')

            alarms = await aws.vitals().alarms()

            assert sorted(alarms) == [*names, composite]
            assert [name for name, fires in alarms.items() if fires] == [names[3], composite]

    run(scenario())


def test_what_cloudwatch_said_is_used_again_until_it_has_a_new_value_and_so_are_dead_letters(
    lossy_aws: LossyAws,
) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            name = await set_alarm(aws, "a", fires=False)
            vitals = aws.vitals(kept_seconds=55)
            for _ in range(3):
                await vitals.queues()
                await vitals.replication()
                assert await vitals.alarms() == {name: False}

            assert (lossy.seen.count("GetMetricData"), lossy.seen.count("DescribeAlarms")) == (2, 1)
            assert lossy.seen.count("GetQueueAttributes") == 3 * 12 + 12

    run(scenario())


def test_an_answer_is_kept_for_its_time_and_none_is_not_kept() -> None:
    async def main() -> list[int]:
        kept, asked = ReusedAnswers[int](55), 0

        async def answer() -> int:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise Unavailable("CloudWatch")
            return asked

        with pytest.raises(Unavailable):
            await kept.get("ages", answer)
        found = [await kept.get("ages", answer), await kept.get("ages", answer), await kept.get("other", answer)]
        await asyncio.sleep(54)
        found.append(await kept.get("ages", answer))
        await asyncio.sleep(1)
        return [*found, await kept.get("ages", answer)]

    assert virtual_time.run(main()) == [2, 2, 3, 2, 4]
