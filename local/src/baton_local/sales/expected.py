"""Computes the expected result of a sales file by a second, independent implementation.

It uses the standard library's `csv` and `datetime`, with the rules written out plainly, and shares nothing with the
services. It reads record by record, so the demo and the end-to-end tests can check a result of any size.

It is meant for well-quoted files such as `baton_local.sales.sample` writes: text after a closing quote, and carriage
returns that end no line, are read as the `csv` module reads them.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Final

INPUT_COLUMNS: Final = [
    "uuid",
    "Country",
    "Item Type",
    "Sales Channel",
    "Order Priority",
    "Order Date",
    "Region",
    "Ship Date",
]
ADDED_COLUMNS: Final = ["unitsSold", "unitPrice", "unitCost", "totalRevenue", "totalCost", "totalProfit"]
OUTPUT_COLUMNS: Final = INPUT_COLUMNS + ADDED_COLUMNS
STRUCTURE: Final = ("nul_byte", "columns", "encoding", "missing_reference")
"""Reasons that `rejects.csv` names by these words; every other rule there is a broken value of one column."""

_ITEM_TYPES: Final = {
    "Baby Food",
    "Beverages",
    "Cereal",
    "Clothes",
    "Cosmetics",
    "Fruits",
    "Household",
    "Meat",
    "Office Supplies",
    "Personal Care",
    "Snacks",
    "Vegetables",
}


class Mismatch(Exception):
    """A result is not what it should be. The text says where, for people."""


@dataclass(frozen=True, slots=True)
class ExpectedReject:
    """A record that must be rejected, and why: a word of `STRUCTURE`, or `value` with the first wrong column."""

    record_number: int
    reason: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `check` compared, one by one."""

    records_in: int
    records_out: int
    rejects: int


def outcomes(input_path: Path, reference_path: Path) -> Iterator[list[str] | ExpectedReject]:
    """Yield for each record, in order, its output row or why it is rejected. Blank lines are no records."""
    reference = _reference(reference_path)
    # Bytes that are no UTF-8 come through as lone surrogates, so that one bad record does not stop the file.
    with input_path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = (row for row in csv.reader(file) if row)
        if next(rows, None) != INPUT_COLUMNS:
            raise Mismatch(f"{input_path} does not start with the header of a sales file")
        for record_number, row in enumerate(rows, start=1):
            reason, column = _verdict(row, reference)
            yield ExpectedReject(record_number, reason, column) if reason else row + reference[row[0]]


def check(input_path: Path, reference_path: Path, result_path: Path, rejects_path: Path) -> Comparison:
    """Hold a result and its rejects file against what they should be, record by record and field by field.

    Raises `Mismatch` at the first difference.
    """
    with (
        result_path.open(encoding="utf-8", newline="") as result,
        rejects_path.open(encoding="utf-8", newline="") as rejects,
    ):
        result_rows, reject_rows = csv.reader(result), csv.DictReader(rejects)
        if next(result_rows, None) != OUTPUT_COLUMNS:
            raise Mismatch("the result does not start with the expected header")
        records_out = rejected = 0
        for outcome in outcomes(input_path, reference_path):
            if isinstance(outcome, ExpectedReject):
                rejected += 1
                _check_reject(outcome, next(reject_rows, None))
            else:
                records_out += 1
                _check_row(records_out, outcome, next(result_rows, None))
        for extra, _ in zip_longest(result_rows, reject_rows):
            name = "the result" if extra else "the rejects file"
            raise Mismatch(f"{name} holds more than it should")
    return Comparison(records_in=records_out + rejected, records_out=records_out, rejects=rejected)


def _check_row(number: int, expected: list[str], found: list[str] | None) -> None:
    if found != expected:
        raise Mismatch(f"row {number:,} of the result should be {expected}, and is {found}")


def _check_reject(expected: ExpectedReject, found: dict[str, str] | None) -> None:
    if found is None:
        raise Mismatch(f"record {expected.record_number:,} should be among the rejects, and is not")
    rule = found["rule"]
    reason = rule if rule in STRUCTURE else "value"
    column = found["column"] if reason == "value" else ""
    if (int(found["record_number"]), reason, column) != (expected.record_number, expected.reason, expected.column):
        raise Mismatch(f"expected the reject {expected}, and found record {found['record_number']}: {column} {rule}")


def _reference(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["uuid"]: [row[column] for column in ADDED_COLUMNS] for row in csv.DictReader(file)}


def _verdict(row: list[str], reference: dict[str, list[str]]) -> tuple[str, str]:
    """Return why a record is rejected, and the column if it is about one; ("", "") if it is good."""
    if any("\0" in field for field in row):
        return "nul_byte", ""
    if len(row) != len(INPUT_COLUMNS):
        return "columns", ""
    if not _is_utf8(row):
        return "encoding", ""
    column = _first_wrong_column(row)
    if column:
        return "value", column
    return ("", "") if row[0] in reference else ("missing_reference", "")


def _first_wrong_column(row: list[str]) -> str:
    uuid, country, item_type, channel, priority, order_date, region, ship_date = row
    good = (
        uuid.isascii() and uuid.isdigit() and len(uuid) == 9,  # noqa: PLR2004 - the rule, written out
        0 < len(country) <= 200,  # noqa: PLR2004 - the same
        item_type in _ITEM_TYPES,
        channel in ("Online", "Offline"),
        priority in ("C", "H", "M", "L"),
        _is_short_date(order_date),
        0 < len(region) <= 200,  # noqa: PLR2004 - the same
        _is_short_date(ship_date),
    )
    return next((column for column, is_good in zip(INPUT_COLUMNS, good, strict=True) if not is_good), "")


def _is_utf8(row: list[str]) -> bool:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:  # a lone surrogate: a byte that did not decode
        return False
    return True


@cache
def _is_short_date(text: str) -> bool:
    """Return whether the text is a real day as month/day/year of two digits, such as 2/29/16."""
    month, _, rest = text.partition("/")
    day, _, year = rest.partition("/")
    digits = all(part.isascii() and part.isdigit() for part in (month, day, year))
    if not digits or len(month) > 2 or len(day) > 2 or len(year) != 2:  # noqa: PLR2004 - M/D/YY
        return False
    try:
        datetime.strptime(text, "%m/%d/%y")  # noqa: DTZ007 - only whether the day exists
    except ValueError:
        return False
    return True
