"""Drawn tables, Base64 and old Cyrillic text: what tells them is in how they are encoded."""

import base64
import random
from collections.abc import Callable

import pytest

from baton.foreign import HEAD_BYTES, recognise

DRAWN = {
    "a box": ("┌────┬──────┐\n│ id │ name │\n├────┼──────┤\n", "utf-8"),
    "a box of double lines": ("╔════╦══════╗\n║ id ║ name ║\n", "utf-8"),
    "a rounded box": ("╭────┬──────╮\n│ id │ name │\n", "utf-8"),
    "a frame of polars": ("shape: (1_000, 2)\n┌─────┬──────┐\n", "utf-8"),
    "a line under names": (" id │ name \n────┼──────\n  1 │ a\n", "utf-8"),
    "a line under names below a title": ("  Table sales\n id │ name \n────┼──────\n", "utf-8"),
    "records one below the other": ("─[ RECORD 1 ]───\nid   │ 1\n", "utf-8"),
    "a box of DOS": ("┌────┬──────┐\n│ id │ name │\n", "cp437"),
    "double lines of DOS": ("╔════╦══════╗\n║ id ║ name ║\n", "cp866"),
    "a box in koi8-r": ("┌────┬──────┐\n│ id │ name │\n", "koi8-r"),
}
_SALES = "uuid,Country,amount\n" + "".join(f"{n},Fiji,{n * 3}\n" for n in range(40))
BASE64: dict[str, bytes] = {
    "lines of a mail": base64.encodebytes(_SALES.encode()),
    "lines that end in CR LF": base64.encodebytes(_SALES.encode()).replace(b"\n", b"\r\n"),
    "one line": base64.b64encode(_SALES.encode()),
    "one short line": base64.b64encode(b"id,name,city\n1,a,b\n2,c,d\n"),
    "one line longer than what is looked at": base64.b64encode(_SALES.encode() * 10),
    "with a mark": base64.encodebytes(_SALES.encode("utf-8-sig")),
    "Cyrillic": base64.encodebytes(("наименование;количество\n" + "Москва;3\n" * 5).encode()),
    "a Windows encoding": base64.encodebytes("id;name;größe\n1;a;3\n2;b;4\n3;c;5\n".encode("cp1252") * 5),
    "UTF-16": base64.encodebytes(_SALES.encode("utf-16")),
}


def _what(head: bytes) -> str | None:
    found = recognise(head[:HEAD_BYTES], delimiter=ord(","))
    return found.what if found else None


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_table_is_told_in_any_encoding(name: str) -> None:
    text, encoding = DRAWN[name]

    assert (_what(text.encode(encoding)) or "").startswith("a table drawn")


@pytest.mark.parametrize("name", BASE64)
def test_text_in_base64_is_told_by_what_it_decodes_to(name: str) -> None:
    assert _what(BASE64[name]) == "text in Base64"


@pytest.mark.parametrize("write", [base64.b64encode, bytes.hex])
def test_a_list_of_tokens_without_a_header_is_taken_for_nothing_else(write: Callable[[bytes], bytes | str]) -> None:
    for seed in range(300):
        dice = random.Random(seed)
        tokens = [write(dice.randbytes(size)) for size in (24, 24, 32, 48, 57)]
        lines = [token if isinstance(token, bytes) else token.encode() for token in tokens]

        assert _what(b"\n".join(lines)) is None, seed


@pytest.mark.parametrize("ends", ["\r", "%\r"])
def test_old_cyrillic_text_that_ends_its_lines_in_cr_alone_is_not_of_a_mainframe(ends: str) -> None:
    text = ends.join(["дата", "сад", "сердце", ""])

    assert _what(text.encode("koi8-r")) is None
    assert _what(text.encode("cp1251")) is None


def test_what_delimits_this_jobs_columns_is_no_sign_of_another_form() -> None:
    assert recognise(b"first name\n-- --\n1 a\n", delimiter=ord(" ")) is None
    assert recognise(b"name:\n  id: 1\n  x: 2\n", delimiter=ord(":")) is None
    assert recognise(BASE64["one line"].replace(b"V", b"/"), delimiter=ord("/")) is None
