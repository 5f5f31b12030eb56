"""What a worker keeps of a column that holds nothing, when it is done with the chunk."""

from typing import Annotated

import polars as pl
from pydantic import Field

from baton.job import Record
from peak_memory import Peak
from worker.rules import rules_of


class _Filled(Record):
    a: Annotated[str, Field(min_length=1)]


def grown_by_the_next_one(rows: int) -> int:
    """Judge a chunk of an empty column, make another as large; return by how many bytes the process grew for it."""
    rules, values = rules_of(_Filled), [None] * rows
    frame = pl.DataFrame({"a": values}, schema={"a": pl.String})
    assert rules.broken(frame, ["a"], told_max=1, enough=1).rows == rows
    del frame
    peak = Peak()
    pl.DataFrame({"a": values}, schema={"a": pl.String})
    return peak.grown_bytes()
