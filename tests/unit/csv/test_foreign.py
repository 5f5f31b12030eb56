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

RUSSIAN = "наименование;количество\n" + "Москва;Санкт-Петербург\n" * 80
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
    "an empty json array": (b"[]", "JSON"),
    "an empty json object": (b" {}\r\n", "JSON"),
    "a small json array": (b"[1,2]", "JSON"),
    "a json array of words": (b'[null, true, "a"]', "JSON"),
    "a long json array": (b"[" + b"1,\n22," * 1_000, "JSON"),
    "an html table": (b"<table border=1>\n<tr><td>a</td></tr>", "an HTML table"),
    "an html table of its own": (b"\xef\xbb\xbf<TABLE>\r\n  <TR><TD>a, b", "an HTML table"),
    "html without a head": (b"<html>\n<h1>502 Bad Gateway", "an HTML page"),
    "html of a word": (b"<html>\nService unavailable, sorry", "an HTML page"),
    "html with an inline tag": (b"<html>\n<b>one</b>\n", "an HTML page"),
    "html with a mark of its own": ("<html \u26a1 lang=en>\n<head>".encode(), "an HTML page"),
    "html behind comments": (b"<!-- a --> <!-- b\n -->\n<html>\n", "an HTML page"),
    "a comment": (b"<!-- a -->\n", "an HTML page"),
    "a long comment": (b"<!-- " + b"licence\n" * 500, "an HTML page"),
    "a heading": (b"<h1>404", "an HTML page"),
    "a heading and its end": (b"<h1>404, not found</h1>\nnginx", "an HTML page"),
    "a paragraph": (b"<p>Sorry, not today</p>\n", "an HTML page"),
    "a centred heading": (b"<center><h1>504 Gateway Time-out</h1></center>", "an HTML page"),
    "a warning of PHP": (b"<br />\n<b>Warning</b>:  mysql_connect(): no", "an HTML page"),
    "an error without a prolog": (b"<Error><Code>AccessDenied</Code><Message>", "an error message"),
    "a workbook in xml": (
        b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook xmlns="urn:x">',
        "an Excel workbook in XML",
    ),
    "a workbook without a prolog": (b'<Workbook\n xmlns="urn:x">\n <Styles>', "an Excel workbook in XML"),
    "soap": (b'<soap:Envelope xmlns:soap="http://www.w3.org/">\n<soap:Body>', "an XML document"),
    "a feed": (b'<rss version="2.0"><channel>', "an XML document"),
    "xml without a prolog": (b"<sales>\n<row>1</row>\n</sales>\n", "an XML document"),
    "a pdf with a mark": (b"\xef\xbb\xbf%PDF-1.7\n", "a PDF document"),
    "a pdf behind a line": (b"\r\n%PDF-1.7\n", "a PDF document"),
    "a zip with a mark": (b"\xef\xbb\xbf" + _zip("sales.csv"), "a zip archive"),
    "a web archive": (b"MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\n", "a web archive (.mht)"),
    "a web archive of a browser": (b"From: <Saved by Blink>\r\n", "a web archive (.mht)"),
    "sylk of Excel": (b"ID;PWXL;N;E\r\nP;PGeneral\r\n", "a SYLK sheet"),
    "sylk of others": (b'ID;PX\nB;X1;Y1\nC;Y1;X1;K"a"\n', "a SYLK sheet"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a pointer of Git LFS"),
    "an answer with its headers": (b"HTTP/1.1 502 Bad Gateway\r\nServer: x\r\n", "an answer of a web server"),
    "UTF-16 LE": (TEXT.encode("utf-16-le"), "UTF-16"),
    "UTF-16 BE": (TEXT.encode("utf-16-be"), "UTF-16"),
    "UTF-16 of two lines": ("a\n1\n".encode("utf-16-le"), "UTF-16"),
    "Russian UTF-16 LE": (RUSSIAN.encode("utf-16-le"), "UTF-16"),
    "Russian UTF-16 BE": (RUSSIAN.encode("utf-16-be"), "UTF-16"),
    "UTF-16 of emoji": ("😀😃😄;😁😆😅\n🤣😂🙂;🙃😉😊\n🥰😍🤩;😘😗😚\n".encode("utf-16-le"), "UTF-16"),
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
        "<html>;<body>\n<p>x</p>;1\n",
        "<html> , <body>\n<p>x</p>,1\n",
        "<id>\n<b>one</b>\n<b>two</b>\n",
        "<title>\nMoby Dick\n",
        "<p>\n1\n",
        "<h1>\n1\n",
        "<h1> score,<h2> score\n1,2\n",
        "<p> in GeV;<E> in GeV\n1;2\n",
        "<p>a</p>,<p>b</p>\n1,2\n",
        "<b>Name</b>\nAnna\n",
        "<b>Name</b>,<b>Age</b>\nAnna,1\n",
        '<span class="x">Name</span>\nAnna\n',
        '<a href="/?by=name">Name</a>,<a href="/?by=age">Age</a>\nAnna,1\n',
        "<table name>,<column name>\na,b\n",
        "<table name>\n<a>\n",
        "<DATE>\t<TIME>\t<OPEN>\n1\t2\t3\n",
        "<error>,<code>\n1,2\n",
        "<ticker>,<per>\n1,2\n",
        "<,>\n1,2\n",
        "<!-- id -->,b\n1,2\n",
        "<!-- exported -->\n<id>,<name>\n1,2\n",
        "<!--,b\n" + "1,2\n" * 1_000,
        "[],{}\n1,2\n",
        "[]\n1\n",
        "{}\na\n",
        "[1],[2]\n3,4\n",
        "<p> score,<q>\n1,<p>x</p>\n",
        "ID;PLZ;Ort\nC;X1;Y\n",
        "ID;P\nA;B\nC;D\n",
        "MIME-Version,b\n1,2\n",
        "version https,b\n1,2\n",
        "HTTP/1.1,HTTP/2\n1,2\n",
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
        "a,b\r1,\0\r2,x\r",
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
