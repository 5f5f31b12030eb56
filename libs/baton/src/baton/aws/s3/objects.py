"""One Region's bucket in S3."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from baton.aws.s3.multipart import Multipart
from baton.aws.s3.ranged import RANGE_BYTES, RangeReader, is_missing
from baton.aws.s3.versions import Versions
from baton.aws.sdk.clients import S3
from baton.aws.sdk.failures import code_of, translated
from baton.aws.sdk.parallel import in_parallel
from baton.errors import NotFound, Refused
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

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import CopySourceTypeDef, HeadObjectOutputTypeDef

_COPY_WHOLE_BYTES_MAX: Final = 1024 * 1024 * 1024
"""S3 copies up to 5 GiB in one request. Larger than this goes faster in parallel ranges, each within the timeout."""
_GET_BYTES_MAX: Final = 256 * 1024 * 1024
_COPY_RANGE_BYTES: Final = 256 * 1024 * 1024
_COPY_RANGES_MAX: Final = 9_000
_HEADS_AT_ONCE: Final = 16
_KEYS_AT_ONCE: Final = 200
"""Of a page of a list, of which S3 gives 1,000: the SDK parses them on the event loop, in 12 ms on a fast machine and
in 30 ms on a slow one."""
_PUT_TOGETHER_BYTES_MAX: Final = 24 * 1024 * 1024
"""On the event loop, which takes a ms for each; more elsewhere."""
_ORIGINS_MAX: Final = 100_000
JOINED_AT_ONCE: Final = 8
"""Of all uploads together: pieces of up to 10 MiB, each held twice while it is joined."""
_FETCHES_AT_ONCE: Final = 8
"""For one joined piece, which may consist of thousands of objects of a few bytes."""


class S3ObjectStore:
    """Reads and writes of one bucket. Integrity of bodies is the SDK's own checksums."""

    def __init__(
        self,
        client: S3,
        *,
        bucket: str,
        clock: Clock,
        stand_ins: bool = False,
        copy_whole_bytes_max: int = _COPY_WHOLE_BYTES_MAX,
        copy_range_bytes: int = _COPY_RANGE_BYTES,
    ) -> None:
        """`stand_ins`: believe metadata that says of which version an object is the replica. Never on AWS."""
        self._client = client
        self._bucket = bucket
        self._clock = clock
        self._versions = Versions(client, bucket=bucket)
        self._stand_ins = stand_ins
        self._origins: dict[tuple[str, str], str | None] = {}
        """Of listed versions in a world with stand-ins, by key and version ID: only a HEAD tells it."""
        self._copy_whole_bytes_max = copy_whole_bytes_max
        self._copy_range_bytes = copy_range_bytes
        self._joining = asyncio.Semaphore(JOINED_AT_ONCE)

    @translated()
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        answer = await self._head(key, version_id)
        return self._info(key, answer) if answer else None

    @translated()
    async def find_version(self, key: str, origin_version_id: str) -> ObjectInfo | None:
        # On AWS a replica keeps its version ID: one HEAD tells.
        info = await self.head(key, version_id=origin_version_id)
        if info and info.origin == origin_version_id:
            return info
        if self._stand_ins:
            async for version in self._versions.of(key):
                if (await self._with_origin(version)).info.origin == origin_version_id:
                    return await self.head(key, version_id=version.info.version_id)
        return None

    @translated()
    async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
        page = await self._versions.page(prefix, after)
        if not self._stand_ins:
            return page
        return VersionPage(await in_parallel(_HEADS_AT_ONCE, page.versions, self._with_origin), page.end)

    async def _with_origin(self, version: ListedVersion) -> ListedVersion:
        info = version.info
        named = info.key, info.version_id
        if named not in self._origins:
            if len(self._origins) >= _ORIGINS_MAX:
                self._origins.clear()
            try:
                found = await self.head(info.key, version_id=info.version_id)
            except Refused:
                found = None  # its metadata may not be read; by its own ID it is a file like any other
            self._origins[named] = found.origin_version_id if found else None
        return replace(version, info=replace(info, origin_version_id=self._origins[named]))

    def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        return self._reader(key, version_id, RANGE_BYTES).stream(start, end)

    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        # It is held whole anyway: one request, which is resumed where it breaks like any other.
        pieces = [piece async for piece in self._reader(key, version_id, _GET_BYTES_MAX).stream(start, end)]
        if sum(map(len, pieces)) > _PUT_TOGETHER_BYTES_MAX:
            return await asyncio.to_thread(b"".join, pieces)
        return b"".join(pieces)

    def _reader(self, key: str, version_id: str | None, range_bytes: int) -> RangeReader:
        return RangeReader(self._client, bucket=self._bucket, key=key, version_id=version_id, range_bytes=range_bytes)

    @translated()
    async def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "text/csv; charset=utf-8",
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        client = await self._client()
        given = {name.lower(): value for name, value in (metadata or {}).items()}
        check_object(key, given)
        answer = await client.put_object(
            Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, Metadata=given
        )
        version_id = answer.get("VersionId", "")
        return ObjectInfo(
            key=key,
            version_id=version_id,
            size_bytes=len(body),
            last_modified=self._clock.now(),  # S3 does not say; its own stamp is this moment within the request
            etag=answer["ETag"].strip('"'),
            metadata=given,
            origin_version_id=self._origin_in(given),
        )

    @translated()
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        check_object(key, {})
        check_pieces(key, pieces)
        match [piece for piece in pieces if piece_bytes(piece)] or [BytesPiece(b"")]:
            case [BytesPiece() | JoinedPiece() as alone]:
                async with self._body_of(alone) as body:
                    return await self.put(key, body, content_type=content_type)
            case [CopyPiece(start=0) as alone] if alone.size_bytes <= self._copy_whole_bytes_max:
                return await self._copy_alone(key, alone, content_type)
            case filled:
                size_bytes = sum(map(piece_bytes, filled))
                client = await self._client()
                async with Multipart(
                    client, self._bucket, key, size_bytes=size_bytes, ContentType=content_type
                ) as upload:
                    await upload.run([upload.piece(piece, self._body_of) for piece in filled])
                return await self._written(key)

    @asynccontextmanager
    async def _body_of(self, piece: BytesPiece | JoinedPiece) -> AsyncGenerator[bytes]:
        """Give the bytes of a piece for as long as they are sent. Raises `NotFound`."""
        if isinstance(piece, BytesPiece):
            yield piece.body
            return
        async with self._joining:
            yield b"".join(await in_parallel(_FETCHES_AT_ONCE, piece.sources, self._bytes_of))

    async def _bytes_of(self, source: Stretch | BytesPiece) -> bytes:
        if isinstance(source, BytesPiece):
            return source.body
        return check_stretch(source, await self.get(source.key, start=source.start, end=source.end))

    async def _copy_alone(self, key: str, piece: CopyPiece, content_type: str) -> ObjectInfo:
        """Copy one piece whole: one call instead of an upload's three. The part's own metadata stays behind."""
        client = await self._client()
        source: CopySourceTypeDef = {"Bucket": self._bucket, "Key": piece.key}
        fresh: Any = {"MetadataDirective": "REPLACE", "ContentType": content_type}
        try:
            await client.copy_object(Bucket=self._bucket, Key=key, CopySource=source, **fresh)
        except ClientError as error:
            if is_missing(error):
                raise NotFound(f"{piece.key} is not there") from error
            raise
        return await self._written(key)

    @translated()
    async def copy(self, source: ObjectInfo, target_key: str) -> None:
        check_object(target_key, {})
        found: CopySourceTypeDef = {"Bucket": self._bucket, "Key": source.key, "VersionId": source.version_id}
        if source.size_bytes > self._copy_whole_bytes_max:
            await self._copy_in_ranges(found, target_key, source)
            return
        # A copy is an original: what a stand-in for replication left on a replica is not copied. Never so on AWS.
        is_replica = source.origin_version_id is not None
        changed: Any = {**await self._kept(source), "MetadataDirective": "REPLACE"} if is_replica else {}
        client = await self._client()
        try:
            await client.copy_object(Bucket=self._bucket, Key=target_key, CopySource=found, **changed)
        except ClientError as error:
            if is_missing(error, version_id=source.version_id):
                raise NotFound(_missing(source)) from error
            raise

    @translated()
    async def delete(self, key: str, *, if_version_is: str) -> bool:
        # Between the two calls a newer version may be written, which the marker would hide. S3 has no condition
        # on a version ID for deletes. The version is not lost: the marker removes nothing, and its own event and row
        # in the ledger are under way, so it is found by `find_version` all the same.
        info = await self.head(key)
        if info is None or info.version_id != if_version_is:
            return False
        await self.hide(key)
        return True

    @translated()
    async def hide(self, key: str) -> None:
        client = await self._client()
        await client.delete_object(Bucket=self._bucket, Key=key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        async with translated():
            client = await self._client()
            paged = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": _KEYS_AT_ONCE}
            )
            pages = aiter(paged)
        while True:
            async with translated():
                page = await anext(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", []):
                # S3's list has neither version nor metadata.
                yield ObjectInfo(
                    key=entry.get("Key", ""),
                    version_id="",
                    size_bytes=entry.get("Size", 0),
                    last_modified=entry.get("LastModified", self._clock.now()),
                    etag=entry.get("ETag", "").strip('"'),
                )

    async def _copy_in_ranges(self, found: "CopySourceTypeDef", target_key: str, source: ObjectInfo) -> None:
        kept = await self._kept(source)
        size = source.size_bytes
        step = max(self._copy_range_bytes, -(-size // _COPY_RANGES_MAX))
        async with Multipart(await self._client(), self._bucket, target_key, size_bytes=size, **kept) as upload:
            ranges = [(start, min(start + step, size)) for start in range(0, size, step)]
            await upload.run([upload.copied(found, span) for span in ranges])

    async def _kept(self, source: ObjectInfo) -> dict[str, Any]:
        """Return what a copy has of its source besides the bytes. Raises `NotFound`."""
        head = await self._head(source.key, source.version_id)
        if head is None:
            raise NotFound(_missing(source))
        metadata = {**head["Metadata"]}
        if self._stand_ins:
            metadata.pop(ORIGIN_VERSION_METADATA, None)
        return {"ContentType": head["ContentType"], "Metadata": metadata}

    async def _written(self, key: str) -> ObjectInfo:
        info = await self.head(key)
        if info is None:
            raise NotFound(f"{key} was written and is gone")
        return info

    async def _head(self, key: str, version_id: str | None) -> "HeadObjectOutputTypeDef | None":
        client = await self._client()
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        try:
            return await client.head_object(Bucket=self._bucket, Key=key, **version)
        except ClientError as error:
            code = code_of(error)
            if code == "404" or (version_id and code == "405"):  # a delete marker
                return None
            # S3 says 400 to a text that can be no version ID, and to a version that it shows to nobody without a key
            # of the sender's own. The list tells the two apart.
            if version_id and code == "400" and not await self._is_listed(key, version_id):
                return None
            raise

    async def _is_listed(self, key: str, version_id: str) -> bool:
        async for version in self._versions.of(key):
            if version.info.version_id == version_id:
                return True
        return False

    def _info(self, key: str, answer: "HeadObjectOutputTypeDef") -> ObjectInfo:
        return ObjectInfo(
            key=key,
            version_id=answer.get("VersionId", "null"),
            size_bytes=answer["ContentLength"],
            last_modified=answer["LastModified"],
            etag=answer["ETag"].strip('"'),
            metadata=answer["Metadata"],
            origin_version_id=self._origin_in(answer["Metadata"]),
        )

    def _origin_in(self, metadata: Mapping[str, str]) -> str | None:
        return metadata.get(ORIGIN_VERSION_METADATA) if self._stand_ins else None


def _missing(info: ObjectInfo) -> str:
    return f"{info.key} (version {info.version_id}) is not there"
