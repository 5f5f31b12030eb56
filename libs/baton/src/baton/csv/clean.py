"""Extracts the records of a range that have no defect, as every RFC 4180 parser reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from baton.csv.bits import Positions, Words, positions

_GROUP_BYTES: Final = 1024 * 1024
_RUN_BYTES_MIN: Final = 512
"""Of the mean run of records that follow each other: shorter ones are picked by a mask, longer ones joined."""


@dataclass(frozen=True, slots=True)
class RecordBounds:
    """Three columns; `stops` are the ends of the terminators."""

    starts: Positions
    ends: Positions
    stops: Positions

    def __getitem__(self, which: slice | Positions | NDArray[np.bool_]) -> "RecordBounds":
        return RecordBounds(self.starts[which], self.ends[which], self.stops[which])

    def gaps(self) -> NDArray[np.bool_]:
        """Return of each record but the last whether there is something between it and the next."""
        return self.stops[:-1] != self.starts[1:]

    def groups(self) -> Iterator["RecordBounds"]:
        """Yield the records in groups that begin close to each other: what is made of one of them is bounded."""
        edges = np.flatnonzero(np.diff(self.starts // _GROUP_BYTES)) + 1
        for first, last in zip([0, *edges.tolist()], [*edges.tolist(), self.starts.size], strict=True):
            yield self[first:last]


def clean(data: bytes, records: RecordBounds, *, strays: Words | None, delimiters: Words, quote: int) -> bytes:
    """Return these records of `data`, each with its terminator: `data` itself if that is all there is in it.

    `strays`: quotes that are literal because they are in text; their fields are put in quotes.
    """
    if not records.starts.size:
        return b""
    if strays is None and records.stops[-1] == len(data) and not records.starts[0] and not records.gaps().any():
        return data
    pieces, added = list[memoryview](), False
    for group in records.groups():
        base, stop = int(group.starts[0]), int(group.stops[-1])
        piece = memoryview(data)[base:stop]
        placed = RecordBounds(group.starts - base, group.ends - base, group.stops - base)
        literal = _within(strays, base, stop) if strays is not None else group.starts[:0]
        literal = literal[_owned(literal, placed)]
        if literal.size:
            added = True
            insertions = _insertions(literal, _within(delimiters, base, stop), placed)
            piece = _inserted(piece, insertions, quote)
            placed = _moved(placed, insertions)
        pieces += _picked(piece, placed)
    if not added and len(data) == sum(map(len, pieces)):
        return data
    return b"".join(pieces)


def _within(words: Words, base: int, stop: int) -> Positions:
    """Return the set bits of `[base, stop)`, counted from `base`."""
    found = positions(words[base >> 6 : (stop + 63) >> 6]) - (base & 63)
    return found[(found >= 0) & (found < stop - base)]


def _owned(at: Positions, records: RecordBounds) -> NDArray[np.bool_]:
    """Return of each position whether it is in one of the records, and not in one that was left out between them."""
    owner = np.searchsorted(records.starts, at, side="right") - 1
    return at < records.ends[owner]


def _insertions(literal: Positions, separators: Positions, records: RecordBounds) -> Positions:
    """Return before which bytes a quote must go so that fields with literal quotes become quoted ones, sorted.

    That is before each of these quotes, and before the first and after the last byte of their field.
    """
    record = np.searchsorted(records.starts, literal, side="right") - 1
    behind = np.searchsorted(separators, literal)
    # One of each field is enough: a record may be a million literal quotes.
    first = np.append(True, (behind[1:] != behind[:-1]) | (record[1:] != record[:-1]))
    record, behind = record[first], behind[first]
    starts = np.maximum(np.append(-1, separators)[behind] + 1, records.starts[record])
    ends = np.minimum(np.append(separators, records.ends[-1])[behind], records.ends[record])
    return np.sort(np.concatenate([starts, literal, ends]))


def _inserted(piece: memoryview, insertions: Positions, byte: int) -> memoryview:
    """Return the piece with `byte` before each of these, sorted; `np.insert` would sort them again, in more memory."""
    new = np.full(len(piece) + insertions.size, byte, np.uint8)
    old = np.ones(new.size, np.bool_)
    old[insertions + np.arange(insertions.size)] = False
    new[old] = np.frombuffer(piece, np.uint8)
    return memoryview(new)


def _moved(records: RecordBounds, insertions: Positions) -> RecordBounds:
    """Return where the records are after an insertion before each of these bytes, to which it belongs."""
    by_end = np.searchsorted(insertions, records.ends, side="right")
    starts = records.starts + np.searchsorted(insertions, records.starts)
    return RecordBounds(starts, records.ends + by_end, records.stops + by_end)


def _picked(piece: memoryview, records: RecordBounds) -> list[memoryview]:
    """Return the records' bytes, in as few pieces as that is fast."""
    gaps = records.gaps()
    starts, stops = records.starts[np.append(True, gaps)], records.stops[np.append(gaps, True)]
    if starts.size * _RUN_BYTES_MIN <= len(piece) or starts.size == 1:
        return [piece[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    steps = np.zeros(len(piece) + 1, np.int8)
    steps[starts] = 1
    steps[stops] = -1
    picked = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
    return [memoryview(np.frombuffer(piece, np.uint8)[picked])]
