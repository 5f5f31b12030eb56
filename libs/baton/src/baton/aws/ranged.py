"""Reading an object by ranged GETs, each resumed where its stream broke."""

import re
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from baton.aws.clients import S3
from baton.aws.failures import BROKEN, code_of
from baton.errors import NotFound, Unavailable

RANGE_BYTES: Final = 8 * 1024 * 1024
"""Two of these are held at once: the one that is read and the one ahead."""
_STREAM_PIECE_BYTES: Final = 256 * 1024
_ATTEMPTS: Final = 5
"""Of one range. What a broken stream brought is kept, so five attempts are five breaks within 8 MiB."""
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes `[start, stop)` of one version, as they came."""

    version_id: str | None
    start: int
    stop: int
    total: int
    """Size of the whole object."""
    pieces: tuple[bytes, ...]


def is_missing(error: ClientError, *, version_id: str | None = None) -> bool:
    """Say whether the object, or this version of it, is not there."""
    if code_of(error) in _MISSING:
        return True
    # A text that is no version ID at all, or a delete marker.
    return version_id is not None and code_of(error) in {"InvalidArgument", "MethodNotAllowed"}


class RangeReader:
    """Reads one object."""

    def __init__(self, client: S3, *, bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key

    async def first(self, version_id: str | None, start: int, end: int | None) -> Range | None:
        """Return the first range; None if there is no byte in `[start, end)`. Raises `NotFound`."""
        try:
            # A range must hold a byte for S3: an empty one is asked as the first byte, for whether the object is there.
            found = await self._range(version_id, start, _stop(start, max(start + 1, end) if end is not None else None))
        except ClientError as error:
            if code_of(error) in {"InvalidRange", "416"}:
                return None
            if is_missing(error, version_id=version_id):
                raise NotFound(f"{self._key} (version {version_id or 'current'}) is not there") from error
            raise
        return None if end is not None and end <= start else found

    async def after(self, previous: Range, end: int | None) -> Range | None:
        """Return the range that follows, of the same version; None at the end."""
        stop = previous.total if end is None else min(end, previous.total)
        if previous.stop >= stop:
            return None
        return await self._range(previous.version_id, previous.stop, _stop(previous.stop, stop))

    async def _range(self, version_id: str | None, start: int, stop: int) -> Range:
        pieces: list[bytes] = []
        offset, total = start, None
        for _ in range(_ATTEMPTS):
            client = await self._client()
            version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
            answer = await client.get_object(
                Bucket=self._bucket, Key=self._key, Range=f"bytes={offset}-{stop - 1}", **version
            )
            # A break is resumed on the version that was being read, whatever was written since.
            version_id = answer.get("VersionId") or version_id
            total = _total(answer["ContentRange"])
            try:
                async with answer["Body"] as stream:
                    async for piece in stream.iter_chunks(_STREAM_PIECE_BYTES):
                        pieces.append(piece)
                        offset += len(piece)
            except BROKEN:
                continue
            if offset == min(stop, total):
                return Range(version_id, start, offset, total, tuple(pieces))
        raise Unavailable(f"{self._key}: broke {_ATTEMPTS} times between bytes {start} and {stop}, last at {offset}")


def _stop(start: int, end: int | None) -> int:
    return start + RANGE_BYTES if end is None else min(start + RANGE_BYTES, end)


def _total(content_range: str) -> int:
    match = re.fullmatch(r"bytes \d+-\d+/(\d+)", content_range)
    if match is None:
        raise Unavailable(f"S3 answered with Content-Range {content_range!r}")
    return int(match[1])
