"""The expected result of a file, computed byte by byte with Python's csv module and pydantic: slow and simple."""

import codecs
import csv
import io
import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from baton.foreign import HEAD_BYTES
from baton.job import Dialect, Job, Missing
from baton_proof.fuzz.cases import Case
from baton_proof.fuzz.readings import is_misread

_VALUE_CHARACTERS_MAX: Final = 200
_ALSO_CHARACTERS_MAX: Final = 100
_ALSO_MAX: Final = 5
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class RejectLine:
    """One line of rejects.csv, all of it."""

    record_number: int
    byte_offset: int
    column: str
    rule: str
    value: str
    line: str
    also: str


@dataclass(frozen=True, slots=True)
class _Why:
    """What is reported of a rejected record."""

    column: str
    rule: str
    value: str
    also: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a batch must end. `result` and `rejects` are those of a COMPLETED one."""

    failure: str | None
    result: bytes = b""
    rejects: tuple[RejectLine, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    """The bytes of one record, without its terminator, and where it begins."""

    start: int
    raw: bytes
    defect: str | None
    column: int
    """That the defect is in, from 1; 0 without one."""
    is_open: bool
    quoted: bytes
    """As `raw`, with 1 for each byte inside quotes and 0 for any other."""


def expected(case: Case) -> Ended:
    """Return how the case must end."""
    body, dialect = case.body, case.job.dialect
    start = len(_MARK) * body.startswith(_MARK)
    lines = [line for line in _lines(body, start, dialect) if line.raw]
    if failure := _is_no_such_text(case, body[start:]):
        return Ended(failure)
    if not lines:
        return Ended("empty_file")
    header = _spelt(_fields(lines[0].raw, dialect), case.job)
    if failure := _misread(case, lines[0], header):
        return Ended(failure)
    if lines[-1].is_open:
        return Ended("unbalanced_quote")
    good: list[Sequence[str]] = []
    rejects: list[RejectLine] = []
    for number, line in enumerate(lines[1:], 1):
        why, row = _judged(line, header, case)
        if why:
            text = line.raw.decode(dialect.encoding, "backslashreplace")
            rejects.append(RejectLine(number, line.start, why.column, why.rule, why.value, text, why.also))
        else:
            good.append(row)
    if len(rejects) > case.job.limits.rejects_allowed(len(lines) - 1):
        return Ended("too_many_rejects")
    return Ended(None, _written([case.job.output_columns(header), *good]), tuple(rejects))


def _is_no_such_text(case: Case, unmarked: bytes) -> str | None:
    """Return why the file is no CSV in UTF-8, or in the job's encoding, before its header is looked at."""
    body = case.body
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    if wide or (unmarked != body and case.job.dialect.encoding != "utf-8"):
        return "encoding"
    if case.is_foreign or (case.job.record is None and _is_json_string(unmarked)):
        return "not_csv"
    return None


def _spelt(header: Sequence[str], job: Job) -> tuple[str, ...]:
    """Return the names as the job spells them: composed and decomposed letters are the same."""
    spelling = {unicodedata.normalize("NFC", name): name for name in job.columns or ()}
    return tuple(spelling.get(unicodedata.normalize("NFC", name), name) for name in header)


def _is_json_string(body: bytes) -> bool:
    """Return whether a file is one string and no more, which a name in quotes without a line end is as well."""
    try:
        return isinstance(json.loads(body), str) and not body.endswith((b"\n", b"\r"))
    except ValueError:
        return False


def _misread(case: Case, line: _Line, header: tuple[str, ...]) -> str | None:
    """Return why the file is not what the job takes it for: another encoding, another delimiter, other line ends."""
    failure = _of_header(case, line, header)
    dialect = case.job.dialect
    # A header that is the job's columns has shown what the encoding is.
    shown = case.job.record is not None and not line.raw.isascii() and failure is None
    settled = dialect.encoding == "utf-8" or dialect.encoding_is_certain or shown
    # What is checked first: the header, unless the whole file is checked before, as it is if nothing ends the header.
    is_whole = len(case.body) < HEAD_BYTES or line.start + len(line.raw) == len(case.body)
    if not settled and is_misread(case.body, dialect.encoding) and not (failure and not is_whole):
        return "encoding"
    return failure


def _of_header(case: Case, line: _Line, header: tuple[str, ...]) -> str | None:
    if line.is_open:
        return "unbalanced_quote"
    encoding = case.job.dialect.encoding
    if line.defect == "bare_cr" and line.raw.strip():
        return "header"
    try:
        line.raw.decode(encoding)
    except UnicodeDecodeError:
        return "encoding"
    if not line.raw.strip():
        return "empty_file"
    if line.defect or any("\r" in name.replace("\r\n", "") for name in header):
        return "header"
    if case.job.record is None:
        several = len(header) == 1 and _holds_other_delimiter(line.raw.decode("latin-1"), case)
        doubled = len({unicodedata.normalize("NFC", name) for name in header}) < len(header)
        swallowed = _swallowed(line, len(header), case.job.dialect, defective=False)
        return "header" if several or doubled or swallowed else None
    if sorted(header) == sorted(case.job.columns or ()):
        return None
    # Its names are the job's in another encoding.
    raw = [field.encode(encoding, "replace") for field in _fields(line.raw, case.job.dialect)]
    as_utf8 = _spelt([each.decode("utf-8", "replace") for each in raw], case.job)
    return "encoding" if sorted(as_utf8) == sorted(case.job.columns or ()) else "header"


def _holds_other_delimiter(line: str, case: Case) -> bool:
    quote = case.job.dialect.quote
    others = set(",;\t|\x01\x1f") - {case.job.dialect.delimiter, quote}
    return any(len(next(csv.reader([line], delimiter=other, quotechar=quote))) > 1 for other in others)


def _judged(line: _Line, header: tuple[str, ...], case: Case) -> tuple[_Why | None, Sequence[str]]:
    """Return the first thing wrong with a record, or the row of the result."""
    job = case.job
    fields = _fields(line.raw, job.dialect)
    if defect := _defect(line, len(fields), header, job.dialect):
        return defect, ()
    encoding = job.dialect.encoding
    try:
        line.raw.decode(encoding)
    except UnicodeDecodeError as error:
        told = f"byte 0x{line.raw[error.start]:02x} at {error.start}"
        before = _fields(line.raw[: error.start] + b"x", job.dialect)
        return _Why(header[len(before) - 1][:_VALUE_CHARACTERS_MAX], "encoding", told), ()
    record = dict(zip(header, fields, strict=True))
    if job.record is not None:
        try:
            job.record.model_validate(record)
        except ValidationError as error:
            return _broken(error.errors(), record), ()
    return _enriched(record, fields, case)


def _defect(line: _Line, fields: int, header: Sequence[str], dialect: Dialect) -> _Why | None:
    columns = len(header)
    code = line.defect or ("columns" if fields != columns else None)
    lines = 0
    if code not in {"nul_byte", "bare_cr"}:
        lines = _swallowed(line, columns, dialect, defective=bool(code))
    told = {
        "nul_byte": "a NUL byte",
        "bare_cr": "a carriage return that ends no line",
        "swallowed": f"quotes hold {lines:,} more line{'s that look' if lines > 1 else ' that looks'} like records: "
        "is one of them left open?",
        "quote": "text after a closing quote",
        "columns": f"{fields} fields, expected {columns}",
    }
    code = "swallowed" if lines else code
    column = header[line.column - 1] if code == line.defect and 0 < line.column <= columns else ""
    return _Why(column, code, told[code]) if code else None


def _swallowed(line: _Line, columns: int, dialect: Dialect, *, defective: bool) -> int:
    """Return how many lines that look like records the record took in: see `baton.csv.lines`."""
    ends = [at for at, byte in enumerate(line.raw) if byte == ord("\n") and line.quoted[at]]
    if dialect.lines_in_fields or columns == 1 or not ends:
        return 0
    edges = [0, *(end + 1 for end in ends)], [*ends, len(line.raw)]
    parts = [(a, b) for a, b in zip(*edges, strict=True) if line.raw[a:b] not in {b"", b"\r"}]
    like = {(a, b): _delimiters(line, a, b, columns, dialect) == columns - 1 for a, b in parts}
    between = [like[part] for part in parts if part[0] > 0 and part[1] < len(line.raw)]
    outer = [like[part] for part in parts if part[0] == 0 or part[1] == len(line.raw)]
    many = columns >= 4
    telling = (
        (sum(outer) == 2 and (bool(between) or many or defective))
        or (sum(between) >= 3 and many)
        or (any(between) and defective)
    )
    return len(between) + 1 if telling and 10 * sum(between) >= 9 * len(between) else 0


def _delimiters(line: _Line, start: int, end: int, columns: int, dialect: Dialect) -> int:
    """Return how many delimiters a stretch holds, without the commas of prose."""
    outside = [
        line.raw[at + 1 : at + 2] for at, byte in enumerate(line.raw) if byte == ord(",") and not line.quoted[at]
    ]
    outside = [byte for byte in outside if byte != dialect.quote.encode()]
    spaced = 2 * outside.count(b" ") > len(outside)
    behind = (b"" if spaced else b" ") + (b"" if columns >= 4 else b"\n\r")
    prose = dialect.delimiter == ","
    return sum(
        line.raw[at] == ord(dialect.delimiter)
        and not (prose and line.quoted[at] and line.raw[at + 1 : at + 2] in {bytes([each]) for each in behind})
        for at in range(start, end)
    )


def _enriched(record: dict[str, str], fields: Sequence[str], case: Case) -> tuple[_Why | None, Sequence[str]]:
    lookup = case.job.lookup
    if lookup is None:
        return None, _picked(case.job, record, fields)
    key = record[lookup.key]
    row = case.reference.get(unicodedata.normalize("NFC", key))
    if row is None and lookup.missing is Missing.REJECT:
        return _Why(lookup.key, "missing_reference", key[:_VALUE_CHARACTERS_MAX]), ()
    added = [row[column] if row else "" for column in lookup.columns]
    return None, _picked(case.job, record | dict(zip(lookup.columns, added, strict=True)), [*fields, *added])


def _picked(job: Job, record: dict[str, str], fields: Sequence[str]) -> Sequence[str]:
    return fields if job.output is None else [record[name] for name in job.output]


def _broken(found: Sequence[Any], record: dict[str, str]) -> _Why:
    """Return the first of the rules that a record breaks, with its value, and some of the others."""
    reasons = [(str(item["loc"][0]) if item["loc"] else "", _rule(item)) for item in found]
    column, rule = reasons[0]
    if column in record:
        told = record[column]
    else:  # the record as a whole is at fault, and a rule in own words has said it all
        told = "" if rule.startswith(("value_error", "assertion_error")) else found[0]["msg"]
    also = [f"{column}: {rule}"[:_ALSO_CHARACTERS_MAX] for column, rule in reasons[1:]]
    if len(also) > _ALSO_MAX:
        also[_ALSO_MAX:] = [f"and {len(also) - _ALSO_MAX:,} more"]
    return _Why(column, rule, told[:_VALUE_CHARACTERS_MAX], "; ".join(also))


def _rule(item: Any) -> str:
    rule = item["type"]
    own = rule in {"value_error", "assertion_error"}
    return f"{rule}: {item['ctx']['error']}"[:_VALUE_CHARACTERS_MAX] if own else rule


def _fields(raw: bytes, dialect: Dialect) -> tuple[str, ...]:
    """Return the fields of one record, by the csv module."""
    text = io.StringIO(raw.decode(dialect.encoding, "replace"), newline="")
    rows = list(csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote))
    return tuple(rows[0])


def _lines(body: bytes, start: int, dialect: Dialect) -> Iterator[_Line]:
    """Yield records, blank ones too."""
    delimiter, quote = ord(dialect.delimiter), ord(dialect.quote)
    begin, state = start, "start"
    column, defects = 1, dict[str, int]()
    quoted = bytearray()
    for at in range(start, len(body)):
        byte = body[at]
        quoted.append(state == "quoted")
        if byte == 0:
            defects.setdefault("nul_byte", column)
        if state == "quoted":
            state = "closed" if byte == quote else state
            continue
        if byte == ord("\n"):
            yield _line(body, begin, at, defects, bytes(quoted), is_open=False)
            begin, state = at + 1, "start"
            column, defects = 1, {}
            quoted = bytearray()
            continue
        if byte == ord("\r") and body[at + 1 : at + 2] == b"\n":
            continue
        if byte == ord("\r"):
            defects.setdefault("bare_cr", column)
        state = _next(state, byte, delimiter, quote)
        column += byte == delimiter
        defects |= {} if state != "after" else {"quote": defects.get("quote", column)}
    if begin < len(body):
        yield _line(body, begin, len(body), defects, bytes(quoted), is_open=state == "quoted")


def _next(state: str, byte: int, delimiter: int, quote: int) -> str:
    """Return what follows a byte outside quotes."""
    if byte == quote and state in {"start", "closed"}:
        return "quoted"
    if byte == delimiter:
        return "start"
    return "after" if state in {"closed", "after"} else "text"


def _line(body: bytes, begin: int, end: int, defects: dict[str, int], quoted: bytes, *, is_open: bool) -> _Line:
    terminated = end < len(body)
    raw = body[begin:end]
    if terminated and raw.endswith(b"\r"):
        raw = raw[:-1]
    first = next((code for code in ("nul_byte", "bare_cr", "quote") if code in defects), None)
    return _Line(begin, raw, first, defects.get(first or "", 0), is_open, quoted[: len(raw)])


def _written(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
