"""Books: what the merger decides."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.assembly import Part, rejects_parts
from baton.checksums import crc64nvme
from baton.errors import BatchFailed
from baton.model.batch import Counts
from baton.model.paths import chunk_of
from baton.ports import ChunkDone, JoinedPiece
from baton.rejects import read_rejects
from merger.domain import balance, check_books, joint, rejects_wanted
from plans_made import plan_of

MIB = 1024 * 1024


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
    counts = check_books(plan_of(5, 3), [_done(0, 5, 4, 1), _done(1, 3, 3, 0)])

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
        check_books(plan_of(5, 3), done)

    assert failed.value.code == "conservation"
    assert words in failed.value.reason


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_the_checksum_of_the_result_comes_from_those_of_its_parts(bodies: list[bytes]) -> None:
    parts = [Part(str(index), len(body), crc64nvme(body)) for index, body in enumerate(bodies)]

    assert joint(parts).crc64nvme == f"{crc64nvme(b''.join(bodies)):016x}"


def test_a_reject_with_a_line_of_a_mebibyte_is_read() -> None:
    line = "x" * MIB
    body = f"record_number,byte_offset,column,rule,value,line,also\n7,99,a,r,{line},{line},\n".encode()
    rejects = read_rejects(body, whole=True, limit=10)

    assert [(each.record_number, each.byte_offset, each.rule) for each in rejects] == [(7, 99, "r")]
    assert len(rejects[0].line) == len(rejects[0].value) == 2_000


def test_checksums_combine_for_random_sizes() -> None:
    dice = random.Random(5)
    bodies = [dice.randbytes(dice.randrange(100_000)) for _ in range(10)]

    assert (
        joint([Part("", len(body), crc64nvme(body)) for body in bodies]).crc64nvme
        == f"{crc64nvme(b''.join(bodies)):016x}"
    )


def test_the_largest_plan_is_merged_without_holding_up_the_heartbeat() -> None:
    # Heartbeats share the loop: a minute of keys and sums would have the message delivered to a second merger.
    plan, done = plan_of(*[1] * 9_000), [_done(index, 1, 1, 0) for index in range(9_000)]
    started = time.process_time()

    books = balance(plan, done)
    (piece,) = books.result.pieces

    assert books.counts.records_in == 9_000
    assert isinstance(piece, JoinedPiece)
    assert len(piece.sources) == 9_000
    assert time.process_time() - started < 2


def test_of_the_beginning_of_a_part_only_whole_rows_are_read() -> None:
    rows = [f'{number},{number * 9},a,r,v,"line {number}\nwith another",\n'.encode() for number in (1, 2, 3)]
    body = b"record_number,byte_offset,column,rule,value,line,also\n" + b"".join(rows)

    assert [each.record_number for each in read_rejects(body, whole=True, limit=9)] == [1, 2, 3]
    assert [each.record_number for each in read_rejects(body, whole=True, limit=2)] == [1, 2]
    for cut in range(len(body)):
        found = read_rejects(body[:cut], whole=False, limit=9)
        whole = sum(len(body) - sum(map(len, rows[index:])) <= cut for index in (1, 2, 3))
        assert whole - 1 <= len(found) <= whole
        assert {each.line for each in found} <= {f"line {number}\nwith another" for number in (1, 2, 3)}


def test_the_first_thousand_rejects_are_looked_for_where_they_are() -> None:
    rejects = (0, 400, 0, 500, 300, 7)
    done = [_done(index, count, 0, count) for index, count in enumerate(rejects)]

    wanted = rejects_wanted(done, rejects_parts(done))

    assert [(chunk_of(each.part.key), each.rows) for each in wanted] == [(1, 400), (3, 500), (4, 100)]
