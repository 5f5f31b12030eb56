"""What the lanes of users hold together is bounded as if they were one, and a canary waits for none of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final, override

import pytest
from pydantic import Field

import merger.handler
import merger.main
import splitter.main
import worker.main
from baton.canary import INPUT, canary_key
from baton.catalog import Catalog, LoadedJob, load_jobs
from baton.context import Context
from baton.job import Job, Limits, Lookup, Record
from baton.memory import LoopClock, MemoryObjectStore
from baton.messages import CANARY, LANES, LARGE, ORDINARY, SplitBatch
from baton.model.batch import LARGE_FROM_BYTES
from baton.model.states import FINAL, BatchState
from baton.ports import ObjectInfo, Piece, ReferenceVersion
from baton.settings import RunnerSettings
from baton.testing import virtual_time
from baton.testing.faults import CrashPlan
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import silent_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region, WrappedPorts
from merger.bounds import LARGE_AT_ONCE
from worker.room import Share

SECONDS: Final = 60.0
"""What a call that is looked at takes."""
CANARY_SECONDS_MAX: Final = 10.0
FILES: Final = 3
"""Of each lane of users."""
LINE: Final = 2_000
OUTPUT: Final = 2 * LINE
"""Of a file: at least so many bytes."""


class Digits(Record):
    left: Annotated[str, Field(pattern="^[0-9]*$")]


def _job(name: str, *, percent: float = 100, lookup: Lookup | None = None) -> LoadedJob:
    limits = Limits(max_rejects_percent=percent)
    return LoadedJob(Job(name=name, record=Digits, lookup=lookup, limits=limits, recipients=("a@example.com",)), "1")


CATALOG: Final[Catalog] = {
    **load_jobs("baton_jobs"),
    "patient": _job("patient"),
    "strict": _job("strict", percent=0),
    "long": _job("long", lookup=Lookup(dataset="long", key="left", columns=("text",))),
    "uneven": _job("uneven", lookup=Lookup(dataset="uneven", key="left", columns=("text",))),
}
type Looked = Callable[[str, str], bool]
"""Whether a call is looked at, by its name and the key."""


class _Store(MemoryObjectStore):
    """Takes its time for the calls that are looked at, and knows how many of them were under way at once."""

    looked: Looked
    now = most = 0

    @asynccontextmanager
    async def _counted(self, call: str, key: str) -> AsyncGenerator[None]:
        if "canary" in key or not self.looked(call, key):
            yield
            return
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(SECONDS)
        try:
            yield
        finally:
            self.now -= 1

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        async with self._counted("get", key):
            return await super().get(key, version_id=version_id, start=start, end=end)

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        async with self._counted("read", key):
            async for piece in super().read(key, version_id=version_id, start=start, end=end):
                yield piece

    @override
    async def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        async with self._counted("put", key):
            return await super().put(key, body, content_type=content_type, metadata=metadata)

    @override
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        async with self._counted("compose", key):
            return await super().compose(key, pieces, content_type=content_type)


class _World:
    """One Region with the real services, each with all its lanes."""

    def __init__(self, looked: Looked) -> None:
        self.region = Region(clock=LoopClock())
        self.store = self.region.objects = _Store(self.region.clock, region=REGIONS_DEFAULT[0])
        self.store.looked = looked
        self.pipeline = Pipeline(
            CATALOG, region=self.region, chunk_bytes=2**24, runner_settings=RunnerSettings(slots=FILES, wait_seconds=1)
        )

    async def send(self, job: str, records: bytes) -> list[str]:
        """Send as many files to each lane: blank lines make some of them large."""
        small, large = b"left\n" + records, b"left\n" + records + b"\n" * LARGE_FROM_BYTES
        return [
            await self.pipeline.upload(f"input/{job}/{lane}{number}.csv", body)
            for lane, body in (("ordinary", small), ("large", large))
            for number in range(FILES)
        ]

    async def run(self, work: Callable[[], Awaitable[list[str]]]) -> set[BatchState]:
        """Process what comes, and a canary while calls take their time. Return how the batches ended."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for runner in self.pipeline.process.lanes.values():
                group.create_task(runner.run(stop))
            sent = await work()
            await asyncio.sleep(SECONDS / 2)
            canary = await self.pipeline.upload(canary_key(REGIONS_DEFAULT[0], "x"), INPUT)
            assert self.store.now
            await self._end(canary, CANARY_SECONDS_MAX)
            for batch_id in sent:
                await self._end(batch_id, 100 * SECONDS)
            stop.set()
        return {(await self.pipeline.batch(batch_id)).state for batch_id in sent}

    async def _end(self, batch_id: str, seconds_max: float) -> None:
        async with asyncio.timeout(seconds_max):
            while (await self.pipeline.batch(batch_id)).state not in FINAL:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(1)


def _at_once(looked: Looked, job: str, records: bytes, *, ends: BatchState = BatchState.COMPLETED) -> int:
    """Return how many calls that are looked at were under way at once."""

    async def story() -> int:
        world = _World(looked)
        for dataset, sizes in (("long", (LINE, LINE)), ("uneven", (1, LINE))):
            rows = {f"{key}": {"left": f"{key}", "text": "x" * size} for key, size in enumerate(sizes)}
            await world.region.reference.publish(ReferenceVersion(dataset, "1", 2, ("left", "text")), rows)
        assert await world.run(lambda: world.send(job, records)) == {ends}
        return world.store.most

    return virtual_time.run(story())


@pytest.mark.parametrize(("share_bytes", "at_once"), [(OUTPUT - 1, 1), (2 * OUTPUT, 2 * FILES)])
def test_one_chunk_at_a_time_holds_more_than_its_share_until_it_is_uploaded(
    monkeypatch: pytest.MonkeyPatch, share_bytes: int, at_once: int
) -> None:
    shares = dict.fromkeys(LANES, Share(LARGE_FROM_BYTES * 2, LARGE_FROM_BYTES, share_bytes))
    monkeypatch.setattr(worker.main, "SHARES", shares)

    assert _at_once(lambda call, key: (call, "/parts/" in key) == ("put", True), "long", b"0\n1\n") == at_once


def test_one_chunk_at_a_time_is_written_down_that_could_be_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = dict.fromkeys(LANES, Share(LARGE_FROM_BYTES * 2, LARGE_FROM_BYTES, OUTPUT - 1))
    monkeypatch.setattr(worker.main, "SHARES", shares)

    def is_part(call: str, key: str) -> bool:
        return call == "put" and "/parts/" in key

    assert _at_once(is_part, "uneven", b"0\n0\n") == 1, "each lookup may find the longest row"


def test_one_chunk_at_a_time_that_is_larger_than_its_share_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = dict.fromkeys(LANES, Share(chunk_bytes=3, rows_bytes=1, output_bytes=LARGE_FROM_BYTES))
    monkeypatch.setattr(worker.main, "SHARES", shares)

    assert _at_once(lambda call, key: (call, "input/" in key) == ("get", True), "patient", b"1\n2\n") == 1


def test_large_batches_of_all_lanes_are_merged_by_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger.handler, "LARGE_CHUNKS", 1)

    assert _at_once(lambda call, _: call == "compose", "patient", b"1\n2\n") == LARGE_AT_ONCE


def test_rejects_of_one_batch_of_all_lanes_are_indexed_at_a_time() -> None:
    assert _at_once(lambda call, key: call == "get" and "work/" in key and "rejects" in key, "patient", b"x\n2\n") == 1


def test_the_file_of_one_failed_batch_of_all_lanes_is_put_together_at_a_time() -> None:
    failed = BatchState.FAILED

    assert _at_once(lambda call, key: (call, "rejects" in key) == ("compose", True), "strict", b"x\n", ends=failed) == 1


def test_large_files_are_scanned_by_some_at_a_time_whatever_lane_their_messages_are_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splitter.main, "LARGE_AT_ONCE", 2)

    async def story() -> int:
        world = _World(lambda call, key: call == "read" and "large" in key)

        async def work() -> list[str]:
            sent = await world.send("patient", b"1\n2\n")
            for batch_id in sent:  # as from a sender that knows of no large ones
                batch = await world.pipeline.batch(batch_id)
                message = SplitBatch(batch_id=batch_id, owner_epoch=batch.owner_epoch)
                world.region.queues.put_raw("split", message.model_dump_json())
            return sent

        assert await world.run(work) == {BatchState.COMPLETED}
        return world.store.most

    assert virtual_time.run(story()) == 2


class _EachAnew(WrappedPorts):
    """Makes a store whenever it is asked for one, as the ports of AWS do."""

    @override
    def objects(self) -> MemoryObjectStore:
        return MemoryObjectStore(self.region.clock)


def test_users_share_the_store_that_bounds_what_is_joined_and_canaries_have_another() -> None:
    ports = _EachAnew(Region(), CrashPlan(at=None))
    context = Context(REGIONS_DEFAULT[0], REGIONS_DEFAULT, ports, ports.region.clock, CATALOG, silent_log())

    handlers = merger.main.build(context).handlers

    stores = {lane: vars(handler)["_objects"] for lane, handler in handlers.items()}
    assert stores[ORDINARY] is stores[LARGE]
    assert stores[CANARY] is not stores[ORDINARY]
