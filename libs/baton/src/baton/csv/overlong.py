"""Explains a record that is too large or does not end: what its sender should look for, and in which column."""

from typing import Final

import numpy as np

from baton.csv.bits import Positions, bitmap, positions
from baton.csv.structure import ReaderState, read
from baton.csv.syntax import CR, CsvDefect, Syntax

_LINE_BYTES_MAX: Final = 64 * 1024
"""Lines are shorter for the most part: a carriage return here and there ends none."""


def too_large(
    record: bytes | bytearray, syntax: Syntax, *, number: int, start: int, limit: int, opened: int | None
) -> CsvDefect:
    """Return the defect of a record over `limit` bytes.

    `record` is as much of it as was read, at least these; `number` and `start` as in `CsvDefect`; `opened`: the quote
    that is open where it passes the limit, as an offset in the file.
    """
    delimiters, crs = _outside_quotes(record[:limit], syntax)
    column = delimiters.size + 1
    field_bytes = limit - (int(delimiters[-1]) + 1 if delimiters.size else 0)
    if opened is not None:
        cause = f"perhaps a quote opened at byte {opened} is never closed, in column {column:,}"
    elif crs.size * _LINE_BYTES_MAX > limit:
        cause = (
            f"{crs.size:,} carriage returns stand alone in it: its lines seem to end in CR, and must end in LF or CRLF"
        )
    elif 2 * field_bytes > limit:
        cause = f"column {column:,} alone has over {field_bytes:,} of them, without a delimiter or a line end"
    else:
        cause = f"it has over {column:,} columns, without a line end"
    text = f"{_name(number, start)} is larger than {limit:,} bytes: {cause}"
    return CsvDefect("record_too_large", text, record_number=number, byte_offset=start, column=column)


def unbalanced(record: bytes | bytearray, syntax: Syntax, *, number: int, start: int, opened: int) -> CsvDefect:
    """Return the defect of an input that ends inside the quoted field that began at `opened`, an offset in the file."""
    column = _outside_quotes(record[: opened - start + 1], syntax)[0].size + 1
    text = f"{_name(number, start)} does not end: a quote opened at byte {opened} is never closed, in column {column:,}"
    return CsvDefect("unbalanced_quote", text, record_number=number, byte_offset=start, column=column)


def _outside_quotes(head: bytes | bytearray, syntax: Syntax) -> tuple[Positions, Positions]:
    """Return where the delimiters and carriage returns outside quotes are; no line feed is."""
    block = np.frombuffer(head, np.uint8)
    quotes = read(block, syntax, ReaderState.START, has_quotes=True).quotes
    assert quotes is not None, "it was told that there are some"
    delimiters, crs = (positions(bitmap(block, byte) & ~quotes.inside) for byte in (syntax.delimiter, CR))
    return delimiters, crs


def _name(record_number: int, byte_offset: int) -> str:
    return f"record {record_number} (at byte {byte_offset})" if record_number else "the header"
