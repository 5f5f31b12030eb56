"""Changes one case in three into what people send by mistake: another encoding, form, letters or line ends.

It is drawn separately, so that a seed means the same file as before wherever nothing is made of it.
"""

import random
import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from baton.job import Dialect, Job
from baton_proof.fuzz.cases import JOB, Case

_SHARE: Final = 1 / 3
_WIDE: Final = (
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
)
_FOREIGN: Final = (
    '{"a": 1, "b": "x"}',
    '{"' + "k" * 5_000 + '": 1}',
    "[null, 1]",
    "[{}, {}]",
    "[true, false,\n null]",
    "[1,2,\n3,4]",
    '["a", "b"]',
    '[["a",1],["b",2]]',
    "[" + "1, 2,\n" * 900 + "3]",
    '{"a":1,"b":2}\n{"a":2,"b":3}',
    '\x1e{"a":1}\n\x1e{"a":2}',
    'callback({"a":1});',
    '<a href="https://example.com/?a=1">Found</a>.',
    '<!DOCTYPE html>\n<html><body class="a,b">x</body></html>',
    "<p>Sorry, not today</p>",
    "<b>Error</b> in line 1",
    "<html>\n<head><title>503, busy</title></head>",
    '<?xml version="1.0"?>\n<a><b>1</b></a>',
    "<sales>\n<row><id>1,2</id></row>\n</sales>",
    '<svg xmlns="http://www.w3.org/2000/svg" width="1"/>',
    "{\\rtf1\\ansi a,b}",
    "-- MySQL dump 10.13\n--\nINSERT INTO `a` VALUES (1,2);",
    "CREATE TABLE a (\n id int,\n b int\n);",
    "---\na: 1\nb: [1, 2]",
    "[section]\nkey = 1, 2\nother = 3",
    "BEGIN:VCARD\nVERSION:4.0\nN:a;b",
    "From jo@example.com Mon Nov 30 08:00:00 2026\nSubject: a, b",
    "Subject: a, b\nTo: jo@example.com\n\na,b\n1,2",
    "-----BEGIN CERTIFICATE-----\nMIIB",
    "%PDF-1.7\n1 0 obj",
    "PK\x03\x04\x14\0\0\0",
    "SQLite format 3\0\x10\0",
    "Obj\x01\x04\x14avro.codec",
    "\x7fELF\x02\x01\x01\0",
)
_HONEST_NAMES: Final = (
    *(
        "<id>",
        "<name>",
        "<b>Name</b>",
        "<i>",
        "[x]",
        "[true]",
        "{a}",
        "{b: c}",
        "---",
        "--",
        "#",
        "From",
        "null",
        "true",
    ),
    *("sum({a})", "f([1])", "callback", "<18", ">=65", "key=value", "BEGIN:", "PK", "%PDF", "1", "2024"),
    *('"a"', '{"a": 1}', "[1]", "[]", "{}", "create table a", "data:x", "@a", "\\", "~x"),
)
_HONEST_VALUES: Final = (
    *("", "1", "a", "<b>x</b>", "<p>x</p>", "[1]", "[]", "{}", '{"a":1}', "a=1", "-- x", "key: value", "null", "- a"),
    *("<row>1</row>", "two\nlines", "a;b", "a|b", "a\tb", "a,b", '"q"'),
)


def twisted(case: Case) -> Case:
    """Return the case, or what is made of it."""
    dice = random.Random(f"twist {case.seed}")
    return dice.choice(_TWISTS)(case, dice) if dice.random() < _SHARE else case


def _marked(case: Case, dice: random.Random) -> Case:
    """Put a byte order mark of some encoding before it, and write it in that one."""
    text = _text(case)
    if text is None or dice.random() < 0.3:
        return replace(case, body=BOM_UTF8 + case.body.removeprefix(BOM_UTF8))
    mark, encoding = dice.choice(_WIDE)
    return replace(case, body=mark + text.encode(encoding))


def _wide(case: Case, dice: random.Random) -> Case:
    """Write it in UTF-16 or UTF-32, without a mark. Of ASCII characters, three or one in each are NUL."""
    text = _text(case)
    if text is None or not text.isascii():
        return case
    return replace(case, body=text.encode(dice.choice(_WIDE)[1]), is_foreign=True)


def _as_utf8(case: Case, dice: random.Random) -> Case:
    """Send UTF-8 to a job of another encoding."""
    text = _text(case)
    if text is None:
        return case
    mark = BOM_UTF8 if dice.random() < 0.1 else b""
    return replace(case, body=mark + text.encode())


def _decomposed(case: Case, dice: random.Random) -> Case:
    """Write it in decomposed letters: all of it, or the first line alone, or all but this one."""
    text = _text(case)
    if text is None or case.job.dialect.encoding != "utf-8":
        return case
    head, end, rest = text.partition("\n")
    which = dice.choice(("head", "rest", "both"))
    if which != "rest":
        head = unicodedata.normalize("NFD", head)
    if which != "head":
        rest = unicodedata.normalize("NFD", rest)
    return replace(case, body=(head + end + rest).encode())


def _of_a_mac(case: Case, dice: random.Random) -> Case:
    """End its lines, or the first one alone, in a carriage return."""
    if dice.random() < 0.5:
        return replace(case, body=case.body.replace(b"\r\n", b"\n").replace(b"\n", b"\r"))
    return replace(case, body=case.body.replace(b"\r\n", b"\n", 1).replace(b"\n", b"\r", 1))


def _foreign(case: Case, dice: random.Random) -> Case:
    """Send something else than CSV."""
    blank = dice.choice(("", "", "\n", "\r\n" * dice.randrange(3_000)))
    mark = dice.choice((b"", b"", BOM_UTF8))
    body = mark + (blank + dice.choice(_FOREIGN) + dice.choice(("", "\n", "\r\n"))).encode("latin-1")
    job = case.job.model_copy(update={"dialect": Dialect(lines_in_fields=dice.random() < 0.5)})
    return replace(case, job=job, body=body, is_foreign=True)


def _honest(case: Case, dice: random.Random) -> Case:
    """Send columns that are called like the beginning of something else."""
    dialect = Dialect(delimiter=dice.choice(",;\t|"), lines_in_fields=True)
    job = Job(name=JOB, record=None, dialect=dialect, limits=case.job.limits, recipients=case.job.recipients)
    names = dice.sample(_HONEST_NAMES, dice.randint(2, 4))
    rows = [names, *([dice.choice(_HONEST_VALUES) for _ in names] for _ in range(dice.randrange(5)))]
    end = dice.choice(("\n", "\r\n"))
    text = end.join(dialect.delimiter.join(_written(value, dialect) for value in row) for row in rows) + end
    mark = dice.choice((b"", b"", BOM_UTF8))
    return replace(case, job=job, body=mark + text.encode(), reference={})


def _written(value: str, dialect: Dialect) -> str:
    special = dialect.delimiter in value or "\n" in value or '"' in value
    return '"' + value.replace('"', '""') + '"' if special or not value else value


def _text(case: Case) -> str | None:
    """Return the file as text, without its mark; None if it is spoiled."""
    try:
        return case.body.removeprefix(BOM_UTF8).decode(case.job.dialect.encoding)
    except UnicodeDecodeError:
        return None


_TWISTS: Final[tuple[Callable[[Case, random.Random], Case], ...]] = (
    _marked,
    _wide,
    _as_utf8,
    _as_utf8,
    _decomposed,
    _decomposed,
    _of_a_mac,
    _foreign,
    _honest,
    _honest,
)
