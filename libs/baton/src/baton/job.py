"""Defines a job, which a user writes: about twenty lines of Python, see `jobs/src/baton_jobs/`.

A job names its record model (pydantic, one field per column), what each record is enriched with, which columns come
out, how the file is written, how many rejects are too many and who gets the mail.
"""

import re
from enum import StrEnum
from fractions import Fraction
from itertools import starmap
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from baton.address import Address, WrittenRecipients
from baton.encoding import UTF8, canonical, composed

_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
"""Control characters but tabs and line ends, which a quoted name may hold, and halves of surrogate pairs."""


_DELIMITERS: Final = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
    ":": "colons",
    " ": "spaces",
    "^": "carets",
    "~": "tildes",
    "\x01": "the control character 0x01",
    "\x1f": "the control character 0x1F",
}
_OF_WINDOWS: Final = re.compile("cp125[0-8]|iso8859-1")
"""What Excel writes as CSV, each where Windows has its language."""


def _written(name: str) -> str:
    """Return a column's name. Raises `ValueError` for one that no header can hold."""
    found = _UNWRITABLE.search(name)
    if found:
        raise ValueError(f"the column name {name!a} holds {found[0]!a}, which no header may: it can never be found")
    return name


type ColumnName = Annotated[str, AfterValidator(_written), AfterValidator(composed)]
"""Column names are compared in Unicode's composed form (NFC): "é" is the same whether it is one code point or two."""


class Record(BaseModel):
    """Base of a job's record model. Field aliases are the header names; values arrive as text.

    Rules check, they never rewrite: the text that came in is the text that goes out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=False, validate_by_alias=True)


def delimiters(character: str) -> str:
    """Return what people call the characters between columns: `semicolons`."""
    return _DELIMITERS.get(character, f"the character {character!r}")


class Dialect(BaseModel):
    """How the input is written: RFC 4180 with a choice of delimiter, quote and encoding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    encoding: Annotated[str, AfterValidator(canonical)] = UTF8
    """UTF-8 (with or without a byte order mark), or a single-byte encoding that holds ASCII, such as cp1252."""

    encoding_is_certain: bool = False
    """Whether files are taken to be in a single-byte encoding though they look like UTF-8. A last resort: UTF-8 is then
    delivered as `MÃ¼ller`. A byte order mark of another encoding fails a file all the same."""

    lines_in_fields: bool = False
    """Whether a quoted field may hold lines that look like records of the file, as pasted tables do. If not, its record
    is rejected as `swallowed`: a quote was left open. Other line ends in quoted fields are welcome either way."""

    @field_validator("delimiter", "quote")
    @classmethod
    def _plain_ascii(cls, value: str) -> str:
        if not value.isascii() or value in "\r\n\0":
            raise ValueError("must be one ASCII character, and not a line end or NUL")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        return self

    @property
    def described(self) -> str:
        """What people call such a file: `CSV in UTF-8 with commas`."""
        return f"CSV in {self.encoding_name} with {delimiters(self.delimiter)}"

    @property
    def encoding_name(self) -> str:
        """What people call the encoding."""
        return "UTF-8" if self.encoding == UTF8 else self.encoding

    @property
    def in_excel(self) -> str:
        """What Excel calls it where it is saved; empty: Excel cannot write it."""
        if self.encoding == UTF8:
            return "in Excel: “CSV UTF-8”"
        return "in Excel: “CSV”, not “CSV UTF-8”" if _OF_WINDOWS.fullmatch(self.encoding) else ""

    def check_holds(self, name: str) -> None:
        """Raise `ValueError` for a column name that a file in this encoding cannot have."""
        try:
            name.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise ValueError(f"the column {name!r} cannot be written in {self.encoding}") from error


class Missing(StrEnum):
    """What happens to a record whose key is not in the reference data."""

    REJECT = "reject"
    BLANK = "blank"


class Lookup(BaseModel):
    """Enrich each record with columns of a reference data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    key: ColumnName
    """Input column whose text is looked up, as it stands."""
    columns: tuple[ColumnName, ...] = Field(min_length=1)
    """Reference columns to add, in output order."""
    missing: Missing = Missing.REJECT


DEADLINE_MINUTES_MAX: Final = 14 * 24 * 60
"""Chunks are remembered for 45 days: the longest run, 14 days in which the batch may be retried, and that run."""


class Limits(BaseModel):
    """When to give up. A batch over either limit ends FAILED as soon as that is certain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rejects: int | None = Field(default=None, ge=0)
    max_rejects_percent: float = Field(default=50.0, ge=0, le=100)
    """Of the records in the file. A batch in which every record is rejected always fails."""
    deadline_minutes: int = Field(default=24 * 60, ge=1, le=DEADLINE_MINUTES_MAX)
    """From admission, or from `baton retry`, to the result; a batch that takes longer ends FAILED rather than in
    silence. Time in which it is paused counts."""

    def rejects_allowed(self, records_total: int) -> int:
        """Return the largest number of rejects with which a batch of this many records may still complete."""
        # The percentage as it was written: as a float, 2.3 % of 100,000 would be 2,299.
        by_percent = int(Fraction(str(self.max_rejects_percent)) * records_total / 100)
        allowed = by_percent if self.max_rejects is None else min(by_percent, self.max_rejects)
        return min(allowed, records_total - 1) if records_total else 0


def column_of(name: str, field: FieldInfo) -> str:
    """Return the header's name of a field of a record model."""
    return name if field.alias is None else field.alias


def _read_from(record: type[Record], name: str, field: FieldInfo) -> object:
    """Return under which name the model itself looks for a field's value; pydantic has ways beside the alias."""
    by_alias = record.model_config.get("validate_by_alias", True)
    return name if field.validation_alias is None or not by_alias else field.validation_alias


class Job(BaseModel):
    """A job. `version` is set when it is loaded: a digest of its source."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    record: type[Record] | None
    """One field per column, in any order: columns are found by their names. None: any header, no rules."""
    lookup: Lookup | None = None
    output: Annotated[tuple[ColumnName, ...], Field(min_length=1)] | None = None
    """Columns of the result. None: the columns of the input, in its order, then those of the lookup."""
    dialect: Dialect = Dialect()
    limits: Limits = Limits()
    recipients: WrittenRecipients
    """Who gets the mail: addresses as people write them, `Jane Doe <jane@example.com>`, at most 50."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(map(Address.parse, self.recipients))

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Header names that the file must have; None if any header will do."""
        if self.record is None:
            return None
        return tuple(starmap(column_of, self.record.model_fields.items()))

    @field_validator("output")
    @classmethod
    def _each_once(cls, output: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if output is not None and len(set(output)) != len(output):
            raise ValueError(f"output names a column twice: {output}")
        return output

    @field_validator("record")
    @classmethod
    def _compiled(cls, record: type[Record] | None) -> type[Record] | None:
        """Refuse a model that cannot be used here, where its job is loaded: no worker has to find out."""
        if record is None:
            return None
        where = f"{record.__module__}.{record.__qualname__}"
        try:
            record.model_rebuild()  # does nothing unless the class was left with names to resolve
        except Exception as error:
            raise ValueError(f"the record model {where} cannot be used: {type(error).__name__}: {error}") from error
        if not record.model_fields:
            raise ValueError(f"the record model {where} has no fields: no file has a header without columns")
        if not record.model_config.get("loc_by_alias", True):
            raise ValueError(f"{where} sets loc_by_alias=False: rejects could not say which column they are about")
        for name, field in record.model_fields.items():
            if field.alias == "":
                raise ValueError(f"a column needs a name: the alias of {where}.{name} is empty")
            column, read = column_of(name, field), _read_from(record, name, field)
            if read != column:
                raise ValueError(
                    f"{where}.{name} is the column {column!r}, and reads {read!r}: give it one name, `Field(alias=…)`"
                )
        return record

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.columns is None:
            if self.lookup is not None or self.output is not None:
                raise ValueError("a job without a record model takes any header: it cannot look up or pick columns")
            return self
        for name in map(_written, self.columns):
            self.dialect.check_holds(name)
            if name != composed(name):
                raise ValueError(f"column {name!r} must be in composed form (NFC): {composed(name)!a}")
        added = self.lookup.columns if self.lookup else ()
        known = (*self.columns, *added)
        if len(set(known)) != len(known):
            raise ValueError(f"column names must be unique, input and lookup together: {known}")
        if self.lookup and self.lookup.key not in self.columns:
            raise ValueError(f"lookup.key {self.lookup.key!r} is no column of the record")
        unknown = [name for name in self.output or () if name not in known]
        if unknown:
            raise ValueError(f"output names unknown columns: {unknown}")
        return self

    def output_columns(self, header: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns of the result for a file with this header."""
        if self.output is not None:
            return self.output
        return (*header, *(self.lookup.columns if self.lookup else ()))
