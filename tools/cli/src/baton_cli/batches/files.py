"""Moves files in and out: submits an input, fetches a result, publishes reference data."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from baton.catalog import Catalog, CatalogError
from baton.checksums import combine, crc64nvme
from baton.errors import NotFound, Unavailable
from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.model.paths import input_key, is_marker
from baton.ports import ObjectStore
from baton_cli.hints import baton
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, NOT_HERE
from baton_cli.reach.connection import Connection, Declined

_KEY_BYTES_MAX: Final = 1_024
"""S3's ceiling for a key."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs that a file may be sent to."""

    here: Catalog
    left_out: Sequence[CatalogError] = ()
    """What is wrong with others."""
    at_start: Mapping[str, str] | None = None
    """Versions of those that the world on this machine was started with; None: nobody knows."""

    def check(self, job: str) -> None:
        """Raise `Declined` if there is no such job, or the world does not know it yet."""
        if job not in self.here:
            known = f"there is no job {job!r}; the jobs are: {', '.join(sorted(self.here))} (--force sends it anyway)"
            raise Declined(known, *(f"not loaded: {error}" for error in self.left_out))
        if self.at_start is not None and job not in self.at_start:
            raise Declined(
                f"the job {job!r} is newer than the world that runs, which does not know it: {baton()} down, then "
                f"{baton()} up, and load the reference data again (--force sends it anyway)"
            )

    def is_older_there(self, job: str) -> bool:
        """Return whether the world runs another version of the job than the one that is here."""
        return self.at_start is not None and job in self.here and self.at_start.get(job) != self.here[job].version


@dataclass(frozen=True, slots=True)
class Submission:
    """A file ready to be sent: it exists, can be read, and its key is one."""

    path: Path
    job: str
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """A file that was taken. The batch appears in the ledger as soon as its Region has seen it."""

    batch_id: str
    job: str
    key: str
    version_id: str
    size_bytes: int
    sent_before: Batch | None = None
    """The newest batch of the last day of a file of this name and size."""


def prepare(
    path: Path,
    *,
    job: str,
    name: str | None,
    jobs: Jobs,
    force: bool = False,
) -> Submission:
    """Check what can be known before a byte is sent. Raises `Declined`."""
    if not force:
        jobs.check(job)
    if not path.is_file():
        raise Declined(_no_file(path))
    if not os.access(path, os.R_OK):
        raise Declined(f"{path} may not be read by you")
    name = path.name if name is None else name
    hidden = next((at for at, letter in enumerate(name) if not letter.isprintable()), None)
    if hidden is not None:
        what = f"its character {hidden + 1:,}, {name[hidden]!a}, cannot be printed"
        raise Declined(f"{name!r} cannot be the name of an input: {what}; give another with --name")
    key = input_key(job, name)
    is_name = name.strip("/") == name and "//" not in name
    if not name or not is_name or len(key.encode()) > _KEY_BYTES_MAX:
        raise Declined(
            f"{name!r} cannot be the name of an input: no / at either end, 1 to 1,000 bytes; give another with --name"
        )
    size_bytes = path.stat().st_size
    if is_marker(key, size_bytes):
        _refuse_marker(key)
    return Submission(path, job, key, size_bytes)


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder"
    return (
        f"{path} is no regular file: a file is read in parts, so write it to disk first"
        if path.exists()
        else (f"there is no file {path}")
    )


def _refuse_marker(key: str) -> NoReturn:
    """Raise `Declined`: the file would be taken, and then ignored by the trigger."""
    tools = "Spark, Hadoop and the like leave files of that name beside data"
    empty = "an empty file whose name begins with _ or . is a placeholder"
    why = tools if is_marker(key, None) else empty
    raise Declined(f"{key} would never become a batch: {why}; give it another name with --name")


async def submit(
    connection: Connection, submission: Submission, *, sent: Callable[[int], None], sent_before: Batch | None = None
) -> Submitted:
    """Upload the file. Raises `Unavailable` if no Region takes it."""
    version_id = await connection.uploader.upload(submission.path, submission.key, sent=sent)
    batch_id = batch_id_of(submission.key, version_id)
    return Submitted(batch_id, submission.job, submission.key, version_id, submission.size_bytes, sent_before)


def place(path: Path | None, batch: Batch, key: str, *, force: bool) -> Path:
    """Return where an object of a batch is to be written. Raises `Declined` if something else is there."""
    name = f"{batch.batch_id}-{key.rpartition('/')[2]}"
    found = path or Path(name)
    if found.is_dir():
        found /= name
    if found.exists() and not found.is_file():
        raise Declined(f"{found} is no regular file: name one with --output")
    if found.exists() and not force:
        raise Declined(f"{found} is there already: --force writes over it, --output names another file")
    return found


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object on disk, complete."""

    key: str
    path: Path
    size_bytes: int
    region: str


async def fetch(connection: Connection, batch: Batch, key: str, path: Path, *, checksum: str | None = None) -> Fetched:
    """Download one published object, from the owner Region, else from the other one.

    `checksum` is its CRC64NVME in hex; None checks the size alone.

    It is written under another name beside `path` and renamed when every byte is there: `path` is whole or untouched.
    Raises `NotFound` if neither Region gives it whole, `Declined` if `path` cannot be written.
    """
    problems: list[str] = []
    for region in connection.owner_first(batch):
        try:
            size_bytes = await _fetch_from(connection.by_region[region].objects, key, path, checksum)
        except NOT_HERE as error:
            problems.append(f"{region}: {error or 'no answer'}")
        except OSError as error:
            raise Declined(f"{path} cannot be written: {error.strerror}") from error
        else:
            return Fetched(key, path, size_bytes, region)
    raise NotFound(f"{key} could not be fetched; {'; '.join(problems)}")


async def _fetch_from(objects: ObjectStore, key: str, path: Path, checksum: str | None) -> int:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        info = await objects.head(key)
    if info is None:
        raise NotFound("it is not there")
    crc = 0
    with _whole_or_untouched(path) as file:
        async for piece in objects.read(key, version_id=info.version_id):
            file.write(piece)
            crc = combine(crc, crc64nvme(piece), len(piece))
        if file.tell() != info.size_bytes:
            raise Unavailable(f"{file.tell():,} of {info.size_bytes:,} bytes came")
        if checksum is not None and f"{crc:016x}" != checksum:
            raise Unavailable(f"its checksum is {crc:016x}, it was published with {checksum}")
    return info.size_bytes


@contextlib.contextmanager
def _whole_or_untouched(path: Path) -> Generator[BinaryIO]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        partial.chmod(0o666 & ~_umask())  # mkstemp lets only its owner read; a result is like any other file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    # There is no way to read it but to set it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
