"""Books: what the merger decides."""

import random
import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.assembly import Part, arrange, result_parts
from baton.checksums import crc64nvme
from baton.errors import BatchFailed
from baton.model.batch import Counts
from baton.model.plan import Chunk, Plan
from baton.ports import ChunkDone, JoinedPiece
from merger.domain import check_books, crc64nvme_of, read_rejects

MIB = 1024 * 1024


def _plan(*records: int) -> Plan:
    chunks = [
        Chunk(index=i, start=i * 10, end=i * 10 + 10, first_record=before + 1, records=n)
        for i, (n, before) in enumerate(zip(records, accumulate(records, initial=0), strict=False))
    ]
    return Plan(
        batch_id="b",
        job="sales",
        job_version="1",
        reference_version=None,
        key="input/sales/f.csv",
        version_id="v",
        size_bytes=len(records) * 10,
        columns=("a",),
        chunks=tuple(chunks),
        records_total=sum(records),
    )


def _done(index: int, records_in: int, records_out: int, rejects: int) -> ChunkDone:
    return ChunkDone(
        batch_id="b",
        plan_id="p",
        index=index,
        counts=Counts(records_in, records_out, rejects),
        part_bytes=1,
        part_crc64nvme=0,
        rejects_bytes=0,
        rejects_crc64nvme=0,
    )


def test_books_that_balance_give_the_counts() -> None:
    counts = check_books(_plan(5, 3), [_done(0, 5, 4, 1), _done(1, 3, 3, 0)])

    assert counts == Counts(8, 7, 1)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        ([_done(0, 5, 5, 0)], "1 of 2 chunks"),
        ([_done(0, 5, 5, 0), _done(0, 5, 5, 0)], "missing: [1]"),
        ([_done(0, 5, 4, 0), _done(1, 3, 3, 0)], "chunk 0 holds 5"),
        ([_done(0, 5, 5, 1), _done(1, 3, 3, 0)], "chunk 0 holds 5"),
        ([_done(0, 4, 4, 0), _done(1, 3, 3, 0)], "the worker took 4 in"),
        ([_done(0, 5, 5, 0), _done(1, 3, 3, 0), _done(2, 1, 1, 0)], "3 of 2 chunks"),
    ],
)
def test_books_that_do_not_balance_fail_with_the_numbers(done: list[ChunkDone], words: str) -> None:
    with pytest.raises(BatchFailed) as failed:
        check_books(_plan(5, 3), done)

    assert failed.value.code == "conservation"
    assert words in failed.value.reason


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_the_checksum_of_the_result_comes_from_those_of_its_parts(bodies: list[bytes]) -> None:
    parts = [Part(str(index), len(body), crc64nvme(body)) for index, body in enumerate(bodies)]

    assert crc64nvme_of(parts) == f"{crc64nvme(b''.join(bodies)):016x}"


def test_a_reject_with_a_line_of_a_mebibyte_is_read() -> None:
    line = "x" * MIB
    rejects = list(
        read_rejects(f"record_number,byte_offset,column,rule,value,line,also\n7,99,a,r,v,{line},\n".encode())
    )

    assert [(each.record_number, each.byte_offset, each.rule) for each in rejects] == [(7, 99, "r")]
    assert len(rejects[0].line) < len(line)


def test_checksums_combine_for_random_sizes() -> None:
    dice = random.Random(5)
    bodies = [dice.randbytes(dice.randrange(100_000)) for _ in range(10)]

    assert (
        crc64nvme_of([Part("", len(body), crc64nvme(body)) for body in bodies]) == f"{crc64nvme(b''.join(bodies)):016x}"
    )


def test_the_largest_plan_is_merged_without_holding_up_the_heartbeat() -> None:
    # Heartbeats share the loop: a minute of keys and sums would have the message delivered to a second merger.
    plan, done = _plan(*[1] * 9_000), [_done(index, 1, 1, 0) for index in range(9_000)]
    started = time.process_time()

    (piece,) = arrange(result_parts(done))

    assert check_books(plan, done).records_in == 9_000
    assert isinstance(piece, JoinedPiece)
    assert len(piece.sources) == 9_000
    assert time.process_time() - started < 2
