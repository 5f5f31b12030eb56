"""Which calls the adapter of S3 makes for an object, and what it makes of answers that no emulator gives."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from baton.aws.s3.objects import S3ObjectStore
from baton.aws.s3.ranged import RANGES_AHEAD, RangeReader, ranges_ahead
from baton.errors import Unavailable
from baton.memory import LoopClock
from baton.model.identity import ORIGIN_VERSION_METADATA
from baton.testing.virtual_time import run

KEY = "input/sales/x.csv"
SIZE_BYTES = 1_000


class _Body:
    """The stream of one answer. It ends where it ends, and says nothing of what is missing."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def iter_chunks(self, _: int) -> AsyncGenerator[bytes]:
        yield self._content


class Bucket:
    """S3 with one version of one object; writes down every call."""

    def __init__(self, version_id: str = "v1", *, metadata: dict[str, str] | None = None) -> None:
        self._version_id = version_id
        self._metadata = metadata or {}
        self.calls: list[str] = []
        self.ranges: list[str] = []
        self.short_by: list[int] = []
        """By how many bytes the next bodies end too early."""

    async def head_object(self, *, VersionId: str | None = None, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        self.calls.append("HeadObject")
        if VersionId not in (None, self._version_id):
            answer: Any = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(answer, "HeadObject")
        return {
            "VersionId": self._version_id,
            "ContentLength": SIZE_BYTES,
            "LastModified": datetime(2026, 1, 2, tzinfo=UTC),
            "ETag": '"e"',
            "Metadata": self._metadata,
        }

    async def list_object_versions(self, **_: Any) -> Any:
        self.calls.append("ListObjectVersions")
        listed = {"Key": KEY, "VersionId": self._version_id, "Size": SIZE_BYTES, "ETag": '"e"', "IsLatest": True}
        return {"Versions": [listed | {"LastModified": datetime(2026, 1, 2, tzinfo=UTC)}], "IsTruncated": False}

    async def get_object(self, *, Range: str, **_: Any) -> Any:  # noqa: N803 - the SDK's names
        self.ranges.append(Range)
        start, end = map(int, Range.removeprefix("bytes=").split("-"))
        end = min(end, SIZE_BYTES - 1)
        whole = bytes(at % 251 for at in range(start, end + 1))
        body = whole[: len(whole) - (self.short_by.pop(0) if self.short_by else 0)]
        return {
            "ContentRange": f"bytes {start}-{end}/{SIZE_BYTES}",
            "ContentLength": len(whole),
            "ETag": '"e"',
            "VersionId": self._version_id,
            "Body": _Body(body),
        }


def _store(bucket: Bucket, *, stand_ins: bool = False) -> S3ObjectStore:
    async def client() -> Any:
        return bucket

    return S3ObjectStore(client, bucket="b", clock=LoopClock(), stand_ins=stand_ins)


@pytest.mark.parametrize("wanted", ["v1", "not here yet"])
def test_on_aws_a_version_is_found_or_not_by_one_head_and_no_list(wanted: str) -> None:
    bucket = Bucket("v1")

    async def scenario() -> str | None:
        found = await _store(bucket).find_version(KEY, wanted)
        return found and found.version_id

    assert run(scenario()) == ("v1" if wanted == "v1" else None)
    assert bucket.calls == ["HeadObject"]


@pytest.mark.parametrize("stand_ins", [False, True])
def test_metadata_names_a_version_only_where_a_stand_in_replicates(stand_ins: bool) -> None:  # noqa: FBT001
    async def scenario() -> tuple[str, list[str], str | None]:
        store = _store(Bucket("v2", metadata={ORIGIN_VERSION_METADATA: "v1"}), stand_ins=stand_ins)
        head = await store.head(KEY)
        found = await store.find_version(KEY, "v1")
        assert head is not None
        listed = [version.info.origin for version in (await store.list_versions("input/")).versions]
        return head.origin, listed, found and found.version_id

    assert run(scenario()) == (("v1", ["v1"], "v2") if stand_ins else ("v2", ["v2"], None))


def _reader(bucket: Bucket, range_bytes: int) -> RangeReader:
    async def client() -> Any:
        return bucket

    return RangeReader(client, bucket="b", key=KEY, version_id=None, range_bytes=range_bytes)


def _read(bucket: Bucket) -> bytes:
    async def scenario() -> bytes:
        return b"".join([piece async for piece in _reader(bucket, 400).stream(0, None)])

    return run(scenario())


def test_ranges_on_their_way_grow_by_one_for_eight_that_were_given_out_up_to_a_bound() -> None:
    bucket = Bucket()

    async def scenario() -> list[int]:
        ahead: list[int] = []
        async for _ in _reader(bucket, 5).stream(0, None):
            await asyncio.sleep(0)  # what was begun asks now
            ahead.append(len(bucket.ranges) - len(ahead) - 1)
        return ahead

    ahead = run(scenario())

    assert ahead[:16] == [2] * 7 + [3] * 8 + [4]
    assert max(ahead) == ahead[111] == ahead[183] == RANGES_AHEAD
    assert len(bucket.ranges) == SIZE_BYTES // 5


@pytest.mark.parametrize("ranges", [4, 8, 20])
def test_of_a_file_of_a_few_ranges_a_fifth_or_two_are_on_their_way(ranges: int) -> None:
    assert max(min(ranges_ahead(given), ranges - given) for given in range(1, ranges)) == max(2, ranges // 5)


def test_a_body_that_ends_too_early_without_an_error_is_read_on_from_there() -> None:
    bucket = Bucket()
    bucket.short_by = [100, 399]

    assert _read(bucket) == bytes(at % 251 for at in range(SIZE_BYTES))
    assert bucket.ranges[:2] == ["bytes=0-399", "bytes=300-399"]


def test_a_body_that_always_ends_too_early_is_no_whole_one() -> None:
    bucket = Bucket()
    bucket.short_by = [1] * 100

    with pytest.raises(Unavailable, match="broke 5 times between bytes 0 and 400"):
        _read(bucket)
