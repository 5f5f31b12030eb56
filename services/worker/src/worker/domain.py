"""What happens to the records of one chunk: pure CPU, bytes in, bytes out.

    check   cut ▶ defects ▶ decode ▶ parse ▶ the job's rules on every record
    finish  enrich ▶ count ▶ render

Between the two the handler fetches the reference rows that `Checked.lookup_keys` asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from baton.csv import CsvDefect, Cut, Defect, Syntax, cut
from baton.errors import BatchFailed
from baton.job import Dialect, Job, Missing
from baton.model.batch import Counts
from baton.model.plan import Chunk
from baton.ports import Row
from worker.parse import parse, undecodable
from worker.reference import FOUND, ReferenceFrame, join, prepare_reference
from worker.render import REJECT_COLUMNS, render_part, render_rejects
from worker.rules import VALUE_CHARS_MAX, Broken, rules_of

__all__ = [
    "REJECT_COLUMNS",
    "Broken",
    "Checked",
    "ChunkOutput",
    "ReferenceFrame",
    "check",
    "finish",
    "prepare_reference",
]

_RECORD: Final = "record"

type Rejects = Mapping[int, tuple[Broken, ...]]
"""Record, from 0 within the chunk, to at least one broken rule."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A chunk whose every record met the rules."""

    chunk: Chunk
    columns: tuple[str, ...]
    job: Job
    rejects: Rejects
    data: bytes = field(repr=False)
    cut: Cut = field(repr=False)
    frame: pl.DataFrame = field(repr=False)
    """Records that passed: `c0`, `c1`, ... as in the file, null for empty, and `record`, from 0 within the chunk."""
    plain: bool
    """Whether no field of the frame needs quotes when it is written."""

    def lookup_keys(self) -> list[str]:
        """Return the distinct keys to look up, in order of appearance; none if the job enriches nothing."""
        if self.job.lookup is None:
            return []
        keys = self.frame[_named(self.columns, self.job.lookup.key)]
        return keys.unique(maintain_order=True).fill_null("").to_list()


@dataclass(frozen=True, slots=True)
class ChunkOutput:
    """What a chunk leaves. `part` and `rejects` are CSV in UTF-8; only chunk 0 has headers in them."""

    counts: Counts
    part: bytes = field(repr=False)
    rejects: bytes = field(repr=False)


def check(data: bytes, chunk: Chunk, columns: tuple[str, ...], job: Job) -> Checked:
    """Apply the job's rules to every record of `data`, the bytes of the chunk's range.

    `columns` is the header of the file. Raises `BatchFailed`: `header` if it is not the job's, `conservation` if the
    chunk does not hold the planned number of records, `rule_error` if a rule of the job crashes.
    """
    if job.columns is not None and sorted(columns) != sorted(job.columns):
        raise BatchFailed("header", f"the file's columns are {columns}, the job's are {job.columns}")
    found = _cut(data, chunk, job.dialect, len(columns))
    rejects = {index: (_structural(defect, len(columns)),) for index, defect in found.defects.items()}
    clean = np.delete(np.arange(chunk.records), list(found.defects))
    parsed = parse(found.clean, job.dialect, len(columns), records=len(clean))
    frame = parsed.frame.with_columns(pl.Series(_RECORD, clean))
    not_text = undecodable(data, found, job.dialect.encoding)
    if unreadable := {index: (Broken("", "encoding", why),) for index, why in not_text}:
        # What could not be read is not judged by its rules, which would see U+FFFD where other bytes stand.
        frame = frame.filter(~pl.col(_RECORD).is_in(list(unreadable)))
        rejects |= unreadable
    if job.record is not None:
        records = frame[_RECORD]
        broken = rules_of(job.record).broken(frame.drop(_RECORD), columns)
        rejects |= {int(records[row]): reasons for row, reasons in broken.items()}
    keep = np.ones(chunk.records, dtype=bool)
    keep[list(rejects)] = False
    frame = frame.filter(pl.Series(keep[frame[_RECORD].to_numpy()]))
    return Checked(chunk, columns, job, rejects, data, found, frame, parsed.plain)


def finish(checked: Checked, reference: Mapping[str, Row] | ReferenceFrame | None) -> ChunkOutput:
    """Enrich the records that passed, and render them and the rejects.

    `reference` holds at least the rows of `checked.lookup_keys()` that exist; None if the job enriches nothing.
    Raises `BatchFailed`: `reference_columns` if a row lacks a column, `conservation` if records went astray.
    """
    job, chunk = checked.job, checked.chunk
    frame, missing, plain = _enrich(checked, reference)
    rejects = {**checked.rejects, **missing}
    header = job.output_columns(checked.columns)
    output = frame.select(pl.col(name).alias(f"o{n}") for n, name in enumerate(_sources(job, checked.columns)))
    counts = Counts(records_in=chunk.records, records_out=output.height, rejects=len(rejects))
    if not counts.balanced:
        raise BatchFailed("conservation", f"chunk {chunk.index} does not balance: {counts}")
    return ChunkOutput(
        counts=counts,
        part=render_part(output, header if chunk.index == 0 else None, plain=plain),
        rejects=render_rejects(rejects, checked.data, checked.cut, chunk, job.dialect.encoding),
    )


def _cut(data: bytes, chunk: Chunk, dialect: Dialect, width: int) -> Cut:
    try:
        found = cut(data, Syntax(ord(dialect.delimiter), ord(dialect.quote)), columns=width)
    except CsvDefect as defect:
        raise BatchFailed("conservation", f"chunk {chunk.index} does not hold whole records: {defect}") from defect
    if len(found.starts) != chunk.records:
        reason = f"chunk {chunk.index} holds {len(found.starts)} records where the plan counted {chunk.records}"
        raise BatchFailed("conservation", reason)
    return found


def _enrich(
    checked: Checked, reference: Mapping[str, Row] | ReferenceFrame | None
) -> tuple[pl.DataFrame, Rejects, bool]:
    lookup = checked.job.lookup
    if lookup is None:
        return checked.frame, {}, checked.plain
    if reference is None:
        raise ValueError(f"job {checked.job.name} looks up {lookup.dataset}: its rows are needed")
    table = reference if isinstance(reference, ReferenceFrame) else prepare_reference(reference, lookup)
    key, plain = _named(checked.columns, lookup.key), checked.plain and table.plain
    joined = join(checked.frame, key, table)
    if lookup.missing is Missing.BLANK or not joined[FOUND].has_nulls():
        return joined, {}, plain
    lost = joined.filter(pl.col(FOUND).is_null()).select(_RECORD, pl.col(key).fill_null(""))
    missing = {
        record: (Broken(lookup.key, "missing_reference", text[:VALUE_CHARS_MAX]),) for record, text in lost.iter_rows()
    }
    return joined.filter(pl.col(FOUND).is_not_null()), missing, plain


def _named(columns: tuple[str, ...], name: str) -> str:
    return f"c{columns.index(name)}"


def _sources(job: Job, columns: tuple[str, ...]) -> list[str]:
    """Return the frame's columns in the order of the output. By place first: a file of no job may repeat a name."""
    added = job.lookup.columns if job.lookup else ()
    places = [f"c{n}" for n in range(len(columns))] + [f"r{n}" for n in range(len(added))]
    if job.output is None:
        return places
    by_name = dict(zip((*columns, *added), places, strict=True))
    return [by_name[name] for name in job.output]


def _structural(defect: Defect, width: int) -> Broken:
    match defect.code:
        case "columns":
            value = f"{defect.found} fields, expected {width}"
        case "nul_byte":
            value = "a NUL byte"
        case "bare_cr":
            value = "a carriage return that ends no line"
        case "quote":
            value = "text after a closing quote"
    return Broken("", defect.code, value)
