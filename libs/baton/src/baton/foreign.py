"""Recognises files that are not CSV text by their first bytes.

The rules are strict, so that no CSV file is taken for something else, whatever its columns are called: `<id>,{name}`
is a header. A table of our own, because the libraries for this also know two-letter signatures (`BM`, `MZ`) with which
a column's name may begin.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from baton.job import Dialect

HEAD_BYTES: Final = 4_096
"""Enough for everything below: what lies behind may be anything."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file is ("a gzip file") and what its sender can do about it: ends of two sentences."""

    what: str
    remedy: str
    """With places for what the receiver reads: see `told`."""

    def told(self, dialect: Dialect) -> str:
        """Return both as one sentence, for files that are to be written like this."""
        in_excel = f" ({dialect.in_excel})" if dialect.in_excel else ""
        remedy = self.remedy.format(csv=dialect.described, excel=in_excel)
        return f"this is not CSV text but {self.what}: {remedy}"


_UNPACK: Final = "unpack it and send the CSV file that is in it"
_SAVE_SHEET: Final = "save its sheet as {csv}{excel} and send that"
_EXPORT: Final = "export its table as {csv} and send that"
_FETCH: Final = "something answered in place of the file: look at it, get the file again and send that"
_DECRYPT: Final = "decrypt it and send the CSV file that is in it"
_MESSAGE: Final = "an encrypted or signed message"
_ENCODE: Final = "save it as {csv} and send that"
_POINTED: Final = "send the file that it stands for (`git lfs pull` brings it)"

_SIGNATURES: Final = (
    (rb"\x1f\x8b\x08", "a gzip file", _UNPACK),
    (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "a bzip2 file", _UNPACK),
    (rb"\xfd7zXZ\0", "an xz file", _UNPACK),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "a Zstandard file", _UNPACK),
    (rb"\x04\x22\x4d\x18", "an LZ4 file", _UNPACK),
    (rb"\xff\x06\0\0sNaPpY", "a Snappy file", _UNPACK),
    (rb"\x1f[\x9d\xa0]", "a file packed by compress (.Z)", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb".{257}ustar[\0 ]", "a tar archive", _UNPACK),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, most likely an Excel workbook (.xls)", _SAVE_SHEET),
    (rb"PAR[1E](?=.{,64}?[\0-\x08\x0e-\x1f])", "a Parquet file", _EXPORT),
    (rb"ORC(?=.{,64}?[\0-\x08\x0e-\x1f])", "an ORC file", _EXPORT),
    (rb"Obj\x01", "an Avro file", _EXPORT),
    (rb"ARROW1\0\0", "an Arrow file", _EXPORT),
    (rb"FEA1(?=.{,64}?[\0-\x08\x0e-\x1f])", "a Feather file", _EXPORT),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _EXPORT),
    (rb"SQLite format 3\0", "an SQLite database", _EXPORT),
    (rb"\0\x01\0\0Standard (?:Jet|ACE) DB", "an Access database", _EXPORT),
    (rb"%PDF-[0-9]\.", "a PDF document", _EXPORT),
    (rb"\{\\rtf[0-9]", "an RTF document", _EXPORT),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xc0-\xfe]|GIF8[79]a.{4}[\x80-\xff]\0?|II\*\0|MM\0\*", "a picture", _EXPORT),
    (rb"\x7fELF|MZ.\0.\0\0\0", "a program", "send the CSV file instead"),
    (rb"-----BEGIN (?:PGP|PKCS7|CMS|AGE ENCRYPTED)\b|\x85[\x01-\x04].\x03|\x84.\x03|\x8c.\x04", _MESSAGE, _DECRYPT),
    (rb"age-encryption\.org/v[0-9]\n", _MESSAGE, _DECRYPT),
    (rb"version https://git-lfs\.", "a pointer of Git LFS, not the file itself", _POINTED),
    (rb"MIME-Version:[ ]?1\.0\s*[\r\n]|From: <Saved by ", "a web archive (.mht), as Excel saves too", _SAVE_SHEET),
    (rb"HTTP/[0-9.]+ [1-5][0-9]{2}[ \r\n]", "an answer of a web server with its headers", _FETCH),
    # `ID;PLZ` begins an honest header: it is Excel or LibreOffice that wrote it, or a cell follows.
    (rb"ID;P(?:WXL|CALCOOO)|ID;P[^\n]*\n(?:[^\n]*\n)*?C;(?:[XY][0-9]+;){1,2}K", "a SYLK sheet (.slk)", _SAVE_SHEET),
)
_BY_SIGNATURE: Final = tuple(
    (re.compile(signature, re.DOTALL), Foreign(what, remedy)) for signature, what, remedy in _SIGNATURES
)
_ZIP: Final = re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)")
_ZIP_CONTENTS: Final = (
    (b"application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument sheet (.ods)", _SAVE_SHEET),
    (b"xl/workbook.bin", "an Excel workbook (.xlsb)", _SAVE_SHEET),
    (b"xl/", "an Excel workbook (.xlsx)", _SAVE_SHEET),
    (b"word/", "a Word document (.docx)", _EXPORT),
    (b"ppt/", "a PowerPoint document (.pptx)", _EXPORT),
    (b"[Content_Types].xml", "an Office document, most likely an Excel workbook (.xlsx)", _SAVE_SHEET),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file", _EXPORT),
)
_PAGE: Final = Foreign("an HTML page", _FETCH)
_TABLE: Final = Foreign("an HTML table, as some programs write .xls", _SAVE_SHEET)
_WORKBOOK: Final = Foreign("an Excel workbook in XML", _SAVE_SHEET)
_ERROR: Final = Foreign("an error message in XML, as S3 answers", _FETCH)
_XML: Final = Foreign("an XML document", _EXPORT)
_JSON: Final = Foreign("JSON", _EXPORT)

_PROLOG: Final = re.compile(rb"(?:<\?(?:xml|mso-application)\s[^<>]*\?>\s*)+", re.IGNORECASE)
_DOCTYPE: Final = re.compile(rb"<!doctype\s+(html\b)?", re.IGNORECASE)
_COMMENT: Final = re.compile(rb"<!--.*?-->\s*", re.DOTALL)
_TAG: Final = re.compile(rb"<((?:[\w-]+:)?[a-z][\w.-]*)([\s/][^<>]*)?>", re.IGNORECASE)
_USUAL_DELIMITERS: Final = b",;\t|"
_BEFORE_TEXT: Final = frozenset({b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"body", b"pre", b"center"})
"""Tags behind which a message may stand at once."""
_OF_PAGES: Final = _BEFORE_TEXT | {
    *(b"html", b"head", b"title", b"meta", b"link", b"base", b"script", b"style", b"noscript", b"main", b"section"),
    *(b"p", b"div", b"br", b"hr", b"ul", b"ol", b"form", b"iframe"),
}
_ERRORS: Final = frozenset({b"error", b"errorresponse"})
_KNOWN: Final = _OF_PAGES | _ERRORS | {b"table", b"workbook", b"envelope", b"rss", b"feed", b"svg"}
_INSIDE_A_LINE: Final = frozenset({b"a", b"b", b"i", b"u", b"em", b"strong", b"span", b"font", b"small", b"img"})
"""Tags with which the name of a column may be dressed up."""
_COMMENT_BYTES_MAX: Final = 1_000
"""A comment that is longer begins a page, unless its first line may be a header."""
_WHITE: Final = b" \t\r\n\v\f"
_JSON_BEGINS: Final = re.compile(
    rb'\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*(?:\{\s*"|\[\s*["\[0-9-]|"(?:[^"\\]|\\.)*"\s*,)|\[[\s0-9.,eE+-]{1000}'
)
_NEVER_TEXT: Final = bytes({*range(0x20), 0x7F} - {*b"\x01\x02\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f"})
"""Left out: what delimits fields somewhere, what moves a cursor, and the end of a DOS file."""
_CONTROL_KINDS_MIN: Final = 8
_NULS_MIN: Final = 4
_EBCDIC_TAB: Final = b"\x05"
_EBCDIC_LINE_ENDS: Final = b"\x0d\x15\x25"
_EBCDIC_WORD: Final = re.compile(rb"[\xf0-\xf9\xc1-\xe9\x81-\xa9]{2}")
_BINARY: Final = Foreign("binary data of a kind that is not known here", "send the CSV file instead")


def recognise(head: bytes, *, delimiter: int) -> Foreign | None:
    """Return what a file is that begins with `head` (its first `HEAD_BYTES`, or all of it); None if it may be CSV."""
    unmarked = head.removeprefix(b"\xef\xbb\xbf")
    text = unmarked.lstrip(_WHITE.replace(bytes([delimiter]), b""))
    for signature, foreign in _BY_SIGNATURE:
        if signature.match(unmarked) or signature.match(text):
            return foreign
    if _ZIP.match(text):
        return _archive(text)
    return (
        _markup(text, delimiter)
        or _json(text, is_whole=len(head) < HEAD_BYTES)
        or _wide_text(head)
        or _mainframe_text(head)
        or _binary(head, delimiter)
    )


def _archive(head: bytes) -> Foreign:
    for name, what, remedy in _ZIP_CONTENTS:
        if name in head:
            return Foreign(what, remedy)
    return Foreign("a zip archive", _UNPACK)


def _markup(text: bytes, delimiter: int) -> Foreign | None:
    """Tell HTML and XML by how they begin."""
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
    delimiters = bytes([delimiter]) + _USUAL_DELIMITERS
    if tag and _is_markup(tag, rest[tag.end() :], delimiters):
        return _document(tag)
    is_all_comment = comments and not rest
    is_long = rest.startswith(b"<!--") and len(rest) > _COMMENT_BYTES_MAX
    is_endless_comment = is_long and not _has_delimiter(rest.removeprefix(b"<"), delimiters)
    return _PAGE if is_all_comment or is_endless_comment else None


def _document(tag: re.Match[bytes]) -> Foreign:
    name = _local_name(tag)
    if name in _OF_PAGES:
        return _PAGE
    if name in _ERRORS:
        return _ERROR
    return {b"table": _TABLE, b"workbook": _WORKBOOK}.get(name, _XML)


def _local_name(tag: re.Match[bytes]) -> bytes:
    return tag[1].lower().rpartition(b":")[2]


def _is_markup(tag: re.Match[bytes], behind: bytes, delimiters: bytes) -> bool:
    """Return whether a tag begins a document and is no column name: `<html>,<body>`, `<p> in GeV;<E>`, `<b>Name</b>`.

    A delimiter at once, or behind the tag's end, makes it a column. Else the tag's end with nothing but tags behind it
    shows a document, and so do its name, its attributes and what follows, if no delimiter comes before the next tag.
    """
    name, attributes = _local_name(tag), (tag[2] or b"").strip(b"/ \t\r\n")
    closing = re.search(rb"</" + re.escape(tag[1]) + rb"\s*>", behind, re.IGNORECASE)
    beyond = behind[closing.end() :] if closing else b""
    has_words_alone = attributes and b"=" not in attributes and name != b"html"  # `<table name>`
    is_column = _has_delimiter(beyond, delimiters) or _has_delimiter(behind.lstrip(b" ")[:1], delimiters)
    if name in _INSIDE_A_LINE or has_words_alone or is_column:
        return False
    is_closed = closing is not None and (name in _KNOWN or beyond.lstrip()[:1] in {b"", b"<"})
    if _has_delimiter(behind, delimiters):
        return is_closed and closing is not None and b"\n" not in behind[: closing.start()]
    if is_closed or name not in _KNOWN:
        return is_closed or b'="' in attributes or b"='" in attributes
    has_text = behind.lstrip(b" ")[:1] not in {b"", b"\r", b"\n"}
    is_followed = behind.lstrip().startswith(b"<") or (has_text and name in _BEFORE_TEXT)
    return name == b"html" or attributes != b"" or is_followed


def _has_delimiter(text: bytes, delimiters: bytes) -> bool:
    """Return whether one comes in this line before a tag does."""
    before = text.partition(b"<")[0].splitlines()[:1]
    return bool(before) and before[0].translate(None, delimiters) != before[0]


def _json(text: bytes, *, is_whole: bool) -> Foreign | None:
    """Tell JSON by how it begins, or a small file by all of it: `[]`, `{}`, `[1,2]`."""
    if _JSON_BEGINS.match(text):
        return _JSON
    if not is_whole or text[:1] not in {b"[", b"{"}:
        return None
    try:
        json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return _JSON


def _wide_text(head: bytes) -> Foreign | None:
    """Tell UTF-32 and UTF-16 without a mark: of ASCII characters, all bytes but one are NUL, always the same ones."""
    quads = [head[place : len(head) // 4 * 4 : 4] for place in range(4)]
    for ascii_place, zero_places in ((0, (1, 2, 3)), (3, (0, 1, 2))):
        if quads[0] and any(quads[ascii_place]) and not any(any(quads[place]) for place in zero_places):
            return Foreign("UTF-32 text without a byte order mark", _ENCODE)
    pairs = head[: len(head) // 2 * 2]
    for encoding, low, high in (("utf-16-le", pairs[::2], pairs[1::2]), ("utf-16-be", pairs[1::2], pairs[::2])):
        narrow = high.count(0)
        has_line_end = b"\n" not in head or "\n" in pairs.decode(encoding, "replace")
        if narrow >= max(_NULS_MIN, len(high) // 5) and not low.count(0) and has_line_end:
            return Foreign("UTF-16 text without a byte order mark", _ENCODE)
    return None


def _mainframe_text(head: bytes) -> Foreign | None:
    """Tell EBCDIC: letters and digits lie above ASCII, and of what lies below its space only line ends are used."""
    below = head.translate(None, bytes(range(0x40, 256)))
    high = len(head.translate(None, bytes(range(128))))
    has_lines = below.strip(_EBCDIC_TAB) and not below.strip(_EBCDIC_TAB + _EBCDIC_LINE_ENDS)
    if has_lines and high * 2 > len(head) and _EBCDIC_WORD.search(head):
        return Foreign("EBCDIC text", _ENCODE)
    return None


def _binary(head: bytes, delimiter: int) -> Foreign | None:
    """Tell what is no text by a NUL in its first line, or by many control characters of many kinds."""
    first_line = head.lstrip(b"\r\n").partition(b"\n")[0]
    never = _NEVER_TEXT.replace(bytes([delimiter]), b"")
    controls = len(head) - len(head.translate(None, never))
    kinds = len(set(never).intersection(head))
    return _BINARY if 0 in first_line or (kinds >= _CONTROL_KINDS_MIN and controls * 20 > len(head)) else None
