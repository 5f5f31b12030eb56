"""What the splitter decides: is this a file of the job, and where is it cut. No I/O."""

from typing import Final

from baton.csv import CsvDefect, Scanner, Syntax, read_header
from baton.errors import BatchFailed
from baton.job import Dialect, Job
from baton.model.batch import Batch
from baton.model.plan import MIB, Chunk, Plan, chunk_bytes_for
from splitter.header import check_header
from splitter.look import Look

HEAD_BYTES_MAX: Final = 2 * MIB
"""A header is one record: at most 1 MiB, plus blank lines before it."""


def syntax_of(dialect: Dialect) -> Syntax:
    """Return the dialect as the byte values that the scanner looks for."""
    return Syntax(delimiter=ord(dialect.delimiter), quote=ord(dialect.quote))


class Planner:
    """Takes the file's bytes in order and says, at the end, how it is cut.

    Raises `BatchFailed` as soon as the file cannot be planned: nothing is queued before the whole file was seen.
    """

    def __init__(self, batch: Batch, job: Job, *, chunk_bytes: int) -> None:
        self._batch = batch
        self._job = job
        self._syntax = syntax_of(job.dialect)
        self._chunk_bytes = chunk_bytes_for(batch.source.size_bytes, chunk_bytes=chunk_bytes)
        self._look = Look(job.dialect)
        self._head = bytearray()
        self._columns: tuple[str, ...] = ()
        self._scanner: Scanner | None = None

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file, in order."""
        self._take(self._look.feed(block))

    def _take(self, block: bytes) -> None:
        if self._scanner is None:
            self._head += block
            self._start(at_end=False)
            return
        self._scan(block)

    def finish(self, *, job_version: str, reference_version: str | None) -> Plan:
        """Return the plan of the whole file."""
        self._take(self._look.finish())
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
