"""Reads an object by ranged GETs; a broken stream is resumed where it stopped."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from baton.aws.sdk.clients import S3
from baton.aws.sdk.failures import BROKEN, code_of, translated
from baton.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import GetObjectOutputTypeDef

RANGE_BYTES: Final = 4 * 1024 * 1024
"""Of a stream, so that a break costs little, and yet the wait for each first byte is short beside it. With
twice as many each connection would bring a quarter more, for twice the memory."""
RANGES_AHEAD: Final = 16
"""On their way beside the one that is given out: a connection gives 85 MB a second or so, a scan takes ten times that.
With it a stream holds 68 MiB at most, and the splitter's four 272 of its 1,024."""
_GIVEN_FOR_ONE_MORE: Final = 8
"""Ranges given out until one more is on its way: a file of 80 MB has a fifth of itself in memory, and a large one comes
with full speed after its first 450 MiB, a second later than if all had been asked for at once."""
_STREAM_PIECE_BYTES: Final = 256 * 1024
_ATTEMPTS: Final = 5
"""Of one range. What a broken stream brought is kept, so five attempts are five breaks within it."""
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `[start, stop)`, as they came."""

    start: int
    stop: int
    total: int
    """Size of the whole object."""
    pieces: tuple[bytes, ...]


def is_missing(error: ClientError, *, version_id: str | None = None) -> bool:
    """Return whether the object, or this version of it, is not there."""
    if code_of(error) in _MISSING:
        return True
    # A text that is no version ID at all, or a delete marker.
    return version_id is not None and code_of(error) in {"InvalidArgument", "MethodNotAllowed"}


def ranges_ahead(given: int) -> int:
    """Return how many ranges may be on their way while this one, counted from 1, is given out."""
    return min(2 + given // _GIVEN_FOR_ONE_MORE, RANGES_AHEAD)


class RangeReader:
    """Reads one version of an object: the one asked for, or the one that is current at the first request."""

    def __init__(self, client: S3, *, bucket: str, key: str, version_id: str | None, range_bytes: int) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._range_bytes = range_bytes
        self._asked_version_id = version_id
        self._version: dict[str, Any] = {"VersionId": version_id} if version_id else {}

    async def stream(self, start: int, end: int | None) -> AsyncGenerator[bytes]:
        """Yield the bytes `[start, end)` in order, with further ranges on their way. Raises `NotFound`, `Unavailable`.

        All ranges are of the version that the first one found. Their number grows with those given out, so that a small
        file takes little memory, and little is asked for in vain of one that is given up soon.
        """
        async with translated():
            current = await self._first(start, end)
        if current is None:
            return
        spans = self._spans(current.stop, current.total if end is None else min(end, current.total))
        ahead, given = deque[asyncio.Task[ByteRange]](), 0
        try:
            while current is not None:
                given += 1
                missing = islice(spans, ranges_ahead(given) - len(ahead))
                ahead.extend(asyncio.create_task(self._range(*span)) for span in missing)
                for piece in current.pieces:
                    yield piece
                current = None  # what was given out is not held while the next one is awaited
                if ahead:
                    async with translated():
                        current = await ahead[0]
                    ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        return ((at, min(at + self._range_bytes, stop)) for at in range(start, stop, self._range_bytes))

    async def _first(self, start: int, end: int | None) -> ByteRange | None:
        """Return the first range; None if there is no byte in `[start, end)`."""
        try:
            # A range must hold a byte for S3: an empty one is asked as the first byte, for whether the object is there.
            stop = start + self._range_bytes
            found = await self._range(start, stop if end is None else min(stop, max(start + 1, end)))
        except ClientError as error:
            if code_of(error) in {"InvalidRange", "416"}:
                return None
            if is_missing(error, version_id=self._asked_version_id):
                raise NotFound(f"{self._key} (version {self._asked_version_id or 'current'}) is not there") from error
            raise
        return None if end is not None and end <= start else found

    async def _range(self, start: int, stop: int) -> ByteRange:
        pieces: list[bytes] = []
        offset = start
        for _ in range(_ATTEMPTS):
            answer = await self._get(offset, stop)
            total, skip = _extent(answer, offset)
            stop = max(start, min(stop, total))
            try:
                async for piece in _body(answer, skip=skip, take=stop - offset):
                    pieces.append(piece)
                    offset += len(piece)
            except BROKEN:
                continue
            if offset == stop:
                return ByteRange(start, stop, total, tuple(pieces))
        raise Unavailable(f"{self._key}: broke {_ATTEMPTS} times between bytes {start} and {stop}, last at {offset}")

    async def _get(self, offset: int, stop: int) -> "GetObjectOutputTypeDef":
        """Ask for the range; the first answer says of which version all further ones are to be."""
        client = await self._client()
        asked: dict[str, Any] = {"Bucket": self._bucket, "Key": self._key, "Range": f"bytes={offset}-{stop - 1}"}
        answer = await client.get_object(**asked, **self._version)
        if not self._version:
            version_id = answer.get("VersionId")
            self._version = {"VersionId": version_id} if version_id else {"IfMatch": answer["ETag"]}
        return answer


def _extent(answer: "GetObjectOutputTypeDef", offset: int) -> tuple[int, int]:
    """Return the size of the object, and how many bytes come before `offset` in this answer.

    A server may ignore a range, and send everything.
    """
    content_range = answer.get("ContentRange")
    if not content_range:
        return answer["ContentLength"], offset
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", content_range)
    if match is None:
        raise Unavailable(f"S3 answered with Content-Range {content_range!r}")
    return int(match[2]), offset - int(match[1])


async def _body(answer: "GetObjectOutputTypeDef", *, skip: int, take: int) -> AsyncGenerator[bytes]:
    """Yield `take` bytes of the body after the first `skip`."""
    async with answer["Body"] as stream:
        async for piece in stream.iter_chunks(_STREAM_PIECE_BYTES):
            wanted = piece[skip : skip + take]
            skip = max(0, skip - len(piece))
            take -= len(wanted)
            if wanted:
                yield wanted
            if take <= 0:
                return
