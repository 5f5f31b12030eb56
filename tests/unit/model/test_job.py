"""A job's mistakes are reported when it is loaded, not when it runs."""

from typing import Any

import pytest
from pydantic import AliasChoices, ConfigDict, Field, ValidationError, create_model

from baton.job import Dialect, Job, Limits, Lookup, Record


class Payment(Record):
    account: str
    amount: str


def _job(**changes: Any) -> Job:
    given: dict[str, Any] = {"name": "payments", "record": Payment, "recipients": ("a@example.com",)}
    return Job(**(given | changes))


class Empty(Record):
    pass


class Nameless(Record):
    account: str = Field(alias="")


class Unresolved(Record):
    account: "Later"  # pyright: ignore[reportUndefinedVariable] # noqa: F821 - that is what is tested


class ReadElsewhere(Record):
    account: str = Field(validation_alias="Konto")


class ReadAsTwo(Record):
    account: str = Field(alias="Account", validation_alias=AliasChoices("Account", "Konto"))


class ReadByName(Record):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)

    account: str = Field(alias="Account")


class ToldByName(Record):
    model_config = ConfigDict(loc_by_alias=False)

    account: str = Field(alias="Account")


class Generated(Record):
    model_config = ConfigDict(alias_generator=str.upper)

    account: str
    amount: str = Field(alias="Total")


def _model(column: str) -> type[Record]:
    return create_model("Odd", __base__=Record, odd=(str, Field(alias=column)))


LOOKUP = Lookup(dataset="accounts", key="account", columns=("owner",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lookup": LOOKUP.model_copy(update={"key": "iban"})}, "is no column of the record"),
        ({"lookup": LOOKUP.model_copy(update={"columns": ("amount",)})}, "must be unique"),
        ({"output": ("account", "colour")}, "unknown columns"),
        ({"output": ()}, "at least 1"),
        ({"output": ("account", "amount", "account")}, "output names a column twice"),
        ({"record": Empty}, r"test_job\.Empty has no fields"),
        ({"record": Nameless}, "a column needs a name"),
        ({"record": ReadElsewhere}, r"ReadElsewhere\.account is the column 'account', and reads 'Konto'"),
        ({"record": ReadAsTwo}, r"ReadAsTwo\.account is the column 'Account', and reads AliasChoices"),
        ({"record": ReadByName}, r"ReadByName\.account is the column 'Account', and reads 'account'"),
        ({"record": ToldByName}, r"ToldByName sets loc_by_alias=False: rejects could not say which column"),
        ({"record": Unresolved}, r"record model .*test_job\.Unresolved cannot be used: .*'Later' is not defined"),
        ({"record": None, "lookup": LOOKUP}, "takes any header"),
        ({"recipients": ()}, "at least 1"),
        ({"name": "Bad Name"}, "pattern"),
    ],
)
def test_a_job_that_cannot_work_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _job(**changes)


def test_names_that_a_model_makes_itself_are_those_of_its_columns() -> None:
    assert _job(record=Generated).columns == ("ACCOUNT", "Total")


@pytest.mark.parametrize("name", ["a\0b", "\x1b[31m", "a\rb", "\x85", "\ud800"])
def test_a_column_name_that_no_header_can_hold_is_refused(name: str) -> None:
    if name != "\ud800":  # pydantic makes no model with a half of a surrogate pair
        with pytest.raises(ValidationError, match="no header may"):
            _job(record=_model(name))
    with pytest.raises(ValidationError, match="no header may"):
        Lookup(dataset="accounts", key="account", columns=(name,))


@pytest.mark.parametrize("name", ["Amount\n(EUR)", "Amount\r\n(EUR)", "a\tb", "größe"])
def test_a_column_name_that_a_quoted_header_can_hold_is_taken(name: str) -> None:
    assert _job(record=_model(name)).columns == (name,)


def test_a_column_name_beyond_the_encoding_of_the_file_is_refused() -> None:
    with pytest.raises(ValidationError, match="cannot be written in cp1252"):
        _job(record=_model("Сумма"), dialect=Dialect(encoding="cp1252"))


def test_columns_of_the_lookup_follow_those_of_the_file() -> None:
    assert _job(lookup=LOOKUP).output_columns(("amount", "account")) == ("amount", "account", "owner")
    assert _job(lookup=LOOKUP, output=("owner", "amount")).output_columns(("amount", "account")) == ("owner", "amount")


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "é", "ab", ""])
def test_a_delimiter_is_one_ascii_character(character: str) -> None:
    with pytest.raises(ValidationError):
        Dialect(delimiter=character)


@pytest.mark.parametrize(
    ("limits", "records", "allowed"),
    [
        (Limits(), 100, 50),
        (Limits(max_rejects=10), 100, 10),
        (Limits(max_rejects=10, max_rejects_percent=5), 100, 5),
        (Limits(max_rejects_percent=100), 100, 99),
        (Limits(max_rejects_percent=0), 100, 0),
        (Limits(), 0, 0),
        (Limits(), 1, 0),
    ],
)
def test_the_smaller_limit_holds_and_a_file_of_rejects_alone_never_passes(
    limits: Limits, records: int, allowed: int
) -> None:
    assert limits.rejects_allowed(records) == allowed
