"""Reads the records of a reference file; defects for which an input would be rejected are refused, with their lines."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self, TextIO

from baton.csv import RECORD_BYTES_MAX, Syntax, cut
from baton.encoding import marked_as
from baton.foreign import HEAD_BYTES, recognise
from baton.job import Dialect
from baton_cli.reach.connection import Declined

_SYNTAX: Final = Syntax.of(",", '"')
_RECORD_CHARS_MAX: Final = RECORD_BYTES_MAX
"""Far above what a row of a table may have: a record that long has a quote that was left open."""


class ReferenceRecord(NamedTuple):
    """One record that is not blank: its lines in the file, counted from 1, its fields, and the text of its lines."""

    first_line: int
    last_line: int
    fields: Sequence[str]
    text: str

    @property
    def where(self) -> str:
        many = self.last_line > self.first_line
        return f"lines {self.first_line} to {self.last_line}" if many else f"line {self.first_line}"


def records(path: Path) -> Iterator[ReferenceRecord]:
    """Return the records one by one, the header first. Raises `Declined` if the file is no UTF-8 CSV."""
    lines = None
    try:
        _check_text(path)
        # Python's own limit is for a field, and below what a row may hold; `_Lines` has one for all of a record.
        csv.field_size_limit(_RECORD_CHARS_MAX)
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(path, file)
            for fields in csv.reader(lines, strict=True):
                first, text = lines.taken()
                if fields:
                    yield ReferenceRecord(first, lines.number, fields, text)
    except OSError as error:
        raise Declined(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise Declined(
            f"{path}, line {_undecodable_line(path)}: byte {byte:#04x} is no UTF-8: save it as “CSV UTF-8”, with commas"
        ) from error
    except csv.Error as error:
        assert lines is not None, "only its reader raises this"
        raise Declined(
            f"{path} is no UTF-8 CSV file: in the record that begins at line {lines.first}: {error}"
        ) from error


def check_record(path: Path, record: ReferenceRecord, columns: Sequence[str], *, lines_in_fields: bool) -> None:
    """Raise `Declined` unless the record fits the columns, holds no NUL, and took in no other records.

    `lines_in_fields`: quoted fields may hold lines that look like records.
    """
    swallowed = 0 if lines_in_fields else _swallowed(record, len(columns))
    if swallowed:
        what = "lines that look like records" if swallowed > 1 else "line that looks like a record"
        raise Declined(
            f"{path}, {record.where}: quotes hold {swallowed:,} more {what}: was a quote left open? "
            "(--lines-in-fields takes them as text)"
        )
    if len(record.fields) != len(columns):
        raise Declined(f"{path}, {record.where} has {len(record.fields)} fields, the header {len(columns)}")
    for column, value in zip(columns, record.fields, strict=True):
        if "\0" in value:
            raise Declined(f"{path}, {record.where}: the column {column!r} holds a NUL, which no CSV file may")


def _swallowed(record: ReferenceRecord, columns: int) -> int:
    """Return how many lines this record took in, by the rule that inputs are read by."""
    if record.first_line == record.last_line:
        return 0
    text = record.text
    if text.endswith("\r"):
        text = text.replace("\r", "\n")
    defect = cut(text.encode(), _SYNTAX, columns=columns).defects.get(0)
    return (defect.found or 0) if defect and defect.code == "swallowed" else 0


class _Lines:
    """The lines of a file, for a CSV reader; those of the record that is being read are held."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file
        self._held: list[str] = []
        self._chars = 0
        self.number = 0
        """Of the line that was read last."""

    @property
    def first(self) -> int:
        """The number of the first line that is held."""
        return self.number - len(self._held) + 1

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_RECORD_CHARS_MAX + 1 - self._chars)
        if not line:
            raise StopIteration
        self.number += 1
        self._held.append(line)
        self._chars += len(line)
        if self._chars > _RECORD_CHARS_MAX:
            raise Declined(
                f"{self._path}: the record that begins at line {self.first} has more than {_RECORD_CHARS_MAX:,} "
                "characters: perhaps a quote in it is never closed"
            )
        return line

    def taken(self) -> tuple[int, str]:
        """Return the number of the first line held, and the text of all; none is held then."""
        first, text = self.first, "".join(self._held)
        self._held.clear()
        self._chars = 0
        return first, text


def _undecodable_line(path: Path) -> int:
    """Return the first line that is no UTF-8. Text is decoded ahead of the line that is read, so it is looked for."""
    with path.open("rb") as file:
        number = 1
        # A line of which more is read than this was refused before.
        while line := file.readline(4 * _RECORD_CHARS_MAX):
            try:
                line.decode()
            except UnicodeDecodeError:
                break
            number += 1
    return number


def _check_text(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    marked = marked_as(head)
    if marked not in (None, "UTF-8"):
        raise Declined(f"{path} is {marked}: save it as UTF-8")
    foreign = recognise(head, delimiter=ord(","))
    if foreign:
        raise Declined(f"{path}: {foreign.told(Dialect())}")
