"""The splitter's pass over a file: where its records begin and end, in ranges of about equal size."""

from dataclasses import dataclass

import numpy as np

from baton.csv.bits import Block, Positions, Words, bitmap, count, first, is_set, last, shifted
from baton.csv.structure import BLOCK_BYTES, State, Structure, read
from baton.csv.syntax import CR, LF, RECORD_BYTES_MAX, CsvDefect, Syntax


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `[start, end)` of the file that hold `records` whole records; `first_record` counts from 1."""

    start: int
    end: int
    first_record: int
    records: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The ranges cover everything from the scanner's start to the end of the file, in order, without a gap."""

    ranges: tuple[Range, ...]
    records: int


class Scanner:
    """Reads a file once, in blocks of any size, and cuts it into ranges of whole records.

    A range ends after the first record whose terminator ends at or past `chunk_bytes` from the range's start; blank
    lines at the end of the file join the last one. Memory is bound by `block_bytes` and the number of ranges.

    The same bytes give the same result however they are fed: work is done on blocks of `block_bytes` counted from
    `start`, so what is left over from one `feed` waits for the next.
    """

    def __init__(
        self,
        syntax: Syntax,
        *,
        start: int,
        chunk_bytes: int,
        block_bytes: int = BLOCK_BYTES,
        record_bytes_max: int = RECORD_BYTES_MAX,
    ) -> None:
        """Start at file offset `start`, where a record begins: the end of the header."""
        self._syntax = syntax
        self._chunk_bytes = chunk_bytes
        # Then a record within one block is never too large: only the one that was carried into it can be.
        self._block_bytes = min(block_bytes, record_bytes_max)
        self._record_bytes_max = record_bytes_max
        self._waiting = bytearray()
        self._at = start
        self._state = State.START
        self._last_byte = LF
        self._record_start = start
        self._opened = start
        self._range_start = start
        self._ranges: list[Range] = []
        self._records = 0
        self._records_in_ranges = 0

    def feed(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file; nothing of `block` is kept. Raises `CsvDefect` (`record_too_large`)."""
        view = memoryview(block)
        if self._waiting:
            missing = self._block_bytes - len(self._waiting)
            self._waiting += view[:missing]
            view = view[missing:]
            if len(self._waiting) < self._block_bytes:
                return
            self._flush()
        whole = len(view) - len(view) % self._block_bytes
        for i in range(0, whole, self._block_bytes):
            self._scan(np.frombuffer(view[i : i + self._block_bytes], np.uint8))
        self._waiting += view[whole:]

    def finish(self) -> Scan:
        """Say that the file ends here. Raises `CsvDefect`."""
        if self._waiting:
            self._flush()
        size = self._at - self._record_start
        quoted = self._state is State.QUOTED
        if size > self._record_bytes_max:  # by the CR that might have been half of a CRLF
            raise self._too_large(opened=self._opened if quoted else None)
        if quoted:
            raise CsvDefect.unbalanced(self._records + 1, self._record_start, opened=self._opened)
        self._records += size > 0
        records = self._records - self._records_in_ranges
        if records or not self._ranges:
            self._add_range(self._at, records)
        else:
            final = self._ranges[-1]
            self._ranges[-1] = Range(final.start, self._at, final.first_record, final.records)
        return Scan(tuple(self._ranges), self._records)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        self._scan(np.frombuffer(waiting, np.uint8))

    def _scan(self, block: Block) -> None:
        structure = read(block, self._syntax, self._state)
        self._check_carried_record(block, structure)
        ends = structure.ends & ~self._blank(block, structure.ends)
        if self._at + block.size >= self._range_start + self._chunk_bytes:
            self._cut(block, ends)
        self._records += count(ends)
        if (line_feed := last(structure.ends)) is not None:
            self._record_start = self._at + line_feed + 1
        if structure.quotes and (opener := last(structure.quotes.openers)) is not None:
            self._opened = self._at + opener
        self._state = structure.state
        self._last_byte = int(block[-1])
        self._at += block.size

    def _blank(self, block: Block, line_feeds: Words) -> Words:
        """Return those line feeds that end a blank line: right at a record's start, or after a CR that stands there."""
        begins = shifted(line_feeds, carry=self._record_start == self._at)
        blank = line_feeds & begins
        after_cr = self._record_start == self._at - 1 and self._last_byte == CR
        if after_cr or (block == CR).any():
            blank |= line_feeds & shifted(bitmap(block, CR) & begins, carry=after_cr)
        return blank

    def _cut(self, block: Block, ends: Words) -> None:
        line_feeds = np.flatnonzero(block == LF)
        stops: Positions = line_feeds[is_set(ends, line_feeds)] + (self._at + 1)
        while (i := int(np.searchsorted(stops, self._range_start + self._chunk_bytes))) < stops.size:
            self._add_range(int(stops[i]), self._records + i + 1 - self._records_in_ranges)

    def _add_range(self, end: int, records: int) -> None:
        self._ranges.append(Range(self._range_start, end, self._records_in_ranges + 1, records))
        self._range_start = end
        self._records_in_ranges += records

    def _check_carried_record(self, block: Block, structure: Structure) -> None:
        """Measure the record that began in an earlier block, without the CR that is (or may be) of its terminator."""
        if self._at + block.size - self._record_start <= self._record_bytes_max:
            return
        end = first(structure.ends)
        end = block.size if end is None else end
        before = int(block[end - 1]) if end else self._last_byte
        if self._at + end - (before == CR) - self._record_start > self._record_bytes_max:
            over = self._record_start + self._record_bytes_max - self._at
            raise self._too_large(opened=self._opener(structure, over))

    def _opener(self, structure: Structure, position: int) -> int | None:
        """Return where the quoted field around this byte of the block was opened, as an offset in the file."""
        if position < 0:  # the CR at the end of the block before
            return self._opened if self._state is State.QUOTED else None
        opened = structure.opened(position, before=self._opened - self._at)
        return None if opened is None else self._at + opened

    def _too_large(self, *, opened: int | None) -> CsvDefect:
        number = self._records + 1
        return CsvDefect.too_large(number, self._record_start, limit=self._record_bytes_max, opened=opened)
