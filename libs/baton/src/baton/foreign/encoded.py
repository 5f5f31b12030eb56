"""Recognises text in Base64, as mails carry it, by what it decodes to."""

import base64
import codecs
import re
from typing import Final

from baton.foreign.kinds import DECODE, Foreign

_BASE64: Final = Foreign("text in Base64", DECODE)
_LINE: Final = re.compile(rb"([A-Za-z0-9+/]{32,})={0,2}[ \t]*(?:[\r\n]|\Z)")
"""The first line. Shorter ones may decode to text by chance."""
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {*b"\t\n\r"})
_HIGH: Final = bytes(range(0x80, 0x100))
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def encoded(text: bytes, *, delimiter: int) -> Foreign | None:
    """Return what begins with `text`, without white space before it, if that is text in Base64."""
    line = _LINE.match(text)
    if line is None or delimiter in line[1]:
        return None
    return _BASE64 if _is_text(base64.b64decode(line[1][: len(line[1]) // 4 * 4])) else None


def _is_text(decoded: bytes) -> bool:
    """Return whether these bytes are ASCII for the most part, or UTF-8, as those of a random token never are."""
    if decoded.startswith(_MARKS):
        return decoded.count(0) * 3 >= len(decoded)
    if decoded.translate(None, _CONTROLS) != decoded:
        return False
    if len(decoded.translate(None, _HIGH)) * 10 >= len(decoded) * 9:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(decoded)
    except UnicodeDecodeError:
        return False
    return True
