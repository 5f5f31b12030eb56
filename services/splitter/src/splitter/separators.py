"""Guesses by a header which other character separates the columns of a file. No I/O."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from baton.csv import Syntax, fields
from baton.encoding import composed
from baton.job import Dialect

_IN_NO_NAME: Final = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
"""One of them without quotes makes one column two."""
_OFTEN: Final = (";", "\t", "|", ",", "\x01", "\x1f")
"""What separates columns of which some are named with the job's delimiter."""
_COLON: Final = re.compile(rb"(?<![0-9]):(?![\s/]|\Z)|:(?![\s/0-9]|\Z)")
"""None of `note: x`, `http://x`, `12:30`."""
_COLONS_MIN: Final = 2
"""One stands in names: `dc:title`."""
_WORD_OF_A_PROGRAM: Final = re.compile(rb"\S*_\S*")
_WORDS_OF_A_PROGRAM_MIN: Final = 2
_GAP: Final = re.compile(rb"(?<=[^ ]) {2,}(?=[^ ])")
_WIDE_GAP: Final = b"   "
_GAPS_MIN: Final = 2
_LINE_BYTES_MAX: Final = 64 * 1024
"""What a guess says of a longer line is short of the truth, and soon said."""


@dataclass(frozen=True, slots=True)
class Separated:
    """Into how many columns a character takes a header apart."""

    by: str
    columns: int


def names_by_other(line: bytes, dialect: Dialect) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each other character that may separate columns, and the names that it makes of a header."""
    for other in _others((*_IN_NO_NAME, ":", " "), dialect):
        yield other, tuple(composed(name.decode(dialect.encoding, "replace")) for name in _split(line, other, dialect))


def is_certain(delimiter: str) -> bool:
    """Return whether a character in a name is nearly always a delimiter; a colon and a space are not."""
    return delimiter in _IN_NO_NAME


def likely_other(line: bytes, dialect: Dialect) -> Separated | None:
    """Return what seems to separate the columns of a header that may have any names, if it is not the job's delimiter.

    A header of several columns must hold another character more often than its own: `id;net, gross;tax,x;day`. A name
    in quotes holds none.
    """
    line = line[:_LINE_BYTES_MAX]
    columns = len(_split(line, dialect.delimiter, dialect))
    quote = re.escape(dialect.quote.encode())
    bare = re.sub(quote + b"[^" + quote + b"]*" + quote, b"", line)
    if columns > 1:
        counted = (Separated(other, _count(bare, other) + 1) for other in _others(_OFTEN, dialect))
        most = max(counted, key=lambda each: each.columns)
        return most if most.columns > columns else None
    for other in _others(_IN_NO_NAME, dialect):
        found = len(_split(line, other, dialect))
        if found > 1:
            return Separated(other, found)
    return _separated_by_colons(bare, dialect) or _separated_by_spaces(bare, dialect)


def _separated_by_colons(bare: bytes, dialect: Dialect) -> Separated | None:
    colons = len(_COLON.findall(bare)) if ":" not in (dialect.delimiter, dialect.quote) else 0
    return Separated(":", colons + 1) if colons >= _COLONS_MIN else None


def _separated_by_spaces(bare: bytes, dialect: Dialect) -> Separated | None:
    """Tell a file of fixed widths by its gaps, and one with spaces by names that only programs have."""
    if " " in (dialect.delimiter, dialect.quote):
        return None
    gaps = _GAP.findall(bare)
    words = bare.split()
    of_a_program = sum(_WORD_OF_A_PROGRAM.fullmatch(word) is not None for word in words)
    if len(gaps) >= _GAPS_MIN or any(_WIDE_GAP in gap for gap in gaps):
        return Separated(" ", len(gaps) + 1)
    return Separated(" ", len(words)) if of_a_program >= _WORDS_OF_A_PROGRAM_MIN else None


def _count(bare: bytes, delimiter: str) -> int:
    """Return how often a line holds it, without the commas of prose."""
    return len(re.findall(rb",(?! )", bare)) if delimiter == "," else bare.count(delimiter.encode())


def _others(delimiters: Sequence[str], dialect: Dialect) -> list[str]:
    return [other for other in delimiters if other not in (dialect.delimiter, dialect.quote)]


def _split(line: bytes, delimiter: str, dialect: Dialect) -> tuple[bytes, ...]:
    return fields(line[:_LINE_BYTES_MAX], Syntax.of(delimiter, dialect.quote))
