"""Processes the records of one chunk: pure CPU, bytes in, bytes out.

    check   cut ▶ defects ▶ decode ▶ parse ▶ the job's rules on every record
    finish  enrich ▶ count ▶ render

Between the two the handler fetches the reference rows that `Checked.lookup_keys` asks for.
"""

import io
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import polars as pl

from baton.csv import DEFECT_CODES, CsvDefect, Cut, Defect, Syntax, cut
from baton.errors import BatchFailed
from baton.job import Dialect, Job, Lookup, Missing
from baton.model.batch import Counts
from baton.model.plan import MIB, Chunk
from baton.ports import Row
from baton.rejects import MISSING_REFERENCE
from worker.parse import Text, parse, parse_lines, undecodable, utf8
from worker.reference import SUFFIX, ReferenceFrame, composed_keys, join, prepare_reference
from worker.rejects import NO_REJECTS, VALUE_CHARS_MAX, render_rejects, table_of, words_bytes
from worker.render import render_lines, render_names, render_part
from worker.rules import Rejected, rules_of

__all__ = [
    "OUTPUT_BYTES_MAX",
    "REJECTS_TOLD_MAX",
    "Checked",
    "ChunkOutput",
    "ReferenceFrame",
    "check",
    "check_number",
    "finish",
    "most_added_bytes",
    "not_whole",
    "prepare_reference",
    "too_large",
]

REJECTS_TOLD_MAX: Final = 10_000
"""Of a chunk that breaks the job's limit alone: its batch fails, and so many show why."""
OUTPUT_BYTES_MAX: Final = 384 * MIB
"""Of a chunk, part and rejects together: they are in memory until they are uploaded."""
_REASONS_MAX: Final = 100
"""Kept of a piece, the most frequent ones: a rule may have a wording for each value."""
_RECORD: Final = "record"
_LINE: Final = "line"
_NOTHING: Final = pl.DataFrame(schema={_RECORD: pl.UInt32, _LINE: pl.String})


@dataclass(frozen=True, slots=True)
class Checked:
    """Records that met the rules."""

    chunk: Chunk
    columns: tuple[str, ...]
    job: Job
    rejects: Rejected
    rejects_left: int
    """How many more rejects the job allows."""
    data: bytes = field(repr=False)
    cut: Cut = field(repr=False)
    frame: pl.DataFrame = field(repr=False)
    """Records that passed: `record`, from 0, and `c0`, `c1`, ... as in the file, null for empty; or instead of these,
    where a record is written as it was read, its `line` and the column of the lookup's key."""
    plain: bool
    """Whether no field of the frame needs quotes when it is written."""

    @property
    def too_many(self) -> bool:
        """Whether the batch fails by these rejects alone, so that the frame is not needed."""
        return self.rejects.rows > self.rejects_left

    def lookup_keys(self) -> list[str]:
        """Return the distinct keys to look up, in order of appearance; none if the job enriches nothing.

        They are in composed form (NFC). Those that came in another one follow: tables that an older Baton loaded may
        have them like this.
        """
        if self.job.lookup is None or self.too_many:
            return []
        keys = self.frame[_named(self.columns, self.job.lookup.key)]
        keys = keys.fill_null("").unique(maintain_order=True)
        composed = composed_keys(keys)
        return keys.to_list() if composed is keys else pl.concat([composed, keys]).unique(maintain_order=True).to_list()


@dataclass(frozen=True, slots=True)
class ChunkOutput:
    """Output of a chunk, or of a piece of one: CSV in UTF-8. Only chunk 0 has headers in its `part` and `rejects`."""

    counts: Counts
    part: bytes = field(repr=False)
    rejects: bytes = field(repr=False)
    reasons: Mapping[tuple[str, str], int] = field(repr=False)
    """How many records of the rejects file each column and rule rejected."""
    too_many: bool
    """There are more rejects than the job allows: `part` is empty, and `rejects` are the first ones."""


def check(data: bytes, chunk: Chunk, columns: tuple[str, ...], job: Job, *, rejects_left: int | None = None) -> Checked:
    """Apply the job's rules to every record of `data`, the bytes of the chunk's range.

    `columns` is the header of the file; `rejects_left` how many more rejects are allowed (None: any number): once more
    are found, no more is done than to count them and to explain the first. Raises `BatchFailed`: `header` if it is not
    the job's, `conservation` if the chunk does not hold the planned number of records, `rule_error` if a rule of the
    job crashes.
    """
    if job.columns is not None and sorted(columns) != sorted(job.columns):
        raise BatchFailed("header", f"the file's columns are {columns}, the job's are {job.columns}")
    left = chunk.records if rejects_left is None else rejects_left
    found = _cut(data, chunk, job.dialect, len(columns))
    rejects, frame, broken = _defective(found, columns), _NOTHING, Rejected(0, NO_REJECTS)
    plain = False
    if rejects.height <= left:
        text = utf8(found.clean, job.dialect)
        frame = _read(text, _without_defects(found), columns, job)
        unreadable = _unreadable(data, found, columns, job.dialect)
        if unreadable.height:
            # What could not be read is not judged by its rules, which would get U+FFFD in place of other bytes.
            rejects = pl.concat([rejects, unreadable])
            frame = frame.filter(~pl.col(_RECORD).is_in(unreadable[_RECORD].implode()))
        frame, broken = _judge(frame, columns, job, enough=left - rejects.height)
        plain = text.plain
    told = pl.concat([rejects, broken.told]).sort(_RECORD)
    return Checked(chunk, columns, job, Rejected(rejects.height + broken.rows, told), left, data, found, frame, plain)


def finish(
    checked: Checked,
    reference: Mapping[str, Row] | ReferenceFrame | None,
    *,
    first: bool = True,
    room_bytes: int = OUTPUT_BYTES_MAX,
    behind: io.BytesIO | None = None,
) -> ChunkOutput:
    """Enrich the records that passed, and render them and the rejects, in `room_bytes` together.

    `reference` holds at least the rows of `checked.lookup_keys()` that exist; None if the job enriches nothing.
    `first`: this is the first piece of its chunk. `behind`: the result of the pieces before, behind which that of this
    one is written, in place of `part`: it is never held twice. Raises `BatchFailed`: `reference_columns` if a row lacks
    a column, `output_too_large` if there is not room enough, `conservation` if records went astray.
    """
    job, chunk, header = checked.job, checked.chunk, first and checked.chunk.index == 0
    rejects, frame, plain = checked.rejects, checked.frame, True
    if not checked.too_many and job.lookup is not None:
        frame, missing, plain = _enrich(checked, reference, job.lookup, room_bytes)
        told = pl.concat([rejects.told, missing]).sort(_RECORD) if missing.height else rejects.told
        rejects = Rejected(rejects.rows + missing.height, told)
    too_many = rejects.rows > checked.rejects_left
    told = rejects.told.head(REJECTS_TOLD_MAX) if too_many else rejects.told
    passed = chunk.records - rejects.rows if too_many else frame.height
    counts = Counts(records_in=chunk.records, records_out=passed, rejects=rejects.rows)
    if not counts.balanced:
        raise BatchFailed("conservation", f"chunk {chunk.index} does not balance: {counts}")
    lines = render_rejects(
        told, checked.data, checked.cut, chunk, job.dialect.encoding, header=header, room_bytes=room_bytes
    )
    part = io.BytesIO() if behind is None else behind
    before = part.tell()
    if not too_many:
        if header:
            part.write(render_names(job.output_columns(checked.columns)))
        _render(frame, checked, part, plain=plain)
        if (size_bytes := part.tell() - before) + len(lines) > room_bytes:
            raise too_large(checked, f"{size_bytes:,} bytes of result and {len(lines):,} of rejects are too many")
    return ChunkOutput(counts, part.getvalue() if behind is None else b"", lines, _reasons(told), too_many)


def most_added_bytes(checked: Checked, reference: ReferenceFrame | None) -> int:
    """Return how many bytes come out besides those that came in, at most: as if each lookup found the longest row."""
    looked_up = checked.frame.height * reference.longest_bytes if reference else 0
    return looked_up + words_bytes(checked.rejects.told)


# --- reading ---------------------------------------------------------------------------------------------------------


def _cut(data: bytes, chunk: Chunk, dialect: Dialect, width: int) -> Cut:
    try:
        syntax = Syntax.of(dialect.delimiter, dialect.quote)
        found = cut(data, syntax, columns=width, lines_in_fields=dialect.lines_in_fields)
    except CsvDefect as defect:
        raise not_whole(chunk, defect) from defect
    check_number(chunk, len(found.starts))
    return found


def not_whole(chunk: Chunk, defect: CsvDefect) -> BatchFailed:
    """Return the failure of a chunk that ends inside a record."""
    return BatchFailed("conservation", f"chunk {chunk.index} does not hold whole records: {defect}")


def check_number(chunk: Chunk, records: int) -> None:
    """Raise `BatchFailed` with code `conservation` if a chunk does not hold its records."""
    if records != chunk.records:
        reason = f"chunk {chunk.index} holds {records} records where the plan counted {chunk.records}"
        raise BatchFailed("conservation", reason)


def _defective(found: Cut, columns: tuple[str, ...]) -> pl.DataFrame:
    if not len(found.defects.records):
        return NO_REJECTS
    # There are few different ones, however many records have one.
    kinds, kind = np.unique(np.stack([found.defects.codes, found.defects.found]), axis=1, return_inverse=True)
    defects = [Defect(DEFECT_CODES[int(code)], int(number)) for code, number in kinds.T]
    rules = pl.Series([defect.code for defect in defects], dtype=pl.String).gather(kind)
    values = pl.Series([_told(defect, len(columns)) for defect in defects], dtype=pl.String).gather(kind)
    names = pl.Series([_column_of(defect, columns) for defect in defects], dtype=pl.String).gather(kind)
    return table_of(found.defects.records, column=names, rule=rules, value=values)


def _column_of(defect: Defect, columns: tuple[str, ...]) -> str | None:
    if defect.code in ("columns", "swallowed") or not defect.found or defect.found > len(columns):
        return None
    return columns[defect.found - 1][:VALUE_CHARS_MAX] or None  # a file of any header may have one of a megabyte


def _told(defect: Defect, width: int) -> str:
    match defect.code:
        case "columns":
            return f"{defect.found} fields, expected {width}"
        case "nul_byte":
            return "a NUL byte"
        case "bare_cr":
            return "a carriage return that ends no line"
        case "swallowed":
            lines = "1 more line that looks" if defect.found == 1 else f"{defect.found:,} more lines that look"
            return f"quotes hold {lines} like records: is one of them left open?"
        case "quote":
            return "text after a closing quote"


def _without_defects(found: Cut) -> pl.Series:
    """Return the numbers of the clean records."""
    clean = np.ones(len(found.starts), dtype=bool)
    clean[found.defects.records] = False
    return pl.Series(_RECORD, np.flatnonzero(clean), dtype=pl.UInt32)


def _unreadable(data: bytes, found: Cut, columns: tuple[str, ...], dialect: Dialect) -> pl.DataFrame:
    records, fields, told = array("I"), array("I"), list[str]()
    for each in undecodable(data, found, dialect):
        records.append(each.record)
        fields.append(each.field)
        told.append(each.told)
    if not told:
        return NO_REJECTS
    names = pl.Series([name[:VALUE_CHARS_MAX] or None for name in columns], dtype=pl.String)
    return table_of(
        records,
        column=names.gather(np.frombuffer(fields, np.uint32)),
        rule="encoding",
        value=pl.Series(told, dtype=pl.String),
    )


def _read(text: Text, clean: pl.Series, columns: tuple[str, ...], job: Job) -> pl.DataFrame:
    """Return the frame of `Checked`, of clean records; with both lines and columns where rules are to judge these."""
    as_it_came = text.plain and job.dialect.delimiter == "," and job.output is None
    frame = pl.DataFrame({_RECORD: clean})
    if job.record is not None or not as_it_came:
        frame = frame.hstack(parse(text, job.dialect, len(columns), records=clean.len()))
    return frame.with_columns(parse_lines(text, records=clean.len()).alias(_LINE)) if as_it_came else frame


def _judge(frame: pl.DataFrame, columns: tuple[str, ...], job: Job, *, enough: int) -> tuple[pl.DataFrame, Rejected]:
    """Return the records that pass, and the others with their reasons; none pass if more than enough do not."""
    broken = Rejected(0, NO_REJECTS)
    if job.record is not None:
        values = frame.select(f"c{place}" for place in range(len(columns)))
        broken = rules_of(job.record).broken(values, columns, told_max=REJECTS_TOLD_MAX, enough=enough)
        rows = broken.told[_RECORD].to_numpy()
        broken = replace(broken, told=broken.told.with_columns(frame[_RECORD].gather(rows)))
        if broken.rows > enough:
            return frame.clear(), broken
        if broken.rows:
            passes = np.ones(frame.height, dtype=bool)
            passes[rows] = False
            frame = _needed(frame, columns, job).filter(pl.Series(passes))
    return _needed(frame, columns, job), broken


def _needed(frame: pl.DataFrame, columns: tuple[str, ...], job: Job) -> pl.DataFrame:
    if _LINE not in frame.columns:
        return frame
    return frame.select(_RECORD, _LINE, *([_named(columns, job.lookup.key)] if job.lookup else ()))


# --- writing ---------------------------------------------------------------------------------------------------------


def too_large(checked: Checked, why: str) -> BatchFailed:
    """Return the failure of a chunk whose output a worker cannot hold."""
    chunk = checked.chunk
    where = f"chunk {chunk.index + 1} of the job {checked.job.name!r}, records from {chunk.first_record:,} on"
    return BatchFailed("output_too_large", f"{where}: a worker cannot hold what it becomes: {why}")


def _enrich(
    checked: Checked, reference: Mapping[str, Row] | ReferenceFrame | None, lookup: Lookup, room_bytes: int
) -> tuple[pl.DataFrame, pl.DataFrame, bool]:
    if reference is None:
        raise ValueError(f"job {checked.job.name} looks up {lookup.dataset}: its rows are needed")
    table = reference if isinstance(reference, ReferenceFrame) else prepare_reference(reference, lookup)
    key = _named(checked.columns, lookup.key)
    joined = join(checked.frame, key, table.suffixes if _LINE in checked.frame.columns else table.frame)
    added_bytes = _added(joined, checked.job).sum()  # only the table holds them until they are rendered
    if added_bytes > room_bytes:
        column, largest_bytes = _largest(checked.frame, key, table, lookup)
        why = f"{column!r} of {lookup.dataset!r} alone has {largest_bytes:,} bytes of {added_bytes:,} that are added"
        raise too_large(checked, why)
    if lookup.missing is Missing.BLANK:
        blank = "," * len(lookup.columns) + "\n"
        return joined.with_columns(pl.col(SUFFIX).fill_null(blank)), NO_REJECTS, table.plain
    if not joined[SUFFIX].has_nulls():
        return joined, NO_REJECTS, table.plain
    lost = joined.filter(pl.col(SUFFIX).is_null())
    values = lost[key].str.slice(0, VALUE_CHARS_MAX)
    missing = table_of(lost[_RECORD], column=lookup.key, rule=MISSING_REFERENCE, value=values)
    return joined.filter(pl.col(SUFFIX).is_not_null()), missing, table.plain


def _added(joined: pl.DataFrame, job: Job) -> pl.Series:
    """Return how many bytes each record gets by the lookup."""
    added = [SUFFIX]
    if job.output is not None and job.lookup is not None:
        added = [f"r{place}" for place, name in enumerate(job.lookup.columns) if name in job.output]
    return joined.select(pl.sum_horizontal(pl.lit(0), *(pl.col(name).str.len_bytes() for name in added))).to_series()


def _largest(frame: pl.DataFrame, key: str, table: ReferenceFrame, lookup: Lookup) -> tuple[str, int]:
    """Return which column of the lookup adds the most bytes, and how many."""
    added = [pl.col(f"r{place}").str.len_bytes().cast(pl.Int64) for place in range(len(lookup.columns))]
    sums = (
        join(frame.select(key), key, table.frame.with_columns(added)).select(f"r{n}" for n in range(len(added))).sum()
    )
    return max(zip(lookup.columns, sums.row(0), strict=True), key=lambda each: each[1] or 0)


def _render(frame: pl.DataFrame, checked: Checked, out: io.BytesIO, *, plain: bool) -> None:
    """Write the lines of the result. `plain`: so is what was added."""
    if _LINE in frame.columns:
        end = pl.col(SUFFIX) if SUFFIX in frame.columns else pl.lit("\n")
        render_lines(frame, out, pl.col(_LINE), end)
        return
    sources = _sources(checked.job, checked.columns)
    output = frame.select(pl.col(name).alias(f"o{n}") for n, name in enumerate(sources))
    sizes = _added(frame, checked.job) if checked.job.lookup else None
    render_part(output, out, plain=plain and checked.plain, sizes=sizes)


def _reasons(told: pl.DataFrame) -> Mapping[tuple[str, str], int]:
    counts = told.group_by("column", "rule").len().sort("len", "column", "rule", descending=[True, False, False])
    return {(column or "", rule): number for column, rule, number in counts.head(_REASONS_MAX).iter_rows()}


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
