"""Scans a whole file for the splitter: where its records begin and end, in ranges of about equal size."""

import sys
from dataclasses import dataclass

import numpy as np

from baton.csv.bits import Block, Positions, Words, any_set, bitmap, count, first, is_set, last, positions, shifted
from baton.csv.overlong import too_large, unbalanced
from baton.csv.structure import BLOCK_BYTES, ReaderState, Structure, read
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
    """The ranges hold every record, in order, and between them are blank lines or nothing.

    A file without a record has one range, without a byte.
    """

    ranges: tuple[Range, ...]
    records: int


class Scanner:
    """Reads a file once, in blocks of any size, and cuts it into ranges of whole records.

    A range begins with a record and ends with one: the first whose terminator ends at or past `chunk_bytes` from the
    range's start, or the one that makes `chunk_records`, or the last before blank lines that reach past `chunk_bytes`.
    So none is longer than `chunk_bytes` and a record. Memory is bound by `block_bytes` and the number of ranges.

    The same bytes give the same result however they are fed: work is done on blocks of `block_bytes` counted from
    `start`, so what is left over from one `feed` waits for the next.
    """

    def __init__(
        self,
        syntax: Syntax,
        *,
        start: int,
        chunk_bytes: int,
        chunk_records: int = sys.maxsize,
        block_bytes: int = BLOCK_BYTES,
        record_bytes_max: int = RECORD_BYTES_MAX,
    ) -> None:
        """Start at file offset `start`, where a record begins: the end of the header."""
        self._syntax = syntax
        self._chunk_bytes = chunk_bytes
        self._chunk_records = chunk_records
        # Then a record within one block is never too large: only the one that was carried into it can be.
        self._block_bytes = min(block_bytes, record_bytes_max)
        self._record_bytes_max = record_bytes_max
        self._waiting = bytearray()
        self._at = start
        self._state = ReaderState.START
        self._last_byte = LF
        self._record_start = start
        self._record = bytearray()
        """The bytes of the record that is open: if it never ends, they say why. A block more than the largest one."""
        self._opened = start
        self._start = start
        self._range_start: int | None = None
        """Of the range that is open: where its first record begins."""
        self._stop = start
        """Where the last record ends, its terminator included."""
        self._ranges: list[Range] = []
        self._records = 0
        self._records_in_ranges = 0

    def feed(self, block: bytes | bytearray) -> None:
        """Take the next bytes of the file; nothing of `block` is kept. Raises `CsvDefect` (`record_too_large`)."""
        view, at = memoryview(block), 0
        if self._waiting:
            at = self._block_bytes - len(self._waiting)
            self._waiting += view[:at]
            if len(self._waiting) < self._block_bytes:
                return
            self._flush()
        while at + self._block_bytes <= len(block):
            self._scan(block, at, at + self._block_bytes)
            at += self._block_bytes
        self._waiting += view[at:]

    def finish(self) -> Scan:
        """Say that the file ends here. Raises `CsvDefect`."""
        if self._waiting:
            self._flush()
        size = self._at - self._record_start
        quoted = self._state is ReaderState.QUOTED
        if size > self._record_bytes_max:  # by the CR that might have been half of a CRLF
            raise self._too_large(opened=self._opened if quoted else None)
        if quoted:
            number = self._records + 1
            raise unbalanced(self._record, self._syntax, number=number, start=self._record_start, opened=self._opened)
        if size:
            self._take(np.array([self._record_start]), np.array([self._at]))
            self._records, self._stop = self._records + 1, self._at
        if self._range_start is not None:
            self._close(self._stop, self._records)
        return Scan(tuple(self._ranges) or (Range(self._start, self._start, 1, 0),), self._records)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        self._scan(waiting, 0, len(waiting))

    def _scan(self, data: bytes | bytearray, start: int, stop: int) -> None:
        """Take the next block, the bytes `[start, stop)` of `data`."""
        block = np.frombuffer(data, np.uint8, stop - start, start)
        has_quotes, has_crs = (data.find(byte, start, stop) >= 0 for byte in (self._syntax.quote, CR))
        structure = read(block, self._syntax, self._state, has_quotes=has_quotes)
        self._check_carried_record(block, structure)
        ends = self._without_blank(block, structure.ends, has_crs=has_crs)
        if (final := last(ends)) is not None:
            found = count(ends)
            if self._may_cut(self._at + block.size, found):
                self._take(*self._placed(structure.ends, ends))
            self._records += found
            self._stop = self._at + final + 1
        line_feed = last(structure.ends)
        if line_feed is not None:
            self._record_start = self._at + line_feed + 1
            self._record.clear()
        self._record += memoryview(data)[start if line_feed is None else start + line_feed + 1 : stop]
        if structure.quotes and (opener := last(structure.quotes.openers)) is not None:
            self._opened = self._at + opener
        self._state = structure.state
        self._last_byte = int(block[-1])
        self._at += block.size

    def _without_blank(self, block: Block, line_feeds: Words, *, has_crs: bool) -> Words:
        """Leave out those line feeds that end a blank line: right at a record's start, or after a CR that is there.

        Most blocks have none, and many no CR: what looks for them is left out where it can.
        """
        begins = shifted(line_feeds, carry=self._record_start == self._at)
        blank = line_feeds & begins
        one_byte_before = self._record_start == self._at - 1
        after_cr = one_byte_before and self._last_byte == CR
        if after_cr or (has_crs and any_set(line_feeds & shifted(begins, carry=one_byte_before))):
            # A line of one byte, which may be a CR.
            blank |= line_feeds & shifted(bitmap(block, CR) & begins, carry=after_cr)
        return line_feeds & ~blank if any_set(blank) else line_feeds

    def _may_cut(self, end: int, found: int) -> bool:
        """Return whether a range begins or ends among the `found` records that end before `end`."""
        if self._range_start is None or end >= self._range_start + self._chunk_bytes:
            return True
        return self._records - self._records_in_ranges + found >= self._chunk_records

    def _placed(self, line_feeds: Words, ends: Words) -> tuple[Positions, Positions]:
        """Return where the records that end in this block begin, and where their terminators end."""
        at = positions(line_feeds)
        is_record = is_set(ends, at)
        stops = at + (self._at + 1)
        starts = np.append(self._record_start, stops[:-1])
        return starts[is_record], stops[is_record]

    def _take(self, starts: Positions, stops: Positions) -> None:
        """Put records into ranges; those left over stay in the open one."""
        i = 0
        while i < stops.size:
            if self._range_start is None:
                self._range_start = int(starts[i])
            limit = self._range_start + self._chunk_bytes
            last_by_count = self._records_in_ranges + self._chunk_records - self._records - 1
            i = min(int(np.searchsorted(stops, limit)), last_by_count)
            if i >= stops.size:
                return
            if starts[i] >= limit:  # blank lines led here: they are left out
                self._close(int(stops[i - 1]) if i else self._stop, self._records + i)
            else:
                self._close(int(stops[i]), self._records + i + 1)
                i += 1

    def _close(self, end: int, records: int) -> None:
        """End the open range; `records` is how many the file holds so far."""
        assert self._range_start is not None, "a range is open"
        first = self._records_in_ranges + 1
        self._ranges.append(Range(self._range_start, end, first, records - self._records_in_ranges))
        self._range_start, self._records_in_ranges = None, records

    def _check_carried_record(self, block: Block, structure: Structure) -> None:
        """Measure the record that began in an earlier block, without the CR that is (or may be) of its terminator."""
        if self._at + block.size - self._record_start <= self._record_bytes_max:
            return
        end = first(structure.ends)
        end = block.size if end is None else end
        before = int(block[end - 1]) if end else self._last_byte
        if self._at + end - (before == CR) - self._record_start > self._record_bytes_max:
            over = self._record_start + self._record_bytes_max - self._at
            self._record += block[:end].tobytes()
            raise self._too_large(opened=self._opener(structure, over))

    def _opener(self, structure: Structure, position: int) -> int | None:
        """Return where the quoted field around this byte of the block was opened, as an offset in the file."""
        if position < 0:  # the CR at the end of the block before
            return self._opened if self._state is ReaderState.QUOTED else None
        opened = structure.opened(position, before=self._opened - self._at)
        return None if opened is None else self._at + opened

    def _too_large(self, *, opened: int | None) -> CsvDefect:
        limit, number = self._record_bytes_max, self._records + 1
        return too_large(
            self._record, self._syntax, number=number, start=self._record_start, limit=limit, opened=opened
        )
