"""One Region's data bucket as the replicator uses it: versions of a key, copies, delete markers.

Plain HTTP: every object of every batch passes here, and the SDK would take more CPU than all the rest of the local
world. An object's own headers are forwarded unchanged, its content as a stream.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote_plus, urlencode
from xml.etree import ElementTree as ET

import aiohttp
from yarl import URL

from baton.model.identity import ORIGIN_VERSION_METADATA, origin_version

_METADATA: Final = "x-amz-meta-"
_KEPT: Final = ("content-type", "content-encoding", "content-disposition", "content-language", "cache-control")
"""Headers that belong to an object, beside its metadata."""
_GONE: Final = frozenset({404, 405, 412})
"""No such key or version, a delete marker, not the version that was named."""
_NOT_IMPLEMENTED: Final = 501
_SPACE: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_MARKS: Final = {"Version": False, "DeleteMarker": True}
_OWN_WRITES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key, or one delete marker on it."""

    version_id: str
    is_marker: bool
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Described:
    """A version with what only its headers say. `origin` is the version ID under which it was first written."""

    version_id: str
    origin: str
    size_bytes: int
    etag: str
    headers: Mapping[str, str]
    """Those that belong to the object, metadata included."""

    @property
    def is_replica(self) -> bool:
        return _METADATA + ORIGIN_VERSION_METADATA in self.headers


@dataclass(frozen=True, slots=True)
class Opened:
    """A version and its content, which may be left unread."""

    described: Described
    content: aiohttp.StreamReader = field(repr=False)


class Side:
    """The data bucket of one Region. Every method may raise `aiohttp.ClientError`, `OSError` and `TimeoutError`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: str,
        bucket: str,
        *,
        region: str,
        key_id: str,
        reads_by: str = "",
        writes_by: str = "",
    ) -> None:
        """Take a session that decompresses nothing, and the Region's gate. The emulator checks no signature.

        `reads_by` and `writes_by`: tokens of the roles that copy from here and to here. What is looked at to compare
        both sides is no call of S3's replication, and needs none.
        """
        self._session = session
        self._reads_by = _token(reads_by)
        self._writes_by = _token(writes_by)
        self._url = f"{endpoint}/{bucket}"
        self._signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={key_id}/20000101/{region}/s3/aws4_request"}
        self._own_writes: dict[tuple[str, str], None] = {}

    def wrote(self, key: str, version_id: str) -> bool:
        """Return whether that version, or marker, is a copy made here; the answer is given once, for its event."""
        return self._own_writes.pop((key, version_id), True) is None

    async def keys(self, prefix: str) -> AsyncGenerator[str]:
        """Yield every key below the prefix that is not deleted."""
        place: dict[str, str] | None = {}
        while place is not None:
            page = await self._page({"list-type": "2", "prefix": prefix, **place})
            for element in page.iterfind(f"{_SPACE}Contents"):
                yield _text(page, element, "Key")
            more = page.findtext(f"{_SPACE}NextContinuationToken")
            place = {"continuation-token": more} if more else None

    async def versions(self, key: str) -> list[Version]:
        """Return every version and delete marker of the key, oldest first."""
        rows: list[tuple[tuple[datetime, bool], Version]] = []
        place: dict[str, str] | None = {}
        while place is not None:
            page = await self._page({"versions": "", "prefix": key, **place})
            rows += [row for element in page if (row := _row(page, element, key))]
            place = _next_place(page, key)
        # Newest first, as the emulator lists them; sorting keeps the order of equals.
        rows.reverse()
        return [version for _, version in sorted(rows, key=lambda row: row[0])]

    async def is_new(self, key: str) -> bool:
        """Return whether nothing was ever written under the key: cheaper than a list, which reads the whole bucket."""
        async with self._request("HEAD", key) as answer:
            return answer.status == 404 and "x-amz-delete-marker" not in answer.headers  # noqa: PLR2004 - Not Found

    async def describe(self, key: str, version_id: str) -> Described | None:
        """Return what a version's headers say; None if it is gone."""
        async with self._request("HEAD", key, f"versionId={version_id}") as answer:
            return None if _is_gone(answer) else _described(answer, version_id)

    @asynccontextmanager
    async def open(self, key: str, version_id: str) -> AsyncGenerator[Opened | None]:
        """Give a version with its content; None if it is gone.

        One request for the whole: the emulator ignores a range where a version is named.
        """
        async with self._request("GET", key, f"versionId={version_id}", headers=self._reads_by) as answer:
            yield None if _is_gone(answer) else Opened(_described(answer, version_id), answer.content)

    async def take(self, key: str, opened: Opened) -> Described:
        """Write a version of the other side here, with a note of its origin; return it as it is here."""
        described = opened.described
        kept = {**described.headers, _METADATA + ORIGIN_VERSION_METADATA: described.origin}
        # The emulator refuses a body that is shorter than its Content-Length: a broken stream leaves no object.
        sent = {**kept, "Content-Length": str(described.size_bytes), **self._writes_by}
        async with self._request("PUT", key, headers=sent, data=opened.content) as answer:
            answer.raise_for_status()
            version_id = self._remember(key, answer)
            return replace(described, version_id=version_id, etag=answer.headers["ETag"], headers=kept)

    async def hide(self, key: str, current: Described) -> bool:
        """Put a delete marker over `current`; say whether it was still the current version."""
        async with self._request("DELETE", key, headers={"If-Match": current.etag, **self._writes_by}) as answer:
            if answer.status != _NOT_IMPLEMENTED:
                return self._hidden(key, answer)
        # LocalStack deletes under no condition: look, and be quick.
        async with self._request("HEAD", key) as answer:
            if _is_gone(answer) or answer.headers["x-amz-version-id"] != current.version_id:
                return False
        async with self._request("DELETE", key, headers=self._writes_by) as answer:
            return self._hidden(key, answer)

    def _hidden(self, key: str, answer: aiohttp.ClientResponse) -> bool:
        if _is_gone(answer):
            return False
        self._remember(key, answer)
        return True

    async def _page(self, asked: Mapping[str, str]) -> ET.Element:
        """Return a page of a list. XML 1.0 cannot hold every key, so they are asked for as they stand in URLs."""
        query = urlencode({**asked, "encoding-type": "url"}, quote_via=quote)
        async with self._request("GET", "", query) as answer:
            answer.raise_for_status()
            return ET.fromstring(await answer.text())  # noqa: S314 - our own emulator's words

    def _request(
        self,
        method: str,
        key: str,
        query: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        data: aiohttp.StreamReader | None = None,
    ) -> "aiohttp.client._RequestContextManager":  # pyright: ignore[reportPrivateUsage] - the type has no public name
        url = URL(f"{self._url}/{quote(key, safe='/~')}{'?' if query else ''}{query}", encoded=True)
        return self._session.request(method, url, headers={**self._signed, **(headers or {})}, data=data)

    def _remember(self, key: str, answer: aiohttp.ClientResponse) -> str:
        version_id = answer.headers["x-amz-version-id"]
        self._own_writes[key, version_id] = None
        while len(self._own_writes) > _OWN_WRITES_MAX:  # an event that never came
            del self._own_writes[next(iter(self._own_writes))]
        return version_id


def _token(text: str) -> dict[str, str]:
    return {"X-Amz-Security-Token": text} if text else {}


def is_of_object(name: str) -> bool:
    """Return whether a header of that name belongs to an object, and not to the answer that brought it."""
    return name.lower().startswith(_METADATA) or name.lower() in _KEPT


def _text(page: ET.Element, element: ET.Element, name: str) -> str:
    """Return a key as it is: MiniStack's image lists versions in plain text, whatever it is asked for."""
    text = element.findtext(f"{_SPACE}{name}", "")
    return unquote_plus(text) if page.findtext(f"{_SPACE}EncodingType") == "url" else text


def _row(page: ET.Element, element: ET.Element, key: str) -> tuple[tuple[datetime, bool], Version] | None:
    """Return what a version is sorted by, and the version; None for what is none of this key."""
    name = element.tag.removeprefix(_SPACE)
    if name not in _MARKS or _text(page, element, "Key") != key:
        return None
    modified = datetime.fromisoformat(element.findtext(f"{_SPACE}LastModified", ""))
    version = Version(element.findtext(f"{_SPACE}VersionId", ""), _MARKS[name], modified)
    return (modified, element.findtext(f"{_SPACE}IsLatest") == "true"), version


def _next_place(page: ET.Element, key: str) -> dict[str, str] | None:
    """Return where the list continues; None at its end, or past the key: it comes first of all that begin like it."""
    if page.findtext(f"{_SPACE}IsTruncated") != "true" or _text(page, page, "NextKeyMarker") != key:
        return None
    return {"key-marker": key, "version-id-marker": page.findtext(f"{_SPACE}NextVersionIdMarker", "")}


def _is_gone(answer: aiohttp.ClientResponse) -> bool:
    if answer.status in _GONE:
        return True
    answer.raise_for_status()
    return False


def _described(answer: aiohttp.ClientResponse, version_id: str) -> Described:
    own = {name.lower(): value for name, value in answer.headers.items()}
    metadata = {name.removeprefix(_METADATA): value for name, value in own.items() if name.startswith(_METADATA)}
    return Described(
        version_id=version_id,
        origin=origin_version(version_id, metadata),
        size_bytes=int(own["content-length"]),
        etag=own["etag"],
        headers={name: value for name, value in own.items() if is_of_object(name)},
    )
