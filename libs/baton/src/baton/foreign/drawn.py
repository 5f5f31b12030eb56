"""Recognises tables that are drawn with characters, as the prompts of databases and notebooks show them."""

import re
from typing import Final

from baton.foreign.kinds import EXPORT, Foreign

_DRAWN: Final = Foreign("a table drawn with characters, as a database's prompt shows it", EXPORT)
_MARKDOWN: Final = Foreign("a table in Markdown", EXPORT)
_BOX: Final = rb"\xe2[\x94\x95][\x80-\xbf]"
"""A box-drawing character, in UTF-8."""
_BOX_OF_DOS: Final = rb"[\xda\xc9\xd5\xd6](?:\xc4{3}|\xcd{3})|\x82\x80{3}"
"""A corner and a line in cp437, cp850 and cp866, and in koi8-r."""
_TITLE: Final = rb"(?:[^\n|]*\n)?"
_FORMS: Final = (
    rb"\+-[-+]*-\+\s*\n\s*\|",
    _TITLE + rb"[^\n|]*\|[^\n]*\n-+(?:\+-+)+\s*\n",
    rb"\|[^\n]*\|[ \t]*\r?\n\|-+(?:\+-+)+\|",
    rb"(?:shape: \([0-9_, ]+\)\s+)?(?:" + _BOX + rb"){3}",
    _TITLE + rb"[^\n|]*" + _BOX + rb"[^\n]*\n(?:" + _BOX + rb"){3}",
    _BOX_OF_DOS,
    rb"(?:[+|]?-|" + _BOX + rb")\[ RECORD [0-9]+ \]",
    rb"\*{10,} [0-9]+\. row \*{10,}",
    rb"={3,}(?: +={3,})+[ \t]*\r?\n",
)
_DRAWN_FORM: Final = re.compile(rb"|".join(_FORMS))
_MARKDOWN_FORM: Final = re.compile(rb"\|[^\n]*\|[ \t]*\r?\n\|(?:\s*:?-{3,}:?\s*\|)+[ \t\r]*\n")
_UNDERLINES: Final = re.compile(rb"-{2,}(?: +-{2,})+[ \r]*")
_UNDERLINE: Final = re.compile(rb"-+")


def drawn(text: bytes, *, indented: bytes, delimiter: int) -> Foreign | None:
    """Return what begins with `text`, without white space before it (`indented`: with it), if that is a drawn table."""
    if _DRAWN_FORM.match(text) or (chr(delimiter) not in " -" and _is_underlined(indented.lstrip(b"\r\n"))):
        return _DRAWN
    return _MARKDOWN if _MARKDOWN_FORM.match(text) else None


def _is_underlined(text: bytes) -> bool:
    """Return whether the second line underlines each column of the first, and nothing stands in between."""
    header, _, rest = text.partition(b"\n")
    line = rest.partition(b"\n")[0]
    if not rest.removeprefix(line) or not _UNDERLINES.fullmatch(line):
        return False
    columns = [found.span() for found in _UNDERLINE.finditer(line)]
    ends = [0, *(end for _, end in columns)]
    starts = [*(start for start, _ in columns), len(header)]
    is_blank_between = not any(header[end:start].strip() for end, start in zip(ends, starts, strict=True))
    return is_blank_between and all(header[start:end].strip() for start, end in columns)
