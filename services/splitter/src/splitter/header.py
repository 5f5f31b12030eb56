"""Checks the header against the job; if it does not match, the reason is for the sender of the file. No I/O."""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from baton.csv import Header, RecordDefect, Syntax, cut, fields
from baton.encoding import UTF8, composed
from baton.errors import BatchFailed
from baton.job import Dialect, Job

COLUMNS_MAX: Final = 10_000
"""A worker handles a chunk column by column: about 0.1 ms each. More is no table but a line without its line ends."""
_LONE_CR: Final = re.compile("\r(?!\n)")
_OTHER_DELIMITERS: Final = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
_EXCEL_HINT: Final = re.compile(rb'"?sep=[^\r\n]?"?', re.IGNORECASE)
_NOTHING_TO_SEE: Final = ("Zs", "Zl", "Zp", "Cc", "Cf")
_SHOWN_MAX: Final = 10
"""Names in a reason: enough for a mail."""
_NAME_CHARS_MAX: Final = 80
_LINE_BYTES_MAX: Final = 64 * 1024
_DIFFERENCES_MAX: Final = 3
_ALIKE_RATIO_MIN: Final = 0.5


def check_header(job: Job, header: Header) -> tuple[str, ...]:
    """Return the column names in file order, spelt as the job spells them; as the file does if any header will do.

    Order is free, since columns have names; anything missing, doubled or unknown is an error before any work. Raises
    `BatchFailed`: `header`, `encoding` if it does not decode, `empty_file` if nothing is to be seen in it.
    """
    if len(header.fields) > COLUMNS_MAX:
        raise BatchFailed("header", f"the header has {len(header.fields):,} columns; at most {COLUMNS_MAX:,} are taken")
    names = _decoded(job.dialect, header.fields)
    _check_form(job.dialect, names, header)
    if len(names) > 1:  # of one alone a wrong delimiter may look like this, and is told first
        _check_quotes(job.dialect, header)
    expected = job.columns
    if expected is None:
        _check_delimiter(job.dialect, header)
        _check_quotes(job.dialect, header)
        _check_doubled([name for name in names if not _is_blank(name)])
        return names
    spelling = {composed(name): name for name in expected}
    names = tuple(spelling.get(composed(name), name) for name in names)
    _check_doubled([name for name in names if not _is_blank(name) or name in spelling])
    if sorted(names) != sorted(expected):
        raise _mismatch(job, expected, names, header)
    _check_quotes(job.dialect, header)
    return names


def _decoded(dialect: Dialect, raw: Sequence[bytes]) -> tuple[str, ...]:
    try:
        return tuple(field.decode(dialect.encoding) for field in raw)
    except UnicodeDecodeError as error:
        raise BatchFailed(
            "encoding",
            f"the header is not {dialect.encoding}: byte {error.object[error.start]:#04x}; "
            "set the job's dialect.encoding if the file is meant to be written otherwise",
        ) from error


def _check_form(dialect: Dialect, names: Sequence[str], header: Header) -> None:
    if all(map(_is_blank, names)):
        if len(names) == 1 and names[0]:
            raise BatchFailed("empty_file", "the file begins with a line of nothing but blanks: it has no header")
        raise BatchFailed("header", "the header names no column: it holds nothing but delimiters, quotes and blanks")
    if b"\0" in header.line:
        raise BatchFailed("header", "the header holds a NUL, which no CSV file may")
    held = [name for name in names if _LONE_CR.search(name)]
    if held and _defect(dialect, header) == "bare_cr":
        raise BatchFailed("header", "the header holds a lone carriage return; lines must end in LF or CRLF")
    if held:
        raise BatchFailed(
            "header", f"in the header a carriage return stands within quotes: {_quoted(held)}; take it out of the name"
        )
    if _EXCEL_HINT.fullmatch(header.line):
        shown = header.line.decode(errors="replace")
        raise BatchFailed("header", f"the first line, {shown!r}, is a hint for Excel and no header: remove it")


def _check_quotes(dialect: Dialect, header: Header) -> None:
    """Refuse what a record would be rejected for, rather than take names that nobody wrote."""
    quote, line = dialect.quote, _quoted([header.line.decode(dialect.encoding, "replace")])
    match _defect(dialect, header):
        case "quote":
            raise BatchFailed(
                "header",
                f"the header has text after a closing quote: {line}; close the quote ({quote}) at the end of the name, "
                f"and write one that belongs to a name twice ({2 * quote})",
            )
        case "swallowed":
            raise BatchFailed(
                "header", f"quotes in the header hold lines that look like records: {line}; is one of them left open?"
            )
        case _:
            pass


def _defect(dialect: Dialect, header: Header) -> RecordDefect | None:
    """Return what would make a record of the header's line defective."""
    syntax = Syntax.of(dialect.delimiter, dialect.quote)
    found = cut(header.line, syntax, columns=len(header.fields), lines_in_fields=dialect.lines_in_fields)
    return found.defects[0].code if found.defects else None


def _check_doubled(names: Sequence[str]) -> None:
    doubled = sorted(name for name, times in Counter(map(composed, names)).items() if times > 1)
    if doubled:
        raise BatchFailed("header", f"the header names a column twice: {_quoted(doubled)}")


def _check_delimiter(dialect: Dialect, header: Header) -> None:
    """Refuse one column that is several with another delimiter, unless it stands in quotes."""
    if len(header.fields) > 1:
        return
    for other in _other_delimiters(dialect):
        columns = _split(header, other, dialect)
        if len(columns) > 1:
            name = _quoted([header.line.decode(dialect.encoding, "replace")])
            raise BatchFailed(
                "header",
                f"the header is one column, {name}; it would have {len(columns)} with the delimiter {other!r}: set the "
                f"job's dialect.delimiter, or write the name in quotes ({dialect.quote}) if it is one",
            )


def _mismatch(job: Job, columns: Sequence[str], names: Sequence[str], header: Header) -> BatchFailed:
    if job.dialect.encoding != UTF8 and _reads_as_utf8(columns, header):
        encoding = job.dialect.encoding
        return BatchFailed("encoding", f"the header is UTF-8, but the job reads {encoding}: save it as {encoding}")
    here, due = set(names), set(columns)
    missing = [name for name in columns if name not in here]
    unknown = [name for name in names if name not in due]
    named = [name for name in unknown if not _is_blank(name)]
    parts = [f"missing {_quoted(missing)}"] * bool(missing) + [f"unknown {_quoted(named)}"] * bool(named)
    if nameless := len(unknown) - len(named):
        at_end = len(list(takewhile(_is_blank, reversed(names)))) == nameless
        without = f"{nameless} column{'s' * (nameless > 1)} without a name"
        parts.append(f"{without} at the end: its lines end in delimiters" if at_end else without)
    reason = f"the header does not match the job {job.name!r}: {'; '.join(parts)}"
    return BatchFailed(
        "header", ". ".join([reason, *_hints(job.dialect, columns, header), *_differences(named, missing)])
    )


def _reads_as_utf8(columns: Sequence[str], header: Header) -> bool:
    try:
        return sorted(composed(raw.decode()) for raw in header.fields) == sorted(columns)
    except UnicodeDecodeError:
        return False


def _hints(dialect: Dialect, columns: Sequence[str], header: Header) -> list[str]:
    for other in _other_delimiters(dialect):
        if len(header.fields) == 1 and len(_split(header, other, dialect)) == len(columns) > 1:
            return [f"It would have {len(columns)} columns with the delimiter {other!r}: set dialect.delimiter"]
    return []


def _differences(unknown: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Tell names apart that look alike: by case, a space, a letter of another script."""
    left = list(missing[:_SHOWN_MAX])
    found: list[str] = []
    for name in unknown[:_SHOWN_MAX]:
        meant = max(left, key=lambda other: _likeness(name, other), default=None)
        if meant is not None and (_likeness(name, meant) >= _ALIKE_RATIO_MIN or len(name) == len(meant) == 1):
            left.remove(meant)
            found.append(_difference(composed(name), meant))
    return found[:_DIFFERENCES_MAX]


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _folded(name), _folded(other)).ratio()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name[:_NAME_CHARS_MAX]).casefold().strip()


def _difference(name: str, expected: str) -> str:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, expected, strict=False)))
    has, should = (_named(text[same : same + 1]) for text in (name, expected))
    return f"{_quoted([name])} has {has} where the job's {_quoted([expected])} has {should}"


def _named(character: str) -> str:
    if not character:
        return "nothing more"
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'a control character')})"


def _other_delimiters(dialect: Dialect) -> list[str]:
    return [other for other in _OTHER_DELIMITERS if other not in (dialect.delimiter, dialect.quote)]


def _split(header: Header, delimiter: str, dialect: Dialect) -> tuple[bytes, ...]:
    # What a hint says of a longer line is short of the truth, and soon said.
    line = header.line[:_LINE_BYTES_MAX]
    return fields(line, Syntax.of(delimiter, dialect.quote))


def _is_blank(name: str) -> bool:
    visible = name.strip()[:_NAME_CHARS_MAX]
    return all(unicodedata.category(character) in _NOTHING_TO_SEE for character in visible)


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:_NAME_CHARS_MAX]) for name in names[:_SHOWN_MAX])
    return shown if len(names) <= _SHOWN_MAX else f"{shown} and {len(names) - _SHOWN_MAX} more"
