"""`rejects.csv`: its columns, and how the first of its rows are read. Pure."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from baton.ports.rejects import StoredReject

__all__ = ["REJECTS_HEADER", "REJECT_COLUMNS", "read_rejects"]

REJECT_COLUMNS: Final = ("record_number", "byte_offset", "column", "rule", "value", "line", "also")
REJECTS_HEADER: Final = f"{','.join(REJECT_COLUMNS)}\n".encode()
"""Begins the rejects of a file's first chunk, and of no other."""
_FIELD_CHARACTERS_MAX: Final = 16 * 1024 * 1024
"""A rejected line may be a whole record of 1 MiB, escaped: the csv module's own limit is 128 KiB, process-wide."""


def read_rejects(head: bytes) -> Iterator[StoredReject]:
    """Yield the rows of the first bytes of rejects: without a last row that is cut off, and without the header."""
    csv.field_size_limit(_FIELD_CHARACTERS_MAX)
    text = head.decode(errors="replace")
    for row in csv.reader(io.StringIO(text, newline="")):
        if len(row) == len(REJECT_COLUMNS) and row[0] != REJECT_COLUMNS[0]:
            yield StoredReject(int(row[0]), int(row[1]), *row[2:6])
