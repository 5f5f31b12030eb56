"""Says to the sender of a value what the rule requires: text from the job's record model, never from the value."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from baton.job import Record
from baton.rejects import MISSING_REFERENCE, OF_FORM

__all__ = ["asked_for"]

type _Schema = Mapping[str, Any]

_OF_NO_MODEL: Final = OF_FORM | {MISSING_REFERENCE}
_SHOWN_MAX: Final = 12
"""Values of a list of allowed ones: enough for a mail."""


def asked_for(record: type[Record] | None, column: str, rule: str) -> str:
    """Return what a value of this column must be to keep to this rule; nothing if that is not known.

    That is the `description` of the field if it has one, else what its JSON schema says of this rule. A rule that comes
    with a text of its own (`value_error: …`) has said it, and a key that is not in the reference data breaks no rule of
    the model, nor does a record that cannot be read.
    """
    if record is None or ":" in rule or rule in _OF_NO_MODEL:
        return ""
    try:
        return _asked_for(_schema_of(record), column, rule)
    except Exception:  # noqa: BLE001 - a job may write anything into its schema, and its mail must go out all the same
        return ""


def _asked_for(schema: _Schema, column: str, rule: str) -> str:
    for each in _alternatives(schema, column):
        if description := each.get("description"):
            return str(description)
        tell = _TELLS.get(rule)
        if told := tell(each) if tell else "":
            return told
    return ""


@lru_cache(maxsize=64)
def _schema_of(record: type[Record]) -> _Schema:
    try:
        return record.model_json_schema(by_alias=True)
    except Exception:  # noqa: BLE001 - whatever a job's own types do there: nothing is told then
        return {}


def _alternatives(schema: _Schema, column: str) -> Iterator[_Schema]:
    """Yield the column's own schema, and what it leads to: a named type, or one of several."""
    found = schema.get("properties", {}).get(column)
    for each in (found, *found.get("anyOf", ())) if found else ():
        yield each
        yield schema.get("$defs", {}).get(each.get("$ref", "").rpartition("/")[2], {})


def _one_of(schema: _Schema) -> str:
    values = [repr(value) for value in (schema.get("enum") or ([schema["const"]] if "const" in schema else []))]
    if len(values) > _SHOWN_MAX:
        return f"one of {', '.join(values[:_SHOWN_MAX])} and {len(values) - _SHOWN_MAX} more"
    return f"one of {', '.join(values)}" if len(values) > 1 else "".join(values)


def _pattern(schema: _Schema) -> str:
    return f"text like {schema['pattern']}" if "pattern" in schema else ""


def _length(schema: _Schema) -> str:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if least is not None and most is not None:
        return f"{least:,} to {most:,} characters"
    if least is not None:
        return f"at least {least:,} character{'s' * (least != 1)}"
    return "" if most is None else f"at most {most:,} character{'s' * (most != 1)}"


def _bound(keyword: str, words: str) -> Callable[[_Schema], str]:
    return lambda schema: f"{words} {schema[keyword]:g}" if keyword in schema else ""


_TELLS: Final[Mapping[str, Callable[[_Schema], str]]] = {
    "literal_error": _one_of,
    "enum": _one_of,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _length,
    "string_too_long": _length,
    "greater_than": _bound("exclusiveMinimum", "more than"),
    "greater_than_equal": _bound("minimum", "at least"),
    "less_than": _bound("exclusiveMaximum", "less than"),
    "less_than_equal": _bound("maximum", "at most"),
}
