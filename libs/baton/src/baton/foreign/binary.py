"""Recognises binary files, and text in which a character is not one byte."""

import re
from typing import Final

from baton.foreign.kinds import ENCODE, INSTEAD, Foreign

_NEVER_TEXT: Final = bytes({*range(0x20), 0x7F} - {*b"\x01\x02\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f"})
"""Left out: what delimits fields somewhere, what moves a cursor, and the end of a DOS file."""
_CONTROL_KINDS_MIN: Final = 8
_NULS_MIN: Final = 4
_HIGH_BYTES_MAX: Final = 8
"""Of letters of one script, of signs and of emoji in UTF-16 there are no more different ones."""
_EBCDIC_TAB: Final = b"\x05"
_EBCDIC_LINE_ENDS: Final = b"\x0d\x15\x25"
_EBCDIC_WORD: Final = re.compile(rb"[\xf0-\xf9\xc1-\xe9\x81-\xa9]{2}")
_BINARY: Final = Foreign("binary data of a kind that is not known here", INSTEAD)


def binary(head: bytes, *, delimiter: int) -> Foreign | None:
    """Return what begins with `head` if that is wide characters, EBCDIC, or no text at all."""
    return _wide_text(head) or _mainframe_text(head) or _binary(head, delimiter)


def _wide_text(head: bytes) -> Foreign | None:
    """Tell UTF-32 and UTF-16 without a mark: of ASCII characters, all bytes but one are NUL, always the same ones.

    In UTF-16 line ends and delimiters are enough of them, if the other characters are of few blocks.
    """
    quads = [head[place : len(head) // 4 * 4 : 4] for place in range(4)]
    for ascii_place, zero_places in ((0, (1, 2, 3)), (3, (0, 1, 2))):
        if quads[0] and any(quads[ascii_place]) and not any(any(quads[place]) for place in zero_places):
            return Foreign("UTF-32 text without a byte order mark", ENCODE)
    pairs = head[: len(head) // 2 * 2]
    line_end = head.find(b"\n")
    if 0 not in (head if line_end < 0 else head[: line_end + 2]):
        return None  # it is in the records alone, then: the header's delimiter or its line end has one, too
    for encoding, low, high in (("utf-16-le", pairs[::2], pairs[1::2]), ("utf-16-be", pairs[1::2], pairs[::2])):
        narrow = high.count(0)
        has_line_end = "\n" in pairs.decode(encoding, "replace")
        is_ascii = narrow >= len(high) // 5 and not low.count(0) and (has_line_end or b"\n" not in head)
        is_one_script = len(set(high)) <= _HIGH_BYTES_MAX and 4 * low.count(0) <= narrow and has_line_end
        if narrow >= _NULS_MIN and (is_ascii or is_one_script):
            return Foreign("UTF-16 text without a byte order mark", ENCODE)
    return None


def _mainframe_text(head: bytes) -> Foreign | None:
    """Tell EBCDIC: letters and digits lie above ASCII, and of what lies below its space only line ends are used."""
    below = head.translate(None, bytes(range(0x40, 256)))
    high = len(head.translate(None, bytes(range(128))))
    # A carriage return alone ends no line there, but does in old files of Cyrillic text, whose letters lie as high.
    has_lines = below.strip(_EBCDIC_TAB) and not below.strip(_EBCDIC_TAB + _EBCDIC_LINE_ENDS)
    has_lines = has_lines and head[:-1].count(b"\r") == head.count(b"\r\x25")
    if has_lines and high * 2 > len(head) and _EBCDIC_WORD.search(head):
        return Foreign("EBCDIC text", ENCODE)
    return None


def _binary(head: bytes, delimiter: int) -> Foreign | None:
    """Tell what is no text by a NUL in its first line, or by many control characters of many kinds."""
    first_line = b"".join(head.lstrip(b"\r\n").splitlines()[:1])
    never = _NEVER_TEXT.replace(bytes([delimiter]), b"")
    controls = len(head) - len(head.translate(None, never))
    kinds = len(set(never).intersection(head))
    return _BINARY if 0 in first_line or (kinds >= _CONTROL_KINDS_MIN and controls * 20 > len(head)) else None
