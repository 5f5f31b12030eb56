"""Checks the header against the job; if it does not match, the reason is for the sender of the file. No I/O."""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from baton.csv import Header, RecordDefect, Syntax, cut
from baton.encoding import UTF8, composed
from baton.errors import BatchFailed
from baton.job import Dialect, Job, delimiters
from baton.shown import shown
from splitter.separators import is_certain, likely_other, names_by_other

COLUMNS_MAX: Final = 10_000
"""A worker handles a chunk column by column: about 0.1 ms each. More is no table but a line without its line ends."""
_CR_ALONE: Final = (
    "the header holds a lone carriage return: the lines of the file seem to end in CR alone, as old Macs wrote them; "
    "save it with lines that end in LF or CRLF (in Excel: not “CSV (Macintosh)”)"
)
_CR_TOO_MANY: Final = (
    "the first line ends in CR CR LF, which is one carriage return too many: a program on Windows converted the line "
    "ends twice; save the file with lines that end in LF or CRLF"
)
_LONE_CR: Final = re.compile("\r(?!\n)")
_EXCEL_HINT: Final = re.compile(rb'"?sep=[^\r\n]?"?', re.IGNORECASE)
_NOTHING_TO_SEE: Final = ("Zs", "Zl", "Zp", "Cc", "Cf")
_SHOWN_MAX: Final = 10
"""Names in a reason: enough for a mail."""
_NAME_CHARS_MAX: Final = 80
_DIFFERENCES_MAX: Final = 3
_ALIKE_RATIO_MIN: Final = 0.5
_NEARLY_RATIO_MIN: Final = 0.8
_COMPARED_MAX: Final = 30
"""Names compared with each of as many columns. Most pairs are distinguished by what letters they have, in microseconds;
long ones of the same letters take half a millisecond."""


def check_header(job: Job, header: Header) -> tuple[str, ...]:
    """Return the column names in file order, spelt as the job spells them; as the file does if any header will do.

    Order is free, since columns have names; anything missing, doubled or unknown is an error before any work. Raises
    `BatchFailed`: `header`, `encoding` if it does not decode, `empty_file` if nothing is to be seen in it.
    """
    _check_line_ends(job.dialect, header)
    if len(header.fields) > COLUMNS_MAX:
        raise BatchFailed("header", f"the header has {len(header.fields):,} columns; at most {COLUMNS_MAX:,} are taken")
    names = _decoded(job.dialect, header)
    _check_form(names, header)
    expected = job.columns
    if expected is None:
        _check_delimiter(job.dialect, header)
        _check_quotes(job.dialect, header)
        _check_doubled([name for name in names if not _is_blank(name)])
        return names
    if not _names_any(expected, names):
        raise _mismatch(job, expected, names, header)
    spelling = {composed(name): name for name in expected}
    names = tuple(spelling.get(composed(name), name) for name in names)
    is_due = sorted(names) == sorted(expected)
    if is_due or len(names) > 1:  # of one alone a wrong delimiter may look like this, and is told first
        _check_quotes(job.dialect, header, is_due=is_due)
    _check_doubled([name for name in names if not _is_blank(name) or name in spelling])
    if not is_due:
        raise _mismatch(job, expected, names, header)
    return names


def _check_line_ends(dialect: Dialect, header: Header) -> None:
    """Refuse a file whose lines end in CR alone before anything is said of its one line, which is the whole file."""
    has_crs = b"\r" in header.line and header.line.strip()
    if has_crs and _defect(dialect, header, lines_in_fields=dialect.lines_in_fields) == "bare_cr":
        is_at_end = header.line.index(b"\r") == len(header.line) - 1
        raise BatchFailed("header", _CR_TOO_MANY if is_at_end else _CR_ALONE)


def _decoded(dialect: Dialect, header: Header) -> tuple[str, ...]:
    names = list[str]()
    for number, field in enumerate(header.fields, 1):
        try:
            names.append(field.decode(dialect.encoding))
        except UnicodeDecodeError as error:
            name = dialect.encoding_name
            raise BatchFailed(
                "encoding",
                f"the header is not {name}: byte {error.object[error.start]:#04x} at {error.start} of the name of "
                f"column {number}, {shown(field.decode(dialect.encoding, 'replace'), most=_NAME_CHARS_MAX)!r}; "
                f"save the file as {name}, or set the job's dialect.encoding to what it is",
            ) from error
    return tuple(names)


def _check_form(names: Sequence[str], header: Header) -> None:
    if all(map(_is_blank, names)):
        if len(names) == 1 and names[0]:
            raise BatchFailed("empty_file", "the file begins with a line of nothing but blanks: it has no header")
        raise BatchFailed("header", "the header names no column: it holds nothing but delimiters, quotes and blanks")
    if b"\0" in header.line:
        raise BatchFailed("header", "the header holds a NUL, which no CSV file may")
    held = [name for name in names if _LONE_CR.search(name)]
    if held:
        raise BatchFailed(
            "header", f"in the header a carriage return stands within quotes: {_quoted(held)}; take it out of the name"
        )
    if _EXCEL_HINT.fullmatch(header.line):
        shown = header.line.decode(errors="replace")
        raise BatchFailed("header", f"the first line, {shown!r}, is a hint for Excel and no header: remove it")


def _check_quotes(dialect: Dialect, header: Header, *, is_due: bool = False) -> None:
    """Refuse what a record would be rejected for, rather than take names that nobody wrote.

    `is_due`: the names are the job's, whatever their lines look like.
    """
    quote, line = dialect.quote, _quoted([header.line.decode(dialect.encoding, "replace")])
    match _defect(dialect, header, lines_in_fields=is_due or dialect.lines_in_fields):
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


def _defect(dialect: Dialect, header: Header, *, lines_in_fields: bool) -> RecordDefect | None:
    """Return what would make a record of the header's line defective."""
    syntax = Syntax.of(dialect.delimiter, dialect.quote)
    found = cut(header.line, syntax, columns=len(header.fields), lines_in_fields=lines_in_fields)
    return found.defects[0].code if found.defects else None


def _check_doubled(names: Sequence[str]) -> None:
    doubled = sorted(name for name, times in Counter(map(composed, names)).items() if times > 1)
    if doubled:
        raise BatchFailed("header", f"the header names a column twice: {_quoted(doubled)}")


def _check_delimiter(dialect: Dialect, header: Header) -> None:
    """Refuse columns that are more with another delimiter, unless it stands in quotes."""
    other, found = likely_other(header.line, dialect), len(header.fields)
    if not other:
        return
    due = delimiters(dialect.delimiter)
    here, names = ("one column", "the name") if found == 1 else (f"{found:,} columns", "each name")
    raise BatchFailed(
        "header",
        f"the header is {here}, and would be {other.columns:,} with {delimiters(other.by)} in place of {due}: save the "
        f"file with {due}, set the job's dialect.delimiter to {other.by!r}, or write {names} that holds it in quotes "
        f"({dialect.quote})",
    )


def _mismatch(job: Job, columns: Sequence[str], names: Sequence[str], header: Header) -> BatchFailed:
    if job.dialect.encoding != UTF8 and _reads_as_utf8(columns, header):
        encoding = job.dialect.encoding
        return BatchFailed("encoding", f"the header is UTF-8, but the job reads {encoding}: save it as {encoding}")
    if told := _other_delimiter(job, columns, header):
        return BatchFailed("header", told)
    if not _names_any(columns, names):
        # It may be a record, and what people write into records is not for mails.
        return BatchFailed(
            "header",
            f"the first line names none of the columns of the job {job.name!r}: is the header missing, or is the file "
            f"meant for another job? It has {len(names):,} column{'s' * (len(names) > 1)}; the job reads "
            f"{_quoted(columns)}",
        )
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
    return BatchFailed("header", ". ".join([reason, *_differences(named, missing)]))


def _names_any(columns: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether any name is a column's, or nearly so: else the line may be no header at all."""
    due = [_letters(name) for name in columns]
    found = [_letters(name) for name in names[:COLUMNS_MAX]]
    if set(due) & set(found):
        return True
    some = [name for name in found if name][:_COMPARED_MAX]
    return any(difflib.get_close_matches(other, some, 1, _NEARLY_RATIO_MIN) for other in due[:_COMPARED_MAX])


def _letters(name: str) -> str:
    """Return what is left of a name without case, accents, spaces and signs; all of it if that is nothing."""
    folded = unicodedata.normalize("NFKD", name[:_NAME_CHARS_MAX]).casefold()
    return "".join(filter(str.isalnum, folded)) or folded


def _reads_as_utf8(columns: Sequence[str], header: Header) -> bool:
    try:
        return sorted(composed(raw.decode()) for raw in header.fields) == sorted(columns)
    except UnicodeDecodeError:
        return False


def _other_delimiter(job: Job, columns: Sequence[str], header: Header) -> str:
    """Say so if another delimiter than the job's makes more of its columns of the header; else nothing."""
    dialect, due, wanted = job.dialect, delimiters(job.dialect.delimiter), set(columns)
    is_one = len(header.fields) == 1
    here = len(wanted & {composed(field.decode(dialect.encoding, "replace")) for field in header.fields})
    for other, found in names_by_other(header.line, dialect):
        looks_right = is_one and is_certain(other) and (len(found) == len(columns) or _names_any(columns, found))
        if len(found) > 1 and (looks_right or len(wanted & set(found)) > max(here, 1)):
            return (
                f"the columns of the file are separated by {delimiters(other)}, and the job {job.name!r} reads "
                f"{due}: save the file with {due}, or set the job's dialect.delimiter to {other!r}"
            )
    return ""


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
    return _ratio(_folded(name), _folded(other))


def _ratio(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name, other).ratio()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name[:_NAME_CHARS_MAX]).casefold().strip()


def _difference(name: str, expected: str) -> str:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, expected, strict=False)))
    has, should = (_named(text[same : same + 1]) for text in (name, expected))
    return f"{_quoted([name])} has {has} where the job's {_quoted([expected])} has {should}"


def _named(character: str) -> str:
    """Return what people call a character; by its code point only where it is not to be seen what it is."""
    if not character or character == " ":
        return "a space" if character else "nothing more"
    if character.isascii() and character.isprintable():
        return repr(character)
    name = unicodedata.name(character, "a control character").lower()
    return f"{repr(character) if character.isprintable() else 'the invisible'} ({name}, U+{ord(character):04X})"


def _is_blank(name: str) -> bool:
    visible = name.strip()[:_NAME_CHARS_MAX]
    return all(unicodedata.category(character) in _NOTHING_TO_SEE for character in visible)


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:_NAME_CHARS_MAX]) for name in names[:_SHOWN_MAX])
    return shown if len(names) <= _SHOWN_MAX else f"{shown} and {len(names) - _SHOWN_MAX} more"
