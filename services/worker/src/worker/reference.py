"""ReferenceFrame data as a frame, and the join."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from baton.errors import BatchFailed
from baton.job import Lookup
from baton.ports import Row

__all__ = ["FOUND", "ReferenceFrame", "join", "prepare_reference"]

FOUND: Final = "found"
_KEY: Final = "key"
_NEEDS_QUOTES: Final = r'[,"\r\n]'


@dataclass(frozen=True, slots=True)
class ReferenceFrame:
    """Rows of a data set ready to join: `key`, the lookup's columns as `r0`, `r1`, ... and `found`.

    `plain`: no value holds anything that has to be quoted when it is written.
    """

    frame: pl.DataFrame
    plain: bool


def prepare_reference(rows: Mapping[str, Row], lookup: Lookup) -> ReferenceFrame:
    """Return the rows as a frame; make it once per data set and version, it serves every chunk.

    Raises `BatchFailed` with code `reference_columns` if a row lacks a column that the job adds.
    """
    try:
        values = {
            f"r{position}": [row[column] or None for row in rows.values()]
            for position, column in enumerate(lookup.columns)
        }
    except KeyError as error:
        reason = f"a row of data set {lookup.dataset!r} has no column {error.args[0]!r}, which the job adds"
        raise BatchFailed("reference_columns", reason) from error
    schema = dict.fromkeys((_KEY, *values), pl.String)
    frame = pl.DataFrame({_KEY: list(rows), **values}, schema=schema).with_columns(pl.lit(True).alias(FOUND))  # noqa: FBT003 - pl.lit takes its value so
    quoted = frame.select(pl.any_horizontal(pl.col(*values).str.contains(_NEEDS_QUOTES).any())).item()
    return ReferenceFrame(frame, plain=not quoted)


def join(frame: pl.DataFrame, key: str, reference: ReferenceFrame) -> pl.DataFrame:
    """Return the frame in its order with the reference's columns; `found` is null where there is no such key."""
    # An empty key is null in the frame; it is looked up as the empty text that it is.
    keyed = frame.with_columns(pl.col(key).fill_null("").alias(_KEY))
    return keyed.join(reference.frame, on=_KEY, how="left", maintain_order="left")
