"""Reads a file in pieces, and fails if it changes meanwhile."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from baton_cli.reach.connection import Declined

_TICK_SECONDS: Final = 0.02
"""Times of files advance by the kernel's tick, 10 ms at most: two changes within one cannot be distinguished."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What tells a file from any other, and from itself after a change; ctime is what nobody can set back."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class SteadyFile:
    """An open file, as it was when it was opened. Every method raises `Declined` once it is another one."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._identity = _Identity.of(os.fstat(descriptor))

    @property
    def size_bytes(self) -> int:
        return self._identity.size_bytes

    async def read(self, start: int, size_bytes: int) -> bytes:
        """Return that many bytes from there."""
        try:
            body = await asyncio.to_thread(os.pread, self._descriptor, size_bytes, start)
        except OSError as error:
            raise Declined(f"{self._path} cannot be read: {error.strerror}") from error
        self.check()
        if len(body) != size_bytes:
            raise self._changed()
        return body

    def check(self) -> None:
        """Return if the file, and what its path leads to, are what they were. Call it after the last read."""
        try:
            found = [os.fstat(self._descriptor), self._path.stat()]
        except OSError as error:
            raise self._changed() from error
        if any(_Identity.of(each) != self._identity for each in found):
            raise self._changed()

    def _changed(self) -> Declined:
        return Declined(f"{self._path} changed while it was sent; nothing was submitted: try again when it is complete")


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SteadyFile]:
    """Open a file to be read in pieces. Raises `Declined` if it cannot be."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise Declined(f"{path} cannot be read: {error.strerror}") from error
    try:
        # What was written a moment ago may be written again within the same tick: that one is let pass first.
        if abs(time.time() - os.fstat(descriptor).st_mtime) < _TICK_SECONDS:
            await asyncio.sleep(_TICK_SECONDS)
        yield SteadyFile(path, descriptor)
    finally:
        os.close(descriptor)
