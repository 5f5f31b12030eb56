"""Reference data: from a file on disk into both Regions."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from baton.catalog import Catalog
from baton.encoding import composed, composed_key
from baton.ports import ReferenceVersion, Row
from baton.topology import PROGRESS_KEPT_DAYS
from baton_cli.batches.reference_records import ReferenceRecord, check_record, records
from baton_cli.hints import baton
from baton_cli.reach.connection import Connection, Declined

_VERSION_HEX_DIGITS: Final = 12
REPLACED_VERSIONS_KEPT: Final = timedelta(days=PROGRESS_KEPT_DAYS)
"""No batch that was planned with one begins a run after that: see `actions.RETRIED_AGE_MAX`."""
_BEHIND_MAX: Final = timedelta(days=1)
"""How long another Region may have planned with a version that was replaced already: a global table takes seconds."""


@dataclass(frozen=True, slots=True)
class ReferenceRows:
    """The rows of a reference file by key, read anew each time: none is held."""

    path: Path
    key: str
    lines_in_fields: bool = False

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        columns, rows = _rows(self.path, self.key, lines_in_fields=self.lines_in_fields)
        for record in rows:
            row = dict(zip(columns, record.fields, strict=True))
            yield composed_key(row[self.key]), row


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """A reference data set on disk that was read through once."""

    version: ReferenceVersion
    rows: ReferenceRows


def read(dataset: str, path: Path, *, key: str, lines_in_fields: bool = False) -> ReferenceFile:
    """Check a CSV file with one row per key. Its version is a digest of what its rows mean: key, columns and values.

    16 bytes of each key are held, and one row at a time. Raises `Declined` if the file is no CSV with that column, if a
    key is empty or there twice, or if a value holds a NUL or, unless `lines_in_fields`, lines that look like records.
    Names of columns are compared, and kept, in composed form (NFC), and rows are found by their keys in it.
    """
    key = composed(key)
    columns, rows = _rows(path, key, lines_in_fields=lines_in_fields)
    position, seen = columns.index(key), set[bytes]()
    content = hashlib.sha256(json.dumps([key, columns]).encode())
    for record in rows:
        fields = record.fields
        found_by = composed_key(fields[position])
        name = hashlib.blake2b(found_by.encode(), digest_size=16).digest()
        if not fields[position] or name in seen:
            what = "there twice" if fields[position] else "empty"
            raise Declined(f"{path}, {record.where}: the key {fields[position]!r} is {what}")
        seen.add(name)
        # Such a row lay under another key when keys were kept as they came.
        content.update(json.dumps([*fields, found_by] if found_by != fields[position] else fields).encode())
    version = ReferenceVersion(dataset, content.hexdigest()[:_VERSION_HEX_DIGITS], rows=len(seen), columns=columns)
    return ReferenceFile(version, ReferenceRows(path, key, lines_in_fields))


def check_columns(file: ReferenceFile, catalog: Catalog) -> None:
    """Raise `Declined` if a job adds a column that the file does not have: every batch of it would fail."""
    version = file.version
    lookups = ((name, loaded.job.lookup) for name, loaded in sorted(catalog.items()))
    for name, lookup in lookups:
        lacking = [each for each in lookup.columns if each not in version.columns] if lookup else []
        if lookup and lookup.dataset == version.dataset and lacking:
            raise Declined(
                f"{file.rows.path} lacks what the job {name!r} adds: {', '.join(map(repr, lacking))}; "
                f"it has: {', '.join(version.columns)} (--force loads it anyway)"
            )


def _rows(path: Path, key: str, *, lines_in_fields: bool) -> tuple[tuple[str, ...], Iterator[ReferenceRecord]]:
    """Return the header, and each further record. Raises `Declined`."""
    found = records(path)
    header = next(found, None)
    columns = tuple(map(composed, header.fields)) if header else ()
    if header is None or key not in columns or len(set(columns)) != len(columns):
        has = ", ".join(columns) or "nothing"
        raise Declined(f"{path}: the file needs a column {key!r}, each name once, between commas; it has: {has}")

    def checked(record: ReferenceRecord) -> ReferenceRecord:
        check_record(path, record, columns, lines_in_fields=lines_in_fields)
        return record

    checked(header)
    return columns, map(checked, found)


async def publish(connection: Connection, file: ReferenceFile) -> Sequence[str]:
    """Make it the version that new batches use, and remove those that no batch uses any more; return these.

    Repeating it is harmless. Raises `Declined` if the rows are not what they were, or not what the table takes.
    """
    removed: set[str] = set()
    replaced_before = await _pinned_since(connection)
    for reference in connection.references:
        try:
            await reference.publish(file.version, file.rows)
        except ValueError as error:
            raise Declined(f"{file.rows.path}: {error}") from error
        removed |= {*await reference.prune(file.version.dataset, replaced_before=replaced_before)}
    return sorted(removed)


async def _pinned_since(connection: Connection) -> datetime:
    """Return a time such that no batch is pinned to a version that was replaced before it, nor will be.

    A batch is planned after its admission, with the version that is current then, and keeps it until it ends. So one
    that is planned or retried meanwhile cannot be pinned to what is removed, whether or not the list has it yet.
    """
    kept_since = connection.clock.now() - REPLACED_VERSIONS_KEPT
    async for page in connection.ledger.list_open():
        kept_since = min([kept_since, *(batch.admitted_at - _BEHIND_MAX for batch in page.batches)])
    return kept_since


async def current(connection: Connection, dataset: str) -> ReferenceVersion:
    """Return the version that new batches use. Raises `Declined` if the data set was never loaded."""
    for reference in connection.references:
        version = await reference.current(dataset)
        if version is not None:
            return version
    raise Declined(
        f"there is no data set {dataset!r}: load one with `{baton()} reference load {dataset} FILE --key COLUMN`"
    )
