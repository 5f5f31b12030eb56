"""Planning costs what the file is long, and holds what one record is long."""

import time
import tracemalloc
from datetime import UTC, datetime
from typing import Final

import pytest
from pydantic import Field

from baton.catalog import load_jobs
from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES as FIRST_BYTES
from baton.job import Dialect, Job, Record
from baton.model.batch import Batch, Source
from baton.model.plan import CHUNKS_MAX, MIB, Plan, chunk_bytes_for, chunk_records_for
from baton.model.states import BatchState
from baton.topology import INITIAL_EPOCH
from splitter.domain import Planner

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


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"1," + b"x" * 2 * MIB, "column 2 alone has over 1,048,574 of them, without a delimiter or a line end"),
        (b'1,"x\n2,y\n', "is never closed, in column 2"),
    ],
)
def test_a_record_without_an_end_is_told_with_its_column(record: bytes, words: str) -> None:
    with pytest.raises(BatchFailed) as failed:
        planned(b"first,second\n" + record)

    assert words in failed.value.reason
    assert failed.value.reason.endswith("(column 2 is 'second')")


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


def test_the_block_in_which_the_header_is_found_is_not_copied_whole() -> None:
    block = bytearray(b"first,second\n" + b"1,2\n" * (2 * MIB))
    planner = Planner(batch_of(len(block)), load_jobs("baton_jobs")["passthrough"].job, chunk_bytes=16 * MIB)
    tracemalloc.start()

    planner.feed(block)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert planner.finish(job_version="1", reference_version=None).records_total == 2 * MIB
    assert peak_bytes < 4 * MIB


@pytest.mark.parametrize("blank_bytes", range(2 * MIB - 64 * 1024 - 13, 2 * MIB + 64 * 1024, 32 * 1024))
def test_header_behind_any_number_of_blank_lines_is_whole(blank_bytes: int) -> None:
    plan = planned(b"\n" * blank_bytes + b"first,second\n1,2\n", block_bytes=64 * 1024)

    assert (plan.columns, plan.records_total) == (("first", "second"), 1)


@pytest.mark.parametrize("filler", [b"\x1a", b" ", b"x,"])
def test_header_that_never_ends_fails_at_the_size_of_a_record(filler: bytes) -> None:
    planner = Planner(batch_of(64 * MIB), load_jobs("baton_jobs")["passthrough"].job, chunk_bytes=16 * MIB)
    block = filler * (64 * 1024 // len(filler))

    fed = (planner.feed(block) for _ in range(MIB // len(block) + 1))
    with pytest.raises(BatchFailed) as caught:
        list(fed)

    assert caught.value.code == "record_too_large"
    assert caught.value.reason.startswith("in the header: ")


@pytest.mark.parametrize("size", [FIRST_BYTES - 1, FIRST_BYTES, FIRST_BYTES + 1])
@pytest.mark.parametrize("block_bytes", [1, 7, FIRST_BYTES, 2 * FIRST_BYTES])
def test_file_about_as_long_as_its_first_bytes_is_planned_whole(size: int, block_bytes: int) -> None:
    body = b"a,b\n" + b"x" * (size - 5) + b"\n"

    plan = planned(body, block_bytes=block_bytes)

    assert (plan.chunks[0].start, plan.chunks[-1].end) == (4, size)


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


class Measured(Record):
    id: str = Field(alias="ID")
    length: str = Field(alias="DĹŽKA")


def measured(body: bytes) -> Plan:
    job = Job(
        name="measured",
        record=Measured,
        dialect=Dialect(encoding="cp1250", delimiter=";"),
        recipients=("a@example.com",),
    )
    planner = Planner(batch_of(len(body)), job, chunk_bytes=MIB)
    planner.feed(body)
    return planner.finish(job_version="1", reference_version=None)


@pytest.mark.parametrize("rows", [2, 10_000])
def test_a_header_that_names_the_columns_shows_the_encoding(rows: int) -> None:
    body = ("ID;DĹŽKA\n" + "1;180\n" * rows).encode("cp1250")

    assert body.decode("utf-8"), "it might be UTF-8"
    assert measured(body).columns == ("ID", "DĹŽKA")


def test_a_header_in_utf8_fails_though_its_bytes_decode() -> None:
    with pytest.raises(BatchFailed, match="UTF-8") as failed:
        measured("ID;DĹŽKA\n1;180\n".encode())

    assert failed.value.code == "encoding"
