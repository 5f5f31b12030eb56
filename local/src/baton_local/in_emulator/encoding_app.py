"""MiniStack, made to answer one question as S3 does. It runs on the emulator's own Python, beside nothing of ours.

MiniStack lists versions in plain text, whatever encoding is asked for. XML has no way to write some characters that
keys may have, so one such key would make every list unreadable that it is in, for as long as the world stands.
"""

import importlib
import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import unescape

app: Final[Any] = importlib.import_module("ministack.app").app
_s3: Final[Any] = importlib.import_module("ministack.services.s3")
_list_versions: Final[Any] = _s3._list_object_versions  # noqa: SLF001 - it has no other way in
_NAMES: Final = re.compile(r"<(Key|Prefix|Delimiter|KeyMarker|NextKeyMarker)>([^<]*)</\1>")
"""The elements that S3 encodes. Source: "EncodingType", response of ListObjectVersions."""


def _encoded(found: re.Match[str]) -> str:
    name, text = found.groups()
    return f"<{name}>{quote(unescape(text), safe='/')}</{name}>"


def _list_encoded(bucket: str, query: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = _list_versions(bucket, query)
    if "encoding-type" not in query or status != HTTPStatus.OK:
        return status, headers, body
    text = _NAMES.sub(_encoded, body.decode())
    return status, headers, text.replace("<IsTruncated>", "<EncodingType>url</EncodingType><IsTruncated>", 1).encode()


_s3._list_object_versions = _list_encoded  # noqa: SLF001 - it has no other way in
