"""A quote that was left open is noticed by the lines that it took in; honest text in several lines is left alone."""

import pytest

from baton.csv import Defect, Syntax, cut

COMMA = Syntax(ord(","), ord('"'))
SEMICOLON = Syntax(ord(";"), ord('"'))


def defects(data: bytes, columns: int, *, syntax: Syntax = COMMA, lines_in_fields: bool = False) -> dict[int, Defect]:
    return dict(cut(data, syntax, columns=columns, lines_in_fields=lines_in_fields).defects)


FAR_BELOW = b'1,"never closed,x,y\n' + b"".join(b"%d,a,b,c\n" % n for n in range(2, 500)) + b'500,disk 5",x,y\n'


@pytest.mark.parametrize(
    ("data", "columns", "lines"),
    [
        pytest.param(FAR_BELOW, 4, 499, id="closed far below"),
        pytest.param(FAR_BELOW.replace(b"\n", b"\r\n"), 4, 499, id="CRLF"),
        pytest.param(FAR_BELOW.replace(b"77,a,b,c\n", b"77,a\n"), 4, 499, id="with a broken line in between"),
        pytest.param(FAR_BELOW.replace(b"never", b"Smith, John,Jr"), 4, 499, id="with delimiters in the open field"),
        pytest.param(b'1,"a,x\n2,b,y\n3,c",z\n', 3, 2, id="three columns"),
        pytest.param(b'1,"a\n2,b\n3,c"\n', 2, 2, id="two columns"),
        pytest.param(b'"a,1\nb,2\nc",3\n', 2, 2, id="in the first column"),
        pytest.param(FAR_BELOW.replace(b",", b", ").replace(b', "', b',"'), 4, 499, id="with a blank after each comma"),
        pytest.param(b'1,"a, x\n2, b, y\n3, c", z\n', 3, 2, id="three columns, with blanks"),
        pytest.param(b'"1, a, x\n2, b, y\n3", c, z\n', 3, 2, id="in the first column, with blanks"),
        pytest.param(b'1,2,3,"a\n4,5,6,b"\n', 4, 1, id="closed in the next line"),
        pytest.param(b'1,"\\""\n2,"b"\n', 2, 1, id="backslash escape, closed by an opening quote"),
        pytest.param(b'1,"a,x\n2,b,y\n3,"c",z\n', 3, 2, id="closed by an opening quote"),
        pytest.param(b'1,"a,x\n\n2,b,y\n\r\n3,c",z\n', 3, 2, id="with blank lines"),
    ],
)
def test_record_that_swallowed_lines_is_a_defect_with_their_number(data: bytes, columns: int, lines: int) -> None:
    others = b",".join([b"x"] * columns) + b"\n"

    assert defects(others + data + others, columns) == {1: Defect("swallowed", lines)}
    result = cut(others + data + others, COMMA, columns=columns)
    assert result.clean == others * 2


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (b'1,"Main Street 1,\nSpringfield,\nUSA",x\n', 3),
        (b'"Main Street 1,\nSpringfield,\nUSA",x\n', 2),
        (b'1,"Dear Sir,\nthank you, and goodbye.\nYours, truly"\n', 2),
        (b'1,2,"first, second\nthird, fourth\nfifth, sixth"\n', 3),
        (b'1,"12.5,13.7\n14.2,15.8\n16.1,17.3",x\n', 3),
        (b'"12.5,13.7\n14.2,15.8\n16.1,17.3",x\n', 2),
        (b'1,2,3,"a,b\nc,d\ne,f"\n', 4),
        (b'"a\n\n\n\nb",x,y\n', 3),
        (b'1,"well, so\nthis, that\nhere, there", x\n', 3),
        (b'1,"Main Street 1,\nSpringfield,\nUSA", x\n', 3),
        (b'1, 2, 3,"first, second, a\nthird, fourth, b\nfifth, sixth, c"\n', 4),
        (b'"SELECT a,b,c\nFROM t\nWHERE a,b,c",x,y\n', 3),
    ],
)
def test_honest_text_in_several_lines_is_left_alone(data: bytes, columns: int) -> None:
    assert defects(data, columns) == {}


def test_pasted_table_is_taken_if_the_job_says_so() -> None:
    assert defects(FAR_BELOW, 4, lines_in_fields=True) == {}


def test_one_line_in_a_record_that_is_defective_anyway_is_enough() -> None:
    assert defects(b'"a\n1,2,3,4\nb"\n', 4) == {0: Defect("swallowed", 2)}


def test_blank_after_a_semicolon_is_no_prose() -> None:
    data = b'1;"a; x\n2; b; y\n3; c"; z\n'

    assert defects(data, 3, syntax=SEMICOLON) == {0: Defect("swallowed", 2)}


def test_quote_left_open_in_a_file_of_one_column_cannot_be_told() -> None:
    assert defects(b'"a\nb\nc"\n', 1) == {}


def test_what_was_swallowed_does_not_depend_on_what_stands_around() -> None:
    swallowing = b'1,"a,x,y\n2,b,x,y\n3,c",x,y\n'
    others = b'9,"b\nc, d",x,y\n' * 50_000

    found = defects(others + swallowing + others + swallowing, 4)

    assert found == {50_000: Defect("swallowed", 2), 100_001: Defect("swallowed", 2)}
