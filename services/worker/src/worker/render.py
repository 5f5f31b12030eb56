"""CSV out: UTF-8, LF, quotes only where needed. Parts joined in order are the result, and so are rejects."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from baton.csv import Cut
from baton.model.plan import Chunk
from baton.rejects import REJECT_COLUMNS
from worker.rules import Broken

__all__ = ["REJECT_COLUMNS", "render_part", "render_rejects"]


def render_part(frame: pl.DataFrame, header: Sequence[str] | None, *, plain: bool) -> bytes:
    """Return the rows of an all-text frame, below a header if there is one. A null is an empty field.

    `plain` says that no field needs quotes, so that none is searched for any; the bytes are the same without it.
    """
    out = io.BytesIO()
    if header is not None:
        _write(pl.DataFrame({f"h{n}": [name or None] for n, name in enumerate(header)}), out)
    _write(frame, out, plain=plain)
    return out.getvalue()


def _write(frame: pl.DataFrame, out: io.BytesIO, *, plain: bool = False) -> None:
    if frame.width == 1:
        # A lone empty field must be seen to be a record: it is written as "", an empty line would be none.
        frame, plain = frame.select(pl.all().fill_null("")), False
    frame.write_csv(out, include_header=False, quote_style="never" if plain else "necessary")


def render_rejects(
    rejects: Mapping[int, tuple[Broken, ...]], data: bytes, cut: Cut, chunk: Chunk, encoding: str
) -> bytes:
    """Return one line per rejected record, in record order; the first chunk's begin with the header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if chunk.index == 0:
        writer.writerow(REJECT_COLUMNS)
    writer.writerows(_reject_rows(rejects, data, cut, chunk, encoding))
    return out.getvalue().encode()


def _reject_rows(
    rejects: Mapping[int, tuple[Broken, ...]], data: bytes, cut: Cut, chunk: Chunk, encoding: str
) -> Iterator[tuple[object, ...]]:
    for index in sorted(rejects):
        first, *others = rejects[index]
        start, end = int(cut.starts[index]), int(cut.ends[index])
        line = data[start:end].decode(encoding, "backslashreplace")
        also = "; ".join(f"{broken.column}: {broken.rule}" for broken in others)
        number, offset = chunk.first_record + index, chunk.start + start
        yield number, offset, first.column, first.rule, first.value, line, also
