"""A reject says what would be right, from the model of its job."""

from decimal import Decimal
from typing import Annotated, Literal

import pytest
from pydantic import Field
from pydantic.config import JsonDict

from baton.asked import asked_for
from baton.fields import ShortDate, Text
from baton.job import Record

type Colour = Literal["red", "green"]


class Order(Record):
    uuid: Annotated[str, Field(pattern="^[0-9]{9}$")]
    colour: Colour = Field(alias="Colour")
    only: Literal["EUR"]
    day: ShortDate = Field(alias="Order Date")
    name: Text
    amount: Decimal | None = Field(gt=0, le=10)
    size: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    note: Annotated[str, Field(min_length=1, description="a word or two")]


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


def _no_schema(_: object) -> None:
    raise ZeroDivisionError


def test_a_model_that_has_no_json_schema_tells_nothing() -> None:
    class Odd(Record):
        a: Annotated[str, Field(json_schema_extra=_no_schema)]

    assert asked_for(Odd, "a", "literal_error") == ""


@pytest.mark.parametrize(
    ("rule", "extra"),
    [
        ("string_too_short", {"minLength": "three"}),
        ("greater_than_equal", {"minimum": {"a": 1}}),
        ("literal_error", {"enum": 7}),
        ("literal_error", {"anyOf": [True]}),
        ("literal_error", {"$ref": 7}),
    ],
)
def test_whatever_a_job_writes_into_its_schema_breaks_no_mail(rule: str, extra: JsonDict) -> None:
    class Odd(Record):
        a: Annotated[str, Field(json_schema_extra=extra)]

    assert asked_for(Odd, "a", rule) == ""
