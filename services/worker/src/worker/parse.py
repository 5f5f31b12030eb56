"""Parses the bytes of clean records into text columns. Output is UTF-8 for every encoding of the input."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from baton.csv import Cut
from baton.errors import BatchFailed
from baton.job import Dialect

__all__ = ["Text", "Undecodable", "parse", "parse_lines", "undecodable", "utf8"]

_RECORDS_AT_ONCE: Final = 512
"""Records decoded together, to find out which of them do not decode."""


@dataclass(frozen=True, slots=True)
class Text:
    """Clean records in UTF-8, unchanged except for bytes that do not decode: those are U+FFFD, see `undecodable`."""

    marked: bytes
    """Below a byte order mark: with one in front nothing in the text is taken for anything but text. polars inflates
    what begins like a zlib stream ("x" and a Persian letter do), and takes a mark off, which may be content here. What
    begins with a digit, as neither a mark nor any compressed stream does, is not copied for it."""
    quoted: bool
    """Whether any field is quoted."""
    plain: bool
    """Whether no field holds anything that has to be quoted when it is written."""


def utf8(clean: bytes, dialect: Dialect) -> Text:
    """Return the records as text."""
    text = _utf8(clean, dialect.encoding)
    quoted = dialect.quote.encode() in text
    to_quote = quoted or b'"' in text or (dialect.delimiter != "," and b"," in text)
    return Text(text if text[:1].isdigit() else BOM_UTF8 + text, quoted, plain=not to_quote)


def parse(text: Text, dialect: Dialect, width: int, *, records: int) -> pl.DataFrame:
    """Return records of `width` fields each as columns `c0`, `c1`, ... in the order of the file; null for empty.

    Raises `BatchFailed` with code `conservation` if the parser does not find the `records` that the scan found clean.
    """
    columns = [f"c{position}" for position in range(width)]
    frame = _read(text, columns, dialect.delimiter, dialect.quote if text.quoted else None, records)
    # A quoted empty field is "" and not null.
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all())) if text.quoted else frame


def parse_lines(text: Text, *, records: int) -> pl.Series:
    """Return records without a quoted field as whole lines, without their ends. Raises like `parse`."""
    assert not text.quoted
    # No clean record holds a NUL: all of a line is one field.
    return _read(text, ["line"], "\0", None, records).to_series()


def _read(text: Text, columns: list[str], delimiter: str, quote: str | None, records: int) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            text.marked,
            has_header=False,
            schema=dict.fromkeys(columns, pl.String),
            separator=delimiter,
            quote_char=quote,
        )
    except pl.exceptions.PolarsError as error:
        raise BatchFailed("conservation", f"the parser refused records that the scan found clean: {error}") from error
    if frame.height != records:
        raise BatchFailed("conservation", f"the parser found {frame.height} records where the scan found {records}")
    return frame


@dataclass(frozen=True, slots=True)
class Undecodable:
    """The first byte of a record that is not of the encoding: record and field from 0, and what a reject says."""

    record: int
    field: int
    told: str


def undecodable(data: bytes, cut: Cut, dialect: Dialect) -> Iterator[Undecodable]:
    """Yield what does not decode, of each record without a defect."""
    encoding, field_at = dialect.encoding, _field_at(dialect)
    if _decodes(data, encoding):
        return
    starts, ends = cut.starts, cut.ends
    has_defect = np.zeros(len(starts), dtype=bool)
    has_defect[cut.defects.records] = True
    for first in range(0, len(starts), _RECORDS_AT_ONCE):
        some = range(first, min(first + _RECORDS_AT_ONCE, len(starts)))
        if _decodes(data[int(starts[some[0]]) : int(ends[some[-1]])], encoding):
            continue
        places = zip(some, starts[some].tolist(), ends[some].tolist(), has_defect[some].tolist(), strict=True)
        for index, start, end, is_told in places:
            if is_told:
                continue
            record = data[start:end]
            try:
                record.decode(encoding)
            except UnicodeDecodeError as error:
                told = f"byte 0x{record[error.start]:02x} at {error.start}"
                yield Undecodable(index, field_at(record, error.start), told)


def _field_at(dialect: Dialect) -> Callable[[bytes, int], int]:
    """Return what finds the field, from 0, in which a byte of a record without a defect stands."""
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    q, d = re.escape(quote), re.escape(delimiter)
    # What begins with a quote ends with one, or the last field's delimiters in quotes would each end a field.
    field = re.compile(rb"(?:%b(?:[^%b]|%b%b)*+%b|(?!%b)[^%b]*+)%b" % (q, q, q, q, q, q, d, d), re.DOTALL)

    def found(record: bytes, at: int) -> int:
        if record.find(quote, 0, at) < 0:
            return record.count(delimiter, 0, at)
        number, place = 0, 0
        while (one := field.match(record, place)) and one.end() <= at:
            number, place = number + 1, one.end()
        return number

    return found


def _decodes(data: bytes, encoding: str) -> bool:
    if data.isascii():
        return True
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _utf8(data: bytes, encoding: str) -> bytes:
    if data.isascii() or (encoding == "utf-8" and _decodes(data, encoding)):
        return data
    # Replacing never touches an ASCII byte, so delimiters, quotes and line ends stay where they are.
    return data.decode(encoding, "replace").encode()
