"""A job's mistakes are told when it is written, not when it runs."""

from typing import Any

import pytest
from pydantic import Field, ValidationError

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
        ({"record": Unresolved}, r"record model .*test_job\.Unresolved cannot be used: .*'Later' is not defined"),
        ({"record": None, "lookup": LOOKUP}, "takes any header"),
        ({"recipients": ()}, "at least 1"),
        ({"name": "Bad Name"}, "pattern"),
    ],
)
def test_a_job_that_cannot_work_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _job(**changes)


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
