"""Rejected records as a table of columns, so that a chunk with nothing but rejects costs little memory.

A table of rejects has one row per record: `record` (from 0 within the piece of a chunk that is in work), then of the
first reason `column`, `rule` and `value`, and in `also` up to five others. Texts are null where they are empty.
"""

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from baton.csv import Cut
from baton.model.plan import Chunk
from baton.rejects import REJECTS_HEADER

__all__ = [
    "ALSO_CHARS_MAX",
    "ALSO_MAX",
    "NO_REJECTS",
    "VALUE_CHARS_MAX",
    "Broken",
    "also_of",
    "joined_also",
    "rejects_of",
    "render_rejects",
    "table_of",
    "told_also",
    "words_bytes",
]

VALUE_CHARS_MAX: Final = 200
"""Of an offending value in the rejects file; the whole record is beside it."""
ALSO_MAX: Final = 5
"""Reasons reported besides the first: a record may break as many as there are columns, and more."""
ALSO_CHARS_MAX: Final = 100
"""Of each of them."""
_SCHEMA: Final = {"record": pl.UInt32, "column": pl.String, "rule": pl.String, "value": pl.String, "also": pl.String}
_LINES_AT_ONCE: Final = 4_096
"""Lines of the rejects file made at once: as Python objects they take ten times their bytes."""

NO_REJECTS: Final = pl.DataFrame(schema=_SCHEMA)


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken rule. `column` is "" and `value` a sentence where the record as a whole is at fault."""

    column: str
    rule: str
    value: str


def table_of(
    records: Sequence[int] | NDArray[np.integer] | pl.Series,
    *,
    column: pl.Series | str = "",
    rule: pl.Series | str,
    value: pl.Series | str,
) -> pl.DataFrame:
    """Return a table of records with one reason each; a single text is used for all of them."""
    texts = {"column": column, "rule": rule, "value": value, "also": ""}
    frame = pl.DataFrame({"record": pl.Series(records, dtype=pl.UInt32)})
    return frame.with_columns(
        (text if isinstance(text, pl.Series) else pl.lit(text or None, pl.String)).alias(name)
        for name, text in texts.items()
    )


def rejects_of(found: Iterable[tuple[int, Sequence[Broken]]]) -> pl.DataFrame:
    """Return a table of records that were judged one by one."""
    columns: tuple[list[object], ...] = ([], [], [], [], [])
    for record, (first, *others) in found:
        also = also_of([(broken.column, broken.rule) for broken in others])
        row = (record, first.column or None, first.rule or None, first.value or None, also)
        for cells, cell in zip(columns, row, strict=True):
            cells.append(cell)
    return pl.DataFrame(dict(zip(_SCHEMA, columns, strict=True)), schema=_SCHEMA)


def also_of(others: Sequence[tuple[str, str]]) -> str | None:
    """Return a text that says what else a record breaks, by column and rule; None if nothing."""
    told = [f"{column}: {rule}"[:ALSO_CHARS_MAX] for column, rule in others[:ALSO_MAX]]
    more = len(others) - len(told)
    return "; ".join([*told, f"and {more:,} more"] if more else told) or None


def told_also(column: pl.Series, rule: pl.Series) -> pl.Expr:
    """Return the texts of reasons that are not a record's first; nulls where there are none."""
    return pl.concat_str(pl.lit(column), pl.lit(": "), pl.lit(rule)).str.slice(0, ALSO_CHARS_MAX)


def joined_also(others: Sequence[pl.Series], more: NDArray[np.int32]) -> pl.Series:
    """Return what `also_of` does, for many records: their others, null for none, and how many there are besides."""
    numbers, which = np.unique(more, return_inverse=True)
    rest = pl.Series([f"and {number:,} more" if number > 0 else None for number in numbers.tolist()], dtype=pl.String)
    columns = {f"{place}": other for place, other in enumerate([*others, rest.gather(which)])}
    joined = pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)
    return pl.DataFrame(columns).select(also=pl.when(joined != "").then(joined)).to_series()


def words_bytes(rejects: pl.DataFrame) -> int:
    """Return how many bytes the reasons of a table take: with long names of columns many times their records."""
    texts = (pl.col(name).str.len_bytes().sum() for name in ("column", "rule", "value", "also"))
    return int(rejects.select(pl.sum_horizontal(*texts)).item())


def render_rejects(
    rejects: pl.DataFrame,
    data: bytes,
    cut: Cut,
    chunk: Chunk,
    encoding: str,
    *,
    header: bool,
    room_bytes: int = sys.maxsize,
) -> bytes:
    """Return one CSV line per record of the table, in its order, each with the bytes of the input.

    It ends with the lines that pass `room_bytes`, which is too many whatever comes behind them.
    """
    out = io.BytesIO()
    if header:
        out.write(REJECTS_HEADER)
    for some in rejects.iter_slices(_LINES_AT_ONCE):
        at = some["record"].to_numpy()
        starts, ends = cut.starts[at], cut.ends[at]
        places = zip(starts.tolist(), ends.tolist(), strict=True)
        lines = [data[start:end].decode(encoding, "backslashreplace") for start, end in places]
        some.select(
            pl.col("record").cast(pl.Int64) + chunk.first_record,
            pl.Series("byte_offset", starts + chunk.start),
            "column",
            "rule",
            "value",
            pl.Series("line", lines, pl.String),
            "also",
        ).write_csv(out, include_header=False)
        if out.tell() > room_bytes:
            break
    return out.getvalue()
