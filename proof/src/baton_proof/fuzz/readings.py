"""Whether a file is UTF-8 that a job of a single-byte encoding would misread: by whole texts, slow and simple."""

import codecs
import unicodedata
from typing import Final

_RARE: Final = {
    *map(chr, (*range(0x180, 0x2B0), *range(0x370, 0x378), *range(0x37B, 0x37E), *range(0x3D0, 0x400))),
    *map(chr, range(0x460, 0x48A)),
    *map(chr, set(range(0x30D, 0x370)) - {0x31B, *range(0x323, 0x329), 0x331}),
} - set("\u0218\u0219\u021a\u021b\u018f\u0259\u01a0\u01a1\u01af\u01b0\u01e6\u01e7")
_ENDS_WORD: Final = {
    *map(chr, (0xAE, 0x2122, 0xA9, 0xB0, 0x2019, 0x201D, 0x201C, 0xBB, 0x203A, 0x2026, 0x2013, 0x2014, 0xBA, 0xAA))
}
_APOSTROPHES: Final = {"\u2019", "\u2018", "\u00b7"}
_DASHES: Final = {"\u2013", "\u2014"}
_UNITS: Final = {*map(chr, (0x3A9, 0x394, 0x3A3, 0x3BC, 0x3C0))}


def is_misread(body: bytes, encoding: str) -> bool:
    """Return whether the bytes, or most of them, are UTF-8: no odder as words than in the encoding of the job."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(body)  # its last character may be cut off
    if not any(ord(character) > 0x7F and character != "\ufffd" for character in text):
        return False
    home = {_script(letter) for letter in bytes(range(0x80, 0x100)).decode(encoding, "ignore")}
    return _odd(text, home) <= _odd(body.decode(encoding, "replace"), home)


def _odd(text: str, home: set[str]) -> int:
    padded = f"\n\n{text}\n"
    total = 0
    for at in range(2, len(padded) - 1):
        before, last, this, after = padded[at - 2 : at + 2]
        if not (last + this).isascii():
            total += _pair(before, last, this)
        if not this.isascii():
            total += _single(last, this, home) + _amid(last, this, after)
    return total


def _single(last: str, this: str, home: set[str]) -> int:
    category, script = unicodedata.category(this), _script(this)
    if category == "Cn":
        return 4 if ord(this) < 0x800 else 1
    if this in _RARE or category in {"Cc", "Co"} or this == "\ufffd":
        return 2
    is_foreign = script and script not in home and script != _script(last) and this not in _UNITS
    return 1 if is_foreign or category == "Nd" else 0


def _pair(before: str, last: str, this: str) -> int:
    if _script(last) and _script(this):
        if _script(last) != _script(this):
            return 2
        cases = _case(before) + _case(last) + _case(this)
        return 1 if cases.endswith("aA") or cases == "AAa" else 0
    if _is_digit(last) or _is_digit(this):
        letter = this if _is_digit(last) else last
        return int(_case(letter) != "-" and not letter.isascii())
    if _script(last):
        return int(_is_sign(this) and not this.isascii() and this not in _ENDS_WORD)
    return _behind_sign(last, this) if _is_sign(last) and not last.isascii() else 0


def _behind_sign(sign: str, this: str) -> int:
    is_mark = unicodedata.category(sign).startswith("P")
    if _script(this):
        return int(not is_mark and unicodedata.category(sign) != "Sc")
    if not _is_sign(this) or this.isascii() or this == sign:
        return 0
    return 0 if unicodedata.category(this).startswith("P") and (is_mark or this in _ENDS_WORD) else 1


def _amid(last: str, this: str, after: str) -> int:
    if "\u0300" <= this <= "\u036f":
        return 0 if last.isalpha() or "\u0300" <= last <= "\u036f" else 2
    if this in _APOSTROPHES or not _script(last) or not _script(after):
        return 0
    if this in _DASHES or unicodedata.category(this) == "Zs":
        return 1
    return 2 if _is_sign(this) else 0


def _is_sign(character: str) -> bool:
    return not _script(character) and unicodedata.category(character)[0] in "PSLN" and not _is_digit(character)


def _is_digit(character: str) -> bool:
    return unicodedata.category(character) == "Nd"


def _case(character: str) -> str:
    """Return `A` for a capital, `a` for a small letter, `-` for all else."""
    if not _script(character) or character == "\u00df":
        return "-"
    return {"Lu": "A", "Ll": "a"}.get(unicodedata.category(character), "-")


def _script(character: str) -> str:
    if unicodedata.category(character)[0] not in "LM":
        return ""
    first = unicodedata.name(character, "").partition(" ")[0]
    if first in {"MODIFIER", "FEMININE", "MASCULINE", "MICRO", "COMBINING", "VARIATION"}:
        return ""
    return "CJK" if first in {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"} else first
