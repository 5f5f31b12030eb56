"""The independent checker against cases written by hand."""

from pathlib import Path

import pytest

from baton_local.sales.expected import (
    INPUT_COLUMNS,
    OUTPUT_COLUMNS,
    Comparison,
    ExpectedReject,
    Mismatch,
    check,
)
from sales_expected import Expected, expect

REFERENCE = (
    b"uuid,unitsSold,unitPrice,unitCost,totalRevenue,totalCost,totalProfit\n100000001,10,2.00,1.50,20.00,15.00,5.00\n"
)
ADDED = ["10", "2.00", "1.50", "20.00", "15.00", "5.00"]
GOOD = "100000001,Fiji,Snacks,Online,C,10/8/14,Australia and Oceania,2/29/16"
HEADER = ",".join(INPUT_COLUMNS)
REJECTS_HEADER = "record_number,byte_offset,column,rule,value,line,also\n"


def _expect(directory: Path, data: bytes) -> Expected:
    (directory / "in.csv").write_bytes(data)
    (directory / "reference.csv").write_bytes(REFERENCE)
    return expect(directory / "in.csv", directory / "reference.csv")


def test_a_good_record_comes_out_with_its_figures(tmp_path: Path) -> None:
    expected = _expect(tmp_path, f"{HEADER}\n{GOOD}\n".encode())

    assert expected == Expected(rows=[[*GOOD.split(","), *ADDED]], rejected=[])


@pytest.mark.parametrize(
    ("record", "reason", "column"),
    [
        (GOOD.replace("001,Fiji", "0O1,Fiji"), "value", "uuid"),
        (GOOD.replace("100000001,Fiji", ",Fiji"), "value", "uuid"),
        (GOOD.replace("1,Fiji", "٣,Fiji"), "value", "uuid"),
        (GOOD.replace("1,Fiji", "11,Fiji"), "value", "uuid"),
        (GOOD.replace("1,Fiji", "2,Fiji"), "missing_reference", ""),
        (GOOD.replace("Fiji", ""), "value", "Country"),
        (GOOD.replace("Fiji", "F" * 201), "value", "Country"),
        (GOOD.replace("Snacks", "snacks"), "value", "Item Type"),
        (GOOD.replace("Online", "Phone"), "value", "Sales Channel"),
        (GOOD.replace(",C,", ",X,"), "value", "Order Priority"),
        (GOOD.replace("10/8/14", "13/8/14"), "value", "Order Date"),
        (GOOD.replace("10/8/14", "10/8/2014"), "value", "Order Date"),
        (GOOD.replace("10/8/14", "10-8-14"), "value", "Order Date"),
        (GOOD.replace("10/8/14", "010/8/14"), "value", "Order Date"),
        (GOOD.replace("Australia and Oceania", ""), "value", "Region"),
        (GOOD.replace("2/29/16", "2/29/15"), "value", "Ship Date"),
        (GOOD.replace("2/29/16", ""), "value", "Ship Date"),
        (GOOD.removesuffix(",2/29/16"), "columns", ""),
        (GOOD + ",more", "columns", ""),
        (GOOD.replace("Fiji", "Fi\0ji"), "nul_byte", ""),
        (GOOD.replace("Fiji", "Fi\udce9ji"), "encoding", ""),
    ],
)
def test_a_broken_rule_is_named_with_its_column(tmp_path: Path, record: str, reason: str, column: str) -> None:
    data = f"{HEADER}\n{GOOD}\n{record}\n{GOOD}\n".encode(errors="surrogateescape")

    expected = _expect(tmp_path, data)

    assert expected.rejected == [ExpectedReject(2, reason, column)]
    assert len(expected.rows) == 2


def test_blank_lines_are_no_records_and_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    expected = _expect(tmp_path, f"\ufeff{HEADER}\r\n\r\n{GOOD}\r\n\r\nbad\r\n\r\n".encode())

    assert len(expected.rows) == 1
    assert expected.rejected == [ExpectedReject(2, "columns")]


def test_a_quoted_line_end_stays_in_its_record(tmp_path: Path) -> None:
    expected = _expect(tmp_path, f"{HEADER}\n{GOOD.replace('Fiji', '"Fi\nji, ""East"""')}\n".encode())

    assert expected.rows[0][1] == 'Fi\nji, "East"'


def test_a_file_with_another_header_is_no_sales_file(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="header of a sales file"):
        _expect(tmp_path, b"a,b\n1,2\n")


def _check(directory: Path, result: str, rejects: str) -> Comparison:
    (directory / "in.csv").write_bytes(f"{HEADER}\n{GOOD}\n{GOOD[1:]}\n".encode())
    (directory / "reference.csv").write_bytes(REFERENCE)
    (directory / "out.csv").write_text(",".join(OUTPUT_COLUMNS) + "\n" + result)
    (directory / "rejects.csv").write_text(REJECTS_HEADER + rejects)
    return check(directory / "in.csv", directory / "reference.csv", directory / "out.csv", directory / "rejects.csv")


RESULT_ROW = ",".join([GOOD, *ADDED]) + "\n"
REJECT_ROW = "2,90,uuid,string_pattern_mismatch,,line,\n"


def test_a_right_result_is_counted(tmp_path: Path) -> None:
    checked = _check(tmp_path, RESULT_ROW, REJECT_ROW)

    assert checked == Comparison(records_in=2, records_out=1, rejects=1)


@pytest.mark.parametrize(
    ("result", "rejects", "text"),
    [
        ("", REJECT_ROW, "row 1 of the result"),
        (RESULT_ROW.replace("5.00", "5.01"), REJECT_ROW, "row 1 of the result"),
        (RESULT_ROW * 2, REJECT_ROW, "the result holds more"),
        (RESULT_ROW, "", "record 2 should be among the rejects"),
        (RESULT_ROW, REJECT_ROW * 2, "the rejects file holds more"),
        (RESULT_ROW, REJECT_ROW.replace("2,90", "1,90"), "expected the reject"),
        (RESULT_ROW, REJECT_ROW.replace("uuid", "Country"), "expected the reject"),
        (RESULT_ROW, REJECT_ROW.replace("string_pattern_mismatch", "columns"), "expected the reject"),
    ],
)
def test_a_wrong_result_is_told_apart(tmp_path: Path, result: str, rejects: str, text: str) -> None:
    with pytest.raises(Mismatch, match=text):
        _check(tmp_path, result, rejects)


def test_a_result_without_its_header_is_wrong(tmp_path: Path) -> None:
    _check(tmp_path, RESULT_ROW, REJECT_ROW)
    (tmp_path / "out.csv").write_text(RESULT_ROW)

    with pytest.raises(Mismatch, match="header"):
        check(tmp_path / "in.csv", tmp_path / "reference.csv", tmp_path / "out.csv", tmp_path / "rejects.csv")
