"""Reads the first record of a file, its header."""

import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from baton.csv.bits import first
from baton.csv.overlong import too_large, unbalanced
from baton.csv.records import fields
from baton.csv.structure import BLOCK_BYTES, ReaderState, read
from baton.csv.syntax import CR, LF, RECORD_BYTES_MAX, Syntax

_BLANK_LINES: Final = re.compile(rb"\n*+(?:\r\n\n*+)*+")


@dataclass(frozen=True, slots=True)
class Header:
    """The header's unquoted fields, and the offset at which the data begins.

    `line` is the record's bytes without its line end; the decoded fields are what is compared.
    """

    fields: tuple[bytes, ...]
    end: int
    line: bytes = field(default=b"", compare=False, repr=False)


class HeaderReader:
    """Finds a file's first record in blocks of any size. Each byte is looked at once, and that record alone is held.

    A UTF-8 byte order mark and blank lines before it are skipped. After a header no more is fed.
    """

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._mark: bytes | None = b""
        """The bytes read of a possible byte order mark; None once that is decided."""
        self._start: int = 0
        """Where the record begins, or would if the next line is not blank."""
        self._record = bytearray()
        self._state = ReaderState.START

    def feed(self, block: bytes | bytearray) -> Header | None:
        """Take the next bytes of the file; None if it takes more. Raises `CsvDefect` (record number 0)."""
        block = self._without_mark(block)
        at = 0
        while at < len(block):
            if len(self._record) == 1 and self._record[0] == CR and block[at] == LF:
                # A blank line that is split between two blocks.
                self._start, at = self._start + 2, at + 1
                self._record.clear()
                self._state = ReaderState.START
            if not self._record:
                blank = _BLANK_LINES.match(block, at)
                assert blank is not None, "nothing is matched too"
                stop: int = blank.end()
                self._start, at = self._start + stop - at, stop
            if header := self._take(block[at : at + BLOCK_BYTES]):
                return header
            at += BLOCK_BYTES
        return None

    def finish(self) -> Header:
        """Say that the file ends here; one without a record has no fields. Raises `CsvDefect`."""
        self._record += self._mark or b""
        self._check_size(len(self._record))
        if self._state is ReaderState.QUOTED:
            opened = self._opener(len(self._record) - 1)
            assert opened is not None, "the last byte is inside quotes"
            raise unbalanced(self._record, self._syntax, number=0, start=self._start, opened=opened)
        return self._header(b"")

    def _without_mark(self, block: bytes | bytearray) -> bytes | bytearray:
        if self._mark is None:
            return block
        block = self._mark + block
        if len(block) < len(BOM_UTF8) and BOM_UTF8.startswith(block):
            self._mark = block
            return b""
        self._mark = None
        if not block.startswith(BOM_UTF8):
            return block
        self._start = len(BOM_UTF8)
        return block[self._start :]

    def _take(self, piece: bytes | bytearray) -> Header | None:
        """Add bytes of the record, and return it if they end it."""
        if not piece:
            return None
        structure = read(
            np.frombuffer(piece, np.uint8), self._syntax, self._state, has_quotes=self._syntax.quote in piece
        )
        line_feed = first(structure.ends)
        self._record += piece[:line_feed]
        # A CR at the end of what we have may turn out to belong to a CRLF.
        self._check_size(len(self._record) - self._record.endswith(b"\r"))
        self._state = structure.state
        return None if line_feed is None else self._header(b"\n")

    def _header(self, terminator: bytes) -> Header:
        record = bytes(self._record)
        end = self._start + len(record) + len(terminator)
        if terminator:
            record = record.removesuffix(b"\r")
        return Header(fields(record, self._syntax) if record else (), end, record)

    def _check_size(self, size: int) -> None:
        if size > RECORD_BYTES_MAX:
            opened = self._opener(RECORD_BYTES_MAX)
            raise too_large(
                self._record, self._syntax, number=0, start=self._start, limit=RECORD_BYTES_MAX, opened=opened
            )

    def _opener(self, position: int) -> int | None:
        """Return where the quoted field around this byte of the record was opened, as an offset in the file."""
        structure = read(np.frombuffer(self._record, np.uint8), self._syntax, ReaderState.START, has_quotes=True)
        opened = structure.opened(position, before=0)
        return None if opened is None else self._start + opened
