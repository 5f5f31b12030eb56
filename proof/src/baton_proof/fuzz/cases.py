"""Draws a job and a file for it from a seed: mostly what people send, with every oddity that a byte can have."""

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import PydanticUseDefault, SchemaError

from baton.fields import ShortDate, Text
from baton.job import Dialect, Job, Limits, Lookup, Missing, Record
from baton.ports import Row

JOB: Final = "fuzz"
_DELIMITERS: Final = (",", ",", ",", ";", "\t", "|", "^", "\x01", ":", " ")
_QUOTES: Final = ('"', '"', '"', "'", "`")
_SINGLE_BYTE: Final = ("iso8859-1", "cp1252", "cp1250", "iso8859-15", "koi8-r", "cp437")


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, to which job, and how the splitter cuts it."""

    seed: int
    job: Job
    body: bytes
    chunk_bytes: int
    reference: Mapping[str, Row]
    is_foreign: bool = False
    """Whether the file was made to be something else than CSV."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of a field, and values that it mostly takes or mostly refuses."""

    type: Any
    default: Any
    values: tuple[str, ...]

    def good(self) -> tuple[str, ...]:
        """Return the values that the type takes."""
        return tuple(value for value in self.values if self._takes(value)) or self.values

    def _takes(self, value: str) -> bool:
        try:
            TypeAdapter(self.type).validate_python(value)
        except (ValidationError, SchemaError):
            return False
        return True


def _no_x(value: str) -> str:
    if "x" in value:
        raise ValueError("holds an x")
    return value


def _asserted(value: str) -> str:
    assert value != "no", "is no"
    return value


def _dash_is_none(value: str) -> str:
    if value == "-":
        raise PydanticUseDefault
    return value


_FREE: Final = (
    "",
    "a",
    "Fiji",
    "Korea, South",
    '5" pipe',
    "it's",
    "two\nlines",
    "cr\r\nlf",
    "x",
    " lead",
    "trail ",
    "é",
)
_ODD: Final = (
    "NULL", "NaN", "0012", "1.23E+11", "=1+2", "#", "\x1a", "\x85", "\x0b",
    "xگ", "xچ", "x\x01", "PK\x03\x04", "\x1f\x8b",
    "\ufeff", "\ufeffa", "\u2028", "😀", "\u202ebdi", "a" * 300, '""', "''", "``", '"', "'", "`", '","', "\\", '\\"',
)  # fmt: skip
_KINDS: Final = (
    _Kind(str, ..., _FREE),
    _Kind(str, ..., _ODD),
    _Kind(Text, ..., ("a", "b" * 200, "c" * 201, "", "é")),
    _Kind(ShortDate, ..., ("1/2/20", "12/31/1999", "2/29/13", "2/29/12", "0/0/0", "", "1-2-20")),
    _Kind(Literal["a", "b"], ..., ("a", "b", "A", "")),
    _Kind(int, ..., ("0", "12", "-7", "1_0", " 7 ", "1.5", "x", "")),
    _Kind(Annotated[int, Field(ge=0, le=12)], ..., ("0", "12", "13", "-1", "")),
    _Kind(Annotated[Decimal, Field(max_digits=5, decimal_places=2)], ..., ("1.25", "12.345", "1e3", "NaN", "")),
    _Kind(float, ..., ("1.5", "inf", "nan", "1e400", "x")),
    _Kind(bool, ..., ("true", "0", "yes", "2", "")),
    _Kind(date, ..., ("2024-02-29", "2023-02-29", "1", "")),
    _Kind(uuid.UUID, ..., ("12345678-1234-5678-1234-567812345678", "12345678", "")),
    _Kind(
        Annotated[str, Field(pattern=r"^\d+$", max_length=3)],
        ...,
        ("1", "123", "1234", "a", "", "\N{ARABIC-INDIC DIGIT SEVEN}"),
    ),
    _Kind(Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], ..., (" ", "a", " a ", "")),
    _Kind(Annotated[str, AfterValidator(_no_x)], ..., ("a", "x", "axa", "")),
    _Kind(Annotated[str, AfterValidator(_asserted)], ..., ("a", "no", "")),
    _Kind(Annotated[int, BeforeValidator(str.strip)], ..., (" 1 ", "2", "z", "")),
    _Kind(Annotated[str, BeforeValidator(_dash_is_none)], ..., ("-", "a", "")),
    _Kind(Annotated[str, BeforeValidator(_dash_is_none)], "none", ("-", "a", "")),
    _Kind(str | None, None, _FREE),
    _Kind(int | Literal["n/a"], 7, ("1", "n/a", "N/A", "")),
)
_NAMES: Final = (
    "id",
    "Name",
    "unit price",
    "Größe",
    'the "best"',
    "a,b",
    "x;y",
    "#",
    "naïve",
    "col\nwith line",
    "_",
    "日本",
)
_KEYS: Final = ("k1", "k2", "k 3", "k,4", 'k"5', "ké", "k6\n", "absent", "", "K1")


class _Whole(Record):
    """Base of models that use more than one field."""

    @model_validator(mode="after")
    def _not_all_alike(self) -> "_Whole":
        texts = [str(value) for value in vars(self).values()]
        if len(texts) > 1 and len(set(texts)) == 1:
            raise ValueError("all fields are alike")
        return self


def case_of(seed: int) -> Case:
    """Return the case of a seed; always the same, as long as this module is."""
    dice = random.Random(seed)
    dialect = _dialect(dice)
    job, kinds = _job(dice, dialect)
    reference = _reference(dice, job.lookup)
    body = _Writer(dice, job, kinds).file()
    return Case(seed, job, body, chunk_bytes=dice.choice((1, 20, 100, 700, 5_000, 2**24)), reference=reference)


def _dialect(dice: random.Random) -> Dialect:
    quote, delimiter = dice.choice(_QUOTES), dice.choice(_DELIMITERS)
    encoding = "utf-8" if dice.random() < 0.7 else dice.choice(_SINGLE_BYTE)
    lines_in_fields = dice.random() < 0.5
    return Dialect(delimiter=delimiter, quote=quote, encoding=encoding, lines_in_fields=lines_in_fields)


def _job(dice: random.Random, dialect: Dialect) -> tuple[Job, dict[str, _Kind]]:
    width = dice.choice((1, 1, 2, 3, 3, 4, 5, 8, 12))
    able = [name for name in _NAMES if _fits(name, dialect)]
    names = dice.sample(able, min(width, len(able)))
    kinds = {name: dice.choice(_KINDS) for name in names}
    limits = Limits(max_rejects_percent=dice.choice((100, 100, 100, 50, 2.3)))
    if dice.random() < 0.15:
        plain = {name: _KINDS[dice.randrange(2)] for name in names}
        return Job(name=JOB, record=None, dialect=dialect, limits=limits, recipients=("a@example.com",)), plain
    lookup = _lookup(dice, names) if dice.random() < 0.5 else None
    if lookup:
        kinds[lookup.key] = _Kind(str, ..., _KEYS)
    known = [*names, *(lookup.columns if lookup else ())]
    output = tuple(dice.sample(known, dice.randint(1, len(known)))) if dice.random() < 0.3 else None
    fields: dict[str, Any] = {
        f"f{n}": (kinds[name].type, _field(kinds[name], name)) for n, name in enumerate(dice.sample(names, len(names)))
    }
    base = _Whole if dice.random() < 0.1 else Record
    record = create_model("Fuzzed", __base__=base, **fields)
    return (
        Job(
            name=JOB, record=record, lookup=lookup, output=output, dialect=dialect, limits=limits,
            recipients=("a@example.com",),
        ),
        kinds,
    )  # fmt: skip


def _field(kind: _Kind, name: str) -> Any:
    return Field(alias=name) if kind.default is ... else Field(default=kind.default, alias=name)


def _lookup(dice: random.Random, names: Sequence[str]) -> Lookup:
    columns = ("added", "more, of it")[: dice.randint(1, 2)]
    return Lookup(dataset="table", key=dice.choice(names), columns=columns, missing=dice.choice(list(Missing)))


def _reference(dice: random.Random, lookup: Lookup | None) -> dict[str, Row]:
    if lookup is None:
        return {}
    here = [key for key in _KEYS if key not in {"absent", ""} and dice.random() < 0.8] or [_KEYS[0]]
    return {key: {"key": key, **{column: dice.choice(_FREE) for column in lookup.columns}} for key in here}


def _fits(text: str, dialect: Dialect) -> bool:
    try:
        return text.encode(dialect.encoding).decode(dialect.encoding) == text and "\0" not in text
    except UnicodeEncodeError:
        return False


class _Writer:
    """Writes one file in a style of its own, and spoils some of it."""

    def __init__(self, dice: random.Random, job: Job, kinds: Mapping[str, _Kind]) -> None:
        self._dice = dice
        self._job = job
        self._kinds = kinds
        self._names = dice.sample(list(kinds), len(kinds))
        self._delimiter = job.dialect.delimiter.encode()
        self._quote = job.dialect.quote.encode()
        self._encoding = job.dialect.encoding
        self._quote_all = dice.choice((0.0, 0.0, 0.1, 1.0))
        self._blank = dice.choice((0.0, 0.0, 0.0, 0.1, 0.9))
        self._spoil = dice.choice((0.0, 0.0, 0.02, 0.2))
        self._bad = dice.choice((0.0, 0.02, 0.1, 0.1, 1.0, 1.0))
        """Of the values: drawn from all, instead of from those that the column's type takes."""
        self._good = {kind: kind.good() for kind in kinds.values()}
        self._ends = dice.choice(((b"\n",), (b"\r\n",), (b"\n", b"\r\n")))

    def file(self) -> bytes:
        dice = self._dice
        records = dice.choice((0, 1, 2, 5, 20, 60, 200))
        lines = [self._record(list(self._names), header=True)]
        pool = [self._row() for _ in range(dice.choice((1, 5, records + 1)))]
        lines += [self._spoiled(dice.choice(pool)) for _ in range(records)]
        out = bytearray(b"\xef\xbb\xbf" if self._encoding == "utf-8" and dice.random() < 0.1 else b"")
        for line in lines:
            while dice.random() < self._blank:
                out += dice.choice(self._ends)
            out += line + dice.choice(self._ends)
        while dice.random() < self._blank:
            out += dice.choice(self._ends)
        if dice.random() < 0.2:
            while out.endswith((b"\n", b"\r")):
                out.pop()
        return bytes(out)

    def _row(self) -> bytes:
        return self._record([self._value(self._kinds[name]) for name in self._names], header=False)

    def _value(self, kind: _Kind) -> str:
        text = self._dice.choice(kind.values if self._dice.random() < self._bad else self._good[kind])
        return text if _fits(text, self._job.dialect) else "a"

    def _record(self, values: Sequence[str], *, header: bool) -> bytes:
        record = self._delimiter.join(self._written(value, header=header) for value in values)
        return record or self._quote * 2  # an empty line would be none

    def _written(self, text: str, *, header: bool) -> bytes:
        raw = text.encode(self._encoding)
        special = any(byte in raw for byte in (self._delimiter, b"\n", b"\r")) or raw.startswith(self._quote)
        # A quote in text may be written as it is, as people do.
        literal = self._quote in raw and not header and self._dice.random() < 0.5
        if special or (self._quote in raw and not literal) or self._dice.random() < self._quote_all:
            return self._quote + raw.replace(self._quote, self._quote * 2) + self._quote
        return raw

    def _spoiled(self, record: bytes) -> bytes:
        if self._dice.random() >= self._spoil:
            return record
        ways: tuple[Callable[[bytes], bytes], ...] = (
            lambda r: r + self._delimiter,
            lambda r: r.rpartition(self._delimiter)[0] or b"z" + self._delimiter,
            lambda r: self._at_random(r, b"\0"),
            lambda r: self._at_random(r, b"\r"),
            lambda r: self._at_random(r, b"\xff"),
            lambda r: self._at_random(r, b"\xc3"),
            lambda r: self._at_random(r, b"\x81"),
            lambda r: self._at_random(r, self._quote),
            lambda r: self._quote + b"q" + self._quote + b"t" + self._delimiter + r,
            lambda _: self._delimiter * (len(self._names) - 1) or b" ",
            lambda r: b"\xef\xbb\xbf" + r,
        )
        return self._dice.choice(ways)(record)

    def _at_random(self, record: bytes, inserted: bytes) -> bytes:
        at = self._dice.randrange(len(record) + 1)
        return record[:at] + inserted + record[at:]
