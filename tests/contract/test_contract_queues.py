"""What every queue does. Times are real here and short; the runner's own tests run on virtual time."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from baton.messages import LANES, MergeBatch, Message, NotifyBatch, ProcessChunk, SplitBatch, parse
from baton.ports import Delivery, Inbox
from baton.topology import MAX_RECEIVES
from worlds import Ports, in_world


def chunks(count: int, batch_id: str = "b1", *, large: bool = False) -> list[Message]:
    return [
        ProcessChunk(batch_id=batch_id, owner_epoch=2, plan_id="p", index=index, large=large) for index in range(count)
    ]


async def receive_all(inbox: Inbox) -> list[Delivery]:
    """Receive until nothing is left in sight."""
    deliveries: list[Delivery] = []
    while some := await inbox.receive(max_messages=10, wait_seconds=0):
        deliveries += some
    return deliveries


def indexes(deliveries: Sequence[Delivery]) -> list[int]:
    messages = [parse(delivery.body) for delivery in deliveries]
    return sorted(message.index for message in messages if isinstance(message, ProcessChunk))


@in_world
async def test_each_kind_has_its_own_queue(ports: Ports) -> None:
    messages: list[Message] = [
        SplitBatch(batch_id="b1", owner_epoch=2),
        ProcessChunk(batch_id="b1", owner_epoch=2, plan_id="p", index=7, resume=True),
        MergeBatch(batch_id="b1", owner_epoch=2),
        NotifyBatch(batch_id="b1", owner_epoch=2),
    ]

    await ports.outbox.send(messages)

    for message in messages:
        (delivery,) = await ports.inbox(message.kind).receive(max_messages=10, wait_seconds=1)
        assert parse(delivery.body) == message
        assert delivery.attempt == 1


@in_world
async def test_each_lane_has_queues_of_its_own(ports: Ports) -> None:
    canary, large, small, apart = (
        ProcessChunk(batch_id=batch_id, owner_epoch=2, plan_id="p", index=0, large=is_large, apart=is_apart)
        for batch_id, is_large, is_apart in (
            ("canary-1", False, False),
            ("b1", True, False),
            ("b2", False, False),
            ("b3", True, True),
        )
    )
    await ports.outbox.send([large, small, apart, canary])

    received = {
        lane: [parse(each.body) for each in await ports.inbox("chunk", lane).receive(max_messages=10, wait_seconds=1)]
        for lane in LANES
    }

    assert received == {"ordinary": [small], "large": [large], "canary": [canary], "apart": [apart]}


@in_world
async def test_a_message_ends_among_the_dead_letters_of_its_lane(ports: Ports) -> None:
    await ports.outbox.send([SplitBatch(batch_id="canary-1", owner_epoch=2)])
    (delivery,) = await ports.inbox("split", "canary").receive(max_messages=1, wait_seconds=1)

    await ports.inbox("split", "canary").dead_letter(delivery)

    assert [parse(body).batch_id for body in await ports.dead("split", "canary")] == ["canary-1"]
    assert list(await ports.dead("split")) == []


@in_world
async def test_any_number_of_messages_is_sent_and_received_by_tens(ports: Ports) -> None:
    await ports.outbox.send(chunks(25))
    await ports.outbox.send([])

    first = await ports.inbox("chunk").receive(max_messages=10, wait_seconds=0)
    rest = await receive_all(ports.inbox("chunk"))

    assert len(first) == 10
    assert indexes([*first, *rest]) == list(range(25))


@in_world
async def test_an_empty_queue_gives_nothing(ports: Ports) -> None:
    assert list(await ports.inbox("merge").receive(max_messages=10, wait_seconds=0)) == []
    assert list(await ports.inbox("merge").receive(max_messages=10, wait_seconds=1)) == []


@in_world
async def test_a_long_poll_wakes_for_a_message_sent_meanwhile(ports: Ports) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    poll = asyncio.create_task(ports.inbox("chunk").receive(max_messages=1, wait_seconds=20))
    await asyncio.wait([poll], timeout=0.2)

    await ports.outbox.send(chunks(1))

    assert len(await poll) == 1
    assert loop.time() - started < 10


@in_world
async def test_a_message_in_hand_is_hidden_until_it_is_handed_back(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await ports.outbox.send(chunks(1))
    (first,) = await inbox.receive(max_messages=1, wait_seconds=0)

    hidden = await inbox.receive(max_messages=1, wait_seconds=0)
    await inbox.set_visibility(first, seconds=0)
    (again,) = await inbox.receive(max_messages=1, wait_seconds=0)

    assert list(hidden) == []
    assert (first.attempt, again.attempt) == (1, 2)
    assert first.receipt != again.receipt


@in_world
async def test_a_long_poll_wakes_when_a_hidden_message_comes_back(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await ports.outbox.send(chunks(1))
    (first,) = await inbox.receive(max_messages=1, wait_seconds=0)

    await inbox.set_visibility(first, seconds=1)
    (again,) = await inbox.receive(max_messages=1, wait_seconds=20)

    assert again.attempt == 2


@in_world
async def test_a_deleted_message_does_not_come_back(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await ports.outbox.send(chunks(3))
    deliveries = await inbox.receive(max_messages=10, wait_seconds=0)

    failed = await inbox.delete(deliveries)
    await inbox.set_visibility(deliveries[0], seconds=0)

    assert list(failed) == []
    assert list(await inbox.delete([])) == []
    assert await receive_all(inbox) == []


@pytest.mark.differs(localstack="LocalStack lets a receipt that a later one replaced end the visibility timeout")
@in_world
async def test_a_lost_receipt_is_no_error_and_keeps_its_hands_off_the_message(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await ports.outbox.send(chunks(1))
    (first,) = await inbox.receive(max_messages=1, wait_seconds=0)
    await inbox.set_visibility(first, seconds=0)
    (second,) = await inbox.receive(max_messages=1, wait_seconds=0)

    await inbox.set_visibility(first, seconds=0)

    assert list(await inbox.receive(max_messages=1, wait_seconds=0)) == []
    assert list(await inbox.delete([second])) == []


@in_world
async def test_a_delayed_message_comes_when_its_time_has_come(ports: Ports) -> None:
    inbox = ports.inbox("split")

    await ports.outbox.send([SplitBatch(batch_id="b1", owner_epoch=2)], delay_seconds=1)
    early = await inbox.receive(max_messages=1, wait_seconds=0)
    (delivery,) = await inbox.receive(max_messages=1, wait_seconds=20)

    assert list(early) == []
    assert delivery.attempt == 1


@in_world
async def test_a_message_received_too_often_goes_to_the_dead_letter_queue(ports: Ports) -> None:
    inbox = ports.inbox("merge")
    await ports.outbox.send([MergeBatch(batch_id="b1", owner_epoch=2)])
    attempts: list[int] = []
    for _ in range(MAX_RECEIVES):
        (delivery,) = await inbox.receive(max_messages=1, wait_seconds=0)
        attempts.append(delivery.attempt)
        await inbox.set_visibility(delivery, seconds=0)

    once_more = await inbox.receive(max_messages=1, wait_seconds=0)

    assert attempts == [1, 2, 3, 4, 5]
    assert list(once_more) == []
    assert [parse(body).batch_id for body in await ports.dead("merge")] == ["b1"]


@in_world
async def test_a_message_that_is_handed_back_was_never_received(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await ports.outbox.send(chunks(1))
    for _ in range(MAX_RECEIVES + 2):
        (delivery,) = await inbox.receive(max_messages=10, wait_seconds=1)
        assert (delivery.attempt, delivery.group, indexes([delivery])) == (1, "b1", [0])
        await inbox.hand_back(delivery)

    assert len(await inbox.receive(max_messages=10, wait_seconds=1)) == 1
    assert list(await ports.dead("chunk")) == []


@in_world
async def test_a_message_is_buried_at_its_first_attempt(ports: Ports) -> None:
    inbox = ports.inbox("merge")
    await ports.outbox.send([MergeBatch(batch_id="b1", owner_epoch=2), MergeBatch(batch_id="b2", owner_epoch=2)])
    deliveries = await receive_all(inbox)
    (unfit,) = (each for each in deliveries if each.group == "b1")

    await inbox.dead_letter(unfit)
    for each in deliveries:
        await inbox.set_visibility(each, seconds=0)

    assert [each.group for each in await receive_all(inbox)] == ["b2"]
    assert [parse(body).batch_id for body in await ports.dead("merge")] == ["b1"]


@in_world
async def test_the_backlog_is_what_nobody_has_in_hand(ports: Ports) -> None:
    assert await ports.outbox.backlog("chunk") == 0
    await ports.outbox.send(chunks(4))
    await ports.outbox.send(chunks(2, "b2"), delay_seconds=900)

    (delivery,) = await ports.inbox("chunk").receive(max_messages=1, wait_seconds=0)

    assert await ports.outbox.backlog("chunk") == 5
    assert await ports.outbox.backlog("merge") == 0
    assert await ports.outbox.backlog("chunk", "large") == 0
    await ports.inbox("chunk").set_visibility(delivery, seconds=600)
    assert await ports.outbox.backlog("chunk") == 5, "a message that comes later is in hand for SQS"


@in_world
async def test_many_consumers_share_the_messages(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    await ports.outbox.send(chunks(200))

    shares = await asyncio.gather(*(receive_all(inbox) for _ in range(16)))

    received = Counter(index for share in shares for index in indexes(share))
    assert received == Counter(range(200))


@in_world
async def test_a_small_batch_does_not_wait_behind_a_large_one(ports: Ports) -> None:
    await ports.outbox.send(chunks(40, "large", large=True))
    await ports.outbox.send(chunks(1, "small"))

    deliveries = await ports.inbox("chunk").receive(max_messages=10, wait_seconds=1)

    assert [parse(delivery.body).batch_id for delivery in deliveries] == ["small"]


@pytest.mark.differs(
    ministack_image="MiniStack's image takes MessageGroupId and serves in the order of sending",
    localstack="LocalStack takes MessageGroupId and serves in the order of sending",
)
@in_world
async def test_batches_of_one_lane_are_served_fairly(ports: Ports) -> None:
    inbox = ports.inbox("chunk", "large")
    await ports.outbox.send(chunks(40, "larger", large=True))
    await ports.outbox.send(chunks(20, "later", large=True))

    served = Counter[str]()
    for _ in range(5):
        deliveries = await inbox.receive(max_messages=2, wait_seconds=0)  # as many as a worker has slots
        served.update(parse(delivery.body).batch_id for delivery in deliveries)

    assert served == {"larger": 5, "later": 5}


@in_world
async def test_what_sqs_would_refuse_is_our_bug(ports: Ports) -> None:
    inbox = ports.inbox("chunk")
    fits, too_large = (
        ProcessChunk(batch_id="b", owner_epoch=2, plan_id="ü" * size, index=0) for size in (12_000, 13_000)
    )
    await ports.outbox.send([fits] * 10)

    for wrong in (
        ports.outbox.send([*chunks(1), too_large]),
        ports.outbox.send(chunks(1), delay_seconds=901),
        inbox.receive(max_messages=11, wait_seconds=0),
        inbox.receive(max_messages=0, wait_seconds=0),
        inbox.receive(max_messages=1, wait_seconds=21),
        inbox.delete([Delivery("1#1", "{}", 1)] * 11),
        inbox.set_visibility(Delivery("1#1", "{}", 1), seconds=43_201),
    ):
        with pytest.raises(ValueError, match=r"[0-9]"):
            await wrong

    assert [parse(each.body) for each in await receive_all(inbox)] == [fits] * 10
