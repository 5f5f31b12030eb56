"""One Region's data bucket as replication sees it: versions of a key, copies, delete markers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from baton.model.identity import ORIGIN_VERSION_METADATA, origin_version

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

_PART_BYTES: Final = 16 * 1024 * 1024
"""Objects above this are copied in parts of it: eight copies at once hold 128 MiB."""
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
        if version.size_bytes > _PART_BYTES:
            return await self._take_in_parts(source, key, version)
        body = await source.read(key, version)
        if body is None:
            return None
        written = await self._client.put_object(
            Bucket=self.bucket, Key=key, Body=body, Metadata=_noted(version), **version.headers
        )
        return await self.describe(key, written["VersionId"])

    async def _take_in_parts(self, source: "Side", key: str, version: Described) -> Described | None:
        upload: Any = await self._client.create_multipart_upload(
            Bucket=self.bucket, Key=key, Metadata=_noted(version), **version.headers
        )
        this: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "UploadId": upload["UploadId"]}
        parts: list[CompletedPartTypeDef] = []
        for start in range(0, version.size_bytes, _PART_BYTES):
            body = await source.read(key, version, start=start)
            if body is None:
                await self._client.abort_multipart_upload(**this)
                return None
            part = await self._client.upload_part(**this, PartNumber=len(parts) + 1, Body=body)
            parts.append({"PartNumber": len(parts) + 1, "ETag": part["ETag"]})
        written = await self._client.complete_multipart_upload(**this, MultipartUpload={"Parts": parts})
        return await self.describe(key, written["VersionId"])

    async def read(self, key: str, version: Described, *, start: int = 0) -> bytes | None:
        """Return up to a part's bytes of a version from `start`; None if the version is gone."""
        only: dict[str, Any] = {"Range": f"bytes={start}-{start + _PART_BYTES - 1}"} if version.size_bytes else {}
        try:
            answer = await self._client.get_object(Bucket=self.bucket, Key=key, VersionId=version.version_id, **only)
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise
        async with answer["Body"] as body:
            return await body.read()

    async def hide(self, key: str, current: Described) -> bool:
        """Put a delete marker over `current`; say whether it was still the current version."""
        try:
            await self._client.delete_object(Bucket=self.bucket, Key=key, IfMatch=current.etag)
        except ClientError as error:
            if _code(error) in _GONE:
                return False
            raise
        return True


def _noted(version: Described) -> dict[str, str]:
    return {**version.metadata, ORIGIN_VERSION_METADATA: version.origin}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
