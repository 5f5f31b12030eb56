"""A job's rules, applied to every record of a chunk by pydantic itself.

A field's rules are pure functions of one value, so each distinct value of a column is validated once, by the very
schema that the model holds for that field. Only records with a failing value then meet the whole model, which has
the last word and explains what is wrong. A model that looks at more than one field at once (model validators,
validators that take `info`, hooks) is run record by record: slower, and just as right. A property test holds both
ways equal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

import polars as pl
from pydantic import ValidationError
from pydantic_core import SchemaValidator, core_schema

from baton.errors import BatchFailed
from baton.job import Record

__all__ = ["VALUE_CHARS_MAX", "Broken", "Rules", "rules_of"]

VALUE_CHARS_MAX: Final = 200
"""Of an offending value in the rejects file; the whole record stands beside it."""
_MODEL_HOOKS: Final = ("custom_init", "post_init", "root_model")


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken rule. `column` is "" and `value` a sentence where the record as a whole is at fault."""

    column: str
    rule: str
    value: str


type BrokenByRow = dict[int, tuple[Broken, ...]]
"""Row of a frame, from 0, to at least one broken rule."""


@dataclass(frozen=True, slots=True)
class _ColumnRules:
    """One field's rules, for a list of values at a time."""

    column: str
    values: SchemaValidator
    """Of values alone: the fast way, for whatever such a list can express."""
    fields: SchemaValidator
    """Of records that hold this field alone: 15 times slower, and just what the model does, defaults included."""

    def failing(self, values: Sequence[str | None]) -> list[str | None]:
        """Return those values that the field refuses. Raises what a rule of the user's own raises."""
        try:
            self.values.validate_python([value or "" for value in values])
        except ValidationError as error:
            return _refused(error, values)
        except Exception:  # noqa: BLE001 - a rule that asks for the field's default, or a crash: then it crashes below
            return self._failing_in_a_record(values)
        return []

    def _failing_in_a_record(self, values: Sequence[str | None]) -> list[str | None]:
        try:
            self.fields.validate_python([{self.column: value or ""} for value in values])
        except ValidationError as error:
            return _refused(error, values)
        return []


def _refused(error: ValidationError, values: Sequence[str | None]) -> list[str | None]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [values[index] for index in {int(item["loc"][0]) for item in found}]


@dataclass(frozen=True, slots=True)
class Rules:
    """A compiled record model. `by_column` is None if the model must see whole records."""

    model: type[Record]
    by_column: Mapping[str, _ColumnRules] | None

    def broken(self, frame: pl.DataFrame, columns: Sequence[str]) -> BrokenByRow:
        """Return what each failing row breaks. `frame` is all text, null for empty, in the order of `columns`.

        Raises `BatchFailed` with code `rule_error` if a rule of the user's own crashes.
        """
        try:
            suspects = self._suspects(frame, columns)
            return dict(_explain(self.model, suspects, columns))
        except Exception as error:
            reason = f"a rule of {self.model.__name__} crashed instead of judging: {type(error).__name__}: {error}"
            raise BatchFailed("rule_error", reason) from error

    def _suspects(self, frame: pl.DataFrame, columns: Sequence[str]) -> Iterable[tuple[int, tuple[str | None, ...]]]:
        if self.by_column is None:
            return enumerate(frame.iter_rows())
        tests: list[pl.Expr] = []
        for series, column in zip(frame.iter_columns(), columns, strict=True):
            failing = self.by_column[column].failing(series.unique().to_list())
            if failing:
                tests.append(pl.col(series.name).is_in(failing, nulls_equal=True))
        if not tests:
            return ()
        rows = frame.select(pl.arg_where(pl.any_horizontal(tests))).to_series()
        return zip(rows.to_list(), frame[rows].iter_rows(), strict=True)


_OWN_WORDS: Final = frozenset({"value_error", "assertion_error"})
"""Error types of a job's own functions: the type alone says nothing."""


@lru_cache(maxsize=64)
def rules_of(model: type[Record]) -> Rules:
    """Compile a record model, once per model."""
    model.model_rebuild()  # does nothing unless the class was left with names to resolve
    return Rules(model, _field_validators(model, model.__pydantic_core_schema__))


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
    if rule in _OWN_WORDS:
        # "Value error, must be positive": the rule's author wrote the rest for whoever reads the reject.
        rule, message = f"{rule}: {message.partition(', ')[2]}"[:VALUE_CHARS_MAX], ""
    return Broken(column, rule, record.get(column, message)[:VALUE_CHARS_MAX])


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
        if field.get("validation_alias", name) != column:
            return None  # the model would not find the column: let it say so
        rules[column] = _ColumnRules(
            column,
            values=_of_list(field["schema"], definitions, config),
            fields=_of_list(core_schema.model_fields_schema({name: field}), definitions, config),
        )
    return rules


def _of_list(items: Any, definitions: list[Any], config: Any) -> SchemaValidator:
    values = core_schema.list_schema(items)
    return SchemaValidator(core_schema.definitions_schema(values, definitions) if definitions else values, config)


def _wants_info(node: object) -> bool:
    """Say whether any function below takes `info`, through which it may see the fields before it."""
    if isinstance(node, dict):
        known = cast("dict[str, object]", node)
        return known.get("type") == "with-info" or any(map(_wants_info, known.values()))
    return isinstance(node, list) and any(map(_wants_info, cast("list[object]", node)))
