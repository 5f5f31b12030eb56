"""Port: one Region's data bucket, with versioned objects."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What HEAD says of one object version. `metadata` is user metadata, names without prefix, in lower case."""

    key: str
    version_id: str
    size_bytes: int
    last_modified: datetime
    etag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    origin_version_id: str | None = None
    """Of a replica that a stand-in made: the version ID under which it was first written. Never set on AWS."""

    @property
    def origin(self) -> str:
        """Return the version ID under which it was first written, in whichever Region: it names the batch."""
        return self.origin_version_id or self.version_id


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """One version of a key as a list has it: without metadata. `is_current`: nothing is newer, and nothing hides it."""

    info: ObjectInfo
    is_current: bool


@dataclass(frozen=True, slots=True)
class PageEnd:
    """Where a page of versions ended, in the order of the bytes of keys; the next page begins right behind it.

    It stays good while the bucket changes, also if that version is gone.
    """

    key: str
    version_id: str


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A page of versions, by key and then the newest first; `end` is None on the last page."""

    versions: Sequence[ListedVersion]
    end: PageEnd | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes `[start, end)` of an object of the same bucket."""

    key: str
    start: int
    end: int
    crc64nvme: int | None = None
    """Of these bytes, where it is known: others are refused as missing ones are."""


@dataclass(frozen=True, slots=True)
class CopyPiece:
    """An object of the same bucket from byte `start` to its end, copied by the store: no bytes pass through us."""

    key: str
    size_bytes: int
    """Of the piece, not of the object."""
    start: int = 0


@dataclass(frozen=True, slots=True)
class BytesPiece:
    """Bytes that we hold."""

    body: bytes


@dataclass(frozen=True, slots=True)
class JoinedPiece:
    """Stretches too small to be copied, one after the other: a recipe, whose bytes the store fetches as it sends them.

    At most 10 MiB together, so that a number of them in hand is a bound on memory.
    """

    sources: tuple[Stretch | BytesPiece, ...]


type Piece = CopyPiece | BytesPiece | JoinedPiece


class ObjectStore(Protocol):
    """Reads and writes of one Region's bucket. Keys are decoded text."""

    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        """Return the object (or that version of it, by this Region's version ID); None if it is not there.

        Raises `Refused` for one that is there and is not for us to see: another's key, no right to it.
        """
        ...

    async def find_version(self, key: str, origin_version_id: str) -> ObjectInfo | None:
        """Return this Region's copy of the version first written as `origin_version_id`; None if not here (yet)."""
        ...

    def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Stream the bytes `[start, end)` in pieces of whatever size they come. Raises `NotFound`.

        A stream that breaks is resumed by the adapter where it broke; the bytes come once and in order. Who leaves
        before the end closes it, since more may be on its way.
        """
        ...

    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes `[start, end)`. Raises `NotFound`."""
        ...

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Write an object whole. Raises `ValueError` for a key above 1,024 bytes, or metadata above 2 KB."""
        ...

    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        """Write an object as the concatenation of pieces, in order; at least one piece, at most 10,000.

        Every piece but the last must have 5 MiB or more (S3's floor), a joined one 10 MiB at most; raises `ValueError`
        if not, `NotFound` if an object, or a byte of it, is not there or not the recorded one. One piece that is not
        copied is a plain put.
        """
        ...

    async def copy(self, source: ObjectInfo, target_key: str) -> None:
        """Copy the object version that `head` or `find_version` returned, of any size. Raises `NotFound`."""
        ...

    async def delete(self, key: str, *, if_version_is: str) -> bool:
        """Hide the key behind a delete marker if its current version is `if_version_is`; say whether it was."""
        ...

    async def hide(self, key: str) -> None:
        """Put a delete marker on the key, whatever is there: one call less, for a key that nobody writes any more."""
        ...

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Yield the current objects below a prefix, every page, in key order; without metadata."""
        ...

    async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
        """Return a page of at most 1,000 versions below a prefix, those that are hidden or replaced among them.

        One page, and no iterator over all as the other lists are: the sweeper, the only one who lists versions, reads
        the control row before each page, continues in its next sweep where it stopped, and lists parts side by side.

        Delete markers are left out, so that a page may be empty and still have a next one. What was written before
        `after` meanwhile is in the next pass.
        """
        ...
