"""The worker's reading of one range: where each record stands, which are defective, and clean CSV for a fast parser."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from baton.csv.bits import Block, Positions, Words, bitmap, count_between, is_set, last, positions, shifted
from baton.csv.structure import BLOCK_BYTES, Quotes, State, read
from baton.csv.syntax import CR, LF, CsvDefect, Syntax

type RecordDefect = Literal["nul_byte", "bare_cr", "quote", "columns"]


@dataclass(frozen=True, slots=True)
class Defect:
    """Why one record cannot be read as CSV; of several reasons the first in this order.

    `nul_byte`: it holds a NUL. `bare_cr`: a CR outside quotes ends no line. `quote`: text follows a closing quote.
    `columns`: it has `found` fields, not as many as the header.
    """

    code: RecordDefect
    found: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """One range, taken apart.

    `starts`, `ends`: int64, one per record that is not blank, in order; `[start, end)` leaves the terminator out.
    `defects`: by index of the record, in order.
    `clean`: the records without defects, in order, as every RFC 4180 parser reads them: no blank lines, no quotes but
    around whole fields. It is the object that came in if that was so already.
    """

    starts: Positions
    ends: Positions
    defects: Mapping[int, Defect]
    clean: bytes


def cut(data: bytes, syntax: Syntax, *, columns: int, block_bytes: int = BLOCK_BYTES) -> Cut:
    """Take apart one range of whole records, each of which should have `columns` fields.

    `block_bytes` is a multiple of 64. Raises `CsvDefect` (`unbalanced_quote`) if the range ends inside quotes, as none
    that a `Scanner` made does; the numbers in it count from the range's start.
    """
    if not data:
        none = np.zeros(0, np.int64)
        return Cut(none, none, {}, data)
    marks = _mark(data, syntax, block_bytes)
    records = _records(data, marks.line_feeds)
    if marks.left_open is not None:
        raise CsvDefect.unbalanced(records.starts.size, int(records.starts[-1]), opened=marks.left_open)
    defects = _defects(marks, records, columns)
    insertions = records.starts[:0] if marks.strays is None else _insertions(marks.strays, marks.delimiters, records)
    return Cut(records.starts, records.ends, defects, _clean(data, records, defects, insertions, syntax.quote))


@dataclass(frozen=True, slots=True)
class _Marks:
    """What stands where in the range; None: nowhere."""

    line_feeds: Positions
    """Outside quotes, as are the delimiters and CRs."""
    delimiters: Words
    crs: Words | None
    nuls: Words | None
    after_quote: Words | None
    """Bytes right after a closing quote."""
    strays: Words | None
    """Quotes that are literal because they stand in text."""
    left_open: int | None
    """The quote that opened the field inside which the range ends."""


def _mark(data: bytes, syntax: Syntax, block_bytes: int) -> _Marks:
    assert block_bytes % 64 == 0, "words of consecutive blocks must join"
    whole = np.frombuffer(data, np.uint8)
    blocks = [whole[i : i + block_bytes] for i in range(0, len(data), block_bytes)]
    line_feeds = np.concatenate([np.flatnonzero(block == LF) + i * block_bytes for i, block in enumerate(blocks)])
    delimiters = _bitmap(blocks, syntax.delimiter)
    crs = _bitmap(blocks, CR) if b"\r" in data else None
    nuls = _bitmap(blocks, 0) if b"\0" in data else None
    if syntax.quote not in data:
        return _Marks(line_feeds, delimiters, crs, nuls, after_quote=None, strays=None, left_open=None)
    quotes, state = _read(blocks, syntax)
    outside = ~quotes.inside
    strays = _bitmap(blocks, syntax.quote) & ~quotes.structural
    return _Marks(
        line_feeds[is_set(outside, line_feeds)],
        delimiters & outside,
        None if crs is None else crs & outside,
        nuls,
        after_quote=shifted(quotes.structural, carry=False) & outside & ~quotes.structural,
        strays=strays if strays.any() else None,
        left_open=last(quotes.openers) if state is State.QUOTED else None,
    )


def _bitmap(blocks: list[Block], byte: int) -> Words:
    return np.concatenate([bitmap(block, byte) for block in blocks])


def _read(blocks: list[Block], syntax: Syntax) -> tuple[Quotes, State]:
    """Return the quotes of all blocks as one, and the state at their end."""
    state, found = State.START, list[Quotes]()
    for block in blocks:
        structure = read(block, syntax, state)
        state = structure.state
        none = np.zeros_like(structure.ends)
        found.append(structure.quotes or Quotes(none, none, none))
    inside, structural, openers = (
        np.concatenate(words)
        for words in zip(*((quotes.inside, quotes.structural, quotes.openers) for quotes in found), strict=True)
    )
    return Quotes(inside, structural, openers), state


@dataclass(frozen=True, slots=True)
class _Records:
    """Three columns; `stops` are the ends of the terminators."""

    starts: Positions
    ends: Positions
    stops: Positions


def _records(data: bytes, line_feeds: Positions) -> _Records:
    stops = np.append(line_feeds + 1, len(data))
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
    ends = np.append(line_feeds, len(data))
    if b"\r" in data:
        # Before the LF of an empty line stands none but an LF, or nothing: then -1 reads the last byte, harmlessly.
        ends[:-1] -= np.frombuffer(data, np.uint8)[ends[:-1] - 1] == CR
    full = ends > starts
    return _Records(starts[full], ends[full], stops[full])


def _defects(marks: _Marks, records: _Records, columns: int) -> dict[int, Defect]:
    found = count_between(marks.delimiters, records.starts, records.ends) + 1
    wrong = np.flatnonzero(found != columns)
    defects = {i: Defect("columns", n) for i, n in zip(wrong.tolist(), found[wrong].tolist(), strict=True)}
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
            having = np.flatnonzero(count_between(words, records.starts, records.ends))
            defects |= dict.fromkeys(having.tolist(), Defect(code))
    return dict(sorted(defects.items()))


def _insertions(strays: Words, delimiters: Words, records: _Records) -> Positions:
    """Return before which bytes a quote must go so that fields with literal quotes become quoted ones, sorted.

    That is before each of these quotes, and before the first and after the last byte of their field.
    """
    literal, separators = positions(strays), positions(delimiters)
    record = np.searchsorted(records.starts, literal, side="right") - 1
    behind = np.searchsorted(separators, literal)
    starts = np.maximum(np.concatenate([[-1], separators])[behind] + 1, records.starts[record])
    ends = np.minimum(np.append(separators, records.ends[-1])[behind], records.ends[record])
    return np.sort(np.concatenate([np.unique(starts), literal, np.unique(ends)]))


def _clean(data: bytes, records: _Records, defects: Mapping[int, Defect], insertions: Positions, quote: int) -> bytes:
    starts, stops = records.starts, records.stops
    if insertions.size:
        data = np.insert(np.frombuffer(data, np.uint8), insertions, quote).tobytes()
        starts = starts + np.searchsorted(insertions, starts)
        stops = stops + np.searchsorted(insertions, records.ends, side="right")
    good = np.ones(starts.size, np.bool_)
    good[list(defects)] = False
    starts, stops = starts[good], stops[good]
    gaps = stops[:-1] != starts[1:]
    runs_start, runs_stop = starts[np.append(True, gaps)[: starts.size]], stops[np.append(gaps, True)[: stops.size]]
    if runs_start.size == 1 and runs_stop[0] - runs_start[0] == len(data):
        return data
    view = memoryview(data)
    return b"".join(view[start:stop] for start, stop in zip(runs_start.tolist(), runs_stop.tolist(), strict=True))
