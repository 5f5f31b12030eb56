"""What the splitter decides: is this header the job's, and where is the file cut. No I/O."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from baton.csv import CsvDefect, Header, Scanner, Syntax, read_header
from baton.errors import BatchFailed
from baton.job import Dialect, Job
from baton.model.batch import Batch
from baton.model.plan import MIB, Chunk, Plan, chunk_bytes_for

HEAD_BYTES_MAX: Final = 2 * MIB
"""A header is one record: at most 1 MiB, plus blank lines before it."""
COLUMNS_MAX: Final = 10_000
"""A worker handles a chunk column by column: about 0.1 ms each. More is no table but a line without its line ends."""
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_STRAY: Final = re.compile("\0|\r(?!\n)")
_OTHER_DELIMITERS: Final = (",", ";", "\t", "|")


def syntax_of(dialect: Dialect) -> Syntax:
    """Return the dialect as the byte values that the scanner looks for."""
    return Syntax(delimiter=ord(dialect.delimiter), quote=ord(dialect.quote))


def check_header(job: Job, header: Header) -> tuple[str, ...]:
    """Return the column names in file order. Raises `BatchFailed("header", …)` if they are not what the job expects.

    Order is free, since columns have names; anything missing, doubled or unknown is an error before any work.
    """
    if len(header.fields) > COLUMNS_MAX:
        raise BatchFailed("header", f"the header has {len(header.fields):,} columns; at most {COLUMNS_MAX:,} are taken")
    names = _decoded(job.dialect, header.fields)
    if any(_STRAY.search(name) for name in names):
        raise BatchFailed("header", "the header holds a NUL or a lone carriage return; lines must end in LF or CRLF")
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise BatchFailed("header", f"the header names a column twice: {_quoted(doubled)}")
    if job.columns is None:
        return names
    missing = [name for name in job.columns if name not in names]
    unknown = [name for name in names if name not in job.columns]
    if missing or unknown:
        parts = [f"missing {_quoted(missing)}"] * bool(missing) + [f"unknown {_quoted(unknown)}"] * bool(unknown)
        raise BatchFailed(
            "header",
            f"the header does not match the job {job.name!r}: {'; '.join(parts)}{_delimiter_hint(job, names)}",
        )
    return names


def _decoded(dialect: Dialect, fields: Sequence[bytes]) -> tuple[str, ...]:
    try:
        return tuple(field.decode(dialect.encoding) for field in fields)
    except UnicodeDecodeError as error:
        raise BatchFailed(
            "encoding",
            f"the header is not {dialect.encoding}: byte {error.object[error.start]:#04x}; "
            "set the job's dialect.encoding if the file is meant to be written otherwise",
        ) from error


def _delimiter_hint(job: Job, names: Sequence[str]) -> str:
    if len(names) != 1 or not job.columns:
        return ""
    for other in _OTHER_DELIMITERS:
        if other != job.dialect.delimiter and names[0].count(other) == len(job.columns) - 1:
            return f". It would have {len(job.columns)} columns with the delimiter {other!r}: set dialect.delimiter"
    return ""


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"  # noqa: PLR2004 - enough for a mail


class Planner:
    """Takes the file's bytes in order and says, at the end, how it is cut.

    Raises `BatchFailed` as soon as the file cannot be planned: nothing is queued before the whole file was seen.
    """

    def __init__(self, batch: Batch, job: Job, *, chunk_bytes: int) -> None:
        self._batch = batch
        self._job = job
        self._syntax = syntax_of(job.dialect)
        self._chunk_bytes = chunk_bytes_for(batch.source.size_bytes, chunk_bytes=chunk_bytes)
        self._head = bytearray()
        self._columns: tuple[str, ...] = ()
        self._scanner: Scanner | None = None

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file, in order."""
        if self._scanner is None:
            self._head += block
            self._start(at_end=False)
            return
        self._scan(block)

    def finish(self, *, job_version: str, reference_version: str | None) -> Plan:
        """Return the plan of the whole file."""
        if self._scanner is None:
            self._start(at_end=True)
        if self._scanner is None:
            raise BatchFailed("empty_file", "the file is empty: not even a header")
        try:
            scan = self._scanner.finish()
        except CsvDefect as defect:
            raise BatchFailed(defect.code, str(defect)) from defect
        return Plan(
            batch_id=self._batch.batch_id,
            job=self._job.name,
            job_version=job_version,
            reference_version=reference_version,
            key=self._batch.source.key,
            version_id=self._batch.source.version_id,
            size_bytes=self._batch.source.size_bytes,
            columns=self._columns,
            chunks=tuple(
                Chunk(index=index, start=r.start, end=r.end, first_record=r.first_record, records=r.records)
                for index, r in enumerate(scan.ranges)
            ),
            records_total=scan.records,
        )

    def _start(self, *, at_end: bool) -> None:
        head = bytes(self._head)
        if head.startswith(_UTF16_MARKS):
            raise BatchFailed("encoding", "the file is UTF-16: send it as UTF-8")
        try:
            header = read_header(head, self._syntax, at_end=at_end or len(head) > HEAD_BYTES_MAX)
        except CsvDefect as defect:
            raise BatchFailed(defect.code, f"in the header: {defect}") from defect
        if header is None or not header.fields:
            return
        self._columns = check_header(self._job, header)
        self._scanner = Scanner(self._syntax, start=header.end, chunk_bytes=self._chunk_bytes)
        self._head.clear()
        self._scan(head[header.end :])

    def _scan(self, block: bytes) -> None:
        assert self._scanner is not None
        try:
            self._scanner.feed(block)
        except CsvDefect as defect:
            raise BatchFailed(defect.code, str(defect)) from defect
