"""One Region's data bucket as replication sees it: versions of a key, copies, delete markers."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from baton.model.identity import ORIGIN_VERSION_METADATA, origin_version

if TYPE_CHECKING:
    from aiobotocore.response import StreamingBody
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

_PART_BYTES: Final = 16 * 1024 * 1024
"""Objects above this are copied in parts of it: eight copies at once hold 128 MiB."""
_PIECE_BYTES: Final = 256 * 1024
_GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed"})


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key, or one delete marker on it."""

    version_id: str
    is_marker: bool
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Described:
    """A version with what only HEAD says. `origin` is the version ID under which it was first written."""

    version_id: str
    origin: str
    size_bytes: int
    etag: str
    metadata: Mapping[str, str]
    headers: Mapping[str, Any]
    """Headers that belong to the object, by the names of PutObject's parameters."""

    @property
    def is_replica(self) -> bool:
        return ORIGIN_VERSION_METADATA in self.metadata


class Side:
    """The data bucket of one Region, through its gate."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    async def versions(self, key: str) -> list[Version]:
        """Return every version and delete marker of the key, oldest first."""
        rows: list[tuple[tuple[datetime, bool], Version]] = []
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
        async for page in pages:
            for field, is_marker in (("Versions", False), ("DeleteMarkers", True)):
                listed: list[Any] = page.get(field, [])
                # The client hands out two lists; the emulator's times, in milliseconds, join them again.
                rows += [
                    ((row["LastModified"], row["IsLatest"]), Version(row["VersionId"], is_marker, row["LastModified"]))
                    for row in listed
                    if row["Key"] == key
                ]
        # Each list comes newest first, and sorting keeps the order of equals.
        rows.reverse()
        return [version for _, version in sorted(rows, key=lambda row: row[0])]

    async def describe(self, key: str, version_id: str) -> Described | None:
        """Return what HEAD says of a version; None if it is gone."""
        try:
            head = await self._client.head_object(Bucket=self.bucket, Key=key, VersionId=version_id)
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise
        fields: dict[str, Any] = {**head}
        names = ("ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl")
        return Described(
            version_id=version_id,
            origin=origin_version(version_id, head["Metadata"]),
            size_bytes=head["ContentLength"],
            etag=head["ETag"],
            metadata=head["Metadata"],
            headers={name: fields[name] for name in names if name in fields},
        )

    async def take(self, source: "Side", key: str, version: Described) -> Described | None:
        """Copy a version of `source` here, with a note of its origin; None if it is gone from there."""
        stream = await source.open(key, version)
        if stream is None:
            return None
        async with stream:
            written = await self._write(key, version, stream)
        return await self.describe(key, written["VersionId"])

    async def open(self, key: str, version: Described) -> "StreamingBody | None":
        """Return the content of a version as a stream; None if the version is gone.

        One request for the whole: the emulator ignores a range where a version is named.
        """
        try:
            answer = await self._client.get_object(Bucket=self.bucket, Key=key, VersionId=version.version_id)
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise
        return answer["Body"]

    async def _write(self, key: str, version: Described, stream: "StreamingBody") -> Any:
        metadata = {**version.metadata, ORIGIN_VERSION_METADATA: version.origin}
        if version.size_bytes <= _PART_BYTES:
            body = await stream.read()
            return await self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, Metadata=metadata, **version.headers
            )
        upload: Any = await self._client.create_multipart_upload(
            Bucket=self.bucket, Key=key, Metadata=metadata, **version.headers
        )
        this: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "UploadId": upload["UploadId"]}
        parts: list[CompletedPartTypeDef] = []
        async for body in _in_parts(stream):
            number = len(parts) + 1
            part = await self._client.upload_part(**this, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        return await self._client.complete_multipart_upload(**this, MultipartUpload={"Parts": parts})

    async def hide(self, key: str, current: Described) -> bool:
        """Put a delete marker over `current`; say whether it was still the current version."""
        try:
            await self._client.delete_object(Bucket=self.bucket, Key=key, IfMatch=current.etag)
        except ClientError as error:
            if _code(error) in _GONE:
                return False
            raise
        return True


async def _in_parts(stream: "StreamingBody") -> AsyncIterator[bytes]:
    held = bytearray()
    async for piece in stream.iter_chunks(_PIECE_BYTES):
        held += piece
        if len(held) >= _PART_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
