"""What is no CSV text is recognised by its first bytes, and no CSV file is taken for something else."""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable

import polars as pl
import pytest

from baton.foreign import HEAD_BYTES, recognise

TEXT = "uuid,Country\n" + "".join(f"{n},Norwäy\n" for n in range(100))
FRAME = pl.DataFrame({"a": range(100), "b": ["x"] * 100})


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def _zip(*names: str, stored: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if stored:
            archive.writestr("mimetype", stored, zipfile.ZIP_STORED)
        for name in names:
            archive.writestr(name, TEXT)
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("sales.csv")
        member.size = len(TEXT.encode())
        archive.addfile(member, io.BytesIO(TEXT.encode()))
    return out.getvalue()


def _sqlite() -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table sales (id)")
        return database.serialize()


FOREIGN = {
    "gzip": (gzip.compress(TEXT.encode()), "a gzip file"),
    "an empty gzip": (gzip.compress(b""), "a gzip file"),
    "bzip2": (bz2.compress(TEXT.encode()), "a bzip2 file"),
    "an empty bzip2": (bz2.compress(b""), "a bzip2 file"),
    "xz": (lzma.compress(TEXT.encode()), "an xz file"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\x09", "a Zstandard file"),
    "zip": (_zip("sales.csv"), "a zip archive"),
    "an empty zip": (_zip(), "a zip archive"),
    "xlsx": (_zip("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "an Excel workbook (.xlsx)"),
    "xlsb": (_zip("[Content_Types].xml", "xl/workbook.bin"), "an Excel workbook (.xlsb)"),
    "docx": (_zip("[Content_Types].xml", "word/document.xml"), "a Word document (.docx)"),
    "ods": (
        _zip("content.xml", stored="application/vnd.oasis.opendocument.spreadsheet"),
        "an OpenDocument sheet (.ods)",
    ),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an old Office document"),
    "tar": (_tar(), "a tar archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7-Zip archive"),
    "parquet": (_written(FRAME.write_parquet), "a Parquet file"),
    "parquet without rows": (_written(FRAME.clear().write_parquet), "a Parquet file"),
    "arrow": (_written(FRAME.write_ipc), "an Arrow file"),
    "avro": (_written(FRAME.write_avro), "an Avro file"),
    "orc": (b"ORC\x0a\x0b\x0a\x03\0\0\0\x12", "an ORC file"),
    "sqlite": (_sqlite(), "an SQLite database"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
    "pgp": (b"-----BEGIN PGP MESSAGE-----\n\nhQEM", "an encrypted or signed message"),
    "html": (b"\r\n<!DOCTYPE html>\n<html lang=en>", "an HTML page"),
    "html of a proxy": (b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title>", "an HTML page"),
    "xhtml": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "">', "an HTML page"),
    "an answer of S3": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>',
        "an error message",
    ),
    "xml with a mark": (b'\xef\xbb\xbf<?xml version="1.0"?><sales/>', "an XML document"),
    "json": (b'{"a": 1}', "JSON"),
    "json lines": (b'{"a":1,"b":2}\n{"a":2,"b":3}\n', "JSON"),
    "a json array": (b'[\n  {\n    "a": 1\n  }\n]', "JSON"),
    "UTF-16 LE": (TEXT.encode("utf-16-le"), "UTF-16"),
    "UTF-16 BE": (TEXT.encode("utf-16-be"), "UTF-16"),
    "UTF-16 of two lines": ("a\n1\n".encode("utf-16-le"), "UTF-16"),
    "Japanese UTF-16": ("名前,年齢\n太郎,30\n".encode("utf-16-le"), "UTF-16"),
    "UTF-32": (TEXT.encode("utf-32-be"), "UTF-32"),
    "EBCDIC": (TEXT.replace("\n", "\x85").encode("cp037"), "EBCDIC"),
    "NUL bytes, as a file that broke off": (bytes(5_000), "binary data"),
    "random bytes": (random.Random(1).randbytes(5_000), "binary data"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_csv_is_named(name: str) -> None:
    body, what = FOREIGN[name]

    found = recognise(body[:HEAD_BYTES], delimiter=ord(","))

    assert found is not None
    assert found.what.startswith(what)
    assert found.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "<id>,{name}\n1,2\n",
        "<html>,<body>\n<p>x</p>,1\n",
        "<html>\n<b>one</b>\n",
        "<?xml,b\n1,2\n",
        '{"id"},x\n1,2\n',
        "[id],[name]\n1,2\n",
        "[[a,b\n1,2\n",
        "PAR1,ORC,BZh,FEA1\n1,2,3,4\n",
        "ORC\tx\n1\t2\n",
        "GIF89a,MZ,Obj,PK\n1,2,3,4\n",
        "%PDF,Rar!\n1,2\n",
        "-----BEGIN,x\n",
        "a,b\n1,\0\n",
        "a,b\n" + "\0\0\0\0,\0\0\0\n" * 50,
        "id,name\n" + "\x03\x04\x05\x06" * 50,
        "Größe,naïve\n" + "1,PK\x03\x04\n" * 50,
        "ชื่อ;เมือง\nสมชาย;30\n",
        "名前,年齢\n太郎,30\n",
        "a\x01b\x01c\n" * 50,
        "a\x1fb\x1ec\n" * 50,
        "id,name\n1,x\n\x1a",
    ],
)
def test_a_csv_file_is_taken_for_nothing_else(text: str) -> None:
    assert recognise(text.encode()[:HEAD_BYTES], delimiter=ord(",")) is None


@pytest.mark.parametrize(
    "encoding", ["cp1252", "cp1251", "koi8-r", "iso8859-7", "cp850", "mac-roman", "cp1256", "cp874"]
)
def test_text_of_one_byte_per_character_is_taken_for_nothing_else(encoding: str) -> None:
    high = bytes(range(128, 256)).decode(encoding, "ignore")
    text = f"{high},b\n" + f"{high},1\n" * 30

    assert recognise(text.encode(encoding)[:HEAD_BYTES], delimiter=ord(",")) is None


def test_a_control_character_may_be_the_delimiter() -> None:
    text = bytes(range(3, 9)) + b"\x0e\x0f\n"

    assert recognise(text, delimiter=0x0F) is None
    assert recognise(text, delimiter=ord(",")) is not None


def test_random_bytes_are_never_taken_for_text() -> None:
    assert all(recognise(random.Random(seed).randbytes(HEAD_BYTES), delimiter=ord(",")) for seed in range(200))
