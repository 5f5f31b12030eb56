"""The part of a chunk: UTF-8, LF, quotes only where needed. Parts joined in order are the result."""

import io
from collections.abc import Sequence
from typing import Final

import polars as pl

__all__ = ["as_field", "render_lines", "render_names", "render_part"]

_NEEDS_QUOTES: Final = r'[,"\r\n]'


def render_names(header: Sequence[str]) -> bytes:
    """Return the line of column names."""
    return render_part(pl.DataFrame({f"h{n}": [name or None] for n, name in enumerate(header)}), plain=False)


def render_part(frame: pl.DataFrame, *, plain: bool, header: bytes = b"") -> bytes:
    """Return the rows of an all-text frame, below a header line if there is one. A null is an empty field.

    `plain` says that no field needs quotes, so that none is searched for any; the bytes are the same without it.
    """
    out = io.BytesIO()
    out.write(header)
    if frame.width == 1:
        # A lone empty field must be seen to be a record: it is written as "", an empty line would be none.
        frame, plain = frame.select(pl.all().fill_null("")), False
    frame.write_csv(out, include_header=False, quote_style="never" if plain else "necessary")
    return out.getvalue()


def render_lines(lines: pl.Series, *, header: bytes = b"") -> bytes:
    """Return lines that have their ends already, below a header: for many, half the cost of writing their fields."""
    all_lines = pl.Series([header.decode()]).append(lines)  # so that what may be large is not copied once more
    joined = all_lines.str.join("").cast(pl.Binary).item()
    assert isinstance(joined, bytes)
    return joined


def as_field(text: pl.Expr) -> pl.Expr:
    """Return a text as a field of CSV, with quotes if it needs them."""
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    return pl.when(text.str.contains(_NEEDS_QUOTES)).then(quoted).otherwise(text.fill_null(""))
