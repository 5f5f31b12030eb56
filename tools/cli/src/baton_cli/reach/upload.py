"""Uploads through the Multi-Region Access Point, always in parts: until it is completed, an upload can be aborted."""

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from baton.aws.s3.multipart import CHECKSUM
from baton.aws.sdk.failures import translated
from baton.aws.sdk.parallel import in_parallel
from baton_cli.reach.connection import Declined
from baton_cli.reach.steady import SteadyFile, opened

if TYPE_CHECKING:  # stubs are a development dependency
    from types_aiobotocore_s3 import S3Client

_MIB: Final = 1024 * 1024
PART_BYTES_DEFAULT: Final = 16 * _MIB
_PARTS_MAX: Final = 9_000
"""Below S3's 10,000: a file of 5 TiB goes in parts of 583 MiB."""
_PARTS_AT_ONCE: Final = 4
"""Enough for a gigabit line; memory is this many parts."""


class S3Uploader:
    """Writes input files. `bucket` is the ARN of the access point, or its plain name at the local front door."""

    def __init__(
        self,
        client: "Callable[[], Awaitable[S3Client]]",
        *,
        bucket: str,
        part_bytes: int = PART_BYTES_DEFAULT,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._part_bytes = part_bytes

    @translated()
    async def upload(self, path: Path, key: str, *, sent: Callable[[int], None]) -> str:
        """Write the file under `key` and return its version ID. `sent` is called with bytes sent so far.

        Raises `Unavailable` if no Region takes it, `Declined` if the file changes meanwhile.
        """
        async with opened(path) as file:
            return await self._in_parts(await self._client(), {"Bucket": self._bucket, "Key": key}, file, sent)

    async def _in_parts(
        self, client: "S3Client", target: dict[str, Any], file: SteadyFile, sent: Callable[[int], None]
    ) -> str:
        size_bytes = file.size_bytes
        step = max(self._part_bytes, -(-size_bytes // _PARTS_MAX))
        created = await client.create_multipart_upload(**target, ContentType="text/csv", **CHECKSUM)
        upload: dict[str, Any] = {**target, "UploadId": created["UploadId"]}
        sent_bytes = 0

        async def send(start: int) -> Any:
            nonlocal sent_bytes
            body = await file.read(start, min(step, size_bytes - start))
            number = start // step + 1
            answer = await client.upload_part(**upload, PartNumber=number, Body=body)
            sent_bytes += len(body)
            sent(sent_bytes)
            checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
            return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

        try:
            parts = await in_parallel(_PARTS_AT_ONCE, range(0, max(1, size_bytes), step), send)
            file.check()
            answer = await client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # Parts of an upload that nobody completes cost money until a lifecycle rule finds them.
            with contextlib.suppress(ClientError, BotoCoreError):
                await client.abort_multipart_upload(**upload)
            raise
        return _version_of(answer)


def _version_of(answer: Any) -> str:
    version_id = answer.get("VersionId")
    if not version_id:
        raise Declined("the bucket keeps no versions, so a batch could not be named: is it one of Baton's?")
    return version_id
