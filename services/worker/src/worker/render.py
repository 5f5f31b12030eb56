"""Writes the part of a chunk: UTF-8, LF, quotes only where needed. Parts joined in order are the result."""

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

__all__ = ["as_field", "render_lines", "render_names", "render_part"]

_NEEDS_QUOTES: Final = r'[,"\r\n]'
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024
"""Of lines, which take three times that while they are joined."""


def render_names(header: Sequence[str]) -> bytes:
    """Return the line of column names."""
    out = io.BytesIO()
    render_part(pl.DataFrame({f"h{n}": [name or None] for n, name in enumerate(header)}), out, plain=False)
    return out.getvalue()


def render_part(frame: pl.DataFrame, out: io.BytesIO, *, plain: bool, sizes: pl.Series | None = None) -> None:
    """Write the rows of an all-text frame behind what `out` holds. A null is an empty field.

    `plain` says that no field needs quotes, so that none is searched for any; the bytes are the same without it.
    `sizes`: about the bytes that each row becomes, where these may be many more than were read.
    """
    if frame.width == 1:
        # A lone empty field must be recognised as a record: it is written as "", an empty line would be none.
        frame, plain = frame.select(pl.all().fill_null("")), False
    for some in [frame] if sizes is None else _slices(frame, sizes):
        some.write_csv(out, include_header=False, quote_style="never" if plain else "necessary")


def render_lines(frame: pl.DataFrame, out: io.BytesIO, *texts: pl.Expr) -> None:
    """Write lines behind what `out` holds, each of these texts of a row with its end.

    For many that is half the cost of writing their fields. What is held besides is a few MiB.
    """
    sizes = frame.select(pl.sum_horizontal(text.str.len_bytes() for text in texts)).to_series()
    for some in _slices(frame, sizes):
        joined = some.select(pl.concat_str(texts).str.join("").cast(pl.Binary)).item()
        assert isinstance(joined, bytes)
        out.write(joined)


def _slices(frame: pl.DataFrame, sizes: pl.Series) -> Iterator[pl.DataFrame]:
    if not frame.height:
        return
    ends = sizes.cast(pl.Int64).to_numpy().cumsum()
    at = np.searchsorted(ends, np.arange(_BYTES_AT_ONCE, int(ends[-1]), _BYTES_AT_ONCE))
    bounds = [0, *np.unique(at[at > 0]).tolist(), frame.height]
    for start, end in pairwise(bounds):
        yield frame.slice(start, end - start)


def as_field(text: pl.Expr) -> pl.Expr:
    """Return a text as a field of CSV, with quotes if it needs them."""
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    return pl.when(text.str.contains(_NEEDS_QUOTES)).then(quoted).otherwise(text.fill_null(""))
