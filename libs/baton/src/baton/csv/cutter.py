"""Cuts a worker's range into records: where each one is, which are defective, and clean CSV for a fast parser."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from baton.csv.bits import (
    Block,
    Positions,
    Words,
    bitmap,
    count_between,
    first_from,
    is_set,
    last,
    lowered,
    positions,
    shifted,
)
from baton.csv.clean import RecordBounds, clean
from baton.csv.defects import DEFECT_CODES, NO_DEFECTS, Defects, RecordDefect
from baton.csv.lines import Quoted, swallowed
from baton.csv.overlong import unbalanced
from baton.csv.structure import BLOCK_BYTES, Quotes, ReaderState, read
from baton.csv.syntax import CR, LF, Syntax

_RECORDS_AT_ONCE: Final = 256 * 1024
"""Defective records whose columns are looked up together: every one of a chunk may be, and be two bytes long."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One range, cut into records.

    `starts`, `ends`: int64, one per record that is not blank, in order; `[start, end)` leaves the terminator out.
    `defects`: by index of the record, in order.
    `clean`: the records without defects, in order, as every RFC 4180 parser reads them: no blank lines, no quotes but
    around whole fields. It is the very object that was given if that was so already.
    """

    starts: Positions
    ends: Positions
    defects: Defects
    clean: bytes


def cut(
    data: bytes, syntax: Syntax, *, columns: int, lines_in_fields: bool = False, block_bytes: int = BLOCK_BYTES
) -> Cut:
    """Cut one range of whole records, each of which should have `columns` fields.

    `lines_in_fields`: quoted fields may hold lines that look like records. `block_bytes` is a multiple of 64. Raises
    `CsvDefect` (`unbalanced_quote`) if the range ends inside quotes, as none that a `Scanner` made does; the numbers in
    it count from the range's start.
    """
    if not data:
        none = np.zeros(0, np.int64)
        return Cut(none, none, NO_DEFECTS, data)
    marks = _mark(data, syntax, block_bytes)
    records = _records(data, marks)
    if marks.left_open is not None:
        start = int(records.starts[-1])
        raise unbalanced(data[start:], syntax, number=records.starts.size, start=start, opened=marks.left_open)
    codes, found = _defects(marks, records, columns)
    if marks.inside is not None and not lines_in_fields:
        which, lines = swallowed(
            Quoted(np.frombuffer(data, np.uint8), syntax, columns, *marks.inside), records, codes > 0
        )
        behind = (codes[which] == 0) | (codes[which] > _code("swallowed"))
        codes[which[behind]], found[which[behind]] = _code("swallowed"), lines[behind]
    defective = np.flatnonzero(codes)
    good = records[codes == 0] if defective.size else records
    cleaned = clean(data, good, strays=marks.strays, delimiters=marks.delimiters, quote=syntax.quote)
    defects = Defects(defective, codes[defective] - np.uint8(1), found[defective])
    return Cut(records.starts, records.ends, defects, cleaned)


@dataclass(frozen=True, slots=True)
class _Marks:
    """Where each kind of byte is in the range; None: nowhere."""

    line_feeds: Words
    """Outside quotes, as are the delimiters and CRs."""
    delimiters: Words
    crs: Words | None
    nuls: Words | None
    inside: tuple[Words, Words, Words] | None
    """Bytes inside quotes; line feeds and delimiters, there and elsewhere."""
    after_quote: Words | None
    """Bytes right after a closing quote."""
    strays: Words | None
    """Quotes that are literal because they are in text."""
    left_open: int | None
    """The quote that opened the field inside which the range ends."""


def _mark(data: bytes, syntax: Syntax, block_bytes: int) -> _Marks:
    assert block_bytes % 64 == 0, "words of consecutive blocks must join"
    whole = np.frombuffer(data, np.uint8)
    blocks = [whole[i : i + block_bytes] for i in range(0, len(data), block_bytes)]
    line_feeds, delimiters = _bitmap(blocks, LF), _bitmap(blocks, syntax.delimiter)
    crs = _bitmap(blocks, CR) if b"\r" in data else None
    nuls = _bitmap(blocks, 0) if b"\0" in data else None
    if syntax.quote not in data:
        return _Marks(line_feeds, delimiters, crs, nuls, inside=None, after_quote=None, strays=None, left_open=None)
    quotes, state = _read(data, blocks, syntax)
    outside = ~quotes.inside
    strays = _bitmap(blocks, syntax.quote) & ~quotes.structural
    return _Marks(
        line_feeds & outside,
        delimiters & outside,
        None if crs is None else crs & outside,
        nuls,
        inside=(quotes.inside, line_feeds, delimiters),
        after_quote=shifted(quotes.structural, carry=False) & outside & ~quotes.structural,
        strays=strays if strays.any() else None,
        left_open=last(quotes.openers) if state is ReaderState.QUOTED else None,
    )


def _bitmap(blocks: list[Block], byte: int) -> Words:
    return np.concatenate([bitmap(block, byte) for block in blocks])


def _read(data: bytes, blocks: list[Block], syntax: Syntax) -> tuple[Quotes, ReaderState]:
    """Return the quotes of all blocks as one, and the state at their end. `data`: the blocks, joined."""
    state, found, at = ReaderState.START, list[Quotes](), 0
    for block in blocks:
        stop = at + block.size
        structure = read(block, syntax, state, has_quotes=data.find(syntax.quote, at, stop) >= 0)
        state, at = structure.state, stop
        none = np.zeros_like(structure.ends)
        found.append(structure.quotes or Quotes(none, none, none))
    inside, structural, openers = (
        np.concatenate(words)
        for words in zip(*((quotes.inside, quotes.structural, quotes.openers) for quotes in found), strict=True)
    )
    return Quotes(inside, structural, openers), state


def _records(data: bytes, marks: _Marks) -> RecordBounds:
    begins = shifted(marks.line_feeds, carry=True)
    blank = marks.line_feeds & begins
    if marks.crs is not None:
        blank_crs = lowered(marks.line_feeds) & marks.crs & begins
        blank |= shifted(blank_crs, carry=False)
        begins &= ~blank_crs
    stops = positions(marks.line_feeds & ~blank) + 1
    starts = positions(begins & ~blank) if blank.any() else np.append(0, stops)
    starts = starts[: np.searchsorted(starts, len(data))]  # a line could begin where the range ends
    ends = stops - 1
    if marks.crs is not None:
        ends -= is_set(marks.crs, ends - 1)
    if starts.size > stops.size:  # no line end closes the last record
        stops, ends = np.append(stops, len(data)), np.append(ends, len(data))
    return RecordBounds(starts, ends, stops)


def _defects(marks: _Marks, records: RecordBounds, columns: int) -> tuple[NDArray[np.uint8], Positions]:
    """Return by record the place of its defect in `DEFECT_CODES`, from 1, 0 for none; and the number for its text."""
    found = count_between(marks.delimiters, records.starts, records.ends) + 1
    codes = np.where(found != columns, _code("columns"), np.uint8(0))
    found[codes != _code("columns")] = 0
    # A record's bytes leave its terminator out: in them, a CR outside quotes is a lone one, and what follows a closing
    # quote must be a delimiter. The first reason wins, so the later ones are written first.
    text_after_quote = None if marks.after_quote is None else marks.after_quote & ~marks.delimiters
    by_code: dict[RecordDefect, Words | None] = {
        "quote": text_after_quote,
        "bare_cr": marks.crs,
        "nul_byte": marks.nuls,
    }
    for code, words in by_code.items():
        if words is not None and words.any():
            has = np.flatnonzero(count_between(words, records.starts, records.ends))
            codes[has], found[has] = _code(code), _columns(words, marks.delimiters, records.starts[has])
    return codes, found


def _columns(words: Words, delimiters: Words, starts: Positions) -> Positions:
    """Return of records, each of which has a set bit, the column of the first one, from 1."""
    columns = np.empty(starts.size, np.int64)
    for at in range(0, starts.size, _RECORDS_AT_ONCE):
        some = starts[at : at + _RECORDS_AT_ONCE]
        columns[at : at + some.size] = count_between(delimiters, some, first_from(words, some)) + 1
    return columns


def _code(code: RecordDefect) -> np.uint8:
    return np.uint8(DEFECT_CODES.index(code) + 1)
