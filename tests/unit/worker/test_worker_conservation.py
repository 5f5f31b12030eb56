"""No record is lost, invented or changed, for any CSV."""

import csv

from hypothesis import example, given, settings
from hypothesis import strategies as st

from baton.job import Dialect, Job, Lookup, Record
from chunk_runs import chunk_of, csv_bytes, run, table
from worker import domain, parse

ANY = Job(name="any", record=None, dialect=Dialect(lines_in_fields=True), recipients=("a@example.com",))
FIELD = st.text(alphabet=st.sampled_from("ab,;\"'\n\r é\N{ZERO WIDTH NO-BREAK SPACE}\N{GRINNING FACE}\0"), max_size=4)
LINE_END = st.sampled_from(["\n", "\r\n"])
QUOTING = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])


class Pair(Record):
    left: str
    right: str


ENRICHED = Job(
    name="enriched",
    record=Pair,
    lookup=Lookup(dataset="d", key="left", columns=("more",)),
    dialect=Dialect(lines_in_fields=True),
    recipients=("a@example.com",),
)


def readable(row: list[str], width: int) -> bool:
    return len(row) == width and not any("\0" in field for field in row)


@settings(deadline=None)
@given(width=st.integers(1, 4), data=st.data(), line_end=LINE_END, quoting=QUOTING)
def test_accepted_rows_are_those_of_the_csv_module_and_all_others_are_rejects(
    width: int, data: st.DataObject, line_end: str, quoting: int
) -> None:
    rows = data.draw(
        st.lists(
            st.lists(FIELD, min_size=1, max_size=width + 1) | st.lists(FIELD, min_size=width, max_size=width),
            max_size=8,
        )
    )
    written = csv_bytes(rows, line_end=line_end, quoting=quoting)
    as_read = table(written)

    output = run(written, ANY, tuple(f"h{n}" for n in range(width)), index=1)

    assert table(output.part) == [row for row in as_read if readable(row, width)]
    assert output.counts.records_in == len(rows)
    assert output.counts.balanced
    assert [int(row[0]) for row in table(output.rejects)] == [
        n for n, row in enumerate(as_read, start=1) if not readable(row, width)
    ]


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from("abc"), FIELD), max_size=8), cut_at=st.integers(0, 8))
def test_enrichment_loses_and_changes_nothing_wherever_the_file_is_cut(
    rows: list[tuple[str, str]], cut_at: int
) -> None:
    lines = [list(row) for row in rows]
    reference = {"a": {"more": "1"}, "b": {"more": 'x,"\n'}}
    columns = ("left", "right")
    halves = [csv_bytes(lines[:cut_at]), csv_bytes(lines[cut_at:])]

    whole = run(b"".join(halves), ENRICHED, columns, reference=reference)
    parts = [
        run(
            half,
            ENRICHED,
            columns,
            index=n,
            start=n * len(halves[0]),
            first_record=1 + n * len(lines[:cut_at]),
            reference=reference,
        )
        for n, half in enumerate(halves)
    ]

    assert whole.counts.balanced
    assert table(whole.part)[1:] == [
        [*line, reference[line[0]]["more"]] for line in lines if line[0] in reference and readable(line, 2)
    ]
    assert b"".join(part.part for part in parts) == whole.part
    assert b"".join(part.rejects for part in parts) == whole.rejects


@settings(deadline=None)
@given(records=st.lists(st.binary(max_size=12), max_size=8))
@example(records=[b"\xef\xbb\xbf,"])
def test_any_bytes_at_all_are_either_written_or_rejected(records: list[bytes]) -> None:
    # Without quotes, one of which might stay open: such a range is refused as a whole.
    data = b"\n".join(record.replace(b'"', b"'") for record in records)

    output = run(data, ANY, ("a", "b"), index=1)

    assert output.counts.balanced
    assert output.counts.records_out == len(table(output.part))
    assert output.counts.rejects == len(table(output.rejects))


@settings(deadline=None)
@given(rows=st.lists(st.lists(st.text(alphabet="ab é'", max_size=4), min_size=2, max_size=2), max_size=8))
def test_search_for_quotes_is_skipped_only_where_it_would_find_nothing(rows: list[list[str]]) -> None:
    data, columns = csv_bytes(rows), ("left", "right")
    reference = {key: {"more": "1"} for key in ["q,", *(row[0] for row in rows)]}

    fast = run(data, ENRICHED, columns, index=1, reference=reference)
    # A quoted record in front sends the whole chunk the careful way.
    careful = run(b'"q,",q\n' + data, ENRICHED, columns, index=1, reference=reference)

    assert careful.part == b'"q,",q,1\n' + fast.part


def test_plain_chunk_takes_the_fast_way_and_quotes_anywhere_the_careful_one() -> None:
    def is_plain(data: bytes, job: Job = ANY) -> bool:
        return domain.check(data, chunk_of(data, job, 2), ("a", "b"), job).plain

    semicolons = ANY.model_copy(update={"dialect": Dialect(delimiter=";")})
    apostrophes = ANY.model_copy(update={"dialect": Dialect(quote="'")})

    assert is_plain(b"1,2\n")
    assert not is_plain(b'1,"2"\n')
    assert not is_plain(b'1,2"\n')
    assert not is_plain(b"1,'2,3'\n", apostrophes)
    assert is_plain(b"1;2\n", semicolons)
    assert not is_plain(b"1;2,3\n", semicolons)


def test_only_records_that_do_not_decode_are_looked_at_one_by_one() -> None:
    data = "é,1\n".encode() * 3 + b"\xe9,2\n" + b"a,3\n"

    found = domain.check(data, chunk_of(data, ANY, 2), ("a", "b"), ANY)

    assert list(parse.undecodable(data, found.cut, ANY.dialect)) == [parse.Undecodable(3, 0, "byte 0xe9 at 0")]
