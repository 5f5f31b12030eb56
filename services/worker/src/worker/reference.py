"""Reference data as a data frame, and its join with the records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from baton.encoding import composed_key
from baton.errors import BatchFailed
from baton.job import Lookup
from baton.ports import Row
from baton.ports.preconditions import REFERENCE_KEY_BYTES_MAX
from worker.render import as_field

__all__ = ["SUFFIX", "ReferenceFrame", "join", "prepare_reference"]

SUFFIX: Final = "suffix"
_KEY: Final = "key"
_KEY_BYTES_MAX: Final = 4 * REFERENCE_KEY_BYTES_MAX
"""Of a key that may be in a table: its composed form has at least a third of its bytes. To compose a long one takes
time by the square of its length."""


@dataclass(frozen=True, slots=True)
class ReferenceFrame:
    """Rows of a data set ready to join: `key`, the lookup's columns as `r0`, `r1`, ..., and `suffix`, never null.

    A key is in composed form (NFC), and there once. A suffix is the rest of a line to which this row is added, written
    once for all of them: `,9.90,"a, b"`, LF. `plain`: no value holds anything that has to be quoted when it is written.
    """

    frame: pl.DataFrame
    plain: bool

    @property
    def size_bytes(self) -> int:
        """How much memory it takes."""
        return int(self.frame.estimated_size())

    @property
    def longest_bytes(self) -> int:
        """How many bytes its longest row adds to a line."""
        longest = self.frame[SUFFIX].str.len_bytes().max()
        return longest if isinstance(longest, int) else 0

    @property
    def suffixes(self) -> pl.DataFrame:
        """Return what it takes to add to whole lines."""
        return self.frame.select(_KEY, SUFFIX)


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
    frame = each_key_once(pl.DataFrame({_KEY: list(rows), **values}, schema=schema))
    suffix = pl.concat_str([x for name in values for x in (pl.lit(","), as_field(pl.col(name)))] + [pl.lit("\n")])
    quoted = frame.select(pl.any_horizontal((as_field(pl.col(name)) != pl.col(name)).any() for name in values)).item()
    return ReferenceFrame(frame.with_columns(suffix.alias(SUFFIX)), plain=not quoted)


def each_key_once(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their keys in composed form; of two with the same key, the one that had it like this.

    Tables that an older Baton loaded may have two.
    """
    keys = composed_keys(frame[_KEY])
    if not keys.is_duplicated().any():
        return frame.with_columns(keys.alias(_KEY))
    first = (frame[_KEY] != keys).arg_sort()
    return frame.with_columns(keys.alias(_KEY))[first].unique(_KEY, keep="first", maintain_order=True)


def composed_keys(keys: pl.Series) -> pl.Series:
    """Return keys as they are compared: in composed form (NFC), as names of columns are.

    That is Python's form, by which tables are loaded: polars may know a later Unicode, in which two of their keys are
    one. What polars leaves as it is, an earlier Unicode does as well.
    """
    if (keys.str.len_bytes() == keys.str.len_chars()).all():
        return keys
    changed = keys.str.normalize("NFC") != keys
    if not changed.any():
        return keys
    changed &= keys.str.len_bytes() <= _KEY_BYTES_MAX
    composed = [composed_key(key) for key in keys.filter(changed).to_list()]
    return keys.clone().scatter(changed.arg_true(), composed)  # in place it would change the caller's keys


def join(frame: pl.DataFrame, key: str, reference: pl.DataFrame) -> pl.DataFrame:
    """Return the frame in its order with the reference's columns; `suffix` is null where there is no such key."""
    # An empty key is null in the frame; it is looked up as the empty text that it is.
    keyed = frame.with_columns(composed_keys(frame[key].fill_null("")).alias(_KEY))
    return keyed.join(reference, on=_KEY, how="left", maintain_order="left")
