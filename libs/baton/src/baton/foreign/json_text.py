"""Recognises JSON by its first bytes, which may end anywhere: documents, lines, sequences, as web servers wrap it."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

_TOKEN: Final = re.compile(
    rb'\s*(?:([\[\]{}:,])|("(?:[^"\\\x00-\x1f]|\\.)*")|(-?[0-9][0-9.eE+-]*|-?Infinity|NaN|true|false|null)\b)',
    re.DOTALL,
)
_CUT_TOKEN: Final = re.compile(rb'\s*(?:"(?:[^"\\\x00-\x1f]|\\.)*\\?|[-+.\w]{0,20})?\Z', re.DOTALL)
_NEXT: Final[Mapping[str, Mapping[str, str]]] = {
    "value": {"[": "element", "{": "name", "text": "more", "scalar": "more"},
    "element": {"[": "element", "{": "name", "text": "more", "scalar": "more", "]": "more"},
    "name": {"text": "colon", "}": "more"},
    "next name": {"text": "colon"},
    "colon": {":": "value"},
    "more": {",": "value", "]": "more", "}": "more"},
}
"""What may come, by what is due: the grammar of JSON."""

_BEGINS: Final = re.compile(
    rb'\{\s*"(?:[^"\\]|\\.)*"\s*:'
    rb"|\{\s*'[^'\n]{,200}'\s*:|\[\s*\{\s*'"  # as Python prints it
    rb'|\[\s*(?:\{\s*["}]|\[\s*["\[0-9-]|"(?:[^"\\]|\\.)*"\s*,|(?:null|true|false)\s*,)'
    rb"|\{[ \t]*\r?\n\s+\w+[ \t]*:[ \t\r\n]"  # names without quotes
)
"""Begins no CSV file, whatever follows: a document that is broken further on is none either."""
_GUARD: Final = re.compile(rb"(?:\)\]\}'?,?|for\s*\(;;\);|while\s*\(1\);|/\*.{,200}?\*/|&&&START&&&)\s*", re.DOTALL)
"""What servers put before JSON so that no page can run it."""
_CALL: Final = re.compile(rb"(?:[A-Za-z_$][\w$.]{,200}\s*\(|(?:(?:var|let|const)\s+)?[\w$.]{1,200}\s*=)\s*(?=[\[{])")
_CALL_ENDS: Final = re.compile(rb"\s*\)?\s*;?\s*\Z")
_RECORD_SEPARATOR: Final = b"\x1e"
_SEQUENCE: Final = re.compile(rb'\x1e+\s*(?:[\[{"0-9-]|true|false|null)')
_NEXT_LINE: Final = re.compile(rb"\s*?,?[ \t]*\r?\n\s*[\[{]")
_ONE_TEXT: Final = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\.)*)"(\s*)\Z', re.DOTALL)


class _End(Enum):
    WHOLE = "the value ends in the text"
    CUT = "the text ends in the value"
    BROKEN = "it is none"


def is_json(text: bytes, *, is_whole: bool, delimiter: int) -> bool:
    """Return whether a file that begins with `text`, without white space before it, is JSON; `is_whole`: it is all."""
    if delimiter != ord(_RECORD_SEPARATOR) and _SEQUENCE.match(text):
        return True
    text = text.lstrip(_RECORD_SEPARATOR)
    guard = _GUARD.match(text)
    text = text[guard.end() :] if guard else text
    if call := _CALL.match(text):
        return _is_called(text[call.end() :])
    if _BEGINS.match(text):
        return True
    if not text.startswith((b"[", b"{")):
        return is_whole and _is_one_value(text)
    end, at, values = _value(text)
    if end is _End.CUT:
        return values > 0 or not is_whole
    beyond = text[at:]
    return end is _End.WHOLE and (not beyond.strip() or _NEXT_LINE.match(beyond) is not None)


def _is_called(text: bytes) -> bool:
    """Return whether this is the argument of a JSONP answer, `callback({…});`, and no column `sum({a})`."""
    end, at, _ = _value(text)
    return end is _End.CUT or (end is _End.WHOLE and _CALL_ENDS.match(text, at) is not None)


def _is_one_value(text: bytes) -> bool:
    """Return whether all of a file is a message in quotes. The header of an empty table ends in a line end."""
    if text.strip() in {b"null", b"true", b"false"}:
        return True
    found = _ONE_TEXT.match(text)
    if found is None or not _is_utf8(found[1]):
        return False
    return b"\n" not in found[2] or b"\\" in found[1] or found[1].endswith((b".", b"!", b"?"))


def _is_utf8(text: bytes) -> bool:
    """Return whether this may be JSON at all: it has no other encoding."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _value(text: bytes) -> tuple[_End, int, int]:
    """Read the first value; return how it ends, where, and how many values within it were whole."""
    open_ones, due, at, values = "", "value", 0, 0
    while token := _TOKEN.match(text, at):
        kind = token[1].decode() if token[1] else "text" if token[2] else "scalar"
        if kind not in _NEXT[due] or (kind in "]}" and {"]": "[", "}": "{"}[kind] != open_ones[-1]):
            return _End.BROKEN, at, values
        at, due = token.end(), _NEXT[due][kind]
        if kind in "[{":
            open_ones += kind
        elif kind in "]}":
            open_ones = open_ones[:-1]
        elif kind == "," and open_ones.endswith("{"):
            due = "next name"
        values += due == "more"
        if not open_ones:
            return _End.WHOLE, at, values
    return (_End.CUT if _CUT_TOKEN.match(text, at) else _End.BROKEN), at, values
