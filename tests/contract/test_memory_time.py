"""What the memory adapters make of time, on a loop whose clock jumps: hours cost nothing, and moments are exact."""

import asyncio
from datetime import timedelta

import pytest

from baton.memory import LoopClock, MemoryClock, MemoryQueues
from baton.messages import MergeBatch, SplitBatch, parse
from baton.testing import virtual_time

MESSAGE = SplitBatch(batch_id="b1", owner_epoch=2)


def test_the_loops_clock_moves_with_its_sleepers() -> None:
    async def main() -> tuple[float, timedelta]:
        clock, loop = LoopClock(), asyncio.get_running_loop()
        before, started = clock.now(), loop.time()
        await asyncio.sleep(3_600)
        return loop.time() - started, clock.now() - before

    slept, passed = virtual_time.run(main())

    assert slept == pytest.approx(3_600, abs=0.001)
    assert passed.total_seconds() == pytest.approx(3_600, abs=0.001)


def test_a_message_whose_consumer_died_comes_back_when_its_visibility_ends() -> None:
    async def main() -> tuple[list[int], float]:
        queues = MemoryQueues(LoopClock(), visibility_seconds=60)
        await queues.outbox().send([MESSAGE])
        attempts: list[int] = []
        for _ in range(3):
            while not (taken := await queues.inbox("split").receive(max_messages=1, wait_seconds=20)):
                continue
            attempts.append(taken[0].attempt)
        return attempts, asyncio.get_running_loop().time()

    attempts, seconds = virtual_time.run(main())

    assert attempts == [1, 2, 3]
    assert seconds == pytest.approx(120, abs=0.01)


def test_a_consumer_that_beats_keeps_its_message() -> None:
    async def main() -> int:
        queues = MemoryQueues(LoopClock(), visibility_seconds=60)
        inbox = queues.inbox("split")
        await queues.outbox().send([MESSAGE])
        (delivery,) = await inbox.receive(max_messages=1, wait_seconds=0)
        for _ in range(100):
            await asyncio.sleep(20)
            await inbox.set_visibility(delivery, seconds=60)
            assert not await inbox.receive(max_messages=1, wait_seconds=0)
        return len(await inbox.delete([delivery]))

    assert virtual_time.run(main()) == 0


def test_one_of_many_waiting_polls_gets_a_message_and_the_others_go_on_waiting() -> None:
    async def main() -> tuple[list[int], float]:
        queues = MemoryQueues(LoopClock())
        inbox = queues.inbox("split")
        polls = [asyncio.create_task(inbox.receive(max_messages=10, wait_seconds=20)) for _ in range(5)]
        await asyncio.sleep(7)
        await queues.outbox().send([MESSAGE])
        return sorted([len(await poll) for poll in polls]), asyncio.get_running_loop().time()

    counts, seconds = virtual_time.run(main())

    assert counts == [0, 0, 0, 0, 1]
    assert seconds == pytest.approx(20, abs=0.01)


def test_a_queue_serves_one_loop_after_another() -> None:
    queues = MemoryQueues(MemoryClock())

    for _ in range(2):
        assert not asyncio.run(_poll(queues))


async def _poll(queues: MemoryQueues) -> bool:
    return bool(await queues.inbox("split").receive(max_messages=1, wait_seconds=1))


def test_the_batch_with_least_in_flight_is_served_first_then_the_oldest_message() -> None:
    async def main() -> list[str]:
        queues = MemoryQueues(MemoryClock())
        inbox = queues.inbox("merge")
        for batch_id in ("a", "a", "a", "b", "c", "b"):
            await queues.outbox().send([MergeBatch(batch_id=batch_id, owner_epoch=2)])
        taken = [(await inbox.receive(max_messages=1, wait_seconds=0))[0] for _ in range(2)]
        await inbox.delete(taken[:1])
        taken += await inbox.receive(max_messages=10, wait_seconds=0)
        return [parse(each.body).batch_id for each in taken]

    order = virtual_time.run(main())

    # The first `a` is done and the first `b` in flight, so `a` is served again, then `c`, then all alike by age.
    assert order == ["a", "b", "a", "c", "a", "b"]


def test_a_clock_moved_by_hand_brings_hidden_messages_back() -> None:
    async def main() -> list[int]:
        clock = MemoryClock()
        queues = MemoryQueues(clock, visibility_seconds=60)
        inbox = queues.inbox("split")
        await queues.outbox().send([MESSAGE])
        counts: list[int] = []
        for seconds in (0, 59, 1):
            clock.advance(seconds)
            counts.append(len(await inbox.receive(max_messages=1, wait_seconds=0)))
        return counts

    assert asyncio.run(main()) == [1, 0, 1]
