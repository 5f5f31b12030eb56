"""What the S3 adapter holds while it joins small parts, and what it does when the answer to the last call gets lost."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from baton.assembly import Part, arrange
from baton.aws.s3.objects import S3ObjectStore
from baton.memory import LoopClock
from baton.ports import ObjectInfo
from baton.testing.virtual_time import run

MIB = 1024 * 1024


class _Body:
    def __init__(self, bucket: "Bucket", size_bytes: int) -> None:
        self._bucket = bucket
        self._size_bytes = size_bytes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def iter_chunks(self, _: int) -> AsyncGenerator[bytes]:
        self._bucket.held += self._size_bytes
        self._bucket.most = max(self._bucket.most, self._bucket.held)
        yield bytes(self._size_bytes)


class Bucket:
    """S3 with parts of one size, that counts the bytes which were fetched and not sent yet."""

    def __init__(self, part_bytes: int) -> None:
        self.part_bytes = part_bytes
        self.held = self.most = 0
        self.sent_bytes = 0
        self.parts = 0
        self.complete_fails = False
        self.written: dict[str, Any] | None = None
        self.aborted = False

    async def create_multipart_upload(self, **_: Any) -> Any:
        return {"UploadId": "u"}

    async def get_object(self, *, Range: str, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", Range)
        assert found is not None
        start, end = int(found[1]), min(int(found[2]), self.part_bytes - 1)
        await asyncio.sleep(0.03)
        return {
            "ContentRange": f"bytes {start}-{end}/{self.part_bytes}",
            "ContentLength": end - start + 1,
            "ETag": '"e"',
            "Body": _Body(self, end - start + 1),
        }

    async def upload_part(self, *, Body: bytes, **_: Any) -> Any:  # noqa: N803
        await asyncio.sleep(0.2)
        self.held -= len(Body)
        self.sent_bytes += len(Body)
        self.parts += 1
        return {"ETag": '"e"'}

    async def upload_part_copy(self, *, CopySourceRange: str = "", **_: Any) -> Any:  # noqa: N803
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", CopySourceRange)
        self.sent_bytes += int(found[2]) - int(found[1]) + 1 if found else self.part_bytes
        self.parts += 1
        return {"CopyPartResult": {"ETag": '"e"'}}

    async def complete_multipart_upload(self, **_: Any) -> Any:
        if self.complete_fails:
            answer: Any = {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(answer, "CompleteMultipartUpload")
        self.written = {"size": self.sent_bytes, "parts": self.parts}

    async def abort_multipart_upload(self, **_: Any) -> Any:
        self.aborted = True

    async def head_object(self, **_: Any) -> Any:
        if self.written is None:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return {
            "ContentLength": self.written["size"],
            "ETag": f'"e-{self.written["parts"]}"',
            "LastModified": LoopClock().now(),
            "Metadata": {},
        }


def _compose(bucket: Bucket, parts: int) -> ObjectInfo:
    async def scenario() -> ObjectInfo:
        async def client() -> Any:
            return bucket

        pieces = arrange([Part(f"work/{index}", bucket.part_bytes, None) for index in range(parts)])
        return await S3ObjectStore(client, bucket="b", clock=LoopClock()).compose("output/r", pieces)

    return run(scenario())


def test_however_many_small_parts_there_are_only_a_few_pieces_are_held() -> None:
    bucket = Bucket(4 * MIB)

    written = _compose(bucket, 320)

    assert written.size_bytes == 320 * 4 * MIB
    # In parallel, or it would take a minute; not more than that.
    assert 32 * MIB < bucket.most <= 8 * 10 * MIB


def test_an_upload_that_was_completed_before_its_answer_got_lost_is_done() -> None:
    bucket = Bucket(6 * MIB)
    bucket.complete_fails = True
    bucket.written = {"size": 18 * MIB, "parts": 3}

    assert _compose(bucket, 3).size_bytes == 18 * MIB
    assert not bucket.aborted


@pytest.mark.parametrize("written", [None, {"size": 18 * MIB - 1, "parts": 3}, {"size": 18 * MIB, "parts": 2}])
def test_an_upload_that_is_gone_without_its_object_is_an_error(written: dict[str, Any] | None) -> None:
    bucket = Bucket(6 * MIB)
    bucket.complete_fails = True
    bucket.written = written

    with pytest.raises(Exception, match="NoSuchUpload"):
        _compose(bucket, 3)
