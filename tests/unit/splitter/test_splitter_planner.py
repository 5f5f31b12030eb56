"""Planning costs what the file is long, holds what one record is long, and is done beside the event loop."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, override

import pytest

from baton.batches import Batches
from baton.catalog import load_jobs
from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES as FIRST_BYTES
from baton.memory import (
    MemoryClock,
    MemoryHeartbeats,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProgress,
    MemoryReferenceData,
)
from baton.messages import Kind, Message, SplitBatch
from baton.model.batch import Batch, Source
from baton.model.control import Control
from baton.model.plan import CHUNKS_MAX, MIB, Plan, chunk_bytes_for, chunk_records_for
from baton.model.states import BatchState
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from splitter.domain import Planner
from splitter.handler import Splitter
from splitter.settings import SplitterSettings

KEY = "input/passthrough/x.csv"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOOP_SECONDS_MAX: Final = 0.05


def batch_of(size_bytes: int, *, version_id: str = "v") -> Batch:
    return Batch(
        batch_id="b",
        job="passthrough",
        source=Source(KEY, version_id, size_bytes),
        state=BatchState.ADMITTED,
        owner_epoch=INITIAL_EPOCH,
        admitted_at=NOW,
        updated_at=NOW,
    )


def planned(body: bytes, *, block_bytes: int = 256 * 1024, chunk_bytes: int = 16 * MIB) -> Plan:
    planner = Planner(batch_of(len(body)), load_jobs("baton_jobs")["passthrough"].job, chunk_bytes=chunk_bytes)
    for start in range(0, len(body), block_bytes):
        planner.feed(body[start : start + block_bytes])
    return planner.finish(job_version="1", reference_version=None)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\n\r\n"])
def test_blank_lines_before_the_header_are_read_once_and_held_never(mark: bytes, line_end: bytes) -> None:
    body = mark + line_end * (32 * MIB // len(line_end)) + b"first,second\n1,2\n"
    tracemalloc.start()

    started = time.process_time()
    plan = planned(body)
    seconds = time.process_time() - started

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (plan.columns, plan.records_total) == (("first", "second"), 1)
    assert body[plan.chunks[0].start : plan.chunks[0].end] == b"1,2\n"
    assert seconds < 3, "two megabytes of it took as long when each block meant to begin anew"
    assert peak_bytes < 16 * MIB


@pytest.mark.parametrize("blank_bytes", range(2 * MIB - 64 * 1024 - 13, 2 * MIB + 64 * 1024, 32 * 1024))
def test_header_behind_any_number_of_blank_lines_is_whole(blank_bytes: int) -> None:
    plan = planned(b"\n" * blank_bytes + b"first,second\n1,2\n", block_bytes=64 * 1024)

    assert (plan.columns, plan.records_total) == (("first", "second"), 1)


@pytest.mark.parametrize("filler", [b"\x1a", b" ", b"x,"])
def test_header_that_never_ends_fails_at_the_size_of_a_record(filler: bytes) -> None:
    planner = Planner(batch_of(64 * MIB), load_jobs("baton_jobs")["passthrough"].job, chunk_bytes=16 * MIB)
    block = filler * (64 * 1024 // len(filler))

    with pytest.raises(BatchFailed) as caught:
        planner.feed(*[block] * (MIB // len(block) + 1))

    assert caught.value.code == "record_too_large"
    assert caught.value.reason.startswith("in the header: ")


@pytest.mark.parametrize("size", [FIRST_BYTES - 1, FIRST_BYTES, FIRST_BYTES + 1])
@pytest.mark.parametrize("block_bytes", [1, 7, FIRST_BYTES, 2 * FIRST_BYTES])
def test_file_about_as_long_as_its_first_bytes_is_planned_whole(size: int, block_bytes: int) -> None:
    body = b"a,b\n" + b"x" * (size - 5) + b"\n"

    plan = planned(body, block_bytes=block_bytes)

    assert (plan.chunks[0].start, plan.chunks[-1].end) == (4, size)


class _Stepped[T]:
    """Runs a coroutine, and notes the CPU seconds of the event loop's thread from one suspension to the next.

    Other processes' load does not count, as it would by the clock on the wall.
    """

    def __init__(self, work: Coroutine[Any, Any, T], seconds: list[float]) -> None:
        self._work = work
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, T]:
        while True:
            started = time.thread_time()
            try:
                waits_for = self._work.send(None)
            except StopIteration as end:
                return end.value
            finally:
                self._seconds.append(time.thread_time() - started)
            yield waits_for


class _S3Like(MemoryObjectStore):
    """Gives pieces as large as an HTTP response does, each as soon as it is asked for."""

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        body = await self.get(key, version_id=version_id, start=start, end=end)
        for at in range(0, len(body), 256 * 1024):
            yield body[at : at + 256 * 1024]


class _Sent:
    """Counts messages; each call suspends, as one over a network does."""

    def __init__(self) -> None:
        self.messages = 0

    async def send(self, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        del delay_seconds
        self.messages += len(messages)
        await asyncio.sleep(0)

    async def backlog(self, kind: Kind) -> int:
        raise NotImplementedError(kind)


def steps_of_planning(body: bytes, *, chunk_bytes: int, sent: _Sent) -> list[float]:
    seconds = list[float]()

    async def story() -> BatchState:
        clock = MemoryClock()
        objects, ledger = _S3Like(clock), MemoryLedger(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))
        info = await objects.put(KEY, body)
        await ledger.admit(batch_of(len(body), version_id=info.version_id))
        splitter = Splitter(
            batches=Batches(region=REGIONS_DEFAULT[0], ledger=ledger, outbox=sent, clock=clock),
            objects=objects,
            outbox=sent,
            progress=MemoryProgress(),
            heartbeats=MemoryHeartbeats(),
            reference=MemoryReferenceData(),
            catalog=load_jobs("baton_jobs"),
            clock=clock,
            offload=asyncio.to_thread,
            settings=SplitterSettings(chunk_bytes=chunk_bytes),
        )
        await _Stepped(splitter.handle(SplitBatch(batch_id="b", owner_epoch=INITIAL_EPOCH), attempt=1), seconds)
        found = await ledger.get("b")
        assert found is not None
        return found.state

    gc.disable()  # else it may fall into a step, and take as long as other tests left objects
    try:
        assert asyncio.run(story()) is BatchState.SPLIT
    finally:
        gc.enable()
    return seconds


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"a,b\n" + b'5" pipe,"x"\n' * MIB, id="the slow way"),
        pytest.param(b"\n" * (64 * MIB) + b"a,b\n1,2\n", id="blank lines"),
    ],
)
def test_a_scan_never_holds_the_event_loop(body: bytes) -> None:
    assert max(steps_of_planning(body, chunk_bytes=16 * MIB, sent=_Sent())) < LOOP_SECONDS_MAX


def test_a_plan_of_thousands_of_chunks_never_holds_the_event_loop() -> None:
    sent = _Sent()

    seconds = steps_of_planning(b"a,b\n" + b"1,2\n" * 8_990, chunk_bytes=4, sent=sent)

    assert sent.messages == 8_990
    assert max(seconds) < LOOP_SECONDS_MAX


@pytest.mark.parametrize("size_bytes", [1, 10**6, 16 * 10**9, 17 * 10**9, 140 * 10**9, 142 * 10**9, 10**12])
@pytest.mark.parametrize("record_bytes", [2, 3, 8, 16, 100, MIB])
def test_no_file_needs_more_chunks_than_are_to_be_had(size_bytes: int, record_bytes: int) -> None:
    chunk_bytes = chunk_bytes_for(size_bytes)
    chunk_records = chunk_records_for(size_bytes, chunk_bytes=chunk_bytes)
    in_a_chunk = min(chunk_records, -(-chunk_bytes // record_bytes))

    assert size_bytes / record_bytes / in_a_chunk <= CHUNKS_MAX
    assert size_bytes > 16 * 10**9 or in_a_chunk <= 1024 * 1024


def test_ghost_rows_make_chunks_of_a_sheet_of_excel_each() -> None:
    plan = planned(b"a,b,c,d,e\n" + b",,,,\n" * 2_500_000)

    assert [chunk.records for chunk in plan.chunks] == [1_048_576, 1_048_576, 402_848]


def test_file_whose_chunks_no_worker_could_hold_fails_before_it_is_read() -> None:
    job = load_jobs("baton_jobs")["passthrough"].job
    Planner(batch_of(10**12), job, chunk_bytes=16 * MIB)

    with pytest.raises(BatchFailed) as caught:
        Planner(batch_of(5 * 10**12), job, chunk_bytes=16 * MIB)

    assert caught.value.code == "file_too_large"
    assert caught.value.reason == (
        "the file has 5,000 GB; at most 1,812 GB are taken: 9,000 chunks of the 192 MiB that a worker can hold"
    )
    Planner(batch_of(5 * 10**12), job, chunk_bytes=16 * MIB, chunk_bytes_max=1024 * MIB)


def test_chunks_of_a_file_with_blank_lines_are_those_of_its_records() -> None:
    rows = b"1,2\n" * 1_000
    body = b"a,b\n" + rows + b"\n" * (3 * MIB) + rows + b"\r\n" * (3 * MIB) + rows + b"\n" * (3 * MIB)

    plan = planned(body, chunk_bytes=MIB)

    assert [body[chunk.start : chunk.end] for chunk in plan.chunks] == [rows, rows, rows]
