"""Which calls an adapter in memory refuses when it is told to, and what a refused call leaves behind."""

import asyncio
from collections.abc import Awaitable

import pytest

from baton.errors import BatonError, Refused, Unavailable
from baton.memory import MemoryClock, MemoryObjectStore, MemoryQueues, MemoryReferenceData, MemoryRejectIndex, Refusal
from baton.messages import Message, ProcessChunk
from baton.ports import CopyPiece, JoinedPiece, ReferenceVersion, StoredReject, Stretch

MESSAGES: list[Message] = [ProcessChunk(batch_id="b1", owner_epoch=2, plan_id="p", index=index) for index in range(25)]
REJECTS = [StoredReject(number, 0, "sku", "missing", "", "") for number in range(60)]


async def _raises(work: Awaitable[object]) -> type[BatonError] | None:
    try:
        await work
    except BatonError as error:
        return type(error)
    return None


def test_a_refusal_holds_for_its_operation_its_key_and_its_number_of_calls() -> None:
    async def story() -> list[type[BatonError] | None]:
        store = MemoryObjectStore(MemoryClock())
        store.refusals.refuse("put", key="a", by=Refusal.THROTTLED, after=1, calls=2)
        raised = [await _raises(store.put(key, b"x")) for key in ("a", "b", "a", "b", "a", "a")]
        assert (store.refusals.asked["put"], store.refusals.refused["put"]) == (6, 2)
        assert len(store.history()["a"]) == 2, "a refused call writes nothing"
        store.refusals.refuse("put", "head", key="a")
        raised.append(await _raises(store.head("a")))
        store.refusals.allow()
        return [*raised, await _raises(store.head("a"))]

    assert asyncio.run(story()) == [None, None, Unavailable, None, Unavailable, None, Refused, None]


def test_a_refusal_of_what_is_no_operation_is_noticed() -> None:
    with pytest.raises(ValueError, match="'write'"):
        MemoryObjectStore(MemoryClock()).refusals.refuse("put", "write")


def test_an_object_is_not_composed_of_what_may_not_be_read() -> None:
    async def story() -> list[type[BatonError] | None]:
        store = MemoryObjectStore(MemoryClock())
        for key in ("a", "b"):
            await store.put(key, b"xy")
        store.refusals.refuse("compose", key="a")
        return [
            await _raises(store.compose("c", [piece]))
            for piece in (CopyPiece("a", 2), JoinedPiece((Stretch("a", 0, 1),)), CopyPiece("b", 2))
        ]

    assert asyncio.run(story()) == [Refused, Refused, None]


def test_what_takes_several_calls_may_be_done_in_part() -> None:
    async def story() -> tuple[list[type[BatonError] | None], int, int]:
        queues, rejects = MemoryQueues(MemoryClock()), MemoryRejectIndex()
        queues.refusals.refuse("send", key="chunk", by=Refusal.THROTTLED, after=1)
        rejects.refusals.refuse("put", by=Refusal.THROTTLED, after=2)
        raised = [await _raises(queues.outbox().send(MESSAGES)), await _raises(rejects.put("b1", "plan", REJECTS))]
        return raised, queues.waiting("chunk"), len(await rejects.list("b1", "plan", limit=100))

    assert asyncio.run(story()) == ([Unavailable, Unavailable], 10, 50)


def test_a_load_that_breaks_off_is_not_current_and_can_be_gone_on_with() -> None:
    rows = {f"k{number}": {"sku": f"k{number}"} for number in range(60)}
    version = ReferenceVersion("products", "v1", rows=60, columns=("sku",))

    async def story() -> tuple[type[BatonError] | None, bool, bool, bool]:
        reference = MemoryReferenceData(MemoryClock())
        reference.refusals.refuse("publish", by=Refusal.THROTTLED, after=2, calls=1)
        broke = await _raises(reference.publish(version, rows))
        is_current, is_complete = await reference.current("products") is not None, await reference.is_complete(version)
        await reference.publish(version, rows)
        return broke, is_current, is_complete, await reference.load(version) == rows

    assert asyncio.run(story()) == (Unavailable, False, False, True)
