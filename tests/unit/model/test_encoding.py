"""A file may be UTF-8 or of one byte per character: nothing that could join, eat or rename bytes between two chunks."""

import codecs
import encodings
import encodings.aliases
import importlib
import itertools
import pkgutil
from typing import Final

import pytest
from pydantic import ValidationError

from baton.encoding import canonical, marked_as
from baton.job import Dialect

_TEXT_TO_TEXT_AND_BYTES_TO_BYTES = ("rot13", "hex", "base64", "zlib", "bz2", "uu", "quopri")
_NO_TABLE = {"ascii", "iso8859-1", "charmap", "utf-8"}
"""Written in C, or the charmap itself, which without a table is Latin-1."""
_SECOND_QUOTES = {"mac-arabic", "mac-farsi"}
"""They have a table, with a second quote, comma and digits above 127."""


def _every_name() -> set[str]:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    return {
        *encodings.aliases.aliases,
        *encodings.aliases.aliases.values(),
        *modules,
        *_TEXT_TO_TEXT_AND_BYTES_TO_BYTES,
    }


def _taken(names: set[str]) -> set[str]:
    taken: set[str] = set()
    for name in names:
        try:
            taken.add(canonical(name))
        except ValueError:
            continue
    return taken


def _charmaps_that_hold_ascii() -> set[str]:
    found: set[str] = set()
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name in {"mbcs", "oem"}:
            continue  # of Windows alone
        table = getattr(importlib.import_module(f"encodings.{module.name}"), "decoding_table", "")
        if len(table) == 256 and table[:128] == bytes(range(128)).decode():
            found.add(codecs.lookup(module.name).name)
    return found


TAKEN: Final = frozenset(_charmaps_that_hold_ascii() - _SECOND_QUOTES) | _NO_TABLE


def test_exactly_the_charmaps_that_hold_ascii_and_utf8_are_taken() -> None:
    assert _taken(_every_name()) == TAKEN


@pytest.mark.parametrize("name", sorted(TAKEN - {"utf-8"}))
def test_a_taken_encoding_reads_every_byte_alone_as_it_reads_it_in_a_text(name: str) -> None:
    text = bytes(itertools.chain.from_iterable(itertools.product(range(256), repeat=2)))
    alone = [bytes([byte]).decode(name, "replace") for byte in range(256)]

    assert text.decode(name, "replace") == "".join(alone[byte] for byte in text)
    assert [character.isascii() for character in alone] == [byte < 128 for byte in range(256)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("euc_kr", "euc_kr is not UTF-8 nor a single-byte encoding"),
        ("raw_unicode_escape", "not UTF-8 nor"),
        ("unicode_escape", "not UTF-8 nor"),
        ("utf-8-sig", "a byte order mark is taken off in utf-8 as well"),
        ("mac_arabic", "not UTF-8 nor"),
        *((name, "not UTF-8 nor") for name in _TEXT_TO_TEXT_AND_BYTES_TO_BYTES),
        ("idna", "not UTF-8 nor"),
        ("undefined", "not UTF-8 nor"),
        ("", "there is no encoding"),
        ("utf-9", "there is no encoding utf-9"),
        ("cp1252\0", "there is no encoding"),
        ("aliases", "there is no encoding"),
    ],
)
def test_every_other_encoding_is_refused_in_words_when_the_job_is_loaded(name: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Dialect(encoding=name)


@pytest.mark.parametrize("name", ["UTF8", "utf_8", "U8", "cp65001"])
def test_utf8_has_one_name(name: str) -> None:
    assert Dialect(encoding=name).encoding == "utf-8"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-8", None)],
)
def test_a_byte_order_mark_names_its_encoding(encoding: str, name: str | None) -> None:
    assert marked_as("a,b".encode(encoding)) == name


def test_a_mark_may_stand_for_either_byte_order() -> None:
    assert marked_as(codecs.BOM_UTF16_BE) == "UTF-16"
    assert marked_as(codecs.BOM_UTF32_BE) == "UTF-32"
