"""Cuts a large chunk, or one of very many records, into pieces, so that a worker's memory is bounded.

A worker's memory for a chunk grows with its bytes, its records and their fields: a short record or an empty field costs
as much as a long one. All three are bounded here for files of any size and shape; the results are joined again.
"""

import io
from collections import Counter
from typing import Final

from baton.csv import CsvDefect, Scanner, Syntax
from baton.job import Job
from baton.model.batch import Counts
from baton.model.plan import MIB, Chunk
from worker.domain import ChunkOutput, check_number, not_whole

__all__ = ["PIECE_BYTES", "PIECE_FIELDS", "PIECE_RECORDS", "Assembly", "pieces"]

PIECE_BYTES: Final = 16 * MIB
"""An ordinary chunk. Files over 141 GiB have larger ones, as an object has at most 10,000 parts."""
PIECE_RECORDS: Final = 16 * 1024
"""Each takes some 700 bytes while it is judged, however short, if it breaks a rule."""
PIECE_FIELDS: Final = 512 * 1024
"""Each takes some 40 bytes while it is judged, even an empty one, which is one byte in the file."""
_WHOLE_BY_BYTES: Final = 2
_WHOLE_BY_FIELDS: Final = 8
_WHOLE_BY_RECORDS: Final = 16
"""An ordinary chunk, such as one of 200,000 sales, is not worth another pass over its bytes."""
_WHOLE_RECORD_BYTES: Final = 24
_WHOLE_FIELD_BYTES: Final = 4
"""Of an ordinary record and field: of shorter ones the cost of each outweighs its bytes."""


def pieces(data: bytes, chunk: Chunk, columns: int, job: Job) -> list[Chunk]:
    """Return the chunk's pieces in order, as chunks; of an ordinary one itself. `columns`: of each record.

    Raises `BatchFailed` with code `conservation` if a chunk that is cut does not hold the planned number of whole
    records.
    """
    if _is_whole(len(data), chunk.records, chunk.records * columns):
        return [chunk]
    records = max(1, min(PIECE_RECORDS, PIECE_FIELDS // columns))
    syntax = Syntax.of(job.dialect.delimiter, job.dialect.quote)
    scanner = Scanner(syntax, start=0, chunk_bytes=PIECE_BYTES, chunk_records=records)
    try:
        scanner.feed(data)
        scan = scanner.finish()
    except CsvDefect as defect:
        raise not_whole(chunk, defect) from defect
    check_number(chunk, scan.records)
    if not scan.ranges:  # nothing but blank lines
        return [chunk]
    return [
        Chunk(
            index=chunk.index,
            start=chunk.start + each.start,
            end=chunk.start + each.end,
            first_record=chunk.first_record + each.first_record - 1,
            records=each.records,
        )
        for each in scan.ranges
    ]


def _is_whole(size_bytes: int, records: int, fields: int) -> bool:
    """Return whether a chunk is processed as a whole."""
    by_records = _WHOLE_BY_RECORDS if size_bytes >= _WHOLE_RECORD_BYTES * records else 1
    by_fields = _WHOLE_BY_FIELDS if size_bytes >= _WHOLE_FIELD_BYTES * fields else 1
    return (
        size_bytes <= _WHOLE_BY_BYTES * PIECE_BYTES
        and records <= by_records * PIECE_RECORDS
        and fields <= by_fields * PIECE_FIELDS
    )


class Assembly:
    """Puts the outputs of a chunk's pieces together, in their order."""

    def __init__(self) -> None:
        self.part = io.BytesIO()
        """What each piece writes its result behind."""
        self._rejects = io.BytesIO()
        self._counts, self._reasons = Counts(), Counter[tuple[str, str]]()
        self._too_many = False

    @property
    def rejects(self) -> int:
        """How many there are so far."""
        return self._counts.rejects

    @property
    def size_bytes(self) -> int:
        """How many bytes are held so far."""
        return self.part.getbuffer().nbytes + self._rejects.getbuffer().nbytes

    def add(self, output: ChunkOutput) -> None:
        """Take the next piece's output."""
        self._rejects = _appended(self._rejects, output.rejects)
        self._counts += output.counts
        self._reasons.update(output.reasons)
        self._too_many = output.too_many

    def output(self) -> ChunkOutput:
        """Return the chunk's output. Over the limit its counts are of the pieces that were checked until then."""
        return ChunkOutput(
            counts=self._counts,
            part=b"" if self._too_many else self.part.getvalue(),
            rejects=self._rejects.getvalue(),
            reasons=self._reasons,
            too_many=self._too_many,
        )


def _appended(gathered: io.BytesIO, more: bytes) -> io.BytesIO:
    if not gathered.getbuffer().nbytes:
        return io.BytesIO(more)  # holds these very bytes until something is added
    gathered.seek(0, io.SEEK_END)
    gathered.write(more)
    return gathered
