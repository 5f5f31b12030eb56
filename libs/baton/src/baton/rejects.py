"""The format of `rejects.csv`: its columns, and how its first rows are read. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Final

from baton.job import Job, Missing
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports.rejects import StoredReject

__all__ = [
    "ENCODING",
    "MISSING_REFERENCE",
    "OF_FORM",
    "REJECTS_HEADER",
    "REJECT_COLUMNS",
    "STORED_TEXT_CHARACTERS_MAX",
    "not_all",
    "of_empty_rows",
    "read_rejects",
]

REJECT_COLUMNS: Final = ("record_number", "byte_offset", "column", "rule", "value", "line", "also")
REJECTS_HEADER: Final = f"{','.join(REJECT_COLUMNS)}\n".encode()
"""Begins the rejects of a file's first chunk, and of no other."""
MISSING_REFERENCE: Final = "missing_reference"
"""The rule of a record whose key is not in the reference data."""
ENCODING: Final = "encoding"
"""The rule of a record with bytes that are not of the job's encoding."""
OF_FORM: Final = frozenset({"columns", "nul_byte", ENCODING, "quote", "swallowed", "bare_cr"})
"""The rules of records that cannot be read: no rule of the job has seen their values."""
_FIELD_CHARACTERS_MAX: Final = 16 * 1024 * 1024
"""A rejected line may be a whole record of 1 MiB, escaped: the csv module's own limit is 128 KiB, process-wide."""
STORED_TEXT_CHARACTERS_MAX: Final = 2_000
"""Kept of a rejected line, and of any other text; `rejects.csv` holds it whole."""


def not_all(batch: Batch, job: Job | None) -> str:
    """Return why a failed batch may hold more bad records than were rejected, as a sentence; empty: it does not.

    A batch that exceeds its limit is not processed further, and the chunk that exceeds it alone not looked up at all.
    """
    checked, total = batch.counts.records_in, batch.records_total
    if batch.state is not BatchState.FAILED or batch.published or batch.failure is None:
        return ""
    if batch.failure.code != "too_many_rejects":
        return "" if checked and checked == total else "There may be more: the batch failed before its end."
    has_lookup = job is not None and job.lookup is not None and job.lookup.missing is Missing.REJECT
    dataset = job.lookup.dataset if has_lookup and job and job.lookup else ""
    if checked == total:
        keys = f" and every key looked up in {dataset!r}" if dataset else ""
        return f"There may be more: processing stopped, perhaps before every rule was applied{keys}."
    some = f"when {checked:,} of {total:,} records had been checked" if checked else "when the limit was exceeded"
    keys = f", and perhaps not every key looked up in {dataset!r}" if dataset else ""
    return f"There may be more: processing stopped {some}{keys}."


def of_empty_rows(rejects: Iterable[StoredReject], job: Job | None) -> str:
    """Return what to do about records without any value, as a sentence; empty: there are none of them here.

    A spreadsheet leaves them below its table, as many as a sheet has rows.
    """
    if job is None:
        return ""
    empty = {job.dialect.delimiter, job.dialect.quote, " "}
    if not any(job.dialect.delimiter in reject.line and empty.issuperset(reject.line) for reject in rejects):
        return ""
    return (
        "Some are rows without any value, as a spreadsheet leaves them below a table: delete these, and save it again."
    )


def read_rejects(body: bytes, *, whole: bool, limit: int) -> list[StoredReject]:
    """Return the first rows of rejects, at most `limit`; a header line is skipped, long texts are cut.

    If `body` is only their beginning (not `whole`), the last row is left out: nobody can tell whether it ends there.
    """
    csv.field_size_limit(_FIELD_CHARACTERS_MAX)
    # Line by line: what is behind the last row wanted is not even decoded.
    rows = csv.reader(line.decode(errors="replace") for line in io.BytesIO(body))
    complete = rows if whole else (row for row, _ in pairwise(rows))
    wanted = (row for row in complete if len(row) == len(REJECT_COLUMNS) and row[0] != REJECT_COLUMNS[0])
    return [_reject(row) for row in islice(wanted, limit)]


def _reject(row: Sequence[str]) -> StoredReject:
    number, offset, column, rule, value, line, *_ = (text[:STORED_TEXT_CHARACTERS_MAX] for text in row)
    return StoredReject(
        record_number=int(number), byte_offset=int(offset), column=column, rule=rule, value=value, line=line
    )
