"""What the splitter decides: whether this is a file of the job, and where it is cut. No I/O."""

from typing import Final

from baton.csv import CsvDefect, Header, HeaderReader, Scanner, Syntax
from baton.errors import BatchFailed
from baton.job import Job
from baton.model.batch import Batch
from baton.model.plan import (
    CHUNK_BYTES_MAX,
    CHUNK_RECORDS_DEFAULT,
    CHUNKS_MAX,
    MIB,
    Chunk,
    Plan,
    chunk_bytes_for,
    chunk_records_for,
)
from baton.shown import shown
from splitter.header import check_header
from splitter.look import HeadInspector

_BEGINNING_BYTES: Final = 256 * 1024
"""At a time of the blocks in which the header is looked for."""


def _too_large(size_bytes: int, chunk_bytes_max: int) -> BatchFailed:
    return BatchFailed(
        "file_too_large",
        f"the file has {size_bytes / 1e9:,.0f} GB; at most {CHUNKS_MAX * chunk_bytes_max / 1e9:,.0f} GB are taken: "
        f"{CHUNKS_MAX:,} chunks of the {chunk_bytes_max // MIB:,} MiB that a worker can hold",
    )


class Planner:
    """Takes the file's bytes in order and says, at the end, how it is cut. Each byte is looked at once.

    Raises `BatchFailed` as soon as the file cannot be planned: nothing is queued before the whole file was seen.
    """

    def __init__(
        self,
        batch: Batch,
        job: Job,
        *,
        chunk_bytes: int,
        chunk_bytes_max: int = CHUNK_BYTES_MAX,
        chunk_records: int = CHUNK_RECORDS_DEFAULT,
    ) -> None:
        """Refuse a file whose chunks no worker could hold: `BatchFailed` (`file_too_large`)."""
        self._batch = batch
        self._job = job
        self._syntax = Syntax.of(job.dialect.delimiter, job.dialect.quote)
        size_bytes = batch.source.size_bytes
        self._chunk_bytes = chunk_bytes_for(size_bytes, chunk_bytes=chunk_bytes)
        if self._chunk_bytes > max(chunk_bytes, chunk_bytes_max):
            raise _too_large(size_bytes, chunk_bytes_max)
        self._chunk_records = chunk_records_for(size_bytes, chunk_bytes=self._chunk_bytes, chunk_records=chunk_records)
        self._look = HeadInspector(job.dialect, job.columns)
        self._header = HeaderReader(self._syntax)
        self._taken_bytes = 0
        self._columns: tuple[str, ...] = ()
        self._scanner: Scanner | None = None

    def feed(self, block: bytes | bytearray) -> None:
        """Take the next bytes of the file, in order. Nothing of `block` is kept."""
        if self._scanner is not None:
            self._take(self._look.feed(block))
            return
        # What looks for the header makes copies of what it is given.
        for at in range(0, len(block), _BEGINNING_BYTES):
            self._take(self._look.feed(block[at : at + _BEGINNING_BYTES]))

    def finish(self, *, job_version: str, reference_version: str | None) -> Plan:
        """Return the plan of the whole file."""
        rest = self._look.finish()
        try:
            self._take(rest)
            scan = (self._scanner or self._begin(self._header.finish())).finish()
        except CsvDefect as defect:
            raise self._failed(defect) from defect
        finally:
            self._look.check_encoding()  # before whatever else is wrong, which may be its consequence
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

    def _take(self, block: bytes | bytearray) -> None:
        self._taken_bytes += len(block)
        try:
            if self._scanner is None:
                header = self._header.feed(block)
                if header is None:
                    return
                self._begin(header)
                block = block[len(block) - (self._taken_bytes - header.end) :]
            assert self._scanner is not None
            self._scanner.feed(block)
        except CsvDefect as defect:
            raise self._failed(defect) from defect

    def _begin(self, header: Header) -> Scanner:
        if not header.fields:
            raise BatchFailed("empty_file", "the file is empty: not even a header")
        self._columns = check_header(self._job, header)
        if self._job.columns is not None and not header.line.isascii():
            self._look.settle()  # only in the job's encoding are these bytes its columns
        self._scanner = Scanner(
            self._syntax, start=header.end, chunk_bytes=self._chunk_bytes, chunk_records=self._chunk_records
        )
        return self._scanner

    def _failed(self, defect: CsvDefect) -> BatchFailed:
        where = "in the header: " if self._scanner is None else ""
        column = defect.column or 0
        name = (
            f" (column {column:,} is {shown(self._columns[column - 1])!r})" if 0 < column <= len(self._columns) else ""
        )
        return BatchFailed(defect.code, f"{where}{defect}{name}")
