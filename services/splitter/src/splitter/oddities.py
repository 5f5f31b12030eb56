"""Scores how little a text looks like words, to recognise bytes that were decoded with the wrong encoding. No I/O."""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final, NamedTuple

_TO_WEIGH: Final = re.compile("[^\0-\x7f]|(?<=[^\0-\x7f])[\0-\x7f]")
"""A character beyond ASCII, and what follows one."""
_SIGNS_BEHIND: Final = frozenset("\u00ae\u2122\u00a9\u00b0\u2019\u201d\u201c\u00bb\u203a\u2026\u2013\u2014\u00ba\u00aa")
"""Signs that stand right behind a word: of ordinals, trade marks and degrees, closing quotes, the ellipsis, dashes."""
_APOSTROPHES: Final = frozenset("\u2019\u2018\u00b7")
"""Signs that stand inside a word, as in `COL·LEGI`."""
_DASHES: Final = frozenset("\u2013\u2014")
"""They do as well, but seldom; so does a space that does not break between letters."""
_NO_LETTERS: Final = ("", "MODIFIER", "FEMININE", "MASCULINE", "MICRO", "COMBINING", "VARIATION")
"""First words of the names of what Unicode counts among the letters, though no word is spelt with it."""
_ONE_SCRIPT: Final = ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO")
"""Scripts that words mix with Chinese characters."""
# Of phonetics, of old manuscripts: text in one byte each that is valid UTF-8 mostly gives these.
_RARE: Final = re.compile(
    "[\u0180-\u02af\u030d-\u031a\u031c-\u0322\u0329-\u0330\u0332-\u036f\u0370-\u0377\u037b-\u037d\u03d0-\u03ff\u0460-\u0489]"
)
_NOT_RARE: Final = frozenset("ȘșȚțƏəƠơƯưǦǧ")
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_IN_ANY_SCRIPT: Final = frozenset("ΩΔΣμπ")
"""Greek letters that are signs everywhere."""
_SLIGHT: Final = 1
_GROSS: Final = 2


class _Kind(NamedTuple):
    script: str
    """Of a letter; empty for all else."""
    case: str
    category: str
    """Unicode's general category."""

    @property
    def is_sign(self) -> bool:
        return not self.script and self.category[0] in "PSLN" and self.category != "Nd"

    @property
    def is_punctuation(self) -> bool:
        return self.category[0] == "P"


@cache
def scripts_of(encoding: str) -> frozenset[str]:
    """Return the scripts that a single-byte encoding has letters of, beyond ASCII."""
    beyond = bytes(range(128, 256)).decode(encoding, "ignore")
    return frozenset(_kind(character).script for character in beyond) - {""}


class Oddities:
    """Counts, in a text that comes in pieces, what words do not have: letters of two scripts, a capital in their midst.

    Ten times as long a text holds about ten times as many, if it was decoded wrong.
    """

    def __init__(self, scripts: frozenset[str]) -> None:
        self.count = 0
        self._scripts = scripts
        self._before = ""
        """The last three characters; the very last waits for what follows it."""

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        first = max(len(self._before) - 1, 0)
        text = self._before + text
        self._weigh(text, first, len(text) - 1)
        self._before = text[-3:]

    def finish(self) -> None:
        """Say that the text ends here."""
        self._weigh(self._before, max(len(self._before) - 1, 0), len(self._before))
        self._before = ""

    def _weigh(self, text: str, start: int, end: int) -> None:
        for found in _TO_WEIGH.finditer(text, start, max(end, start)):
            at = found.start()
            character, before = text[at], text[max(at - 2, 0) : at]
            self.count += _between(before, character)
            if not character.isascii():
                self.count += self._alone(before[-1:], character)
                self.count += _inside(before[-1:], character, text[at + 1 : at + 2])

    def _alone(self, before: str, character: str) -> int:
        kind = _kind(character)
        if kind.category == "Cn":
            return 2 * _GROSS if character < "\u0800" else _SLIGHT  # there may be newer pictures than this Python knows
        if kind.category in ("Cc", "Co") or character == "\ufffd":
            return _GROSS
        if _RARE.match(character) and character not in _NOT_RARE:
            return _GROSS
        # A word in another script is odd once, however long it is.
        foreign = kind.script not in ("", _kind(before).script, *self._scripts) and character not in _IN_ANY_SCRIPT
        return _SLIGHT * (foreign or kind.category == "Nd")


def _between(before: str, character: str) -> int:
    """Return how odd it is that a character follows those before it."""
    last, this = _kind(before[-1:]), _kind(character)
    if last.script and this.script:
        if last.script != this.script:
            return _GROSS
        shouted = last.case == "Lu" and len(before) > 1 and _kind(before[0]).case == "Lu"
        return _SLIGHT * ((last.case, this.case) == ("Ll", "Lu") or (shouted and this.case == "Ll"))
    if last.category == "Nd":
        return _SLIGHT * bool(this.case and not character.isascii())
    if this.category == "Nd":
        return _SLIGHT * bool(last.case and not before[-1:].isascii())
    if last.script and this.is_sign:
        return _SLIGHT * (not character.isascii() and character not in _SIGNS_BEHIND)
    if last.is_sign and this.script:
        return _SLIGHT * (not before[-1:].isascii() and not last.is_punctuation and last.category != "Sc")
    if not (last.is_sign and this.is_sign) or before[-1:].isascii() or character.isascii() or before[-1:] == character:
        return 0
    return _SLIGHT * (not this.is_punctuation or not (last.is_punctuation or character in _SIGNS_BEHIND))


def _inside(before: str, character: str, after: str) -> int:
    """Return how odd it is that a character stands inside a word."""
    kind = _kind(character)
    if _ACCENT.match(character):
        return _GROSS * (not before.isalpha() and not _ACCENT.match(before))
    if character in _APOSTROPHES or not (_kind(before).script and _kind(after).script):
        return 0
    if kind.category == "Zs" or character in _DASHES:
        return _SLIGHT
    return _GROSS * kind.is_sign


@lru_cache(maxsize=8_192)
def _kind(character: str) -> _Kind:
    if not character:
        return _Kind("", "", "Zs")
    category = unicodedata.category(character)
    first = unicodedata.name(character, "").split(" ")[0]
    if category[0] not in "LM" or first in _NO_LETTERS:
        return _Kind("", "", category)
    # Words in capitals have `ß` as it is.
    return _Kind(
        "CJK" if first in _ONE_SCRIPT else first,
        category if category in ("Lu", "Ll") and character != "ß" else "",
        category,
    )
