"""What is no CSV text at all, told by its first bytes.

The rules are strict, so that no CSV file is taken for something else, whatever its columns are called: `<id>,{name}`
is a header. A table of our own, because the libraries for this also know two-letter signatures (`BM`, `MZ`) with which
a column's name may begin.
"""

import re
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 4_096
"""Enough for everything below: what lies behind may be anything."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file is ("a gzip file") and what its sender can do about it ("unpack it …"): ends of two sentences."""

    what: str
    remedy: str


_UNPACK: Final = "unpack it and send the CSV file that is in it"
_SAVE_SHEET: Final = "save its sheet as CSV (UTF-8) and send that"
_EXPORT: Final = "export its table as CSV and send that"
_FETCH: Final = "something answered in place of the file: look at it, get the file again and send that"
_DECRYPT: Final = "decrypt it and send the CSV file that is in it"
_MESSAGE: Final = "an encrypted or signed message"
_UTF8: Final = "save it as UTF-8 and send that"

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
_TEXTS: Final = (
    (
        re.compile(rb"<!doctype\s+html|<html\b[^<>]*>\s*<(?:head|body|title|meta|script|style|!--)", re.IGNORECASE),
        "page",
    ),
    (re.compile(rb"<\?xml\s[^<>]*\?>\s*<(?:!doctype\s+)?html\b", re.IGNORECASE), "page"),
    (re.compile(rb"<\?xml\s[^<>]*\?>\s*<Error\b", re.IGNORECASE), "error"),
    (re.compile(rb"<\?xml\s[^<>]*\?>|<!doctype\s", re.IGNORECASE), "xml"),
    (re.compile(rb'\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*(?:\{\s*"|\[\s*["\[0-9-]|"(?:[^"\\]|\\.)*"\s*,)'), "json"),
)
_KINDS_OF_TEXT: Final = {
    "page": Foreign("an HTML page", _FETCH),
    "error": Foreign("an error message in XML, as S3 answers", _FETCH),
    "xml": Foreign("an XML document", _EXPORT),
    "json": Foreign("JSON", _EXPORT),
}
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
    for signature, foreign in _BY_SIGNATURE:
        if signature.match(head):
            return foreign
    if _ZIP.match(head):
        return _archive(head)
    return _other_text(head) or _wide_text(head) or _mainframe_text(head) or _binary(head, delimiter)


def _archive(head: bytes) -> Foreign:
    for name, what, remedy in _ZIP_CONTENTS:
        if name in head:
            return Foreign(what, remedy)
    return Foreign("a zip archive", _UNPACK)


def _other_text(head: bytes) -> Foreign | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((_KINDS_OF_TEXT[kind] for pattern, kind in _TEXTS if pattern.match(text)), None)


def _wide_text(head: bytes) -> Foreign | None:
    """Tell UTF-32 and UTF-16 without a mark: of ASCII characters, all bytes but one are NUL, always the same ones."""
    quads = [head[place : len(head) // 4 * 4 : 4] for place in range(4)]
    for ascii_place, zero_places in ((0, (1, 2, 3)), (3, (0, 1, 2))):
        if quads[0] and any(quads[ascii_place]) and not any(any(quads[place]) for place in zero_places):
            return Foreign("UTF-32 text without a byte order mark", _UTF8)
    pairs = head[: len(head) // 2 * 2]
    for encoding, low, high in (("utf-16-le", pairs[::2], pairs[1::2]), ("utf-16-be", pairs[1::2], pairs[::2])):
        narrow = high.count(0)
        has_line_end = b"\n" not in head or "\n" in pairs.decode(encoding, "replace")
        if narrow >= max(_NULS_MIN, len(high) // 5) and not low.count(0) and has_line_end:
            return Foreign("UTF-16 text without a byte order mark", _UTF8)
    return None


def _mainframe_text(head: bytes) -> Foreign | None:
    """Tell EBCDIC: letters and digits lie above ASCII, and of what lies below its space only line ends are used."""
    below = head.translate(None, bytes(range(0x40, 256)))
    high = len(head.translate(None, bytes(range(128))))
    has_lines = below.strip(_EBCDIC_TAB) and not below.strip(_EBCDIC_TAB + _EBCDIC_LINE_ENDS)
    if has_lines and high * 2 > len(head) and _EBCDIC_WORD.search(head):
        return Foreign("EBCDIC text", _UTF8)
    return None


def _binary(head: bytes, delimiter: int) -> Foreign | None:
    """Tell what is no text by a NUL in its first line, or by many control characters of many kinds."""
    first_line = head.lstrip(b"\r\n").partition(b"\n")[0]
    never = _NEVER_TEXT.replace(bytes([delimiter]), b"")
    controls = len(head) - len(head.translate(None, never))
    kinds = len(set(never).intersection(head))
    return _BINARY if 0 in first_line or (kinds >= _CONTROL_KINDS_MIN and controls * 20 > len(head)) else None
