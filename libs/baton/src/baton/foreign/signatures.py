"""Recognises files that begin with a signature of their kind, which no CSV file does.

A table of our own, because the libraries for this also know two-letter signatures (`BM`, `MZ`) with which a column's
name may begin.
"""

import re
from typing import Final

from baton.foreign.kinds import DECRYPT, EXPORT, INSTEAD, SAVE_SHEET, UNPACK, Foreign

_MESSAGE: Final = "an encrypted or signed message"
_KEY: Final = "a key or a certificate"
_POINTED: Final = "send the file that it stands for (`git lfs pull` brings it)"
_SIGNATURES: Final = (
    (rb"\x1f\x8b\x08", "a gzip file", UNPACK),
    (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "a bzip2 file", UNPACK),
    (rb"\xfd7zXZ\0", "an xz file", UNPACK),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "a Zstandard file", UNPACK),
    (rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", "an LZ4 file", UNPACK),
    (rb"\xff\x06\0\0sNaPpY", "a Snappy file", UNPACK),
    (rb"\x1f[\x9d\xa0]", "a file packed by compress (.Z)", UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (rb"LZIP\x01|\x89LZO\0", "a packed file (lzip, lzop)", UNPACK),
    (rb".{256}\0ustar[\0 ]", "a tar archive", UNPACK),
    (rb"!<arch>\n|MSCF\0\0\0\0|070707[0-7]{18}|07070[12][0-9A-Fa-f]{16}", "an archive (ar, cabinet, cpio)", UNPACK),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, most likely an Excel workbook (.xls)", SAVE_SHEET),
    (rb"PAR[1E](?=.{,64}?[\0-\x08\x0e-\x1f])", "a Parquet file", EXPORT),
    (rb"ORC(?=.{,64}?[\0-\x08\x0e-\x1f])", "an ORC file", EXPORT),
    (rb"Obj\x01", "an Avro file", EXPORT),
    (rb"ARROW1\0\0", "an Arrow file", EXPORT),
    (rb"FEA1(?=.{,64}?[\0-\x08\x0e-\x1f])", "a Feather file", EXPORT),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", EXPORT),
    (rb"SQLite format 3\0", "an SQLite database", EXPORT),
    (rb"\0\x01\0\0Standard (?:Jet|ACE) DB", "an Access database", EXPORT),
    (rb"PGDMP\x01", "a dump of a PostgreSQL database", EXPORT),
    (rb"<stata_dta>|RD[ABX][23]\n[ABX]\n|\$FL[23]@\(#\)", "a data set of a statistics program", EXPORT),
    (rb"%PDF-[0-9]\.", "a PDF document", EXPORT),
    (rb"%!PS-Adobe-", "a PostScript document", EXPORT),
    (rb"\{\\rtf[0-9\\]", "an RTF document", EXPORT),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xc0-\xfe]|GIF8[79]a.{4}[\x80-\xff]\0?|II\*\0|MM\0\*", "a picture", EXPORT),
    (rb"\x7fELF|MZ.\0.\0\0\0", "a program", INSTEAD),
    (rb"-----BEGIN (?:PGP|PKCS7|CMS|AGE ENCRYPTED)\b|\x85[\x01-\x04].\x03|\x84.\x03|\x8c.\x04", _MESSAGE, DECRYPT),
    (rb"-----BEGIN [A-Z0-9 ]{3,60}-----\s|---- BEGIN SSH2 ", _KEY, INSTEAD),
    (rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S{3,40}) AAAA", _KEY, INSTEAD),
    (rb"age-encryption\.org/v[0-9]\n", _MESSAGE, DECRYPT),
    (rb"version https://git-lfs\.", "a pointer of Git LFS, not the file itself", _POINTED),
    # `ID;PLZ` begins an honest header: it is Excel or LibreOffice that wrote it, or a cell follows.
    (rb"ID;P(?:WXL|CALCOOO)|ID;P[^\n]*\n(?:[^\n]*\n)*?C;(?:[XY][0-9]+;){1,2}K", "a SYLK sheet (.slk)", SAVE_SHEET),
)
_BY_SIGNATURE: Final = tuple(
    (re.compile(signature, re.DOTALL), Foreign(what, remedy)) for signature, what, remedy in _SIGNATURES
)
_ZIP: Final = re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)")
_ZIP_CONTENTS: Final = (
    (b"application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument sheet (.ods)", SAVE_SHEET),
    (b"xl/workbook.bin", "an Excel workbook (.xlsb)", SAVE_SHEET),
    (b"xl/", "an Excel workbook (.xlsx)", SAVE_SHEET),
    (b"word/", "a Word document (.docx)", EXPORT),
    (b"ppt/", "a PowerPoint document (.pptx)", EXPORT),
    (b"[Content_Types].xml", "an Office document, most likely an Excel workbook (.xlsx)", SAVE_SHEET),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file", EXPORT),
)


def signed(*beginnings: bytes) -> Foreign | None:
    """Return what bears a signature that one of these beginnings of a file shows."""
    for signature, foreign in _BY_SIGNATURE:
        if any(map(signature.match, beginnings)):
            return foreign
    archives = (_archive(beginning) for beginning in beginnings if _ZIP.match(beginning))
    return next(archives, None)


def _archive(head: bytes) -> Foreign:
    for name, what, remedy in _ZIP_CONTENTS:
        if name in head:
            return Foreign(what, remedy)
    return Foreign("a zip archive", UNPACK)
