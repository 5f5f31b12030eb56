"""The first record of a file."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from baton.csv.bits import positions
from baton.csv.records import fields
from baton.csv.structure import State, Structure, read
from baton.csv.syntax import CR, RECORD_BYTES_MAX, CsvDefect, Syntax

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Header:
    """The header's unquoted fields, and the offset at which the data begins.

    `line` is the record as it stands, without its line end; what is compared is what it says.
    """

    fields: tuple[bytes, ...]
    end: int
    line: bytes = field(default=b"", compare=False, repr=False)


def read_header(head: bytes, syntax: Syntax, *, at_end: bool) -> Header | None:
    """Return the first record of a file that begins with `head`; None if it takes more bytes to tell.

    A UTF-8 byte order mark and blank lines before it are skipped. With `at_end`, `head` is the whole file; one without
    a record has no fields. Raises `CsvDefect` (with record number 0).
    """
    start = len(_BOM) if head.startswith(_BOM) else 0
    if len(head) == start:
        return Header((), start) if at_end else None
    structure = read(np.frombuffer(head, np.uint8)[start:], syntax, State.START)
    base = start
    for stop in positions(structure.ends).tolist():
        end = base + int(stop)
        content_end = end - (end > start and head[end - 1] == CR)
        if content_end > start:
            _check_size(structure, start, content_end, base)
            line = head[start:content_end]
            return Header(fields(line, syntax), end + 1, line)
        start = end + 1
    # A CR at the end of what we have may turn out to belong to a CRLF.
    _check_size(structure, start, len(head) - (not at_end and head[-1] == CR), base)
    return _last_record(head, start, structure, syntax, base) if at_end else None


def _last_record(head: bytes, start: int, structure: Structure, syntax: Syntax, base: int) -> Header:
    if start == len(head):
        return Header((), len(head))
    if structure.state is State.QUOTED:
        opened = structure.opened(len(head) - base - 1, before=0)
        assert opened is not None, "the last byte is inside quotes"
        raise CsvDefect.unbalanced(0, start, opened=base + opened)
    line = head[start:]
    return Header(fields(line, syntax), len(head), line)


def _check_size(structure: Structure, start: int, end: int, base: int) -> None:
    if end - start > RECORD_BYTES_MAX:
        opened = structure.opened(start + RECORD_BYTES_MAX - base, before=0)
        where = None if opened is None else base + opened
        raise CsvDefect.too_large(0, start, limit=RECORD_BYTES_MAX, opened=where)
