"""The bitmaps against a reader that looks at one byte after the other, on bytes chosen to confuse."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from baton.csv import CsvDefect, Cut, Defect, Header, HeaderReader, Range, Scan, Scanner, Syntax, cut, fields

SYNTAXES = st.sampled_from([Syntax(ord(","), ord('"')), Syntax(ord(";"), ord("'")), Syntax(ord("^"), ord("\\"))])
NASTY = st.sampled_from([b",", b'"', b"\n", b"\r", b"\r\n", b"a", b"\0", b'""', b',"', b'",', b'"\n', b"xyz\n"])
RECORDS = st.sampled_from(
    [b"a,", b'"b"",\n",', b"c\n", b'"d"\r\n', b"\n", b"\n\n\n\n\n\n", b"\r\n\r\n\r\n", b'e"', b'"f', b'""\n']
)

SWALLOWING = st.sampled_from(
    [
        *(b'1,"a\n', b'1,2,3,"x\n', b'"\n', b'",2\n', b'1,2"\n', b'1,2",3\n', b'1,2,3,4"\n'),
        *(
            b"1,2\n",
            b"1,2,3\n",
            b"4,5,6,7\n",
            b"4,5,6,7\n",
            b"1, 2\n",
            b"1, 2, 3\n",
            b'", 2\n',
            b"1,\n",
            b"\n",
            b"\r\n",
        ),
    ]
)


def long(pieces: st.SearchStrategy[bytes], size_max: int) -> st.SearchStrategy[bytes]:
    """Join up to `size_max` pieces, every number alike: left alone, Hypothesis makes lists that fit one block."""
    return st.integers(0, size_max).flatmap(lambda n: st.lists(pieces, min_size=n, max_size=n)).map(b"".join)


DATA = long(NASTY, 150) | long(RECORDS, 60)


@dataclass(slots=True)
class Naive:
    """One record as the naive reader sees it. `stop` is the end of its terminator."""

    start: int
    end: int = 0
    stop: int = 0
    fields: list[bytearray] = field(default_factory=lambda: [bytearray()])
    nul: int = 0
    """The column of the first one, from 1; 0 without one. As below."""
    bare_cr: int = 0
    text_after_quote: int = 0
    stray: bool = False
    quoted: bool = False
    """Ends inside quotes, `opened` there."""
    opened: int = 0
    depth: list[int | None] = field(default_factory=list[int | None])
    """For each byte, where the quoted field around it was opened."""

    def defect(self, columns: int) -> Defect | None:
        if self.nul:
            return Defect("nul_byte", self.nul)
        if self.bare_cr:
            return Defect("bare_cr", self.bare_cr)
        if self.text_after_quote:
            return Defect("quote", self.text_after_quote)
        return None if len(self.fields) == columns else Defect("columns", len(self.fields))


def naive_records(data: bytes, syntax: Syntax) -> Iterator[Naive]:
    """Yield records, blank ones too."""
    record, state, i = Naive(0), "start", 0
    while i < len(data):
        byte = data[i]
        if state != "quoted" and (byte == ord("\n") or data[i : i + 2] == b"\r\n"):
            record.end, record.stop = i, i + 1 + (byte == ord("\r"))
            yield record
            i = record.stop
            record, state = Naive(i), "start"
            continue
        state = step(record, state, byte, i, syntax)
        record.depth.append(record.opened if state == "quoted" else None)
        i += 1
    record.end = record.stop = i
    record.quoted = state == "quoted"
    if record.end > record.start:
        yield record


def step(record: Naive, state: str, byte: int, i: int, syntax: Syntax) -> str:
    """Take one byte that is no part of a terminator; return the state after it."""
    column = len(record.fields)
    record.nul = record.nul or column * (byte == 0)
    match state, byte:
        case "quoted", syntax.quote:
            return "closed"
        case "quoted", _:
            record.fields[-1].append(byte)
            return "quoted"
        case "start", syntax.quote:
            record.opened = i
            return "quoted"
        case "closed", syntax.quote:
            record.fields[-1].append(byte)
            return "quoted"
        case _, syntax.delimiter:
            record.fields.append(bytearray())
            return "start"
        case _:
            record.bare_cr = record.bare_cr or column * (byte == ord("\r"))
            record.text_after_quote = record.text_after_quote or column * (state in ("closed", "after"))
            record.stray |= byte == syntax.quote
            record.fields[-1].append(byte)
            return "after" if state in ("closed", "after") else "text"


def naive_defect_of(
    record: Naive, data: bytes, syntax: Syntax, columns: int, *, lines_in_fields: bool
) -> Defect | None:
    defect = record.defect(columns)
    if lines_in_fields or (defect and defect.code in ("nul_byte", "bare_cr")):
        return defect
    lines = naive_swallowed(record, data, syntax, columns, defective=defect is not None)
    return Defect("swallowed", lines) if lines else defect


def naive_swallowed(record: Naive, data: bytes, syntax: Syntax, columns: int, *, defective: bool) -> int:
    """Return how many lines a record swallowed: line by line, as the module says it."""
    body = data[record.start : record.end]
    lines = list(naive_lines(body, record))
    if len(lines) == 1 or columns == 1:
        return 0
    like = [
        naive_delimiters(body, line, record, syntax, columns) == columns - 1
        for line in lines
        if body[slice(*line)] not in (b"", b"\r")
    ]
    between = like[1:-1]
    if sum(between) * 10 < len(between) * 9:
        return 0
    many = columns >= 4
    by_edges = like[0] and like[-1] and (between or many or defective)
    by_number = sum(between) >= (1 if defective else 3) and (many or defective)
    return len(like) - 1 if by_edges or by_number else 0


def naive_lines(body: bytes, record: Naive) -> Iterator[tuple[int, int]]:
    start = 0
    for i, byte in enumerate(body):
        if byte == ord("\n") and record.depth[i] is not None:
            yield start, i
            start = i + 1
    yield start, len(body)


def naive_delimiters(body: bytes, line: tuple[int, int], record: Naive, syntax: Syntax, columns: int) -> int:
    outside = [body[i + 1 : i + 2] for i, byte in enumerate(body) if byte == ord(",") and record.depth[i] is None]
    outside = [byte for byte in outside if byte != bytes([syntax.quote])]
    prose = (*((b"\n", b"\r") if columns < 4 else ()), *(() if 2 * outside.count(b" ") > len(outside) else (b" ",)))
    return sum(
        byte == syntax.delimiter
        and not (byte == ord(",") and record.depth[i] is not None and body[i + 1 : i + 2] in prose)
        for i, byte in enumerate(body[slice(*line)], line[0])
    )


def translated(data: bytes, syntax: Syntax) -> bytes:
    return data.translate(bytes.maketrans(b',"', bytes([syntax.delimiter, syntax.quote])))


def naive_defect(data: bytes, syntax: Syntax, start: int, record_bytes_max: int) -> tuple[str, int, int, str] | None:
    """Return code, record number, offset and the part of the text that names the quote."""
    for number, record in enumerate((r for r in naive_records(data, syntax) if r.end > r.start), 1):
        opened, code = None, ""
        if record.end - record.start > record_bytes_max:
            code, opened = "record_too_large", record.depth[record_bytes_max]
        elif record.quoted:
            code, opened = "unbalanced_quote", record.opened
        if code:
            cause = "" if opened is None else f"a quote opened at byte {start + opened} is never closed"
            return code, number, start + record.start, cause
    return None


def naive_scan(data: bytes, syntax: Syntax, start: int, chunk_bytes: int, chunk_records: int) -> Scan:
    ranges: list[Range] = []
    held: list[Naive] = []
    records = [record for record in naive_records(data, syntax) if record.end > record.start]
    for number, record in enumerate(records, 1):
        blank_too_long = held and record.start - held[0].start >= chunk_bytes
        if blank_too_long:
            ranges.append(naive_range(held, start, number - len(held)))
            held = []
        held.append(record)
        if record.stop - held[0].start >= chunk_bytes or len(held) == chunk_records or number == len(records):
            ranges.append(naive_range(held, start, number - len(held) + 1))
            held = []
    return Scan(tuple(ranges) or (Range(start, start, 1, 0),), len(records))


def naive_range(records: list[Naive], start: int, first_record: int) -> Range:
    return Range(start + records[0].start, start + records[-1].stop, first_record, len(records))


def fed(scanner: Scanner, data: bytes, cuts: list[int]) -> Scan | CsvDefect:
    edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    try:
        for a, b in pairwise(edges):
            scanner.feed(data[a:b])
        return scanner.finish()
    except CsvDefect as defect:
        return defect


@settings(max_examples=300, deadline=None)
@given(
    raw=DATA,
    syntax=SYNTAXES,
    start=st.integers(0, 9),
    cuts=st.lists(st.integers(0, 300), max_size=9),
    chunk_bytes=st.integers(1, 60),
    chunk_records=st.integers(1, 9),
    block_bytes=st.integers(1, 140),
    record_bytes_max=st.integers(1, 12) | st.just(1000),
)
def test_scanner_agrees_with_naive_reader_however_it_is_fed(
    raw: bytes,
    syntax: Syntax,
    start: int,
    cuts: list[int],
    chunk_bytes: int,
    chunk_records: int,
    block_bytes: int,
    record_bytes_max: int,
) -> None:
    data = translated(raw, syntax)
    scanner = Scanner(
        syntax,
        start=start,
        chunk_bytes=chunk_bytes,
        chunk_records=chunk_records,
        block_bytes=block_bytes,
        record_bytes_max=record_bytes_max,
    )

    scan = fed(scanner, data, cuts)

    expected = naive_defect(data, syntax, start, record_bytes_max)
    if isinstance(scan, CsvDefect):
        assert expected is not None
        assert (scan.code, scan.record_number, scan.byte_offset) == expected[:3]
        assert expected[3] in str(scan)
        assert ("never closed" in str(scan)) == bool(expected[3])
    else:
        assert expected is None
        assert scan == naive_scan(data, syntax, start, chunk_bytes, chunk_records)


@settings(max_examples=300, deadline=None)
@given(
    raw=DATA | long(SWALLOWING, 40),
    syntax=SYNTAXES,
    columns=st.integers(1, 5),
    lines_in_fields=st.booleans(),
    block_bytes=st.sampled_from([64, 128, 4096]),
)
def test_cut_agrees_with_naive_reader(
    raw: bytes, syntax: Syntax, columns: int, *, lines_in_fields: bool, block_bytes: int
) -> None:
    data = translated(raw, syntax)
    naive = [record for record in naive_records(data, syntax) if record.end > record.start]

    if naive and naive[-1].quoted:
        try:
            cut(data, syntax, columns=columns, lines_in_fields=lines_in_fields, block_bytes=block_bytes)
        except CsvDefect as defect:
            place = (defect.code, defect.record_number, defect.byte_offset)
        else:
            place = None
        assert place == ("unbalanced_quote", len(naive), naive[-1].start)
        return
    result = cut(data, syntax, columns=columns, lines_in_fields=lines_in_fields, block_bytes=block_bytes)

    assert result.starts.tolist() == [record.start for record in naive]
    assert result.ends.tolist() == [record.end for record in naive]
    defects = {
        i: defect
        for i, record in enumerate(naive)
        if (defect := naive_defect_of(record, data, syntax, columns, lines_in_fields=lines_in_fields))
    }
    assert dict(result.defects) == defects
    assert list(result.defects) == sorted(defects)
    assert_clean(result, data, syntax, [record for i, record in enumerate(naive) if i not in defects])


def assert_clean(result: Cut, data: bytes, syntax: Syntax, good: list[Naive]) -> None:
    text = result.clean.decode()
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=chr(syntax.delimiter), quotechar=chr(syntax.quote), strict=True
    )
    assert list(reader) == [[bytes(text).decode() for text in record.fields] for record in good]
    assert (result.clean is data) == (
        sum(record.stop - record.start for record in good) == len(data) and not any(record.stray for record in good)
    )


@settings(deadline=None)
@given(raw=DATA, syntax=SYNTAXES)
def test_fields_agrees_with_naive_reader(raw: bytes, syntax: Syntax) -> None:
    data = translated(raw, syntax)

    for record in naive_records(data, syntax):
        assert fields(data[record.start : record.end], syntax) == tuple(bytes(text) for text in record.fields)


def header_of(data: bytes, syntax: Syntax, cuts: list[int], *, at_end: bool) -> Header | CsvDefect | None:
    reader = HeaderReader(syntax)
    try:
        for a, b in pairwise(sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})):
            if header := reader.feed(data[a:b]):
                return header
        return reader.finish() if at_end else None
    except CsvDefect as defect:
        return defect


@settings(deadline=None)
@given(
    raw=DATA,
    syntax=SYNTAXES,
    prefix=st.sampled_from([b"", b"\xef", b"\xef\xbb", b"\xef\xbb\xbf"]),
    blank=long(st.sampled_from([b"\n", b"\r\n"]), 150),
    cuts=st.lists(st.integers(0, 300), max_size=9),
)
def test_header_is_the_first_record_however_it_is_fed_and_needs_no_more_bytes_than_that(
    raw: bytes, syntax: Syntax, prefix: bytes, blank: bytes, cuts: list[int]
) -> None:
    data = prefix + blank + translated(raw, syntax)
    start = 3 if len(prefix) == 3 else 0
    first = next((r for r in naive_records(data[start:], syntax) if r.end > r.start), None)
    if first is None:
        expected = Header((), len(data))
    else:
        expected = Header(tuple(bytes(text) for text in first.fields), start + first.stop)
    terminated = first is not None and data[expected.end - 1 : expected.end] == b"\n" and not first.quoted

    at_end = header_of(data, syntax, cuts, at_end=True)

    if first and first.quoted:
        assert isinstance(at_end, CsvDefect)
        assert (at_end.code, at_end.byte_offset) == ("unbalanced_quote", start + first.start)
        assert f"opened at byte {start + first.opened} is never closed" in str(at_end)
    else:
        assert at_end == expected
    for size in range(max(0, expected.end - 2), len(data)):
        early = header_of(data[:size], syntax, cuts, at_end=False)
        assert early == (expected if terminated and size >= expected.end else None)
