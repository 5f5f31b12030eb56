"""Text of another form than CSV is recognised by how it begins, and no CSV file is taken for it."""

import time

import pytest

from baton.foreign import HEAD_BYTES, recognise

JSON = {
    "a string": b'"text"',
    "a string with an escape": b'"not \\"found\\""\n',
    "a string that is a sentence": b'"Unauthorized."\r\n',
    "null": b"null",
    "an object": b'{"a": 1}',
    "an object with a mark": b'\xef\xbb\xbf{"a": 1}',
    "an object with a long key": b'{"' + b"k" * 5_000 + b'": 1}',
    "an object behind blanks": b"{" + b" " * 5_000 + b'"a": 1}',
    "an object in lines": b'{\n  "a": 1\n}\n',
    "null first": b'[null,\n{"a": 1}]',
    "null first, cut off": b"[null,",
    "empty objects": b"[{}, {}]",
    "one empty object": b"[{}]\n",
    "empty objects, cut off": b"[{},",
    "booleans": b"[true, false]",
    "a boolean, cut off": b"[true",
    "numbers in lines": b"[\n  1,\n  2,\n  -3.5e7\n]\n",
    "numbers in lines, cut off": b"[1,2,\n3,4",
    "numbers with a mark": b"\xef\xbb\xbf[1, 2]",
    "many numbers": b"[" + b"1, 2, " * 1_000,
    "arrays": b'[["a", 1],\n["b", 2]]',
    "empty arrays": b"[[], []]",
    "words in lines": b'[\n"a",\n"b"\n]',
    "one word": b'["a"]\n',
    "depth": b"[true," + b"[" * 5_000,
    "NaN": b'[NaN, {"a": 1}]',
    "lines": b'{"a":1,"b":2}\n{"a":2,"b":3}\n',
    "lines of arrays": b"[1,2]\n[3,4]\n",
    "lines of empty objects": b"{}\n{}\n",
    "a sequence": b'\x1e{"a":1}\n\x1e{"a":2}\n',
    "a sequence of words": b'\x1e"a"\n\x1e"b"\n',
    "a call": b'callback({"a":1});',
    "a call, cut off": b"callback({",
    "a call with an array": b"/**/ jQuery12_3.cb([1,2])\n",
    "a string in spaces": b' "text" ',
    "an assignment": b'data = {"a":1}',
    "a guard of its own": b'&&&START&&&{"a":1}',
    "a guard": b")]}',\n[1,2]",
    "a guard that loops": b'for(;;);{"a":1}',
    "a script": b'var rows = [{"a":1}];',
    "a dict of Python": b"{'a': 1, 'b': None}",
    "a list of Python": b"[{'a': 1}]",
    "names without quotes": b"{\n  id: 1,\n  name: 2\n}",
}
PAGES = {
    "a redirect": b'<a href="https://sso.example/login?a=1,2">Found</a>.\n\n',
    "a link alone": b'<a href="/login">Sign in</a>',
    "a link and more": b'<a href="/login">Sign in</a>\n<p>or wait',
    "a link that is not closed": b'<a href="/login">Sign in\n',
    "a link longer than what is looked at": b'<a href="data:text/plain,' + b"x" * 5_000 + b'">',
    "bold text": b"<b>Error</b> in line 1\n",
    "bold text alone": b"<b>Error</b>\n",
    "a warning of PHP": b"<b>Warning</b>:  a() expects 1, 2 given in <b>/x</b>",
    "a paragraph": b"<p>x</p>",
    "a paragraph of lines": b"<p>Dear customer, we could not\nprocess it</p>\n",
    "a paragraph with a class": b'<p class="x">Sorry\n',
    "a span": b'<span class="error">no session</span> - sign in\n',
    "a span with a mark": b'\xef\xbb\xbf<span class="error">no session</span> - sign in\n',
    "a sentence of lines": b"<strong>Error:</strong> no session, sorry\nplease sign in\n",
    "a paragraph that is not closed": b"<p>Hello",
    "paragraphs that are not closed": b"<p>Hello, you\n<p>again\n",
    "a break": b"<br/>Sorry\n",
    "an image": b'<img src="logo.png">\nWelcome\n',
    "a list": b"<ul>\n<li>one, two\n<li>three",
    "items of a list": b"<li>one</li>\n<li>two</li>\n",
    "an end tag": b"</div>\n<p>x</p>",
}
XML = {
    "long": b"<sales>\n" + b"  <row><id>1</id></row>\n" * 500,
    "of one line": b"<sales><row><id>1</id>" + b"<x>1</x>" * 1_000,
    "of empty elements": b"<sales>\n<row/>\n",
    "of one empty element": b"<sales/>",
    "of names that pages have": b"<data><a>1</a><b>2</b>",
    "with attributes": b'<sales day="1">\n<row>',
}
FORMS = {
    "<tr>\n<td>1</td><td>2</td></tr>": "an HTML table",
    '<svg xmlns="http://www.w3.org/2000/svg" width="10">': "a picture (SVG)",
    '<?xml version="1.0"?>\n<svg width="10">': "a picture (SVG)",
    "{\\rtf1\\ansi": "an RTF document",
    "{\\rtf\\ansi": "an RTF document",
    "%!PS-Adobe-3.0\n": "a PostScript document",
    "\x7fELF\x02\x01\x01": "a program",
    "\x02!L\x18\0\0": "an LZ4 file",
    "LZIP\x01\x0c": "a packed file",
    "!<arch>\ndebian-binary   1": "an archive",
    "070701" + "0" * 104: "an archive",
    "PGDMP\x01\x0e\0\x04": "a dump of a PostgreSQL database",
    "<stata_dta><header><release>118": "a data set of a statistics program",
    "RDX3\nX\n\0\0\0\3": "a data set of a statistics program",
    "$FL2@(#) SPSS DATA FILE MS Windows  ": "a data set of a statistics program",
    "-----BEGIN CERTIFICATE-----\nMIIB": "a key",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n": "a key",
    "-----BEGIN PGP MESSAGE-----\n\nhQEM": "an encrypted or signed message",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5": "a key",
    "10000;chunk-signature=" + "0a" * 32 + "\r\na,b\n": "an upload",
    '------WebKitFormBoundary7\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n': "an upload form",
    "-- MySQL dump 10.13  Distrib 8\n--\n": "a dump of a database",
    "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n": "a dump of a database",
    "/*!40101 SET NAMES utf8 */;\n-- x\nDROP TABLE IF EXISTS `a`;\n": "a dump of a database",
    "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n": "a dump of a database",
    "create table sales (\n  id int,\n": "a dump of a database",
    "INSERT INTO `sales` (`id`, `name`) VALUES (1, 'a');\n": "a dump of a database",
    "COPY public.sales (id, name) FROM stdin;\n1\ta\n": "a dump of a database",
    "From jo@example.com Mon Nov 30 08:00:00 2026\nReturn-Path: <jo@example.com>\n": "a mail",
    "Received: from a (b, c)\r\n\tby d; Mon, 1 Jan\r\nSubject: sales.csv\r\n": "a mail",
    "Subject: sales, again\nTo: a@example.com\n\na,b\n": "a mail",
    "Content-Type: text/csv; name=a.csv\r\nContent-Transfer-Encoding: base64\r\n": "a mail",
    "BEGIN:VCARD\r\nVERSION:4.0\r\n": "an address book",
    "BEGIN:VCALENDAR\r\n": "an address book",
    "dn: cn=Jo,dc=example,dc=com\ncn: Jo\n": "a dump of a directory",
    "UPDATE sales SET id = 1;\n": "a dump of a database",
    "truncate table sales;\n": "a dump of a database",
    "Server: nginx\r\nContent-Length: 7\r\n\r\na,b\r\n": "a mail, or an answer of a web server",
    "; by hand\n[section]\nkey=value\n": "a file of settings",
    'TABLE\r\n0,1\r\n"EXCEL"\r\n': "a DIF sheet",
    "WARC/1.0\r\nWARC-Type: warcinfo\r\n": "a web archive",
    "---\nname: a\nitems:\n  - b\n": "YAML",
    "--- # x\n- a\n- b\n": "YAML",
    "[section]\r\n; remark\r\nkey = value\r\n": "a file of settings",
    "[InternetShortcut]\r\nURL=https://example.com/a,b\r\n": "a file of settings",
    "Windows Registry Editor Version 5.00\r\n": "a part of Windows' registry",
    "diff --git a/sales.csv b/sales.csv\n": "a patch",
    "#!/bin/sh\necho a,b\n": "a program",
    "<?php echo 1;": "a program",
    "Traceback (most recent call last):\n": "an error message",
    "PHP Warning:  a(1, 2) failed in /srv/x.php on line 7\n": "an error message",
    "+----+------+\n| id | name |\n+----+------+\n": "a table drawn",
    " id | name \n----+------\n  1 | a\n": "a table drawn",
    "+----+------+\n| id | name |\n+====+======+\n": "a table drawn",
    "  Table public.sales\n id | name \n----+------\n  1 | a\n": "a table drawn",
    "| id | name |\n|----+------|\n| 1 | a |\n": "a table drawn",
    "-[ RECORD 1 ]--\nid   | 1\nname | a\n": "a table drawn",
    "+-[ RECORD 1 ]--+\n": "a table drawn",
    "*************************** 1. row ***************************\n  id: 1\nname: a\n": "a table drawn",
    "=====  =====\nid     name\n=====  =====\n1      a\n": "a table drawn",
    "id          name      \r\n----------- ----------\r\n          1 a         \r\n": "a table drawn",
    "        ID NAME\n---------- ------\n         1 a\n": "a table drawn",
    "| id | name |\n|---:|------|\n| 1 | a |\n": "a table in Markdown",
    "name: a\nitems:\n  - b\n  - c\n": "YAML",
    "# x\nsales:\n  id: 1\n  name: a, b\n": "YAML",
    "- id: 1\n  name: a\n- id: 2\n  name: b\n": "YAML",
    '// made by x\n// again\n{"a":1}\n{"a":2}\n': "JSON below comments",
    '// made by x\n[{"a":1}]\n': "JSON below comments",
    'title = "x"\n\n[owner]\nname = "a"\n': "a file of settings (TOML)",
    "% x\n@RELATION sales\n\n@ATTRIBUTE id NUMERIC\n": "a data set of Weka",
    "\\begin{tabular}{ll}\nid & name \\\\\n": "a document in LaTeX",
    "UNA:+.? '\r\nUNB+UNOC:3+A+B": "an EDI message",
    "ISA*00*          *00*          *ZZ*": "an EDI message",
    "MSH|^~\\&|A|B|C\r": "an EDI message",
    "data:text/csv;charset=utf-8;base64,YSxi": "text in Base64",
    "H4sIAAAAAAAAA" + "x" * 60: "a packed file in Base64",
    "begin 644 sales.csv\n#82QB\n`\nend\n": "a file in uuencode",
}
HONEST = [
    "total:\n  - 5\n  - 6\n",
    "total:\n- a\n- b\n",
    "note:,b\n  - a,1\n  - b,2\n",
    "- a: 1,b\n  c: 2,d\n",
    "- a\n- b\n",
    "id: 1\nname: a\n",
    "a: x\nb: y\nc:\nd: z\n",
    "//id,b\n{a},1\n",
    "// a\n1\n",
    "//\n[1]\n[2]\n",
    "# id\n{a}\n",
    "a=1,[b],c=2\n1,2,3\n",
    "key=value\na=b\n[x]\ny\n",
    "@relation,@attribute\n1,2\n",
    "\\begin,b\n1,2\n",
    "─,│\n1,2\n",
    "shape: (1),b\n1,2\n",
    "-[ x ],[ RECORD 1 ]\n1,2\n",
    "***,b\n1. row,2\n",
    "===,====\n1,2\n",
    "===\n1\n",
    "id\n--\n--\n",
    "id,name\n--,----\n1,a\n",
    "id;first name\n--;-- --\n",
    "name of it\n-- --\n",
    "Anschlussobjektidentifikationsnummer\n1\n",
    "a" * 76 + "\n1\n",
    "0123456789abcdef" * 4 + "\n" + "fedcba9876543210" * 4 + "\n",
    "id\n1\n",
    "id,name\n1,a\n",
    '"id","name"\n"1","a"\n',
    '"id"\n"1"\n"2"\n',
    '"id"\n',
    '"Not found"\n',
    '"a ""b""",c\n1,2\n',
    '"id",\n1,\n',
    "'id','name'\n1,2\n",
    "{a}\n1\n",
    "{a},{b}\n1,2\n",
    "{a: x},{b: y}\n1,2\n",
    "{'a'},b\n1,2\n",
    "[x]\n1\n",
    "[x],[y]\n1,2\n",
    "[x]\n[1]\n[2]\n",
    "[1]\n2\n",
    "[2024],[2025]\n1,2\n",
    "[1,2\n3,4\n",
    "[0,10);[10,20);[20,30)\n1;2;3\n",
    "[0,10];[10,20]\n1;2\n",
    "[0][1],[0][2]\n1,2\n",
    "[true],[false]\n1,2\n",
    "[null]\nx\n",
    "null,true,false\n1,2,3\n",
    "null\n1\n",
    "true\nfalse\n",
    "1\n2\n3\n",
    "1,2\n3,4\n",
    "sum({a}),avg({b})\n1,2\n",
    'count("id"),max("n")\n1,2\n',
    "f([1]),f([2])\n3,4\n",
    "f([1])\n3\n",
    "callback,b\n1,2\n",
    "/*a*/,b\n1,2\n",
    "<\n1\n",
    "<a>,<b>\n1,2\n",
    "<a>\n1\n",
    "<i> score\n1\n",
    "<18,18-65,>65\n1,2,3\n",
    "< 18;>= 18\n1;2\n",
    "<id>;<name>\n1;<b>x</b>\n",
    "<b>Name</b>\nAnna\n",
    "<b>Name</b>\n<b>Anna</b>\n<b>Otto</b>\n",
    '<b>Name</b>,<a href="/?by=age">Age</a>\nAnna,1\n',
    "<id>\n",
    "<p>\n",
    "<p> score,<p> error\n<p>x</p>,<p>y</p>\n",
    "<b>Name</b> of it,<i>x</i>\na,b\n",
    "<id>\n<a>one</a>\n",
    "x={a},y={b}\n1,2\n",
    "x=[1],y=[2]\n1,2\n",
    "a=[]\n1\n",
    "TABLE\n0\n",
    "Server,Location\na,b\n",
    "update a,set b\n1,2\n",
    "; x,[y]\n1,2\n",
    "<li> a,b\n1,2\n",
    "<tr>,<td>\n1,2\n",
    "<id>\n<b>one</b>\n<i>two</i>\n",
    "--,b\n1,2\n",
    "--\n1\n",
    "---\n1\n",
    "---,b\n1,2\n",
    "create table,drop table\n1,2\n",
    "create table a;drop table b\n1;2\n",
    "Create table name,x\n1,2\n",
    "INSERT INTO,x\n1,2\n",
    "SET NO,NAMES\n1,2\n",
    "BEGIN;END\n1;2\n",
    "From,To,Subject,Date\na,b,c,d\n",
    "From: city,To: city\na,b\n",
    "Subject: name;Date: day\nSubject: a;Date: b\n",
    "Date: x\n1\n",
    "BEGIN:,END:\n1,2\n",
    "[section],key=value\na,b=c\n",
    "[x];[y]\na=1;b=2\n",
    "key=value\na=b\n",
    "#!,b\n1,2\n",
    "# id,name\n1,a\n",
    "Warning: none,b\n1,2\n",
    "+--+,|\n1,2\n",
    "id|name\n--|----\n1|a\n",
    "|id|name|\n|1|a|\n",
    "MSH|PID\n1|2\n",
    "ISA*00,b\n1,2\n",
    "data:x,b\n1,2\n",
    "H4sI,UEsDB\n1,2\n",
    "begin 644,b\n1,2\n",
    "version: 1,b\n1,2\n",
    "dn,cn\na,b\n",
    "ssh-rsa,b\n1,2\n",
    "LZIP,RDX3\n1,2\n",
    "070701,070702\n1,2\n",
    "\x1e,b\n1,2\n",
    "Use [kWh],Cost [EUR]\n1,2\n",
    "Set names,Pieces\nCastle,3\n",
    "Set namespace,Pieces\nCastle,3\n",
    "Begin;Drop off;End\n1;2;3\n",
    "Delete from cart;Add to cart\n1;2\n",
    "Create view count (daily),Day\n3,4\n",
    "From hour Mon,Tue,Wed\n1,2,3\n",
    "HTTP/1.1 200 count,share\n1,2\n",
    "Warning: count on line 1,Errors\n1,2\n",
    f"id,note\n1,{'x' * 232}ajustar el precio\n",
    "id,name\n1,\0\n1,\0\n1,\0\n1,\0\n1,a\n2,b\n",
]


def _what(head: bytes) -> str | None:
    found = recognise(head[:HEAD_BYTES], delimiter=ord(","))
    return found.what if found else None


@pytest.mark.parametrize("name", JSON)
def test_json_is_told_by_how_it_begins(name: str) -> None:
    assert _what(JSON[name]) == "JSON"


@pytest.mark.parametrize("name", PAGES)
def test_a_piece_of_a_page_is_told_by_how_it_begins(name: str) -> None:
    assert _what(PAGES[name]) == "an HTML page"


@pytest.mark.parametrize("name", XML)
def test_xml_is_told_without_a_declaration(name: str) -> None:
    assert _what(XML[name]) == "an XML document"


@pytest.mark.parametrize("text", FORMS)
def test_text_of_another_form_is_named(text: str) -> None:
    assert (_what(text.encode("latin-1")) or "").startswith(FORMS[text])


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_csv_file_is_taken_for_nothing_else(text: str, mark: bytes) -> None:
    assert _what(mark + text.encode()) is None


def test_a_name_in_quotes_that_is_no_utf8_is_no_json() -> None:
    assert _what('"Größe"'.encode()) is not None
    assert _what('"Größe"'.encode("cp1252")) is None


def test_records_may_begin_with_the_separator_of_a_job_that_has_this_one() -> None:
    assert recognise(b"\x1e1\x1e2\n3\x1e4\x1e5\n", delimiter=0x1E) is None


@pytest.mark.parametrize("name", ["Obj", "ORC", "PAR1", "FEA1", "PGDMP"])
def test_a_delimiter_makes_no_signature_of_a_name(name: str) -> None:
    assert recognise(f"{name}\x01net\n1\x012\n".encode(), delimiter=1) is None


UNITS = [
    *("┌", "─", "a: b\n", "  - a\n", "//\n", "a=b\n", "@relation a\n", "QUJD", "-- ", "=== ", "% \n"),
    *(
        "|",
        "-+",
        "-",
        "<a ",
        "<a>",
        "<!--",
        "<b>x</b>",
        "[",
        "{",
        '"',
        '{"a"',
        "--\n",
        "/*",
        "[x]\n",
        "\\",
        " ",
        "a: \n",
    ),
    *("A(", "=", "x: y\n ", "\n#", "<?xml ?>", "ID;P\n", ";", "\x1e", "*/", "-->", "]", "(", "a.", "\n", ","),
]


@pytest.mark.parametrize("unit", UNITS)
def test_whatever_is_looked_at_costs_no_time(unit: str) -> None:
    for other in ("", *UNITS):
        head = ((unit + other) * HEAD_BYTES).encode()[:HEAD_BYTES]
        started = time.process_time()

        recognise(head, delimiter=ord(","))

        assert time.process_time() - started < 0.2, other
