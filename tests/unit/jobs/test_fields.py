"""The ready-made field types."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from baton.fields import ShortDate, Text


def rules_broken(kind: Any, value: str) -> list[str]:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return [item["type"] for item in error.errors()]
    return []


@pytest.mark.parametrize("text", ["7/31/14", "07/31/14", "2/29/12", "2/29/00", "12/1/99", "01/01/00"])
def test_short_date_takes_days_of_the_calendar(text: str) -> None:
    assert rules_broken(ShortDate, text) == []


@pytest.mark.parametrize("text", ["2/29/13", "13/1/14", "0/1/14", "1/0/14", "4/31/15", "99/99/99"])
def test_short_date_refuses_days_that_never_were(text: str) -> None:
    assert rules_broken(ShortDate, text) == ["short_date_day"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7/31/2014",
        "2014-07-31",
        " 7/31/14",
        "7/31/14\n",
        "7-31-14",
        "\N{ARABIC-INDIC DIGIT SEVEN}/31/14",
        "+7/31/14",
    ],
)
def test_short_date_refuses_other_ways_to_write_a_day(text: str) -> None:
    assert rules_broken(ShortDate, text) == ["short_date_format"]


def test_short_date_leaves_the_text_as_it_came() -> None:
    assert TypeAdapter(ShortDate).validate_python("07/04/14") == "07/04/14"


def test_text_is_not_empty_and_bounded() -> None:
    assert rules_broken(Text, "") == ["string_too_short"]
    assert rules_broken(Text, "x" * 201) == ["string_too_long"]
    assert rules_broken(Text, "ü" * 200) == []
