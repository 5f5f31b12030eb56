"""Named cases of taking one range apart."""

from random import Random

import pytest

from baton.csv import CsvDefect, Cut, Defect, Syntax, cut, fields

SYNTAX = Syntax(ord(","), ord('"'))


def taken_apart(data: bytes, columns: int = 2) -> Cut:
    return cut(data, SYNTAX, columns=columns)


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\nc,d\n",
        b"a,b\r\nc,d\r\n",
        b"a,b\nc,d",
        b"a,b\r\nc,d\n",
        b'"a","b\r\n"\n',
        b',\n"",\n',
        "é,😀\n".encode(),
        b"",
    ],
)
def test_clean_data_is_handed_back_as_the_same_object(data: bytes) -> None:
    result = taken_apart(data)

    assert result.clean is data
    assert not result.defects


@pytest.mark.parametrize(
    ("record", "defect"),
    [
        (b"a\0,b", Defect("nul_byte", 1)),
        (b'"a\0",b', Defect("nul_byte", 1)),
        (b"a\r,b", Defect("bare_cr", 1)),
        (b'"a"\r,b', Defect("bare_cr", 1)),
        (b'"a"b,c', Defect("quote", 1)),
        (b'"a" ,c', Defect("quote", 1)),
        (b'"a"b"c,d', Defect("quote", 1)),
        (b'"a"""b,c', Defect("quote", 1)),
        (b"a", Defect("columns", 1)),
        (b"a,b,c", Defect("columns", 3)),
        (b'"a,b"', Defect("columns", 1)),
        (b'5",6",7"', Defect("columns", 3)),
        (b'"a"b\r\0', Defect("nul_byte", 1)),
        (b'"a"b\rc', Defect("bare_cr", 1)),
        (b'"a"b', Defect("quote", 1)),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_defective_record_is_left_out_and_explained(record: bytes, defect: Defect, end: bytes) -> None:
    good = b"x,y" + end
    data = good + record + end + good

    result = taken_apart(data)

    assert result.defects == {1: defect}
    assert result.clean == good + good
    assert data[result.starts[1] : result.ends[1]] == record


def test_cr_at_the_end_of_the_file_is_a_lone_one() -> None:
    result = taken_apart(b"a,b\nc,d\r")

    assert result.defects == {1: Defect("bare_cr", 2)}
    assert result.clean == b"a,b\n"


def test_cr_before_a_crlf_is_a_lone_one() -> None:
    result = taken_apart(b"a,b\r\r\nc,d\r\n")

    assert result.defects == {0: Defect("bare_cr", 2)}
    assert (result.starts[0], result.ends[0]) == (0, 4)


def test_lone_cr_inside_quotes_is_no_defect() -> None:
    assert not taken_apart(b'"a\rb",c\n').defects


def test_line_ends_inside_quotes_are_kept_byte_for_byte() -> None:
    data = b'"a\r\nb\nc\rd",e\r\nbad\r\n"\n","\r\n"\r\n'

    assert taken_apart(data).clean == b'"a\r\nb\nc\rd",e\r\n"\n","\r\n"\r\n'


def test_fields_with_literal_quotes_are_put_in_quotes_and_others_left_alone() -> None:
    result = taken_apart(b'5" x 3",\n"a""b",c"\n"","\n"\nd,e', columns=2)

    assert result.clean == b'"5"" x 3""",\n"a""b","c"""\n"","\n"\nd,e'
    assert not result.defects


def test_literal_quote_in_the_last_record_without_terminator_is_requoted() -> None:
    assert taken_apart(b'a,b\nc,5"').clean == b'a,b\nc,"5"""'


def test_requoted_and_defective_records_side_by_side() -> None:
    result = taken_apart(b'5",a\nbad\n6",b\n"x"y",c\nd,7"\n')

    assert result.clean == b'"5""",a\n"6""",b\nd,"7"""\n'
    assert result.defects == {1: Defect("columns", 1), 3: Defect("quote", 1)}


def test_blank_lines_are_left_out() -> None:
    result = taken_apart(b"\n\r\na,b\n\nc,d\r\n\r\n\n")

    assert result.clean == b"a,b\nc,d\r\n"
    assert result.starts.tolist() == [3, 8]
    assert result.ends.tolist() == [6, 11]


def test_nothing_but_blank_lines_is_no_record() -> None:
    result = taken_apart(b"\n\r\n\n")

    assert (result.starts.size, result.clean, dict(result.defects)) == (0, b"", {})


def test_nothing_good_is_nothing_clean() -> None:
    result = taken_apart(b"a\nb\n")

    assert result.clean == b""
    assert list(result.defects) == [0, 1]


def test_columns_are_the_dtype_that_is_promised() -> None:
    for data in (b"", b"a,b\n", b"\n"):
        result = taken_apart(data)

        assert result.starts.dtype == result.ends.dtype == "int64"


def test_range_that_ends_inside_quotes_is_refused() -> None:
    with pytest.raises(CsvDefect, match="a quote opened at byte 6 is never closed") as caught:
        taken_apart(b'a,b\nc,"d\n')

    assert (caught.value.code, caught.value.record_number, caught.value.byte_offset) == ("unbalanced_quote", 2, 4)


def test_range_of_many_blocks_is_taken_apart_like_its_lines() -> None:
    dice = Random(7)
    kinds = [b"a,b", b'"a,""\n",b', b'5",b', b"a", b'"a"b,c', b"", b"a\r,b"]
    weights = [400, 100, 1, 1, 1, 1, 1]
    records = dice.choices(kinds, weights, k=150_000)
    data = b"".join(record + b"\r\n" for record in records)

    result = taken_apart(data)

    full = [record for record in records if record]
    assert [data[a:b] for a, b in zip(result.starts.tolist(), result.ends.tolist(), strict=True)] == full
    wrong = {b"a": Defect("columns", 1), b'"a"b,c': Defect("quote", 1), b"a\r,b": Defect("bare_cr", 1)}
    assert result.defects == {i: wrong[record] for i, record in enumerate(full) if record in wrong}
    clean = [record.replace(b'5"', b'"5"""') + b"\r\n" for record in full if record not in wrong]
    assert result.clean == b"".join(clean)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"", (b"",)),
        (b",", (b"", b"")),
        (b'"",', (b"", b"")),
        (b',"a""b",', (b"", b'a"b', b"")),
        (b'"a"b"c"",d"e', (b'ab"c""', b'd"e')),
        (b'"a,b', (b"a,b",)),
        (b'"\n",\r', (b"\n", b"\r")),
    ],
)
def test_fields_of_one_record(record: bytes, expected: tuple[bytes, ...]) -> None:
    assert fields(record, SYNTAX) == expected
