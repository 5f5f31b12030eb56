"""Text encodings: those that a file may have, what a byte order mark means, and which names are the same encoding."""

import codecs
import unicodedata
from functools import cache
from itertools import chain, product
from typing import Final

UTF8: Final = "utf-8"
NAME_CHARS_MAX: Final = 1_000
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (codecs.BOM_UTF8, "UTF-8"),
    (b"\x84\x31\x95\x33", "GB 18030"),
)


def marked_as(head: bytes) -> str | None:
    """Return the encoding that a byte order mark at the start of a file names, None without one."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def canonical(encoding: str) -> str:
    """Return Python's own name of an encoding that a file may have. Raises `ValueError` with a sentence for others.

    That is UTF-8, and every single-byte one that holds ASCII: records are cut on bytes, and each chunk is decoded on
    its own. So each byte must be one character whatever stands before it (undefined ones make a record a reject), and
    the first 128, and they alone, must be ASCII: some right-to-left code pages have a second quote or comma above it.
    """
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:  # ValueError: a NUL in the name
        raise ValueError(f"there is no encoding {encoding}") from error
    if name == UTF8 or _is_single_byte(name):
        return name
    if name == "utf-8-sig":
        raise ValueError(f"{encoding}: a byte order mark is taken off in utf-8 as well, use that")
    raise ValueError(f"{encoding} is not UTF-8 nor a single-byte encoding that holds ASCII, such as cp1252")


def composed_key(key: str) -> str:
    """Return a value by which a row of reference data is found, however long it is."""
    return unicodedata.normalize("NFC", key)


def composed(name: str) -> str:
    """Return a column's name as it is compared: in Unicode's composed form (NFC), "é" being one code point.

    One of more than `NAME_CHARS_MAX` characters is compared as it is: to compose it takes time by the square of its
    length, in which nothing else in this process runs.
    """
    return unicodedata.normalize("NFC", name) if len(name) <= NAME_CHARS_MAX else name


@cache
def _is_single_byte(name: str) -> bool:
    try:
        single = [bytes([byte]).decode(name, "replace") for byte in range(256)]
        if single[:128] != list(map(chr, range(128))) or any(character.isascii() for character in single[128:]):
            return False
        pairs = bytes(chain.from_iterable(product(range(256), repeat=2)))
        return pairs.decode(name, "replace") == "".join(single[byte] for byte in pairs)
    except (LookupError, ValueError):  # bytes to bytes, text to text, or not to be had from single bytes
        return False
