"""Recognises HTML, XML and pieces of them by how they begin."""

import re
from typing import Final

from baton.foreign.kinds import EXPORT, FETCH, SAVE_SHEET, USUAL_DELIMITERS, Foreign, is_table

_PAGE: Final = Foreign("an HTML page", FETCH)
_TABLE: Final = Foreign("an HTML table, as some programs write .xls", SAVE_SHEET)
_WORKBOOK: Final = Foreign("an Excel workbook in XML", SAVE_SHEET)
_ERROR: Final = Foreign("an error message in XML, as S3 answers", FETCH)
_DRAWING: Final = Foreign("a picture (SVG)", EXPORT)
_XML: Final = Foreign("an XML document", EXPORT)

_PROLOG: Final = re.compile(rb"(?:<\?(?:xml|mso-application)\s[^<>]*\?>\s*)+", re.IGNORECASE)
_DOCTYPE: Final = re.compile(rb"<!doctype\s+(html\b)?", re.IGNORECASE)
_COMMENT: Final = re.compile(rb"<!--.*?-->\s*", re.DOTALL)
_TAG: Final = re.compile(rb"<((?:[\w-]+:)?[a-z][\w.-]*)([\s/][^<>]*)?>", re.IGNORECASE)
_END_TAG: Final = re.compile(rb"</([a-z][\w.:-]*)\s*>", re.IGNORECASE)
_ENDLESS_TAG: Final = re.compile(rb"<((?:[\w-]+:)?[a-z][\w.-]*)\s+[\w:-]+\s*=\s*[\"'][^<>\n]*\Z", re.IGNORECASE)
"""A tag longer than what is looked at, such as a picture in its own text."""
_WARNING: Final = re.compile(
    rb"<b>(?:Warning|Notice|Deprecated|Strict Standards|(?:Fatal |Parse |Recoverable fatal )?error)</b>\s*:",
    re.IGNORECASE,
)
"""What PHP answers."""
_BEFORE_TEXT: Final = frozenset({b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"body", b"pre", b"center"})
"""Tags behind which a message may stand at once."""
_OF_PAGES: Final = _BEFORE_TEXT | {
    *(b"html", b"head", b"title", b"meta", b"link", b"base", b"script", b"style", b"noscript", b"main", b"section"),
    *(b"p", b"div", b"br", b"hr", b"ul", b"ol", b"form", b"iframe", b"li", b"dl", b"dt", b"dd", b"nav", b"article"),
    *(b"aside", b"blockquote", b"frameset", b"input", b"button", b"textarea", b"img", b"marquee"),
}
_OF_TABLES: Final = frozenset({b"table", b"thead", b"tbody", b"tr", b"td", b"th"})
_ERRORS: Final = frozenset({b"error", b"errorresponse"})
_KNOWN: Final = _OF_PAGES | _OF_TABLES | _ERRORS | {b"workbook", b"envelope", b"rss", b"feed", b"svg"}
_INSIDE_A_LINE: Final = frozenset(
    {
        *(b"a", b"b", b"i", b"u", b"s", b"q", b"em", b"strong", b"span", b"font", b"small", b"big", b"tt", b"code"),
        *(b"kbd", b"samp", b"mark", b"label", b"abbr", b"sub", b"sup", b"strike", b"del", b"ins", b"cite"),
    }
)
"""Tags with which the name of a column, and a value, may be dressed up."""
_COMMENT_BYTES_MAX: Final = 1_000
"""A comment that is longer begins a page, unless its first line may be a header."""


def markup(text: bytes, *, delimiter: int, is_whole: bool) -> Foreign | None:
    """Return what begins with `text`, without white space before it, if that is HTML or XML; `is_whole`: it is all."""
    prolog = _PROLOG.match(text)
    rest = text[prolog.end() :] if prolog else text
    comments = 0
    while comment := _COMMENT.match(rest):
        rest, comments = rest[comment.end() :], comments + 1
    doctype = _DOCTYPE.match(rest)
    if doctype:
        return _PAGE if doctype[1] else _XML
    tag = _TAG.match(rest)
    if prolog:
        return _document(tag) if tag else _XML
    if _END_TAG.match(rest) or _WARNING.match(rest):
        return _PAGE
    if endless := _ENDLESS_TAG.match(rest):
        return _document(endless)
    delimiters = bytes([delimiter]) + USUAL_DELIMITERS
    if tag and _is_markup(tag, rest, delimiters, is_whole=is_whole):
        return _document(tag)
    is_all_comment = comments and not rest
    is_long = rest.startswith(b"<!--") and len(rest) > _COMMENT_BYTES_MAX
    is_endless_comment = is_long and not _has_delimiter(rest.removeprefix(b"<"), delimiters)
    return _PAGE if is_all_comment or is_endless_comment else None


def _document(tag: re.Match[bytes]) -> Foreign:
    name = _local_name(tag)
    if name in _OF_PAGES or name in _INSIDE_A_LINE:
        return _PAGE
    if name in _ERRORS:
        return _ERROR
    if name in _OF_TABLES:
        return _TABLE
    return {b"workbook": _WORKBOOK, b"svg": _DRAWING}.get(name, _XML)


def _local_name(tag: re.Match[bytes]) -> bytes:
    return tag[1].lower().rpartition(b":")[2]


def _is_markup(tag: re.Match[bytes], text: bytes, delimiters: bytes, *, is_whole: bool) -> bool:
    """Return whether a tag begins a document and is no column name: `<html>,<body>`, `<p> in GeV;<E>`, `<b>Name</b>`.

    A delimiter at once, or behind the tag's end, makes it a column. Else the tag's end with nothing but tags behind it
    shows a document, and so do its name, its attributes and what follows, if no delimiter comes before the next tag.
    """
    behind = text[tag.end() :]
    name, attributes = _local_name(tag), (tag[2] or b"").strip(b"/ \t\r\n")
    closing = re.search(rb"</" + re.escape(tag[1]) + rb"\s*>", behind, re.IGNORECASE)
    beyond = behind[closing.end() :] if closing else b""
    has_words_alone = attributes and b"=" not in attributes and name != b"html"  # `<table name>`
    is_ragged = text.strip().count(b"\n") > 0 and not is_table(text, delimiters) and beyond[:1] not in delimiters
    is_column = _has_delimiter(beyond, delimiters) and not is_ragged
    if has_words_alone or is_column or _has_delimiter(behind.lstrip(b" ")[:1], delimiters):
        return False
    if tag[0].endswith(b"/>"):
        return True
    if name in _INSIDE_A_LINE:
        return _is_sentence(tag, text, closing, is_whole=is_whole)
    is_closed = closing is not None and (name in _KNOWN or beyond.lstrip()[:1] in {b"", b"<"})
    if _has_delimiter(behind, delimiters):
        is_one_line = closing is not None and b"\n" not in behind[: closing.start()]
        return (is_closed and is_one_line) or (not is_table(text, delimiters) and (is_closed or _goes_on(name, behind)))
    if is_closed or name not in _KNOWN:
        return is_closed or b'="' in attributes or b"='" in attributes or _holds_elements(behind)
    has_text = behind.lstrip(b" ")[:1] not in {b"", b"\r", b"\n"}
    is_alone = has_text and is_whole and b"\n" not in behind.strip()
    is_followed = behind.lstrip().startswith(b"<") or (has_text and name in _BEFORE_TEXT) or _goes_on(name, behind)
    return name == b"html" or attributes != b"" or is_alone or is_followed


def _is_sentence(tag: re.Match[bytes], text: bytes, closing: re.Match[bytes] | None, *, is_whole: bool) -> bool:
    """Return whether a tag within a line begins a text, `<a href="…">Found</a>.`, and no column: `<b>Name</b>`, `<i>`.

    A column's name ends with its tag, and what follows in the next line is a value: other tags there are a page's.
    """
    if closing is None:
        return b"=" in (tag[2] or b"")
    beyond = text[tag.end() + closing.end() :]
    line, _, following = beyond.partition(b"\n")
    if line.strip():
        return True
    following = following.lstrip()
    if not following:
        return is_whole
    second = _TAG.match(following)
    return _END_TAG.match(following) is not None or (second is not None and _local_name(second) != _local_name(tag))


def _holds_elements(behind: bytes) -> bool:
    """Return whether an element with a name of its own follows, and one ends: `<sales>` `<row><id>1</id>`."""
    child = _TAG.match(behind.lstrip())
    if child is None or (_local_name(child) in _INSIDE_A_LINE and not behind.startswith(b"<")):
        return False
    ended = _END_TAG.search(behind)
    is_own = ended is not None and (behind.startswith(b"<") or _local_name(ended) not in _INSIDE_A_LINE)
    return is_own or child[0].endswith(b"/>")


def _goes_on(name: bytes, behind: bytes) -> bool:
    """Return whether text of a page follows a tag, and a line that begins with a tag follows the text."""
    text, _, following = behind.partition(b"\n")
    return name in _KNOWN and text.strip() != b"" and _TAG.match(following.lstrip()) is not None


def _has_delimiter(text: bytes, delimiters: bytes) -> bool:
    """Return whether one comes in this line before a tag does."""
    before = text.partition(b"<")[0].splitlines()[:1]
    return bool(before) and before[0].translate(None, delimiters) != before[0]
