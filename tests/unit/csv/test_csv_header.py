"""Named cases of the header."""

import pytest

from baton.csv import RECORD_BYTES_MAX, CsvDefect, Header, HeaderReader, Syntax

SYNTAX = Syntax(ord(","), ord('"'))
BOM = b"\xef\xbb\xbf"


def read_header(head: bytes, *, at_end: bool = False, block_bytes: int = 1 << 20) -> Header | None:
    reader = HeaderReader(SYNTAX)
    for start in range(0, len(head), block_bytes):
        if header := reader.feed(head[start : start + block_bytes]):
            return header
    return reader.finish() if at_end else None


@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("blank", [b"", b"\n\r\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_header_is_found_behind_mark_and_blank_lines(bom: bytes, blank: bytes, end: bytes) -> None:
    head = bom + blank + b'"a ""1""",b\r,"c\n"' + end

    header = read_header(head + b"1,2,3\n")

    assert header == Header((b'a "1"', b"b\r", b"c\n"), len(head))


@pytest.mark.parametrize("head", [b"", BOM[:1], BOM[:2], BOM, b"a,b", b'"a\n', b"\n", b"a\r", b'"a"'])
def test_more_bytes_are_asked_for(head: bytes) -> None:
    assert read_header(head) is None


@pytest.mark.parametrize("head", [b"", BOM, b"\n", BOM + b"\n\r\n\n"])
def test_file_without_a_record_has_no_fields(head: bytes) -> None:
    assert read_header(head, at_end=True) == Header((), len(head))


@pytest.mark.parametrize("head", [b"a,b", BOM + b"a,b"])
def test_header_may_be_all_there_is(head: bytes) -> None:
    assert read_header(head, at_end=True) == Header((b"a", b"b"), len(head))


def test_file_with_cr_alone_as_line_end_is_all_header() -> None:
    assert read_header(b"a,b\rc,d\r", at_end=True) == Header((b"a", b"b\rc", b"d\r"), 8)


def test_broken_mark_is_text() -> None:
    assert read_header(b"\xef\xbbx,b\n") == Header((b"\xef\xbbx", b"b"), 6)


def test_quote_that_is_never_closed_is_named() -> None:
    with pytest.raises(CsvDefect) as caught:
        read_header(BOM + b'a,"b\nc', at_end=True)

    assert (caught.value.code, caught.value.record_number, caught.value.byte_offset) == ("unbalanced_quote", 0, 3)
    assert str(caught.value) == "the header does not end: a quote opened at byte 5 is never closed, in column 2"


@pytest.mark.parametrize("rest", [b"", b"\r", b"\n", b"\r\n"])
def test_largest_header_is_read_and_a_larger_one_refused(rest: bytes) -> None:
    head = b"\n" + b"a" * RECORD_BYTES_MAX + rest
    at_end = rest == b""

    header = read_header(head, at_end=at_end)

    assert header == (None if rest == b"\r" else Header((b"a" * RECORD_BYTES_MAX,), len(head)))
    with pytest.raises(CsvDefect) as caught:
        read_header(b"\na" + head[1:], at_end=at_end)
    assert (caught.value.code, caught.value.record_number, caught.value.byte_offset) == ("record_too_large", 0, 1)


def test_quote_is_named_when_it_makes_the_header_too_large() -> None:
    with pytest.raises(CsvDefect, match=r"the header is larger .* a quote opened at byte 5 is never closed"):
        read_header(BOM + b'a,"' + b"b,c\n" * RECORD_BYTES_MAX)
