"""However a chunk is taken apart, it leaves the same bytes; and what is too much is not processed."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, create_model

import worker.domain
import worker.pieces
import worker.rejects
import worker.render
from baton.errors import BatchFailed
from baton.job import Job, Lookup, Record
from baton.model.plan import MIB, Chunk
from chunk_runs import chunk_of, run, run_in_pieces, table
from worker.domain import OUTPUT_BYTES_MAX, check, finish, most_added_bytes
from worker.pieces import PIECE_BYTES, PIECE_FIELDS, PIECE_RECORDS, pieces
from worker.rejects import render_rejects


class Digits(Record):
    left: Annotated[str, Field(pattern="^[0-9]+$")]
    right: str


COLUMNS = ("left", "right")
JOB = Job(name="digits", record=Digits, recipients=("a@example.com",))
ENRICHED = JOB.model_copy(update={"lookup": Lookup(dataset="d", key="left", columns=("more",))})
REFERENCE = {"1": {"more": "x"}, "12": {"more": 'y,"z"'}, "3": {"more": ""}}
RECORD = st.sampled_from(
    [b"1,a", b"12,", b"3,\xc3\xa9", b"x,b", b"7,c", b"1", b"1,\xff", b'"1","b\nc"', b"\r", b"", b'3,a"b']
)


@settings(deadline=None)
@given(
    records=st.lists(RECORD, max_size=30),
    piece_bytes=st.integers(1, 40),
    piece_records=st.integers(1, 10),
    index=st.integers(0, 1),
)
def test_pieces_leave_what_the_whole_leaves(
    records: list[bytes], piece_bytes: int, piece_records: int, index: int
) -> None:
    data = b"".join(record + b"\n" for record in records)
    whole = run(data, ENRICHED, COLUMNS, index=index, start=70, first_record=8, reference=REFERENCE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.pieces, "PIECE_BYTES", piece_bytes)
        patch.setattr(worker.pieces, "PIECE_RECORDS", piece_records)
        chunk = chunk_of(data, ENRICHED, 2, index=index, start=70, first_record=8)
        output = run_in_pieces(data, chunk, ENRICHED, COLUMNS, reference=REFERENCE)

    assert output == whole


def test_chunk_is_cut_by_bytes_and_by_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_BYTES", 4_000)
    monkeypatch.setattr(worker.pieces, "PIECE_RECORDS", 100)
    data = b"".join(b"%d,%b\n" % (n, b"x" * 990) for n in range(10)) + b"1,\n" * 3_000
    chunk = chunk_of(data, JOB, 2, index=2, start=1_000)

    found = pieces(data, chunk, 2, JOB)

    assert found[0].start == chunk.start
    assert found[-1].end == chunk.end
    assert all(piece.end == after.start for piece, after in pairwise(found))
    assert sum(piece.records for piece in found) == chunk.records
    assert max(piece.records for piece in found) <= 100
    assert max(piece.end - piece.start for piece in found) <= 5_000


def test_many_short_records_are_cut_by_their_number_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_RECORDS", 100)
    data = b"1,\n" * 1_000

    found = pieces(data, chunk_of(data, JOB, 2), 2, JOB)

    assert [piece.records for piece in found] == [100] * 10


def test_chunk_is_cut_by_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_FIELDS", 300)
    data = (b"," * 99 + b"\n") * 30

    found = pieces(data, Chunk(index=0, start=0, end=len(data), first_record=1, records=30), 100, JOB)

    assert [piece.records for piece in found] == [3] * 10


@pytest.mark.parametrize(("row", "sizes"), [(b"xy" + b"," * 99, [3] * 4), (b",".join([b"xyz"] * 100), [12])])
def test_short_fields_are_cut_by_their_number_alone(
    monkeypatch: pytest.MonkeyPatch, row: bytes, sizes: list[int]
) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_FIELDS", 300)
    data = (row + b"\n") * 12

    found = pieces(data, Chunk(index=0, start=0, end=len(data), first_record=1, records=12), 100, JOB)

    assert [piece.records for piece in found] == sizes


def test_blank_lines_alone_leave_headers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_BYTES", 4)
    data = b"\n" * 100

    output = run_in_pieces(data, chunk_of(data, JOB, 2), JOB, COLUMNS)

    assert output.part == b"left,right\n"


def test_ordinary_chunk_is_one_piece() -> None:
    data = b"1,a\n" * 1_000
    chunk = chunk_of(data, JOB, 2)

    assert pieces(data, chunk, 2, JOB) == [chunk]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"1,a\n" * 9, "holds 9 records where the plan counted 10"), (b'1,"a\n' * 9, "does not hold whole records")],
)
def test_chunk_that_is_not_as_planned_cannot_be_cut(monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_BYTES", 4)

    with pytest.raises(BatchFailed, match=reason) as caught:
        pieces(data, Chunk(index=0, start=0, end=len(data), first_record=1, records=10), 2, JOB)

    assert caught.value.code == "conservation"


# --- more rejects than allowed --------------------------------------------------------------------------------------


def _lines(*, good: int, bad: bytes, number: int) -> bytes:
    return b"1,a\n" * good + bad * number


@pytest.mark.parametrize(
    "bad", [b"x,a\n", b"1\n", b"1,\xff\n", b"9,a\n"], ids=["rule", "columns", "encoding", "missing"]
)
def test_rejects_are_told_in_full_up_to_the_limit_and_over_it_the_first_ones(
    monkeypatch: pytest.MonkeyPatch, bad: bytes
) -> None:
    monkeypatch.setattr(worker.domain, "REJECTS_TOLD_MAX", 3)
    data = _lines(good=2, bad=bad, number=20)
    chunk = chunk_of(data, ENRICHED, 2)

    allowed = run_in_pieces(data, chunk, ENRICHED, COLUMNS, reference=REFERENCE, rejects_allowed=20)
    over = run_in_pieces(data, chunk, ENRICHED, COLUMNS, reference=REFERENCE, rejects_allowed=19)

    assert (allowed.too_many, allowed.counts.rejects, len(table(allowed.rejects))) == (False, 20, 21)
    assert (over.too_many, over.counts.rejects, len(table(over.rejects))) == (True, 20, 4)
    assert over.part == b""
    assert over.counts.balanced
    assert allowed.rejects.startswith(over.rejects)
    assert list(over.reasons) == list(allowed.reasons)


def test_pieces_after_the_limit_are_not_worked_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_RECORDS", 10)
    seen: list[int] = []
    data = _lines(good=0, bad=b"x,a\n", number=100)

    output = run_in_pieces(
        data, chunk_of(data, JOB, 2), JOB, COLUMNS, rejects_allowed=15, watch=lambda piece: seen.append(piece.records)
    )

    assert len(seen) < 4
    assert output.too_many
    assert 15 < output.counts.rejects <= sum(seen)
    assert output.counts.records_in == sum(seen) < 100, "no record counts as checked that was not"
    assert output.counts.balanced


def test_nothing_passes_where_defects_and_rules_together_are_more_than_allowed() -> None:
    data = _lines(good=5, bad=b"x,a\n1\n", number=3)

    checked = check(data, chunk_of(data, JOB, 2), COLUMNS, JOB, rejects_left=4)

    assert checked.rejects.rows == 6
    assert checked.frame.is_empty()


def test_model_of_whole_records_is_asked_for_reasons_no_more_than_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.domain, "REJECTS_TOLD_MAX", 3)

    class Whole(Digits):
        def model_post_init(self, _context: object, /) -> None:
            raise ValueError("never")

    job = JOB.model_copy(update={"record": Whole})
    data = _lines(good=9, bad=b"x,a\n", number=9)

    output = run_in_pieces(data, chunk_of(data, job, 2), job, COLUMNS, rejects_allowed=1)

    assert (output.counts.rejects, len(table(output.rejects))) == (18, 4)


# --- more than a worker can hold ------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [None, ("left", "large", "small")], ids=["lines", "columns"])
def test_what_is_looked_up_beyond_the_room_fails_in_words_before_it_is_rendered(
    monkeypatch: pytest.MonkeyPatch, output: tuple[str, ...] | None
) -> None:
    lookup = Lookup(dataset="texts", key="left", columns=("small", "large"))
    job = JOB.model_copy(update={"lookup": lookup, "output": output})
    rows = {"1": {"small": "x", "large": "y" * 1_000}}
    data = b"1,a\n" * 100
    chunk = chunk_of(data, job, 2, index=4)
    checked = check(data, chunk, COLUMNS, job)
    assert len(finish(checked, rows, room_bytes=110_000).part) < 110_000
    monkeypatch.delattr(worker.domain, "_render")

    with pytest.raises(
        BatchFailed, match=r"chunk 5 of the job 'digits'.* 'large' of 'texts' alone has 100,0"
    ) as caught:
        finish(checked, rows, room_bytes=100_000)

    assert caught.value.code == "output_too_large"


def test_columns_that_are_looked_up_and_do_not_come_out_need_no_room() -> None:
    lookup = Lookup(dataset="texts", key="left", columns=("small", "large"))
    job = JOB.model_copy(update={"lookup": lookup, "output": ("left", "small")})
    data = b"1,a\n" * 100
    checked = check(data, chunk_of(data, job, 2, index=4), COLUMNS, job)

    output = finish(checked, {"1": {"small": "x", "large": "y" * 1_000}}, room_bytes=1_000)

    assert output.part == b"1,x\n" * 100


def test_rejects_beyond_the_room_fail_in_words() -> None:
    data = b"x,a\n" * 100
    checked = check(data, chunk_of(data, JOB, 2), COLUMNS, JOB)

    with pytest.raises(BatchFailed, match="of rejects are too many") as caught:
        finish(checked, None, room_bytes=1_000)

    assert caught.value.code == "output_too_large"


def test_rejects_beyond_the_room_are_not_all_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    written = list[int]()

    def watched(rejects: pl.DataFrame, *args: Any, **kwargs: Any) -> bytes:
        lines = render_rejects(rejects, *args, **kwargs)
        written.append(len(lines))
        return lines

    monkeypatch.setattr(worker.domain, "render_rejects", watched)
    monkeypatch.setattr(worker.rejects, "_LINES_AT_ONCE", 10)
    data = b"x,a\n" * 1_000
    checked = check(data, chunk_of(data, JOB, 2), COLUMNS, JOB)

    with pytest.raises(BatchFailed, match="of rejects are too many"):
        finish(checked, None, room_bytes=1_000)

    assert 1_000 < written[0] < 2_000


def test_reasons_with_long_names_count_before_they_are_written_down() -> None:
    name = "n" * 500
    fields: dict[str, Any] = {name: (Annotated[str, Field(pattern="^[0-9]+$")], ...)}
    job = JOB.model_copy(update={"record": create_model("Long", __base__=Record, **fields)})
    data = b"x\n" * 100
    checked = check(data, chunk_of(data, job, 1), (name,), job)

    most_bytes = most_added_bytes(checked, None)

    assert 100 * len(name) < most_bytes < len(finish(checked, None).rejects)


def test_lines_put_together_by_some_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"1,a\n12,b\n3,c\n" * 20
    whole = run(data, ENRICHED, COLUMNS, reference=REFERENCE)
    monkeypatch.setattr(worker.render, "_BYTES_AT_ONCE", 10)

    assert run(data, ENRICHED, COLUMNS, reference=REFERENCE) == whole
    assert len(table(whole.part)) == 61


def test_the_bounds_of_a_piece_are_those_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text().replace("\n", " ")

    assert f"at most {PIECE_BYTES // MIB} MiB, {PIECE_RECORDS:,} records or {PIECE_FIELDS:,} fields" in text
    assert f"is at most {OUTPUT_BYTES_MAX // MIB} MiB (`output_too_large`)" in text
