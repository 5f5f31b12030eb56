"""Named cases of the scanner."""

import pytest

from baton.csv import RECORD_BYTES_MAX, CsvDefect, Range, Scan, Scanner, Syntax

SYNTAX = Syntax(ord(","), ord('"'))
MIB = 1024 * 1024


def scan(data: bytes, *, start: int = 0, chunk_bytes: int = 10, feed_bytes: int = 100_003) -> Scan:
    scanner = Scanner(SYNTAX, start=start, chunk_bytes=chunk_bytes)
    for i in range(0, len(data), feed_bytes):
        scanner.feed(data[i : i + feed_bytes])
    return scanner.finish()


def defect(data: bytes, *, start: int = 0) -> CsvDefect:
    with pytest.raises(CsvDefect) as caught:
        scan(data, start=start, chunk_bytes=MIB)
    return caught.value


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\n\r\n"])
def test_no_data_is_one_range_without_a_byte(data: bytes) -> None:
    assert scan(data, start=7) == Scan((Range(7, 7, 1, 0),), 0)


def test_range_ends_with_the_first_record_at_or_past_its_size() -> None:
    found = scan(b"12345678\n9\n23456789\nabc\n", start=100)

    assert found == Scan((Range(100, 111, 1, 2), Range(111, 124, 3, 2)), 4)


def test_range_may_end_exactly_at_its_size() -> None:
    assert scan(b"123456789\n123456789\n").ranges == (Range(0, 10, 1, 1), Range(10, 20, 2, 1))


def test_blank_lines_at_the_ends_of_a_range_belong_to_none() -> None:
    found = scan(b"\n\r\n123456789\r\n\n\nabcdefghij\n\r\n\n\n")

    assert found == Scan((Range(3, 14, 1, 1), Range(16, 27, 2, 1)), 2)


def test_blank_lines_within_a_range_stay_in_it() -> None:
    assert scan(b"1\n\n\n2\n\r\n3\n", chunk_bytes=100).ranges == (Range(0, 10, 1, 3),)


@pytest.mark.parametrize("blank", [b"\n", b"\r\n"])
@pytest.mark.parametrize("line_end", [b"\n", b""])
def test_blank_lines_never_make_a_range_longer_than_its_bound(blank: bytes, line_end: bytes) -> None:
    data = b"1\n" + blank * (2 * MIB) + b"2\n3\n" + blank * (2 * MIB) + b"4" + line_end + blank * MIB

    found = scan(data, chunk_bytes=MIB)

    assert [data[each.start : each.end].split() for each in found.ranges] == [[b"1"], [b"2", b"3"], [b"4"]]
    assert [(each.first_record, each.records) for each in found.ranges] == [(1, 1), (2, 2), (4, 1)]
    assert max(each.end - each.start for each in found.ranges) == 4


def test_range_ends_with_the_record_that_makes_its_number() -> None:
    data = b",,,,\n" * 1_000_000

    found = Scanner(SYNTAX, start=0, chunk_bytes=16 * MIB, chunk_records=300_000)
    found.feed(data)
    ranges = found.finish().ranges

    assert [each.records for each in ranges] == [300_000, 300_000, 300_000, 100_000]
    assert [each.end for each in ranges] == [1_500_000, 3_000_000, 4_500_000, 5_000_000]


def test_last_record_needs_no_terminator() -> None:
    assert scan(b"123456789\nabc") == Scan((Range(0, 10, 1, 1), Range(10, 13, 2, 1)), 2)


def test_line_ends_inside_quotes_end_nothing() -> None:
    assert scan(b'a,"\n\r\n""\n"\nb\n', chunk_bytes=1) == Scan((Range(0, 11, 1, 1), Range(11, 13, 2, 1)), 2)


def test_quote_in_text_opens_nothing() -> None:
    assert scan(b'5" pipe\n6" pipe,"7"" pipe\n"\n').records == 2


def test_text_after_a_closing_quote_may_hold_quotes() -> None:
    assert scan(b'"a"b"c\n"d"e,"f\n"\n').records == 2


def test_quote_after_a_lone_cr_opens_nothing() -> None:
    assert scan(b'a\r"b\nc\n').records == 2


def test_reading_goes_on_fast_and_right_after_a_block_with_a_literal_quote() -> None:
    line = b'"x, ""y"" \n z",1\r\n'
    data = line * 20_000 + b'5" pipe,2\n' + line * 50_000 + b'6" pipe,2\n' + line

    found = scan(data, chunk_bytes=len(line) * 1000)

    assert found.records == 70_003
    assert len(found.ranges) == 71
    assert {data[part.start : part.start + 3] for part in found.ranges} == {b'"x,', b'5" ', b'6" '}


def test_file_with_cr_alone_as_line_end_is_one_record() -> None:
    assert scan(b"a,b\rc,d\re,f").records == 1


def test_large_file_with_cr_alone_as_line_end_says_so() -> None:
    found = defect(b"0123456789\r" * 100_000, start=9)

    assert (found.code, found.record_number, found.byte_offset) == ("record_too_large", 1, 9)
    assert str(found) == (
        "record 1 (at byte 9) is larger than 1,048,576 bytes: 95,325 carriage returns stand alone in it: "
        "its lines seem to end in CR, and must end in LF or CRLF"
    )


@pytest.mark.parametrize("block_bytes", [4_096, 256 * 1024])
@pytest.mark.parametrize(
    ("record", "column", "cause"),
    [
        (b"1,2," + b"x" * 2 * MIB, 3, "column 3 alone has over 1,048,572 of them, without a delimiter or a line end"),
        (b'1,"a,b\nc",' + b"x\ry" * MIB, 3, "349,522 carriage returns stand alone in it"),
        (b"x" * 2 * MIB, 1, "column 1 alone has over 1,048,576 of them"),
        (b"x" * 600_000 + b"\r" + b"x" * MIB, 1, "column 1 alone has over"),
        (b"1234567," * 300_000, 131_073, "it has over 131,073 columns, without a line end"),
        (b'1,2,"3,' + b"x\n" * MIB, 3, "a quote opened at byte 11 is never closed, in column 3"),
    ],
)
def test_a_record_that_is_too_large_says_what_is_large_in_it(
    record: bytes, column: int, cause: str, block_bytes: int
) -> None:
    scanner = Scanner(SYNTAX, start=7, chunk_bytes=MIB, block_bytes=block_bytes)

    with pytest.raises(CsvDefect) as caught:
        scanner.feed(record)

    assert caught.value.code == "record_too_large"
    assert caught.value.column == column
    assert cause in str(caught.value)


@pytest.mark.parametrize("terminator", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("before", [b"", b"a\n", b"a\n" * 100_000])
def test_record_of_the_largest_size_is_read(before: bytes, terminator: bytes) -> None:
    data = before + b"x" * RECORD_BYTES_MAX + terminator

    assert scan(data, chunk_bytes=MIB).records == before.count(b"\n") + 1


@pytest.mark.parametrize("rest", [b"", b"\n", b"\r\n", b"\r", b"x\n", b"\rx\n"])
@pytest.mark.parametrize("before", [b"", b"a\n", b"a\n" * 100_000])
def test_record_over_the_largest_size_is_a_defect(before: bytes, rest: bytes) -> None:
    if rest in (b"", b"\n", b"\r\n"):
        rest = b"x" + rest

    found = defect(before + b"x" * RECORD_BYTES_MAX + rest)

    records = before.count(b"\n")
    assert (found.code, found.record_number, found.byte_offset) == ("record_too_large", records + 1, len(before))


def test_record_is_too_large_as_soon_as_it_is_fed() -> None:
    scanner = Scanner(SYNTAX, start=0, chunk_bytes=MIB)

    with pytest.raises(CsvDefect):
        scanner.feed(b"x" * 2 * MIB)


def test_quote_that_is_never_closed_is_named_when_it_makes_a_record_too_large() -> None:
    found = defect(b"a,b\n" * 100 + b'c,d,"e\n' + b"f,g\n" * 400_000, start=50)

    assert (found.code, found.record_number, found.byte_offset) == ("record_too_large", 101, 450)
    assert str(found) == (
        "record 101 (at byte 450) is larger than 1,048,576 bytes: perhaps a quote opened at byte 454 is never closed, "
        "in column 3"
    )


def test_quote_that_is_never_closed_is_named_at_the_end() -> None:
    found = defect(b'a,b\n"c",d,"e"",\n', start=50)

    assert (found.code, found.record_number, found.byte_offset) == ("unbalanced_quote", 2, 54)
    assert str(found) == "record 2 (at byte 54) does not end: a quote opened at byte 60 is never closed, in column 3"


@pytest.mark.parametrize("rest", [b"", b"x"])
def test_cr_at_the_bound_belongs_to_a_record_that_goes_on_or_ends_without_lf(rest: bytes) -> None:
    scanner = Scanner(SYNTAX, start=0, chunk_bytes=100, block_bytes=4, record_bytes_max=7)
    scanner.feed(b'"123456\r')
    scanner.feed(rest)

    with pytest.raises(CsvDefect, match="larger than 7 bytes: perhaps a quote opened at byte 0 is never closed"):
        scanner.finish()


def test_opening_quote_many_blocks_ago_is_remembered() -> None:
    found = defect(b'"' + b'""' * 400_000, start=3)

    assert found.code == "unbalanced_quote"
    assert "a quote opened at byte 3 is never closed" in str(found)


def test_feeding_byte_by_byte_changes_nothing() -> None:
    data = b'a,"b\r\n"\r\n\n5" x,"y"z"\n' * 50

    assert scan(data, feed_bytes=1) == scan(data)


def test_fed_buffer_may_be_reused_at_once() -> None:
    scanner = Scanner(SYNTAX, start=0, chunk_bytes=5)
    buffer = bytearray(b"a\n" * 10)
    scanner.feed(buffer)
    buffer[:] = b"x" * 20
    del buffer[1:]

    assert scanner.finish().records == 10


@pytest.mark.parametrize(("delimiter", "quote"), [(44, 44), (10, 34), (44, 13), (0, 34)])
def test_syntax_refuses_what_cannot_be_told_apart(delimiter: int, quote: int) -> None:
    with pytest.raises(ValueError, match="two plain bytes"):
        Syntax(delimiter, quote)
