"""Files that Python's csv module writes are read as it reads them: whole, in ranges, and cleaned."""

import csv
import io
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from baton.csv import Range, Scan, Scanner, Syntax, cut, fields

TEXTS = st.lists(st.sampled_from([*"ab,;\"'\r\n é€😀", "\r\n", '""']), max_size=6).map("".join)
ROWS = st.integers(0, 25).flatmap(lambda n: st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=n, max_size=n))


@dataclass(frozen=True, slots=True)
class Style:
    """How the csv module is asked to write."""

    delimiter: str
    quote: str
    line_end: str
    quoting: int
    final_line_end: bool

    @property
    def syntax(self) -> Syntax:
        return Syntax(ord(self.delimiter), ord(self.quote))

    def write(self, rows: list[list[str]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(
            text,
            delimiter=self.delimiter,
            quotechar=self.quote,
            lineterminator=self.line_end,
            quoting=self.quoting,  # pyright: ignore[reportArgumentType]  # typeshed lists the constants, not int
        ).writerows(rows)
        return (text.getvalue() if self.final_line_end else text.getvalue().removesuffix(self.line_end)).encode()

    def read(self, data: bytes) -> list[list[str]]:
        text = io.StringIO(data.decode(), newline="")
        return [row for row in csv.reader(text, delimiter=self.delimiter, quotechar=self.quote) if row]


STYLES = st.builds(
    Style,
    delimiter=st.sampled_from(",;\t"),
    quote=st.sampled_from("\"'"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    final_line_end=st.booleans(),
)


def scanned(data: bytes, syntax: Syntax, *, sizes: list[int], chunk_bytes: int, block_bytes: int) -> Scan:
    scanner = Scanner(syntax, start=0, chunk_bytes=chunk_bytes, block_bytes=block_bytes)
    at = 0
    for size in sizes:
        scanner.feed(bytearray(data[at : at + size]))
        at += size
    scanner.feed(data[at:])
    return scanner.finish()


def assert_covering(ranges: tuple[Range, ...], size: int) -> None:
    assert ranges[0].start == 0
    assert ranges[-1].end == size
    first_record = 1
    for before, after in zip(ranges, (*ranges[1:], None), strict=True):
        assert before.first_record == first_record
        assert after is None or after.start == before.end
        first_record += before.records


@settings(deadline=None)
@given(
    rows=ROWS,
    style=STYLES,
    sizes=st.lists(st.integers(0, 40), max_size=20),
    chunk_bytes=st.integers(1, 80),
    block_bytes=st.integers(1, 140),
)
def test_ranges_read_one_by_one_give_the_rows_of_the_whole_file(
    rows: list[list[str]], style: Style, sizes: list[int], chunk_bytes: int, block_bytes: int
) -> None:
    data = style.write(rows)

    scan = scanned(data, style.syntax, sizes=sizes, chunk_bytes=chunk_bytes, block_bytes=block_bytes)

    assert scan.records == len(rows)
    assert_covering(scan.ranges, len(data))
    assert all(part.end - part.start >= chunk_bytes for part in scan.ranges[:-1])
    by_range = [style.read(data[part.start : part.end]) for part in scan.ranges]
    assert [len(part) for part in by_range] == [part.records for part in scan.ranges]
    assert [row for part in by_range for row in part] == style.read(data) == rows


@settings(deadline=None)
@given(rows=ROWS, style=STYLES, columns=st.integers(1, 4), block_bytes=st.sampled_from([64, 192]))
def test_clean_holds_the_rows_with_the_right_number_of_columns(
    rows: list[list[str]], style: Style, columns: int, block_bytes: int
) -> None:
    data = style.write(rows)

    result = cut(data, style.syntax, columns=columns, lines_in_fields=True, block_bytes=block_bytes)

    assert style.read(result.clean) == [row for row in rows if len(row) == columns]
    assert {i: defect.found for i, defect in result.defects.items()} == {
        i: len(row) for i, row in enumerate(rows) if len(row) != columns
    }
    records = [data[start:end] for start, end in zip(result.starts, result.ends, strict=True)]
    assert [[text.decode() for text in fields(record, style.syntax)] for record in records] == rows
