"""Runs one chunk through the worker's data plane, as the handler does."""

import csv
import io
from collections.abc import Callable, Mapping

from baton.csv import Syntax, cut
from baton.job import Job
from baton.model.plan import Chunk
from baton.ports import Row
from baton.rejects import REJECT_COLUMNS
from worker.domain import ChunkOutput, check, finish
from worker.pieces import Assembly, pieces


def chunk_of(data: bytes, job: Job, width: int, *, index: int = 0, start: int = 0, first_record: int = 1) -> Chunk:
    """Return the chunk as a plan would describe it."""
    found = cut(data, Syntax.of(job.dialect.delimiter, job.dialect.quote), columns=width)
    return Chunk(index=index, start=start, end=start + len(data), first_record=first_record, records=len(found.starts))


def run(
    data: bytes,
    job: Job,
    columns: tuple[str, ...],
    *,
    index: int = 0,
    start: int = 0,
    first_record: int = 1,
    reference: Mapping[str, Row] | None = None,
) -> ChunkOutput:
    """Return what the worker makes of `data`, records without a header."""
    chunk = chunk_of(data, job, len(columns), index=index, start=start, first_record=first_record)
    return finish(check(data, chunk, columns, job), reference)


def run_in_pieces(
    data: bytes,
    chunk: Chunk,
    job: Job,
    columns: tuple[str, ...],
    *,
    reference: Mapping[str, Row] | None = None,
    rejects_allowed: int | None = None,
    watch: Callable[[Chunk], object] = id,
) -> ChunkOutput:
    """Return what the worker makes of a chunk, piece by piece as its handler does. `watch` sees each piece."""
    whole, allowed = Assembly(), chunk.records if rejects_allowed is None else rejects_allowed
    for place, piece in enumerate(pieces(data, chunk, len(columns), job)):
        watch(piece)
        some = data[piece.start - chunk.start : piece.end - chunk.start]
        checked = check(some, piece, columns, job, rejects_left=allowed - whole.rejects)
        output = finish(checked, reference, first=not place, behind=whole.part)
        whole.add(output)
        if output.too_many:
            break
    return whole.output()


def table(text: bytes) -> list[list[str]]:
    """Return the rows of CSV, by the standard library."""
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


def rejects(output: ChunkOutput) -> list[dict[str, str]]:
    """Return the rejects of the first chunk by column name."""
    header, *rows = table(output.rejects)
    assert header == list(REJECT_COLUMNS)
    return [dict(zip(header, row, strict=True)) for row in rows]


def csv_bytes(rows: list[list[str]], *, line_end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    """Return rows as CSV, by the standard library."""
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(rows)  # type: ignore[arg-type] # a QUOTE_ constant
    return out.getvalue().encode()
