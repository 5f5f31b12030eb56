"""Bytes of clean records to columns of text. Output of the worker is UTF-8, whatever the input is."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from baton.csv import Cut
from baton.errors import BatchFailed
from baton.job import Dialect

__all__ = ["Parsed", "parse", "undecodable"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """Records as columns `c0`, `c1`, ... in the order of the file; an empty field is null.

    `plain`: no field holds anything that has to be quoted when it is written.
    """

    frame: pl.DataFrame
    plain: bool


def parse(clean: bytes, dialect: Dialect, width: int, *, records: int) -> Parsed:
    """Return records of `width` fields each. Bytes that do not decode become U+FFFD: see `undecodable`.

    Raises `BatchFailed` with code `conservation` if the parser does not see the `records` that the scan found clean.
    """
    text = _utf8(clean, dialect.encoding)
    quoted = dialect.quote.encode() in text
    try:
        frame = pl.read_csv(
            # With a mark of its own in front nothing in the text is taken for anything but text: polars inflates what
            # begins like a zlib stream ("x" and a Persian letter do), and takes a mark off, which here is content.
            BOM_UTF8 + text,
            has_header=False,
            schema={f"c{position}": pl.String for position in range(width)},
            separator=dialect.delimiter,
            quote_char=dialect.quote,
        )
    except pl.exceptions.PolarsError as error:
        raise BatchFailed("conservation", f"the parser refused records that the scan found clean: {error}") from error
    if frame.height != records:
        raise BatchFailed("conservation", f"the parser found {frame.height} records where the scan found {records}")
    if quoted:  # a quoted empty field is "" and not null
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    to_quote = quoted or b'"' in text or (dialect.delimiter != "," and b"," in text)
    return Parsed(frame, plain=not to_quote)


def undecodable(data: bytes, cut: Cut, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the index of each record without a defect that does not decode, and what is wrong with it."""
    if _decodes(data, encoding):
        return
    high = np.flatnonzero(np.frombuffer(data, np.int8) < 0)  # all else is ASCII in every encoding that a job may name
    for index in np.unique(np.searchsorted(cut.starts, high, side="right") - 1).tolist():
        if index in cut.defects:
            continue
        start = int(cut.starts[index])
        try:
            data[start : int(cut.ends[index])].decode(encoding)
        except UnicodeDecodeError as error:
            yield index, f"byte 0x{error.object[error.start]:02x} at {error.start} of the record is not {encoding}"


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
