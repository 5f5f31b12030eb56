"""Applies a job's rules to every record of a chunk, with pydantic.

A field's rules are pure functions of one value, so each distinct value of a column is validated once, by the schema
that the model holds for that field. A record's errors are combined from the verdicts on its values; the whole
model decides on each set of columns that fail together. A model that uses more than one field at once (model
validators, validators that take `info`, defaults made from other fields, hooks) is run record by record: slower, with
the same result. A property test checks that both ways agree.
"""

import sys
import traceback
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PanicException
from pydantic import ValidationError
from pydantic_core import SchemaValidator, core_schema

from baton.errors import BatchFailed, said
from baton.job import Record
from worker.refused import RefusedValues, put_together
from worker.rejects import NO_REJECTS, VALUE_CHARS_MAX, Broken, rejects_of

__all__ = ["REASON_CHARS_MAX", "Rejected", "Rules", "rules_of"]

REASON_CHARS_MAX: Final = 1_000
"""Of what a crashed rule says, which may quote a value of a megabyte."""
_VALUES_AT_ONCE: Final = 4_096
"""Values judged in one call: each that fails is a Python object of half a kilobyte until it is reported."""
_MODEL_HOOKS: Final = ("custom_init", "post_init", "root_model")
_OWN_WORDS: Final = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
"""Error types of a job's own functions, of which the type alone says nothing; what pydantic writes before the text."""
_NAMELESS: Final = "custom_error"
"""The rule of a `PydanticCustomError` whose type is empty."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rows of a frame that break a rule: how many there are, and the reasons of all or of the first of them."""

    rows: int
    told: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _ColumnRules:
    """One field's rules, for a list of values at a time."""

    column: str
    values: SchemaValidator
    """Of values alone: the fast way, for all that such a list can express."""
    fields: Callable[[], SchemaValidator]
    """Of records that hold this field alone: 15 times slower, and just what the model does, defaults included."""
    of_nothing: list[RefusedValues | None]
    """What is refused of a column without any value, once that is known."""

    def refused(self, series: pl.Series) -> RefusedValues | None:
        """Judge each distinct value once. Raises what a rule of the user's own raises, with the column as a note."""
        try:
            return self._refused(series)
        except BaseException as error:
            error.add_note(f" the column {self.column!r}")
            raise

    def _refused(self, series: pl.Series) -> RefusedValues | None:
        if series.null_count() < series.len() or not series.len():
            return self._judged(_unique(series))
        # Sheets have thousands of empty columns, in every piece: what costs little for a column is much for them.
        if not self.of_nothing:
            # Of its own: a slice would keep the whole column of this piece for as long as there is this model.
            self.of_nothing.append(self._judged(pl.Series(series.name, [None], dtype=pl.String)))
        known = self.of_nothing[0]
        return known and replace(known, name=series.name)

    def _judged(self, values: pl.Series) -> RefusedValues | None:
        places, whys, reasons = array("I"), array("I"), _Reasons()
        for at in range(0, values.len(), _VALUES_AT_ONCE):
            errors: dict[int, list[str]] = {}
            for index, rule in self._errors(values.slice(at, _VALUES_AT_ONCE).to_list()):
                errors.setdefault(index, []).append(rule)
            for index, rules in errors.items():
                places.append(at + index)
                whys.append(reasons.place(tuple(rules)))
        if not places:
            return None
        return RefusedValues(
            values.name,
            self.column,
            values=values if len(places) == values.len() else values.gather(np.frombuffer(places, np.uint32)),
            whys=np.frombuffer(whys, np.uint32),
            rules=reasons.rules(),
            numbers=reasons.numbers(),
            is_all=len(places) == values.len(),
        )

    def _errors(self, values: list[str | None]) -> list[tuple[int, str]]:
        try:
            self.values.validate_python([value or "" for value in values])
        except ValidationError as error:
            return _found(error)
        except Exception:  # noqa: BLE001 - a rule that needs the field's default, or a crash: then it crashes below
            try:
                self.fields().validate_python([{self.column: value or ""} for value in values])
            except ValidationError as error:
                return _found(error)
        return []


def _unique(series: pl.Series) -> pl.Series:
    if series.len() > _VALUES_AT_ONCE:
        return series.unique()
    return pl.Series(series.name, list(dict.fromkeys(series.to_list())), pl.String)  # of many short columns far cheaper


class _Reasons:
    """Reasons by their places, from 1. One that is much used may have several: a rule may word each value anew."""

    def __init__(self) -> None:
        self._told = pl.Series(dtype=pl.String)
        self._numbers = array("I")
        self._known: dict[tuple[str, ...], int] = {}

    def place(self, rules: tuple[str, ...]) -> int:
        """Return the place of these reasons."""
        if len(self._known) == _VALUES_AT_ONCE:
            self._told = self.rules()  # a fifth of what they take as Python objects
            self._known = {}
        place = self._known.setdefault(rules, len(self._numbers) + 1)
        if place > len(self._numbers):
            self._numbers.append(len(rules))
        return place

    def rules(self) -> pl.Series:
        """Return those of all reasons, in the order of their places."""
        return self._told.append(pl.Series([rule for rules in self._known for rule in rules], dtype=pl.String))

    def numbers(self) -> NDArray[np.uint32]:
        """Return how many rules each of the reasons has."""
        return np.frombuffer(self._numbers, np.uint32)


def _found(error: ValidationError) -> list[tuple[int, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(int(item["loc"][0]), _rule(item["type"], item["msg"])) for item in found]


@dataclass(frozen=True, slots=True)
class Rules:
    """A compiled record model. `by_column` is None if the model must have whole records."""

    model: type[Record]
    by_column: Mapping[str, _ColumnRules] | None
    """In the order of the model's fields, in which it reports errors."""

    def broken(self, frame: pl.DataFrame, columns: Sequence[str], *, told_max: int, enough: int) -> Rejected:
        """Return which rows fail, and what they break. `frame` is all text, null for empty, in the order of `columns`.

        If more rows than `enough` fail, only the first `told_max` are reported. Raises `BatchFailed` with code
        `rule_error` if a rule of the user's own crashes.
        """
        try:
            if self.by_column is None:
                return self._by_record(enumerate(frame.iter_rows()), columns, told_max=told_max, enough=enough)
            return self._by_value(self.by_column, frame, columns, told_max=told_max, enough=enough)
        except PanicException:
            raise  # it is not the rule that is to blame
        except BaseException as error:
            # A rule may say `sys.exit()`, or raise what would cancel the task: it must not end the process.
            column = "".join(getattr(error, "__notes__", ())[-1:])
            what = f"a rule of {self.model.__name__} crashed instead of judging{column}{_where(self.model, error)}"
            raise _rule_error(what, error) from error

    def _by_value(
        self,
        by_column: Mapping[str, _ColumnRules],
        frame: pl.DataFrame,
        columns: Sequence[str],
        *,
        told_max: int,
        enough: int,
    ) -> Rejected:
        places = {column: place for place, column in enumerate(columns)}
        judged = (rules.refused(frame.to_series(places[column])) for column, rules in by_column.items())
        refused = [each for each in judged if each is not None]
        fails = np.zeros(frame.height, dtype=bool)
        for each in refused:
            fails |= each.failing(frame[each.name])
            if fails.all():
                break
        failing = pl.Series(np.flatnonzero(fails), dtype=pl.UInt32)
        if not failing.len():
            return Rejected(0, NO_REJECTS)
        rows = failing if failing.len() <= enough else failing.head(told_max)
        told, samples = put_together(frame.select(each.name for each in refused)[rows], rows, refused)
        suspects = zip(rows[samples].to_list(), frame[rows[samples]].iter_rows(), strict=True)
        # The model has the last word on sets of columns that fail together.
        if not told[samples].equals(rejects_of(_explain(self.model, suspects, columns))):
            all_suspects = zip(failing.to_list(), frame[failing].iter_rows(), strict=True)
            return self._by_record(all_suspects, columns, told_max=told_max, enough=enough)
        return Rejected(failing.len(), told)

    def _by_record(
        self, rows: Iterable[tuple[int, tuple[str | None, ...]]], columns: Sequence[str], *, told_max: int, enough: int
    ) -> Rejected:
        failing = _explain(self.model, rows, columns)
        told = rejects_of(islice(failing, max(enough, told_max)))
        number = told.height + sum(1 for _ in failing)
        return Rejected(number, told if number <= enough else told.head(told_max))


def _where(model: type[Record], error: BaseException) -> str:
    """Return the line of the job that raised it, or that called what did: `, in payments.py, line 14`."""
    frames = traceback.extract_tb(error.__traceback__)
    home = getattr(sys.modules.get(model.__module__), "__file__", None)
    own = [frame for frame in frames if frame.filename == home] or [f for f in frames[-1:] if f.filename != __file__]
    return f", in {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""


def _rule_error(what: str, error: BaseException) -> BatchFailed:
    return BatchFailed("rule_error", f"{what}: {said(error)}"[:REASON_CHARS_MAX])


@lru_cache(maxsize=64)
def rules_of(model: type[Record]) -> Rules:
    """Compile a record model, once per model. Raises `BatchFailed` with code `rule_error` if it cannot be compiled."""
    try:
        model.model_rebuild()  # does nothing unless the class was left with names to resolve
        return Rules(model, _field_validators(model, model.__pydantic_core_schema__))
    except Exception as error:
        raise _rule_error(f"the rules of {model.__name__} cannot be used", error) from error


def _explain(
    model: type[Record], rows: Iterable[tuple[int, tuple[str | None, ...]]], columns: Sequence[str]
) -> Iterator[tuple[int, tuple[Broken, ...]]]:
    for row, values in rows:
        record = {column: value or "" for column, value in zip(columns, values, strict=True)}
        try:
            model.model_validate(record)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            yield row, tuple(_broken(record, item["loc"], item["type"], item["msg"]) for item in found)


def _broken(record: Mapping[str, str], where: tuple[int | str, ...], rule: str, message: str) -> Broken:
    column = str(where[0]) if where else ""
    told = "" if rule in _OWN_WORDS else message
    return Broken(column, _rule(rule, message), record.get(column, told)[:VALUE_CHARS_MAX])


def _rule(rule: str, message: str) -> str:
    if rule in _OWN_WORDS:
        # "Value error, must be positive": the rule's author wrote the rest for readers of the reject, or nothing.
        words = message.removeprefix(_OWN_WORDS[rule]).strip()
        rule = f"{rule}: {words}" if words else rule
    return rule[:VALUE_CHARS_MAX].strip() or _NAMELESS


def _field_validators(model: type[Record], schema: Any) -> Mapping[str, _ColumnRules] | None:
    """Return the rules of each column; None if fields alone do not make up the model's rules."""
    definitions: list[Any] = []
    if schema["type"] == "definitions":
        definitions, schema = schema["definitions"], schema["schema"]
    if schema["type"] != "model" or any(schema.get(hook) for hook in _MODEL_HOOKS):
        return None
    inner, config = schema["schema"], schema.get("config")
    if inner["type"] != "model-fields" or _wants_info([inner, definitions]):
        return None
    rules: dict[str, _ColumnRules] = {}
    for name, field in inner["fields"].items():
        column = model.model_fields[name].alias or name
        rules[column] = _ColumnRules(
            column,
            values=_of_list(field["schema"], definitions, config),
            fields=partial(_of_list, core_schema.model_fields_schema({name: field}), definitions, config),
            of_nothing=[],
        )
    return rules


def _of_list(items: Any, definitions: list[Any], config: Any) -> SchemaValidator:
    values = core_schema.list_schema(items)
    return SchemaValidator(core_schema.definitions_schema(values, definitions) if definitions else values, config)


def _wants_info(node: object) -> bool:
    """Return whether any function below takes `info`, or the fields before it for a default: it may use these."""
    if isinstance(node, dict):
        known = cast("dict[str, object]", node)
        sees = known.get("type") == "with-info" or known.get("default_factory_takes_data") is True
        return sees or any(map(_wants_info, known.values()))
    return isinstance(node, list) and any(map(_wants_info, cast("list[object]", node)))
