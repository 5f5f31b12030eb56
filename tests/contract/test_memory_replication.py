"""Replication in memory: what arrives, when, in which order, and as what."""

import asyncio
import math
import random

import pytest

from baton.memory import LoopClock, MemoryClock, MemoryObjectStore, MemoryReplication
from baton.memory.objects import Version
from baton.model.identity import ORIGIN_VERSION_METADATA, batch_id_of, origin_version
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT

EAST, WEST = REGIONS_DEFAULT
KEY = "input/sales/f.csv"


class Buckets:
    """Both Regions' buckets and what lies between them."""

    def __init__(self, *, lag_seconds: float = 0, dice: random.Random | None = None) -> None:
        self.clock = MemoryClock()
        self.east = MemoryObjectStore(self.clock, region=EAST)
        self.west = MemoryObjectStore(self.clock, region=WEST)
        stores = {EAST: self.east, WEST: self.west}
        self.link = MemoryReplication(stores, self.clock, lag_seconds=lag_seconds, dice=dice)

    def after(self, seconds: float) -> int:
        self.clock.advance(seconds)
        return self.link.deliver()


def test_a_replica_has_the_bytes_the_time_and_the_identity_of_its_origin() -> None:
    async def story() -> None:
        buckets = Buckets(lag_seconds=10)
        info = await buckets.east.put(KEY, b"a\n1\n", content_type="text/x", metadata={"note": "x"})
        assert buckets.after(9) == 0
        assert buckets.link.backlog() == {EAST: 1, WEST: 0}
        assert buckets.link.oldest_seconds(EAST) == 9
        assert buckets.after(1) == 1

        replica = await buckets.west.head(KEY)
        assert replica is not None
        assert replica.version_id != info.version_id
        assert replica.last_modified == info.last_modified
        assert replica.metadata == {"note": "x", ORIGIN_VERSION_METADATA: info.version_id}
        assert await buckets.west.get(KEY) == b"a\n1\n"
        assert buckets.west.content_type(KEY) == "text/x"
        here, there = ((each.key, origin_version(each.version_id, each.metadata)) for each in (info, replica))
        assert batch_id_of(*here) == batch_id_of(*there)
        assert (await buckets.west.find_version(KEY, info.version_id)) == replica
        assert buckets.after(1_000) == 0, "a replica went back"
        assert buckets.link.oldest_seconds(EAST) is None

    asyncio.run(story())


def test_a_hidden_object_is_hidden_over_there_unless_a_newer_version_took_its_place() -> None:
    async def story() -> None:
        buckets = Buckets()
        for name in ("a", "b"):
            await buckets.east.put(f"input/{name}", b"1")
        buckets.link.deliver()
        replica = await buckets.west.head("input/a")
        assert replica is not None
        await buckets.west.put("input/b", b"2")

        await buckets.west.delete("input/a", if_version_is=replica.version_id)
        old = await buckets.east.head("input/b")
        assert old is not None
        await buckets.east.delete("input/b", if_version_is=old.version_id)
        buckets.link.deliver()

        assert await buckets.east.head("input/a") is None
        assert await buckets.east.find_version("input/a", "us-east-1-000001") is not None
        assert await buckets.west.get("input/b") == b"2"
        assert await buckets.east.get("input/b") == b"2", "the newer version arrived beside it"
        assert buckets.link.backlog() == {EAST: 0, WEST: 0}

    asyncio.run(story())


def test_a_copy_of_a_replica_is_replicated_as_the_original_that_it_is() -> None:
    async def story() -> bytes:
        buckets = Buckets()
        info = await buckets.east.put(KEY, b"x")
        buckets.link.deliver()
        replica = await buckets.west.find_version(KEY, info.version_id)
        assert replica is not None
        await buckets.west.copy(replica, "archive/f")
        buckets.link.deliver()
        return await buckets.east.get("archive/f")

    assert asyncio.run(story()) == b"x"


@pytest.mark.parametrize("key", ["canary/us-east-1/c.csv", "canary-work/b/plan.json", "elsewhere"])
def test_only_what_both_regions_need_is_replicated(key: str) -> None:
    async def story() -> int:
        buckets = Buckets()
        await buckets.east.put(key, b"x")
        return buckets.link.deliver()

    assert asyncio.run(story()) == 0


def test_a_cut_and_an_infinite_lag_hold_one_way_back_until_they_end() -> None:
    async def story() -> None:
        buckets = Buckets()
        for held in ({"cut": True}, {"lag_seconds": math.inf}):
            buckets.link.set(EAST, **held)  # pyright: ignore[reportArgumentType] - either a flag or a number
            await buckets.east.put("input/east", b"x")
            await buckets.west.put("input/west", b"x")
            assert buckets.after(1_000_000) == 1
            assert buckets.link.backlog() == {EAST: 1, WEST: 0}
            buckets.link.set(EAST, lag_seconds=0, cut=False)
            assert buckets.link.deliver() == 1
        buckets.link.set(cut=True)
        await buckets.east.put("input/east", b"y")
        assert buckets.link.lose(EAST) == 1
        buckets.link.set(cut=False)
        assert buckets.after(1) == 0

    asyncio.run(story())


def _arrivals(seed: int) -> list[tuple[str, bytes]]:
    async def story() -> list[tuple[str, bytes]]:
        buckets = Buckets(lag_seconds=60, dice=random.Random(seed))
        arrived: list[tuple[str, bytes]] = []

        def note(version: Version) -> None:
            arrived.append((version.info.key, version.body or b""))

        buckets.west.listen(note)
        for body in (b"1", b"2", b"3"):
            for name in "abcd":
                await buckets.east.put(f"work/{name}", body)
            buckets.clock.advance(1)
        for _ in range(120):
            buckets.after(1)
        return arrived

    return asyncio.run(story())


def test_objects_arrive_in_any_order_and_the_versions_of_each_in_theirs() -> None:
    for seed in range(20):
        arrived = _arrivals(seed)

        assert len(arrived) == 12
        for name in "abcd":
            assert [body for key, body in arrived if key == f"work/{name}"] == [b"1", b"2", b"3"]
    assert len({tuple(_arrivals(seed)) for seed in range(20)}) > 15
    assert _arrivals(1) == _arrivals(1), "one seed, one order"


def test_it_runs_by_itself_on_a_loop_and_follows_a_changed_lag() -> None:
    async def story() -> tuple[float, float]:
        clock = LoopClock()
        stores = {region: MemoryObjectStore(clock, region=region) for region in REGIONS_DEFAULT}
        link = MemoryReplication(stores, clock, lag_seconds=30)
        arrived: asyncio.Queue[float] = asyncio.Queue()
        stores[WEST].listen(lambda _: arrived.put_nowait(asyncio.get_running_loop().time()))
        stop = asyncio.Event()
        running = asyncio.create_task(link.run(stop))
        await stores[EAST].put("work/a", b"1")
        first = await arrived.get()
        link.set(lag_seconds=math.inf)
        await stores[EAST].put("work/b", b"1")
        await asyncio.sleep(1_000)
        assert arrived.empty()
        link.set(lag_seconds=10)
        second = await arrived.get()
        stop.set()
        await running
        return first, second

    first, second = virtual_time.run(story())

    assert (round(first, 2), round(second, 2)) == (30.0, 1_030.0)


def test_replication_has_two_ends() -> None:
    clock = MemoryClock()

    with pytest.raises(ValueError, match="two buckets"):
        MemoryReplication({EAST: MemoryObjectStore(clock)}, clock)
