"""Files of awkward shapes, each by its size, and the jobs that they are sent to."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, create_model, model_validator

from baton.job import Dialect, Job, Limits, Lookup, Record
from baton.model.plan import MIB
from baton.ports import Row

JOB: Final = "shape"
_RECIPIENTS: Final = ("nobody@example.com",)
HEADER: Final = b"a,b,c,d,e,f,g,h\n"
ROW: Final = b"535113847,Azerbaijan,Snacks,Online,C,10/8/14,Middle East,10/23/14\n"


class _Eight(Record):
    """Eight columns, the first of which must hold nine digits."""

    a: Annotated[str, Field(pattern="^[0-9]{9}$")]
    b: str
    c: str
    d: str
    e: str
    f: str
    g: str
    h: str


class _Ordered(Record):
    """Two columns that are judged together."""

    low: str
    high: str

    @model_validator(mode="after")
    def _in_order(self) -> "_Ordered":
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


@cache
def _of_ten_thousand() -> Job:
    return _of_columns(_TEN_THOUSAND, Annotated[str, Field(min_length=1)])


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must be filled in: ask the department that owns this column for it")
    return text


def _number(text: str) -> str:
    int(text)  # says which text is no number: a wording for each
    return text


def _of_columns(names: Sequence[str], type_: Any, lookup: Lookup | None = None) -> Job:
    fields: dict[str, Any] = dict.fromkeys(names, (type_, ...))
    return _patient(create_model("Columns", __base__=Record, **fields), lookup=lookup)


def _patient(record: type[Record] | None, *, lookup: Lookup | None = None, dialect: Dialect | None = None) -> Job:
    """Return a job that rejects do not stop."""
    return Job(
        name=JOB,
        record=record,
        lookup=lookup,
        dialect=dialect or Dialect(),
        limits=Limits(max_rejects_percent=100),
        recipients=_RECIPIENTS,
    )


_TEN_THOUSAND: Final = tuple(f"c{n}" for n in range(10_000))
_HUNDRED: Final = tuple(f"customer_attribute_{n:03}" for n in range(100))
_THIRTY: Final = tuple(f"attribute_{n:02}" for n in range(30))
_STRICT: Final = Job(name=JOB, record=_Eight, recipients=_RECIPIENTS)
PATIENT: Final = _patient(_Eight)
_ANY: Final = _patient(None)
_DIGITS: Final = Annotated[str, Field(pattern="^[0-9]+$")]
_WORDY: Final = tuple(f"word_{n}" for n in range(10))
_WORDY_LOOKUP: Final = Lookup(dataset="wordy", key="key", columns=_WORDY)
_WORDY_ROWS: Final = {
    f"{key:07}": {"key": f"{key:07}"} | {name: f"{name} of {key:07}: ".ljust(100, "x") for name in _WORDY}
    for key in range(1_000)
}
_SHORT_ROWS: Final = b"".join(b"%07d\n" % (key % 1_000) for key in range(8_192))


@dataclass(frozen=True, slots=True)
class Shape:
    """A file by its size in bytes, and the job that it is sent to."""

    made: Job | Callable[[], Job]
    """A job that takes long to make is made for its own shape only."""
    body: Callable[[int], bytes]
    chunk_bytes: int = 16 * MIB
    reference: Mapping[str, Row] = field(default_factory=dict[str, Row])
    """What the job's lookup finds, by key."""
    is_costly: bool = False
    """Whether its rows take a multiple of the time that ordinary ones do."""

    @property
    def job(self) -> Job:
        return self.made if isinstance(self.made, Job) else self.made()


def _lines(line: bytes, *, first: bytes = HEADER + ROW) -> Callable[[int], bytes]:
    return lambda size: first + line * (size // len(line))


def _blank_between(size: int) -> bytes:
    return HEADER + ROW * 10 + b"\n" * size + ROW * 10


def _quoted(size: int) -> bytes:
    field = b'"' + b"free, text\n" * (900 * 1024 // 11) + b'"'
    return b"first,second\n" + (field + b",1\n") * max(1, size // len(field))


def _plain_long(size: int) -> bytes:
    row = b"1," + b"free text " * (900 * 1024 // 10) + b"\n"
    return b"first,second\n" + row * max(1, size // len(row))


def _to_the_byte(size: int) -> bytes:
    """Return records of 64 bytes, behind a header of as many: what a chunk of 2^n bytes ends with."""
    row = ROW.strip()[:63] + b"\n"
    return b"%s,%s\n" % (HEADER.strip()[:-2], b"h" * 48) + row * (size // len(row))


def _wide(size: int) -> bytes:
    row = b",".join([b"12345"] * 10_000) + b"\n"
    return _titled(_TEN_THOUSAND) + row * max(1, size // len(row))


def _worded(size: int) -> bytes:
    return b"a\n" + b"1\n" + b"".join(b"x%06d\n" % n for n in range(size // 8))


def _some_empty(size: int) -> bytes:
    dice = random.Random(1)
    rows = (b",".join(dice.choice((b"", b"x")) for _ in _THIRTY) + b"\n" for _ in range(size // 45))
    return _titled(_THIRTY) + b",".join([b"x"] * 30) + b"\n" + b"".join(rows)


def _titled(names: Sequence[str]) -> bytes:
    return ",".join(names).encode() + b"\n"


def _empty(number: int) -> Shape:
    names = tuple(f"c{n}" for n in range(number))
    first = _titled(names) + b",".join([b"x"] * number) + b"\n"
    job = _of_columns(names, Annotated[str, Field(min_length=1)])
    return Shape(job, _lines(b"," * (number - 1) + b"\n", first=first), is_costly=True)


_EMPTY_HUNDRED: Final = _lines(b"," * 99 + b"\n", first=_titled(_HUNDRED) + b",".join([b"x"] * 100) + b"\n")

SHAPES: Final[Mapping[str, Shape]] = {
    "ordinary rows": Shape(_STRICT, _lines(ROW)),
    "rows that end in CR LF": Shape(_STRICT, _lines(ROW[:-1] + b"\r\n")),
    "all fields quoted": Shape(_STRICT, _lines(b'"' + ROW[:-1].replace(b",", b'","') + b'"\n')),
    "a literal quote in each row": Shape(_STRICT, _lines(ROW[:12] + b'5" ' + ROW[12:])),
    "characters of four bytes": Shape(_STRICT, _lines("535113847,😀😀😀,😀,😀,😀,😀😀,😀,😀\n".encode())),
    "one byte that becomes three": Shape(
        _patient(None, dialect=Dialect(encoding="cp1252")), _lines(b"\x80" * 63 + b"\n", first=b"a\n"), is_costly=True
    ),
    "chunks that end at their bound": Shape(_ANY, _to_the_byte, chunk_bytes=MIB),
    "rows of one byte": Shape(_ANY, _lines(b"x\n", first=b"a\n")),
    "rows of one byte, all rejected": Shape(
        _of_columns(("a",), _DIGITS), _lines(b"x\n", first=b"a\n1\n"), is_costly=True
    ),
    "empty rows of a sheet": Shape(_STRICT, _lines(b",,,,,,,\n")),
    "empty rows, all allowed": Shape(PATIENT, _lines(b",,,,,,,\n"), is_costly=True),
    "rows too narrow": Shape(_STRICT, _lines(b"x\n"), is_costly=True),
    "rows too narrow, all allowed": Shape(PATIENT, _lines(b"x\n"), is_costly=True),
    "rows too wide, all allowed": Shape(PATIENT, _lines(ROW[:-1] + b",x\n")),
    "short rows too wide, all allowed": Shape(_patient(None), _lines(b",,\n", first=b"a,b\n1,2\n"), is_costly=True),
    "rows of a NUL": Shape(_of_columns(("a",), str), _lines(b"\0\n", first=b"a\n1\n"), is_costly=True),
    "text behind each quote": Shape(_of_columns(("a",), str), _lines(b'""x\n', first=b"a\n1\n"), is_costly=True),
    "blank lines before the header": Shape(_STRICT, lambda size: b"\n" * size + HEADER + ROW),
    "blank lines between": Shape(_STRICT, _blank_between),
    "blank lines behind": Shape(_STRICT, lambda size: HEADER + ROW * 10 + b"\r\n" * (size // 2)),
    "all rejected by a rule": Shape(_STRICT, _lines(ROW[1:])),
    "all rejected by a rule, all allowed": Shape(PATIENT, _lines(ROW[1:])),
    "all rejected by two columns together": Shape(
        _patient(_Ordered), _lines(b"7,3\n", first=b"low,high\n1,2\n"), is_costly=True
    ),
    "rejects of 4 KiB": Shape(_of_columns(("a",), _DIGITS), _lines(b"x" * 4_095 + b"\n", first=b"a\n1\n")),
    "rejects of 4 KiB, nothing but quotes": Shape(
        _of_columns(("a",), _DIGITS), _lines(b'"' + b'""' * 2_047 + b'"\n', first=b"a\n1\n")
    ),
    "none can be decoded, all allowed": Shape(PATIENT, _lines(ROW[:-1] + b"\xff\n")),
    "not a byte can be decoded, all allowed": Shape(
        _of_columns(("a",), str), _lines(b"\xff" * 63 + b"\n", first=b"a\n1\n"), is_costly=True
    ),
    "rows of one byte that cannot be decoded": Shape(
        _of_columns(("a",), str), _lines(b"\xff\n", first=b"a\n1\n"), is_costly=True
    ),
    "rows of a byte that is no character": Shape(
        _patient(None, dialect=Dialect(encoding="cp1252")),
        _lines(b"\x81\n", first=b"a\n" + b"1\n" * 1_000),
        is_costly=True,
    ),
    "a wording for each value": Shape(
        _of_columns(("a",), Annotated[str, AfterValidator(_number)]), _worded, is_costly=True
    ),
    "long quoted fields": Shape(_ANY, _quoted),
    "long fields without quotes": Shape(_ANY, _plain_long),
    "one quoted field": Shape(_ANY, lambda size: b'a,b\n1,2\n1,"' + b"x\n" * (size // 2) + b'"\n'),
    "10,000 columns": Shape(_ANY, _wide),
    "10,000 empty columns": Shape(
        _of_ten_thousand,
        _lines(b"," * 9_999 + b"\n", first=_titled(_TEN_THOUSAND) + b",".join([b"x"] * 10_000) + b"\n"),
    ),
    "two empty columns": _empty(2),
    "four empty columns": _empty(4),
    "1,000 empty columns": _empty(1_000),
    "100 empty columns": Shape(_of_columns(_HUNDRED, Annotated[str, Field(min_length=1)]), _EMPTY_HUNDRED),
    "100 empty columns in own words": Shape(
        _of_columns(_HUNDRED, Annotated[str, AfterValidator(_filled)]), _EMPTY_HUNDRED
    ),
    "any of 30 columns empty": Shape(
        _of_columns(_THIRTY, Annotated[str, Field(min_length=1)]), _some_empty, is_costly=True
    ),
    "1,000 bytes looked up for each 8": Shape(
        _of_columns(("key",), str, _WORDY_LOOKUP),
        _lines(_SHORT_ROWS, first=b"key\n"),
        chunk_bytes=MIB,
        reference=_WORDY_ROWS,
    ),
    "nothing found for each 8": Shape(
        _of_columns(("key",), str, _WORDY_LOOKUP),
        _lines(b"missing\n", first=b"key\n0000001\n"),
        reference=_WORDY_ROWS,
    ),
    "9,000 chunks": Shape(_STRICT, _lines(ROW), chunk_bytes=1),
}

LARGE: Final[Mapping[str, Shape]] = {
    "a chunk of 128 MiB": Shape(_STRICT, _lines(ROW.replace(b"Azerbaijan", b"Azerbaijan " * 9)), chunk_bytes=128 * MIB)
}
"""Shapes of one size: as a file of 1.1 TiB is cut."""
