"""Collects what each column's rules refused into rejects per record, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from worker.rejects import ALSO_MAX, NO_REJECTS, VALUE_CHARS_MAX, joined_also, told_also

__all__ = ["RefusedValues", "put_together"]

_SETS_AT_MOST: Final = 256
_FIELDS_AT_MOST: Final = 65_536
"""Limits of what the model checks again of a piece: sets of columns, and their records' fields."""


@dataclass(frozen=True, slots=True)
class RefusedValues:
    """What a field refuses of a column's values. Many values are refused for the same reasons."""

    name: str
    """Of the column in the frame."""
    column: str
    values: pl.Series
    """Each a different one."""
    whys: NDArray[np.uint32]
    """Of each value the place of its reasons, from 1."""
    rules: pl.Series
    """Those of all reasons, one after the other; of each in the order in which they are reported."""
    numbers: NDArray[np.uint32]
    """How many rules each of the reasons has."""
    is_all: bool
    """Whether the column has no other values."""

    def failing(self, series: pl.Series) -> NDArray[np.bool_]:
        """Return which values of the column are refused."""
        if self.is_all:
            return np.ones(series.len(), dtype=bool)
        if self.values.len() > 1:
            return series.is_in(self.values.implode(), nulls_equal=True).to_numpy()
        value = self.values.item()
        return (series.is_null() if value is None else (series == value).fill_null(value=False)).to_numpy()

    def why(self, series: pl.Series) -> NDArray[np.uint32]:
        """Return the place of each value's reasons, 0 for one that is not refused."""
        if self.values.len() == 1 and self.is_all:
            return np.full(series.len(), self.whys[0])
        if self.values.len() == 1:
            return np.where(self.failing(series), self.whys[0], np.uint32(0))
        reasons = pl.DataFrame({"value": self.values, "why": self.whys})
        found = pl.DataFrame({"value": series}).join(
            reasons, on="value", how="left", maintain_order="left", nulls_equal=True
        )
        return found["why"].fill_null(0).to_numpy()


def put_together(
    frame: pl.DataFrame, rows: pl.Series, refused: Sequence[RefusedValues]
) -> tuple[pl.DataFrame, NDArray[np.intp]]:
    """Return the table of these rows, and the places in it that the model is to check (`_asked_again`)."""
    whys = [each.why(frame[each.name]) for each in refused]
    samples, which = _distinct(whys)
    # Few reasons are shared by many records: each is worded once, and in the table no more than pointed to.
    found = np.stack([why[samples] for why in whys])
    del whys
    failed = found > 0
    worded = _worded(found, refused).select(pl.all().gather(which))
    value = _by_place(frame, failed.argmax(axis=0)[which])
    told = pl.DataFrame({"record": rows, "value": value}).hstack(worded)
    return told.select(NO_REJECTS.columns), np.sort(samples[_asked_again(failed)])


def _by_place(frame: pl.DataFrame, places: NDArray[np.intp]) -> pl.Series:
    """Return of each row the value in the column of its place, cut to what is reported of a value."""
    order = np.argsort(places, kind="stable")
    columns, starts = np.unique(places[order], return_index=True)
    parts = [
        frame.to_series(int(column)).gather(some).str.slice(0, VALUE_CHARS_MAX)
        for column, some in zip(columns, np.split(order, starts[1:]), strict=True)
    ]
    back = np.empty(len(order), dtype=np.uint32)
    back[order] = np.arange(len(order), dtype=np.uint32)
    return pl.concat(part.rename("value") for part in parts).gather(back)


def _asked_again(failed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return one place of each set of columns that fail together. `failed`: which columns (rows), by place.

    There may be as many sets as records: then of some sets, those first in which each column fails.
    """
    at_most = max(1, min(_SETS_AT_MOST, _FIELDS_AT_MOST // len(failed)))
    _, sets = np.unique(np.packbits(failed, axis=0), axis=1, return_index=True)
    if len(sets) <= at_most:
        return sets
    first = np.unique(failed.argmax(axis=1))
    return np.unique(np.concatenate([first, sets])[:at_most])


_NONE: Final = np.zeros(1, dtype=np.uint32)
_CODES_MAX: Final = 2**63


def _distinct(codes: Sequence[NDArray[np.uint32]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each combination of codes is first, and for each row which combination it has."""
    joined, number = codes[0].astype(np.uint64), int(codes[0].max()) + 1
    for more in codes[1:]:
        size = int(more.max()) + 1
        if number * size >= _CODES_MAX:
            kinds, joined = np.unique(joined, return_inverse=True)
            joined, number = joined.astype(np.uint64), kinds.size
        joined, number = joined * np.uint64(size) + more, number * size
    _, samples, which = np.unique(joined, return_index=True, return_inverse=True)
    return samples, which


def _worded(found: NDArray[np.uint32], refused: Sequence[RefusedValues]) -> pl.DataFrame:
    """Return the texts of combinations of reasons; there may be as many as records. `found`: why, of each column."""
    rules = pl.concat(each.rules for each in refused)
    column = np.repeat(np.arange(len(refused)), [each.rules.len() for each in refused])
    names = pl.Series([each.column for each in refused], dtype=pl.String)
    slots, number = _first_ones(found, refused)
    texts = pl.select(told_also(names.gather(column), rules)).to_series()
    others = [texts.gather(_or_nothing(slot)) for slot in slots[1:]]
    return pl.DataFrame(
        {
            "column": names.gather(column[slots[0]]),
            "rule": rules.gather(slots[0]),
            "also": joined_also(others, number - len(slots)),
        }
    )


def _first_ones(
    found: NDArray[np.uint32], refused: Sequence[RefusedValues]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return of each combination its first rules as places among the rules of all, -1 for none, and their number."""
    slots = np.full((1 + ALSO_MAX, found.shape[1]), -1, dtype=np.int32)
    number = np.zeros(found.shape[1], dtype=np.int32)
    before = 0
    for why, each in zip(found, refused, strict=True):
        if number.min() >= len(slots):  # there may be thousands of columns
            number += np.concatenate([_NONE, each.numbers])[why].astype(np.int32)
            continue
        failing = np.flatnonzero(why)
        places, numbers = why[failing] - 1, each.numbers
        starts = before + np.cumsum(numbers) - numbers
        for n in range(int(numbers.max())):
            has = (numbers[places] > n) & (number[failing] + n < len(slots))
            if not has.any():
                break
            slots[number[failing[has]] + n, failing[has]] = starts[places[has]] + n
        number[failing] += numbers[places].astype(np.int32)
        before += each.rules.len()
    return slots, number


def _or_nothing(places: NDArray[np.int32]) -> pl.Series:
    series = pl.Series(places)
    return series.set(series < 0, None)
