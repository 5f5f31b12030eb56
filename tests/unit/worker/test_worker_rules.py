"""The column-wise screen and the model itself never disagree."""

import asyncio
import enum
import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.exceptions import PanicException
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticUseDefault

import worker.refused
import worker.rules
from baton.errors import BatchFailed
from baton.fields import ShortDate, Text
from baton.job import Record
from worker.rejects import ALSO_CHARS_MAX, ALSO_MAX, VALUE_CHARS_MAX
from worker.rules import Rules, rules_of


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "l"


def no_x(value: str) -> str:
    assert "x" not in value
    return value


def defaulted(value: str) -> str:
    if value in {"", "1"}:
        raise PydanticUseDefault
    return value


type Aliased = Literal["a", "b"]

FIELDS: list[tuple[Any, Any]] = [
    (str, ...),
    (Text, ...),
    (ShortDate, ...),
    (Aliased, ...),
    (Literal["a", "b", ""], "a"),
    (Size, ...),
    (Size | None, None),
    (int, Field(ge=0, le=12)),
    (Decimal, Field(max_digits=3, decimal_places=1)),
    (float, ...),
    (bool, ...),
    (date, ...),
    (uuid.UUID, ...),
    (int | Literal["n/a"], 7),
    (str | None, None),
    (list[str], []),
    (Annotated[str, Field(pattern=r"^\d+$", max_length=3)], ...),
    (Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], "x"),
    (Annotated[str, AfterValidator(no_x)], ...),
    (Annotated[int, BeforeValidator(str.strip)], ...),
    (Annotated[str, BeforeValidator(defaulted)], ...),
    (Annotated[Literal["a", "b"], BeforeValidator(defaulted)], "a"),
]
VALUES = (
    st.sampled_from(
        [
            "a",
            "b",
            "s",
            "l",
            "x",
            "xa",
            "0",
            "1",
            "12",
            "13",
            "1.5",
            "1.25",
            "-1",
            "1_0",
            "nan",
            "true",
            "n/a",
            "2024-02-29",
            "2023-02-29",
            "2/29/12",
            "2/29/13",
            "12345678-1234-5678-1234-567812345678",
        ]
    )
    | st.sampled_from(["", " ", " 7 ", "7\n", "\N{ARABIC-INDIC DIGIT SEVEN}"])
    | st.text(max_size=3)
)


def frame_of(rows: list[list[str]], width: int) -> pl.DataFrame:
    texts = [[value or None for value in row] for row in rows]
    return pl.DataFrame(texts, schema={f"c{n}": pl.String for n in range(width)}, orient="row")


type Told = tuple[str, str, str, str]
"""Of one record: column, rule and value of the first reason, and the others."""


def told_of(model: type[Record], rows: list[list[str]], columns: list[str]) -> dict[int, Told]:
    """Return what the worker says about each record that fails."""
    frame = frame_of(rows, len(columns))
    found = rules_of(model).broken(frame, columns, told_max=len(rows), enough=len(rows))
    assert found.rows == found.told.height
    return {record: as_told(texts) for record, *texts in found.told.iter_rows()}


def as_told(texts: list[str | None]) -> Told:
    column, rule, value, also = (text or "" for text in texts)
    assert "" not in texts, "an empty text is null"
    return column, rule, value, also


def _rule(item: Any) -> str:
    own = item["type"] in {"value_error", "assertion_error"}
    return f"{item['type']}: {item['ctx']['error']}"[:VALUE_CHARS_MAX] if own else item["type"]


def _also(others: list[tuple[str, str]]) -> str:
    told = [f"{column}: {rule}"[:ALSO_CHARS_MAX] for column, rule in others]
    return "; ".join(told if len(told) <= ALSO_MAX else [*told[:ALSO_MAX], f"and {len(told) - ALSO_MAX:,} more"])


def judged_one_by_one(model: type[Record], columns: list[str], rows: list[list[str]]) -> dict[int, Told]:
    """Return what `model_validate` says of each record."""
    found: dict[int, Told] = {}
    for row, values in enumerate(rows):
        record = dict(zip(columns, values, strict=True))
        try:
            model.model_validate(record)
        except ValidationError as error:
            items = [(str(item["loc"][0]) if item["loc"] else "", _rule(item)) for item in error.errors()]
            (column, rule), *others = items
            also = _also(others)
            found[row] = (column, rule, record.get(column, "")[:VALUE_CHARS_MAX], also)
    return found


class Classical(Record):
    """Class-level validators, aliases, defaults and a setting that changes what fields take."""

    model_config = ConfigDict(str_strip_whitespace=True, str_max_length=4)

    name: str = Field(alias="The Name", min_length=1)
    size: Size = Field(default=Size.SMALL, alias="Size", validate_default=True)
    count: int = 3

    @field_validator("name")
    @classmethod
    def _no_x(cls, value: str) -> str:
        if "x" in value:
            raise ValueError("no x, please")
        return value

    @field_validator("count", mode="before")
    @classmethod
    def _dozen(cls, value: str) -> str:
        return "12" if value == "a" else value


@settings(deadline=None)
@given(data=st.data(), picks=st.lists(st.tuples(st.sampled_from(FIELDS), st.booleans()), min_size=1, max_size=4))
def test_any_model_of_fields_judges_by_column_as_record_by_record(
    data: st.DataObject, picks: list[tuple[tuple[Any, Any], bool]]
) -> None:
    definitions: dict[str, Any] = {}
    for n, ((kind, default), aliased) in enumerate(picks):
        definitions[f"f{n}"] = (Annotated[kind, Field(alias=f"F {n}")] if aliased else kind, default)
    model: type[Record] = create_model("Made", __base__=Record, **definitions)
    columns = [field.alias or name for name, field in model.model_fields.items()]
    rows = data.draw(st.lists(st.lists(VALUES, min_size=len(columns), max_size=len(columns)), max_size=12))

    assert rules_of(model).by_column is not None
    assert told_of(model, rows, columns) == judged_one_by_one(model, columns, rows)


# Mostly good values: only what nothing else rejects tells whether a rule was applied.
@settings(deadline=None)
@given(rows=st.lists(st.tuples(VALUES, st.sampled_from("slx"), st.sampled_from("1ab")).map(list), max_size=12))
def test_class_level_validators_judge_by_column_as_record_by_record(rows: list[list[str]]) -> None:
    columns = ["The Name", "Size", "count"]

    assert rules_of(Classical).by_column is not None
    assert told_of(Classical, rows, columns) == judged_one_by_one(Classical, columns, rows)


class Ordered(Record):
    low: int
    high: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Informed(Record):
    low: int
    high: int

    @field_validator("high")
    @classmethod
    def _in_order(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("low", value):
            raise ValueError("low is above high")
        return value


def differs(value: str, info: ValidationInfo) -> str:
    if value == info.data.get("low", value + "x"):
        raise ValueError("low and high are equal")
    return value


type Different = Annotated[str, AfterValidator(differs)]


class Shared(Record):
    """The validator that takes `info` stands among the definitions of the schema, as its type is used twice."""

    low: Different
    high: Different


class Hooked(Record):
    low: int
    high: int

    def model_post_init(self, _context: object, /) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Constructed(Record):
    low: int
    high: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.low > self.high:
            raise ValueError("low is above high")


@pytest.mark.parametrize("model", [Ordered, Informed, Hooked, Constructed])
def test_rules_that_span_fields_are_applied_to_every_record(model: type[Record]) -> None:
    told = told_of(model, [["1", "2"], ["2", "1"], ["x", "1"]], ["low", "high"])

    assert rules_of(model).by_column is None
    assert {row: found[:2] for row, found in told.items()} == {
        1: ("high" if model is Informed else "", "value_error: low is above high"),
        2: ("low", "int_parsing"),
    }


def test_rule_of_a_shared_type_that_sees_other_fields_is_applied_to_every_record() -> None:
    told = told_of(Shared, [["1", "2"], ["2", "2"]], ["low", "high"])

    assert told == {1: ("high", "value_error: low and high are equal", "2", "")}


def test_rule_on_the_whole_record_names_no_column_and_no_value() -> None:
    told = told_of(Ordered, [["2", "1"]], ["low", "high"])

    assert told == {0: ("", "value_error: low is above high", "", "")}


@pytest.mark.parametrize("base", [Classical, Ordered])
def test_rule_that_crashes_fails_the_batch_and_says_how(base: type[Record]) -> None:
    def crash(value: str) -> str:
        return dict[str, str]()[value]

    model: type[Record] = create_model("Broken", __base__=base, extra=(Annotated[str, AfterValidator(crash)], ...))
    columns = [field.alias or name for name, field in model.model_fields.items()]

    line = crash.__code__.co_firstlineno + 1
    where = rf"{'' if base is Ordered else " the column 'extra'"}, in test_worker_rules\.py, line {line}: KeyError: '7'"
    with pytest.raises(BatchFailed, match=rf"a rule of Broken crashed instead of judging{where}") as caught:
        told_of(model, [["7"] * len(columns)], columns)

    assert caught.value.code == "rule_error"


class Ended(BaseException):
    """Of a job's own, and no `Exception`."""


@pytest.mark.parametrize("base", [Classical, Ordered])
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), Ended("x")], ids=repr)
def test_rule_that_would_end_its_process_ends_its_batch(base: type[Record], error: BaseException) -> None:
    def leave(_value: str) -> str:
        raise error

    model: type[Record] = create_model("Left", __base__=base, extra=(Annotated[str, AfterValidator(leave)], ...))
    columns = [field.alias or name for name, field in model.model_fields.items()]

    with pytest.raises(BatchFailed, match=f"a rule of Left crashed .*: {type(error).__name__}") as caught:
        told_of(model, [["7"] * len(columns)], columns)

    assert caught.value.code == "rule_error"


@pytest.mark.parametrize("kind", [LookupError, ValueError])
def test_rule_whose_error_cannot_be_told_fails_the_batch(kind: type[Exception]) -> None:
    class Untold(kind):
        def __str__(self) -> str:
            raise Untold

    def crash(_value: str) -> str:
        raise Untold

    model: type[Record] = create_model("Mute", __base__=Record, a=(Annotated[str, AfterValidator(crash)], ...))

    with pytest.raises(
        BatchFailed, match=r"a rule of Mute crashed instead of judging the column 'a', .*: Untold$"
    ) as caught:
        told_of(model, [["7"]], ["a"])

    assert caught.value.code == "rule_error"


def test_panic_of_polars_is_no_fault_of_a_rule() -> None:
    def panic(_value: str) -> str:
        raise PanicException("x")

    model: type[Record] = create_model("Calm", __base__=Record, a=(Annotated[str, AfterValidator(panic)], ...))

    with pytest.raises(PanicException):
        told_of(model, [["7"]], ["a"])


def test_model_that_cannot_be_compiled_fails_the_batch() -> None:
    class Unresolved(Record):
        a: "Later"  # pyright: ignore[reportUndefinedVariable] # noqa: F821 - that is what is tested

    with pytest.raises(
        BatchFailed, match=r"the rules of Unresolved cannot be used: .*'Later' is not defined"
    ) as caught:
        rules_of(Unresolved)

    assert caught.value.code == "rule_error"


def test_rule_that_asks_for_a_default_where_there_is_none_rejects_the_record() -> None:
    model: type[Record] = create_model("D", __base__=Record, a=(Annotated[str, BeforeValidator(defaulted)], ...))

    assert told_of(model, [["x"], [""], ["y"]], ["a"]) == {1: ("a", "missing", "", "")}


class Chained(Record):
    """A default that is made from the field before it."""

    low: int
    high: Annotated[int, BeforeValidator(defaulted)] = Field(default_factory=lambda before: before["low"] + 1)


def test_default_that_is_made_from_other_fields_is_made_for_every_record() -> None:
    rows = [["2", ""], ["2", "3"], ["2", "x"], ["x", "3"]]

    told = told_of(Chained, rows, ["low", "high"])

    assert rules_of(Chained).by_column is None
    assert told == {2: ("high", "int_parsing", "x", ""), 3: ("low", "int_parsing", "x", "")}


@pytest.mark.parametrize("base", [Record, Ordered])
@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (PydanticCustomError("", "nothing"), "custom_error"),
        (PydanticCustomError(" ", ""), "custom_error"),
        (PydanticCustomError("iban", "no IBAN"), "iban"),
        (PydanticCustomError("long" * 100, "no IBAN"), "long" * 50),
        (PydanticCustomError("value_error", "no number, no luck"), "value_error: no number, no luck"),
        (ValueError("no number, no luck"), "value_error: no number, no luck"),
        (AssertionError(), "assertion_error"),
        (AssertionError("  "), "assertion_error"),
        (ValueError(), "value_error"),
        (ValueError(""), "value_error"),
    ],
    ids=repr,
)
def test_rule_has_a_name_whatever_its_error_says(base: type[Record], error: Exception, rule: str) -> None:
    def refuse(value: str) -> str:
        if value == "a":
            raise error
        return value

    model: type[Record] = create_model("Terse", __base__=base, extra=(Annotated[str, AfterValidator(refuse)], ...))
    columns = list(model.model_fields)

    told = told_of(model, [["1"] * len(columns), ["1"] * (len(columns) - 1) + ["a"]], columns)

    assert told == {1: ("extra", rule, "a", "")}


def test_values_are_cut_at_200_characters() -> None:
    model: type[Record] = create_model("Short", __base__=Record, a=(Annotated[str, Field(max_length=3)], ...))

    told = told_of(model, [["y" * 300]], ["a"])

    assert told[0][2] == "y" * 200


def test_each_distinct_value_is_validated_once() -> None:
    seen: list[str] = []
    model: type[Record] = create_model("Once", __base__=Record, a=(Annotated[str, AfterValidator(seen.append)], ...))

    told_of(model, [["1"], ["2"]] * 500, ["a"])

    assert sorted(seen) == ["1", "2"]


def test_many_broken_columns_and_wordings_are_told_the_same_by_value_and_by_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker.rules, "_VALUES_AT_ONCE", 3)

    def is_number(text: str) -> str:
        int(text)
        return text

    names = [f"c{n}" for n in range(9)]
    fields: dict[str, Any] = dict.fromkeys(names, (Annotated[str, AfterValidator(is_number)], ...))
    model = create_model("Many", __base__=Record, **fields)
    rows = [["1" if (n >> place) & 1 else f"x{n % 7}{place}" for place in range(9)] for n in range(0, 512, 5)]

    assert told_of(model, rows, names) == judged_one_by_one(model, names, rows)


def test_model_is_asked_about_few_of_many_sets_of_columns_that_fail_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.refused, "_SETS_AT_MOST", 3)
    seen: list[str] = []

    def is_filled(text: str) -> str:
        seen.append(text)
        assert text, "is empty"
        return text

    names = [f"c{n}" for n in range(6)]
    fields: dict[str, Any] = dict.fromkeys(names, (Annotated[str, AfterValidator(is_filled)], ...))
    model = create_model("Sets", __base__=Record, **fields)
    rows = [["x" if (n >> place) & 1 else "" for place in range(6)] for n in range(64)]

    told = told_of(model, rows, names)

    assert len(seen) <= 6 * 2 + 3 * 6, "each value once, and three records"
    assert told == judged_one_by_one(model, names, rows)


def test_column_without_values_is_judged_once_for_all_pieces() -> None:
    seen: list[str] = []
    model: type[Record] = create_model("Empty", __base__=Record, a=(Annotated[str, AfterValidator(seen.append)], ...))

    for _ in range(3):
        told_of(model, [[""], [""]], ["a"])

    assert seen == [""]


def test_the_model_has_the_last_word_on_what_its_columns_refuse() -> None:
    class Strict(Record):
        a: Annotated[str, Field(min_length=2)]

    class Lenient(Record):
        a: Annotated[str, Field(min_length=1)]

    misjudged = Rules(Lenient, rules_of(Strict).by_column)
    found = misjudged.broken(frame_of([["x"], [""], ["xy"]], 1), ["a"], told_max=3, enough=3)

    assert [row[:3] for row in found.told.iter_rows()] == [(1, "a", "string_too_short")]
