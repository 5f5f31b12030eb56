"""A reject says what would be right, from the model of its job."""

import re
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Never, override

import pytest
from pydantic import Field, StringConstraints, WithJsonSchema, create_model

from baton.asked import asked_by, asked_for
from baton.fields import ShortDate, Text
from baton.job import Dialect, Job, Record

type Colour = Literal["red", "green"]
type Few = Annotated[int, Field(le=3, description="a small number")]


class Shape(Enum):
    CIRCLE = "circle"
    SQUARE = "square"


class Order(Record):
    uuid: Annotated[str, Field(pattern="^[0-9]{9}$")]
    colour: Colour = Field(alias="Colour")
    only: Literal["EUR"]
    day: ShortDate = Field(alias="Order Date")
    name: Text
    amount: Decimal | None = Field(gt=0, le=10)
    size: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    note: Annotated[str, Field(min_length=1, description="a word or two")]
    shape: Shape
    few: Few | None
    many: Annotated[int, Field(lt=1_234_567)]
    code: Annotated[str, StringConstraints(pattern=re.compile("^[a-z]$"), max_length=1)]


@pytest.mark.parametrize(
    ("column", "rule", "words"),
    [
        ("uuid", "string_pattern_mismatch", "text like ^[0-9]{9}$"),
        ("Colour", "literal_error", "one of 'red', 'green'"),
        ("only", "literal_error", "'EUR'"),
        ("Order Date", "short_date_format", "a date written M/D/YY, such as 7/31/14"),
        ("Order Date", "short_date_day", "a date written M/D/YY, such as 7/31/14"),
        ("name", "string_too_short", "1 to 200 characters"),
        ("amount", "greater_than", "more than 0"),
        ("amount", "less_than_equal", "at most 10"),
        ("size", "literal_error", "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"),
        ("note", "string_too_short", "a word or two"),
        ("note", "quote", ""),
        ("note", "nul_byte", ""),
        ("shape", "enum", "one of 'circle', 'square'"),
        ("few", "less_than_equal", "a small number"),
        ("many", "less_than", "less than 1,234,567"),
        ("code", "string_pattern_mismatch", "text like ^[a-z]$"),
        ("code", "string_too_long", "at most 1 character"),
        ("note", "value_error: must be kind", ""),
        ("note", "missing_reference", ""),
        ("uuid", "missing", ""),
        ("", "columns", ""),
        ("colour", "literal_error", ""),
    ],
)
def test_what_a_rule_asks_for_is_known_from_the_model(column: str, rule: str, words: str) -> None:
    assert asked_for(Order, column, rule) == words


def test_a_job_without_a_model_asks_for_nothing() -> None:
    assert asked_for(None, "a", "literal_error") == ""


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-8", "text in UTF-8 (in Excel: “CSV UTF-8”)"),
        ("cp1252", "text in cp1252 (in Excel: “CSV”, not “CSV UTF-8”)"),
        ("koi8-r", "text in koi8-r"),
    ],
)
def test_a_job_asks_for_its_encoding_with_a_model_or_without(encoding: str, words: str) -> None:
    plain = Job(name="p", record=None, dialect=Dialect(encoding=encoding), recipients=("a@example.com",))

    for job in (plain, plain.model_copy(update={"record": Order})):
        assert asked_by(job, "", "encoding") == asked_by(job, "Colour", "encoding") == words


def test_a_job_asks_for_what_its_model_asks_for_and_nothing_is_known_of_no_job() -> None:
    job = Job(name="p", record=Order, recipients=("a@example.com",))

    assert asked_by(job, "only", "literal_error") == "'EUR'"
    assert asked_by(None, "only", "literal_error") == asked_by(None, "only", "encoding") == ""


def _hangs(*_: object) -> Never:
    raise AssertionError("code of the job, which may hang, runs where mails are written")


class Hooked:
    """A mark of the job's own."""

    __get_pydantic_json_schema__ = _hangs

    @property
    def pattern(self) -> Never:
        _hangs()

    def __getattr__(self, name: str) -> Never:
        if name.startswith("__"):
            raise AttributeError(name)
        _hangs()


def test_no_code_of_the_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Record):
        a: Annotated[str, Hooked(), Field(min_length=2, json_schema_extra=_hangs)]
        b: Annotated[Literal["x"], Hooked()] = Field(default_factory=_hangs)

        @classmethod
        def __get_pydantic_json_schema__(cls, *_: object) -> Never:
            _hangs()

    monkeypatch.setattr(Odd, "model_json_schema", _hangs)

    assert asked_for(Odd, "a", "string_too_short") == "at least 2 characters"
    assert asked_for(Odd, "a", "string_pattern_mismatch") == ""
    assert asked_for(Odd, "b", "literal_error") == "'x'"


class _Unsayable:
    """Cannot say its own text."""

    @override
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("rule", "declared"),
    [
        ("string_too_short", Annotated[str, WithJsonSchema({"description": _Unsayable()})]),
        ("string_pattern_mismatch", Annotated[str, WithJsonSchema({"pattern": _Unsayable()})]),
        ("string_too_short", Annotated[str, WithJsonSchema({"description": ["a", "list"]})]),
        ("string_too_short", Annotated[str, WithJsonSchema({"min_length": "three"})]),
        ("greater_than_equal", Annotated[str, WithJsonSchema({"ge": {"a": 1}})]),
        ("greater_than_equal", Annotated[str, WithJsonSchema({"ge": "b"})]),
        ("literal_error", list[str]),
        ("enum", str),
    ],
)
def test_whatever_a_job_declares_breaks_no_mail(rule: str, declared: Any) -> None:
    odd = create_model("Odd", __base__=Record, a=(declared, ...))

    assert asked_for(odd, "a", rule) == ""


def test_types_that_name_themselves_say_so() -> None:
    class Odd(Record):
        a: Annotated[str, WithJsonSchema({"description": "a word", "type": "string"})]

    assert asked_for(Odd, "a", "string_too_short") == "a word"
