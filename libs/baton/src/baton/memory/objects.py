"""A versioned bucket in memory."""

import hashlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from baton.errors import NotFound
from baton.memory.refusals import Refusals
from baton.model.identity import ORIGIN_VERSION_METADATA
from baton.ports.clock import Clock
from baton.ports.objects import (
    BytesPiece,
    CopyPiece,
    JoinedPiece,
    ListedVersion,
    ObjectInfo,
    PageEnd,
    Piece,
    Stretch,
    VersionPage,
)
from baton.ports.preconditions import check_object, check_pieces, check_stretch, piece_bytes
from baton.topology import REGIONS_DEFAULT

READS: Final = ("head", "find_version", "read", "get")
"""What S3 refuses to who may not read an object."""
_PAGE_VERSIONS: Final = 500
_STREAM_PIECE_BYTES: Final = 64 * 1024
"""Small, so that readers meet records cut in two."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key as it was written."""

    info: ObjectInfo
    body: bytes | None
    """None: a delete marker."""
    content_type: str = ""
    is_replica: bool = False
    """Whether replication wrote it: it goes no further."""
    hides: str | None = None
    """Of a delete marker: the origin version ID of what it hides."""

    @property
    def origin(self) -> str:
        """Return the version ID under which it was first written."""
        return self.info.origin


type Listener = Callable[[Version], None]
"""Called with each version when it was written, as S3 sends events."""


class MemoryObjectStore:
    """The bucket of one Region. Version ids are `<region>-<counter>`, so that two Regions never share one."""

    def __init__(self, clock: Clock, *, region: str = REGIONS_DEFAULT[0], stand_ins: bool = False) -> None:
        """`stand_ins`: believe metadata that says of which version an object is the replica, as on one machine."""
        self.refusals = Refusals(MemoryObjectStore)
        self._clock = clock
        self._stand_ins = stand_ins
        self._region = region
        self._numbers = itertools.count(1)
        self._versions: dict[str, list[Version]] = {}
        """By key, oldest first."""
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` after every write from now on: originals, replicas and delete markers."""
        self._listeners.append(listener)

    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        self.refusals.check("head", key)
        version = self._find(key, version_id)
        return version.info if version else None

    async def find_version(self, key: str, origin_version_id: str) -> ObjectInfo | None:
        self.refusals.check("find_version", key)
        for version in reversed(self._versions.get(key, [])):
            if version.body is not None and version.origin == origin_version_id:
                return version.info
        return None

    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        self.refusals.check("read", key)
        body = self._body(key, version_id)[start:end]
        for offset in range(0, len(body), _STREAM_PIECE_BYTES):
            yield body[offset : offset + _STREAM_PIECE_BYTES]

    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        self.refusals.check("get", key)
        return self._body(key, version_id)[start:end]

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        self.refusals.check("put", key)
        return self._write(key, body, content_type=content_type, metadata=metadata or {})

    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        check_pieces(key, pieces)
        self.refusals.check("compose", key, *_sources(pieces))
        body = b"".join(self._bytes_of(piece) for piece in pieces if piece_bytes(piece))
        return self._write(key, body, content_type=content_type, metadata={})

    def _bytes_of(self, piece: Piece | Stretch) -> bytes:
        match piece:
            case BytesPiece():
                return piece.body
            case CopyPiece(start=0):  # all of it, whatever its size: only a range has an end
                return self._body(piece.key, None)
            case CopyPiece():
                return self._bytes_of(Stretch(piece.key, piece.start, piece.start + piece.size_bytes))
            case Stretch():
                return check_stretch(piece, self._body(piece.key, None)[piece.start : piece.end])
            case JoinedPiece():
                return b"".join(map(self._bytes_of, piece.sources))

    async def copy(self, source: ObjectInfo, target_key: str) -> None:
        self.refusals.check("copy", source.key, target_key)
        found = self._find(source.key, source.version_id)
        if found is None or found.body is None:
            raise NotFound(_missing(source.key, source.version_id))
        metadata = {**found.info.metadata}
        if found.info.origin_version_id is not None:
            del metadata[ORIGIN_VERSION_METADATA]  # a copy is an original: what it was copied from came from elsewhere
        self._write(target_key, found.body, content_type=found.content_type, metadata=metadata)

    async def delete(self, key: str, *, if_version_is: str) -> bool:
        self.refusals.check("delete", key)
        current = self._find(key, None)
        if current is None or current.info.version_id != if_version_is:
            return False
        self._hide(key, is_replica=False)
        return True

    async def hide(self, key: str) -> None:
        self.refusals.check("hide", key)
        self._hide(key, is_replica=False)

    def replicate(self, version: Version) -> Version | None:
        """Take over a version of the other Region's bucket, under a new version ID that remembers its origin.

        A version that is here already is not taken twice, and a delete marker hides only what it hid over there: a
        newer version stays. Returns what was written, None if nothing was.
        """
        key = version.info.key
        if version.body is None:
            current = self._find(key, None)
            hides = current is not None and current.origin == version.hides
            return self._hide(key, is_replica=True) if hides else None
        if any(each.body is not None and each.origin == version.origin for each in self._versions.get(key, [])):
            return None
        # As with S3, a replica keeps the time at which its object was created.
        metadata = {**version.info.metadata, ORIGIN_VERSION_METADATA: version.origin}
        info = replace(
            version.info, version_id=self._next_version_id(), metadata=metadata, origin_version_id=version.origin
        )
        return self._append(Version(info, version.body, version.content_type, is_replica=True))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self.refusals.check("list")
        # S3 lists in the order of UTF-8 bytes, and its list knows neither metadata nor version.
        for key in sorted(self._versions, key=str.encode):
            if key.startswith(prefix) and (version := self._find(key, None)):
                yield replace(version.info, metadata={}, version_id="", origin_version_id=None)

    async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
        self.refusals.check("list_versions")
        listed: list[tuple[tuple[bytes, int], Version, bool]] = []
        for key, versions in self._versions.items():
            if key.startswith(prefix):
                newest = len(versions) - 1
                listed += [((key.encode(), newest - n), each, n == newest) for n, each in enumerate(versions)]
        listed.sort(key=lambda row: row[0])
        ends = [PageEnd(version.info.key, version.info.version_id) for _, version, _ in listed]
        start = ends.index(after) + 1 if after else 0
        page = listed[start : start + _PAGE_VERSIONS]
        found = [
            ListedVersion(replace(version.info, metadata={}), is_current)
            for _, version, is_current in page
            if version.body is not None
        ]
        end = start + len(page)
        return VersionPage(found, ends[end - 1] if end < len(ends) else None)

    def history(self) -> Mapping[str, Sequence[Version]]:
        """Return every version and delete marker of every key, oldest first."""
        return {key: tuple(versions) for key, versions in self._versions.items()}

    def content_type(self, key: str) -> str | None:
        """Return the type under which the current version was written."""
        version = self._find(key, None)
        return version.content_type if version else None

    def _find(self, key: str, version_id: str | None) -> Version | None:
        versions = self._versions.get(key, [])
        candidates = versions[-1:] if version_id is None else [v for v in versions if v.info.version_id == version_id]
        return next((v for v in candidates if v.body is not None), None)

    def _body(self, key: str, version_id: str | None) -> bytes:
        version = self._find(key, version_id)
        if version is None or version.body is None:
            raise NotFound(_missing(key, version_id))
        return version.body

    def _write(self, key: str, body: bytes, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        check_object(key, metadata)
        given = {name.lower(): value for name, value in metadata.items()}
        info = ObjectInfo(
            key=key,
            version_id=self._next_version_id(),
            size_bytes=len(body),
            last_modified=self._clock.now(),
            etag=hashlib.sha256(body).hexdigest()[:32],
            metadata=given,
            origin_version_id=given.get(ORIGIN_VERSION_METADATA) if self._stand_ins else None,
        )
        return self._append(Version(info, body, content_type)).info

    def _hide(self, key: str, *, is_replica: bool) -> Version:
        """Write a delete marker. As S3 does, even where there is nothing to hide."""
        current = self._find(key, None)
        marker = ObjectInfo(key, self._next_version_id(), size_bytes=0, last_modified=self._clock.now())
        return self._append(Version(marker, None, is_replica=is_replica, hides=current.origin if current else None))

    def _append(self, version: Version) -> Version:
        self._versions.setdefault(version.info.key, []).append(version)
        for listener in self._listeners:
            listener(version)
        return version

    def _next_version_id(self) -> str:
        return f"{self._region}-{next(self._numbers):06d}"


def _sources(pieces: Sequence[Piece]) -> Iterator[str]:
    """Yield the keys of the objects that these pieces are made of."""
    for piece in pieces:
        match piece:
            case CopyPiece():
                yield piece.key
            case JoinedPiece():
                yield from (source.key for source in piece.sources if isinstance(source, Stretch))
            case BytesPiece():
                pass


def _missing(key: str, version_id: str | None) -> str:
    return f"{key} is not there" if version_id is None else f"version {version_id} of {key} is not there"
