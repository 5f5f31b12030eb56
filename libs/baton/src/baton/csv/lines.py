"""Detects records that swallowed whole lines because a quote was left open and closed only much later.

By the rules of CSV such a record is sound, however many others it swallowed, so only its contents show it. A line
looks like a record if it holds as many delimiters as the header. Inside quotes a comma that a blank follows does not
count, since prose has such commas, unless a blank also follows most of the record's commas outside quotes; below four
columns, where a line of prose soon has the right number, nor does one at the end of a line. A record swallowed lines
if nine in ten of the lines within it look like records, and

* so do its first and its last line, the edges of what the quotes hold, and below four columns there is a line between;
* or, from four columns on, three lines between the edges do.

Honest text does not meet the edges: the line that it begins in also holds the delimiters before it, and the one that it
ends in those behind it, so these have more than the lines between, or those have fewer than a record. Of a record that
is defective anyway less is required: this decides its explanation, not whether it is accepted.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from baton.csv.bits import Block, Positions, Words, bitmap, count_between, lowered, positions
from baton.csv.clean import RecordBounds
from baton.csv.syntax import CR, LF, Syntax

_COLUMNS_MANY: Final = 4
_LINES_MANY: Final = 3
_EDGES: Final = 2
_SPACE: Final = ord(" ")
_COMMA: Final = ord(",")

type _Spans = tuple[Positions, Positions]
"""Starts and ends, in order."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A range in which quotes matter; its line feeds and delimiters are all that there are."""

    data: Block
    syntax: Syntax
    columns: int
    inside: Words
    line_feeds: Words
    delimiters: Words

    def window(self, base: int, stop: int) -> "Quoted":
        """Return the bytes `[base, stop)`; `base` is a multiple of 64."""
        words = slice(base >> 6, (stop + 63) >> 6)
        cut = (self.inside[words], self.line_feeds[words], self.delimiters[words])
        return Quoted(self.data[base:stop], self.syntax, self.columns, *cut)

    def before(self, byte: int) -> Words:
        """Return the bytes that this one follows."""
        return lowered(bitmap(self.data, byte))


def swallowed(quoted: Quoted, records: RecordBounds, defective: NDArray[np.bool_]) -> tuple[Positions, Positions]:
    """Return the records, by index, that swallowed lines, and how many lines each did.

    `defective`: by record. Where no quoted field holds a line end, it costs next to nothing.
    """
    line_feeds = quoted.line_feeds & quoted.inside
    if quoted.columns == 1 or not line_feeds.any():
        return records.starts[:0], records.starts[:0]
    having = _having(line_feeds, records.starts)
    lines, at = np.zeros(having.size, np.int64), 0
    for group in records[having].groups():
        found = slice(at, at + group.starts.size)
        base = int(group.starts[0]) & ~63
        window = quoted.window(base, int(group.ends[-1]))
        lines[found] = _swallowed(window, group.starts - base, group.ends - base, defective[having[found]])
        at = found.stop
    return having[lines > 0], lines[lines > 0]


def _having(bits: Words, starts: Positions) -> Positions:
    """Return the records in which a bit is set, where all bits are in records."""
    step = 64 * 1024
    found = (
        np.searchsorted(starts, positions(bits[i : i + step]) + 64 * i, "right") for i in range(0, bits.size, step)
    )
    return np.unique(np.concatenate([np.unique(some) for some in found])) - 1


def _swallowed(quoted: Quoted, starts: Positions, ends: Positions, defective: NDArray[np.bool_]) -> Positions:
    """Return how many lines each record swallowed, 0 if none.

    Only those are looked into that have the delimiters of two lines that look like records, or of one if it tells.
    """
    found = count_between(quoted.delimiters, starts, ends)
    could = found >= (quoted.columns - 1) * np.where(defective, 1, _EDGES)
    lines = np.zeros(starts.size, np.int64)
    if could.any():
        lines[could] = _swallowed_by(quoted, starts[could], ends[could], defective[could])
    return lines


def _swallowed_by(quoted: Quoted, starts: Positions, ends: Positions, defective: NDArray[np.bool_]) -> Positions:
    line_starts, line_ends = _lines(quoted, starts, ends)
    owner = np.searchsorted(starts, line_starts, side="right") - 1
    like = _delimiters(quoted, (starts, ends), (line_starts, line_ends), owner) == quoted.columns - 1
    edge = (line_starts == starts[owner]) | (line_ends == ends[owner])

    def number(which: NDArray[np.bool_]) -> Positions:
        return np.bincount(owner[which], minlength=starts.size)

    between, between_like = number(~edge), number(~edge & like)
    many_columns = quoted.columns >= _COLUMNS_MANY
    telling = (number(edge & like) == _EDGES) & ((between > 0) | many_columns | defective)
    telling |= (between_like >= _LINES_MANY) & many_columns
    telling |= (between_like > 0) & defective
    return np.where(telling & (10 * between_like >= 9 * between), between + 1, 0)


def _lines(quoted: Quoted, starts: Positions, ends: Positions) -> tuple[Positions, Positions]:
    """Return the lines that the line ends inside quotes make of these records, in order; blank ones are left out."""
    inner = positions(quoted.line_feeds & quoted.inside)
    owner = np.searchsorted(starts, inner, side="right") - 1
    inner = inner[(owner >= 0) & (inner < ends[owner])]
    line_starts = np.sort(np.concatenate([starts, inner + 1]))
    line_ends = np.sort(np.concatenate([inner, ends]))
    size = line_ends - line_starts
    full = (size > 1) | ((size == 1) & (quoted.data[np.minimum(line_starts, quoted.data.size - 1)] != CR))
    return line_starts[full], line_ends[full]


def _delimiters(quoted: Quoted, records: _Spans, lines: _Spans, owner: Positions) -> Positions:
    """Return how many delimiters each line holds, without those that prose has. `owner`: the record of each line."""
    found = count_between(quoted.delimiters, *lines)
    if quoted.syntax.delimiter != _COMMA:
        return found
    commas, before_blank = quoted.delimiters & quoted.inside, quoted.before(_SPACE)
    prose = count_between(commas & before_blank, *lines)
    prose[_is_spaced(quoted, records, before_blank)[owner]] = 0
    if quoted.columns < _COLUMNS_MANY:
        prose += count_between(commas & (quoted.before(LF) | quoted.before(CR)), *lines)
    return found - prose


def _is_spaced(quoted: Quoted, records: _Spans, before_blank: Words) -> NDArray[np.bool_]:
    """Say of each record whether a blank follows most of its commas outside quotes: its writer sets them so.

    Those before a quote do not count: after a blank it would open none.
    Decided by the record alone and not by those around it: wherever a file is cut, the same records are defects.
    """
    commas = quoted.delimiters & ~quoted.inside
    others = commas & ~before_blank & ~quoted.before(quoted.syntax.quote)
    return count_between(commas & before_blank, *records) > count_between(others, *records)
