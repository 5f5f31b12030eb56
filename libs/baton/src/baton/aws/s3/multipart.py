"""One multipart upload: parts in parallel, completed on success, aborted on failure."""

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from xml.sax.saxutils import escape

from botocore.exceptions import BotoCoreError, ClientError

from baton.aws.s3.ranged import is_missing
from baton.aws.sdk.failures import code_of
from baton.aws.sdk.parallel import in_parallel
from baton.errors import NotFound
from baton.ports.objects import BytesPiece, CopyPiece, JoinedPiece, Piece

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CopySourceTypeDef

_PARTS_AT_ONCE: Final = 16
_PARTS_WRITTEN_BY_SDK_MAX: Final = 2_000
"""Of 9,000 it takes 160 ms to check them and to write them out, on the event loop."""
CHECKSUM: Final[dict[str, Any]] = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
"""The SDK sends one with each part, which S3 takes only for an upload that was begun with it. Of the whole object: S3
adds those of the parts up, sent or copied, and keeps one that does not depend on where they were cut."""

_OUT_OF_RANGE: Final = frozenset({"InvalidRange", "InvalidArgument", "416"})

type Part = Callable[[int], Awaitable[dict[str, Any]]]
"""Makes the part of that number and returns what `CompleteMultipartUpload` wants to know of it."""


class Multipart:
    """An upload that exists from entry to exit."""

    def __init__(self, client: "S3Client", bucket: str, key: str, *, size_bytes: int, **properties: Any) -> None:
        """Take the size of the object that all parts together make."""
        self._client = client
        self._size_bytes = size_bytes
        self._target: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._properties = properties
        self._parts: list[Any] = []

    async def __aenter__(self) -> Self:
        created = await self._client.create_multipart_upload(**self._target, **self._properties, **CHECKSUM)
        self._upload: dict[str, Any] = {**self._target, "UploadId": created["UploadId"]}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self._complete()
            return
        # What cannot be aborted now is removed by the bucket's lifecycle rule; the error at hand is the one to tell.
        with contextlib.suppress(ClientError, BotoCoreError):
            await self._client.abort_multipart_upload(**self._upload)

    async def _complete(self) -> None:
        try:
            await self._tell_all()
        except ClientError as error:
            # It may have been completed by a call whose answer got lost: the SDK asks again, and the upload is gone.
            if code_of(error) != "NoSuchUpload" or not await self._is_written():
                raise

    async def _tell_all(self) -> None:
        call = self._client.complete_multipart_upload
        if len(self._parts) <= _PARTS_WRITTEN_BY_SDK_MAX:
            await call(**self._upload, MultipartUpload={"Parts": self._parts})
            return
        _told.set(await asyncio.to_thread(told_parts, self._parts))
        self._client.meta.events.register("before-call.s3.CompleteMultipartUpload", _tell, unique_id="baton-parts")
        await call(**self._upload)

    async def _is_written(self) -> bool:
        """Return whether the object is what these parts make. Keys are made for one content, so it need not be ours."""
        try:
            found = await self._client.head_object(**self._target)
        except ClientError:
            return False
        return found["ContentLength"] == self._size_bytes and found["ETag"].strip('"').endswith(f"-{len(self._parts)}")

    async def run(self, parts: Sequence[Part]) -> None:
        """Make the parts, at most 16 at once; their order is the order of the object's bytes."""

        async def one(numbered: tuple[int, Part]) -> Any:
            number, part = numbered
            made = await part(number)
            checksums = {name: value for name, value in made.items() if name.startswith("Checksum")}
            return {"PartNumber": number, "ETag": made["ETag"], **checksums}

        self._parts = await in_parallel(_PARTS_AT_ONCE, enumerate(parts, 1), one)

    def piece(
        self, piece: Piece, body_of: Callable[[BytesPiece | JoinedPiece], AbstractAsyncContextManager[bytes]]
    ) -> Part:
        """Return the part for a piece of the same bucket; `body_of` gives the bytes that are sent, while they are."""
        if isinstance(piece, CopyPiece):
            # Without a range where none is needed: S3 takes one only of a source above 5 MB.
            span = (piece.start, piece.start + piece.size_bytes) if piece.start else None
            return self.copied({"Bucket": self._target["Bucket"], "Key": piece.key}, span)

        async def part(number: int) -> dict[str, Any]:
            async with body_of(piece) as body:
                return dict(await self._client.upload_part(**self._upload, PartNumber=number, Body=body))

        return part

    def copied(self, source: "CopySourceTypeDef", span: tuple[int, int] | None) -> Part:
        """Return a part that S3 copies itself: all of the source, or its bytes `[start, end)`."""
        ranged: dict[str, Any] = {"CopySourceRange": f"bytes={span[0]}-{span[1] - 1}"} if span else {}

        async def part(number: int) -> dict[str, Any]:
            try:
                answer = await self._client.upload_part_copy(
                    **self._upload, PartNumber=number, CopySource=source, **ranged
                )
            except ClientError as error:
                if is_missing(error):
                    raise NotFound(f"{source['Key']} is not there") from error
                if span and code_of(error) in _OUT_OF_RANGE:
                    raise NotFound(f"{source['Key']} has no bytes {span[0]} to {span[1]}") from error
                raise
            return dict(answer["CopyPartResult"])

        return part


_told: Final = ContextVar[bytes]("told")
"""The body of the call that this task makes."""


def _tell(params: dict[str, Any], **_: object) -> None:
    params["body"] = params["body"] or io.BytesIO(_told.get())  # of plain bytes over 1 MiB aiohttp warns


def told_parts(parts: Sequence[Mapping[str, Any]]) -> bytes:
    """Return what the SDK sends as the body of CompleteMultipartUpload."""
    each = (
        f"<Part>{''.join(f'<{name}>{escape(str(value))}</{name}>' for name, value in part.items())}</Part>"
        for part in parts
    )
    return (
        f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(each)}'
        "</CompleteMultipartUpload>"
    ).encode()
