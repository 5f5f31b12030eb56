"""Says to the sender of a value what the rule requires: text from the job's record model, never from the value.

The model is read as it was declared, and no code of the job runs for that: a hook that describes a type for a JSON
schema may hang, and who writes mails has many to write.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAliasType, Union, cast, get_args, get_origin

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from baton.job import Job, Record, column_of
from baton.rejects import ENCODING, MISSING_REFERENCE, OF_FORM

__all__ = ["asked_by", "asked_for"]

type _Tell = Callable[[Sequence[Any]], str]

_OF_NO_MODEL: Final = OF_FORM | {MISSING_REFERENCE}
_SHOWN_MAX: Final = 12
"""Values of a list of allowed ones: enough for a mail."""
_DEPTH_MAX: Final = 10
_DECLARED_BY: Final = ("annotated_types", "pydantic")
"""Whose marks of a type are read: to read an attribute of others may run code of theirs."""
_PLAIN: Final = (str, int, float, bool, Decimal)


def asked_by(job: Job | None, column: str, rule: str) -> str:
    """Return what a value must be to be no such reject of this job; nothing if that is not known."""
    if job is not None and rule == ENCODING:
        in_excel = f" ({job.dialect.in_excel})" if job.dialect.in_excel else ""
        return f"text in {job.dialect.encoding_name}{in_excel}"
    return asked_for(job.record if job else None, column, rule)


def asked_for(record: type[Record] | None, column: str, rule: str) -> str:
    """Return what a value of this column must be to keep to this rule; nothing if that is not known.

    That is the `description` of the field if it has one, else what the field declares of this rule. A rule that comes
    with a text of its own (`value_error: …`) has said it, and a key that is not in the reference data breaks no rule of
    the model, nor does a record that cannot be read.
    """
    if record is None or ":" in rule or rule in _OF_NO_MODEL:
        return ""
    fields = {column_of(name, field): field for name, field in record.model_fields.items()}
    if column not in fields:
        return ""
    try:
        return _asked_for(tuple(_marks(fields[column], _DEPTH_MAX)), rule)
    except (TypeError, ValueError, ArithmeticError):  # a mail must go out whatever a job declares
        return ""


def _asked_for(marks: Sequence[Any], rule: str) -> str:
    told, tell = _first(marks, "description"), _TELLS.get(rule)
    # Anything else may say itself by code of the job.
    return told if type(told) is str and told else tell(marks) if tell else ""


def _marks(declared: Any, depth: int) -> Iterator[Any]:
    """Yield what a field, or a type, declares of its values: the outermost first, and types that list their values."""
    if depth == 0:
        return
    if isinstance(declared, FieldInfo):
        inner: tuple[Any, ...] = (*declared.metadata, declared.annotation)
        yield declared
    elif isinstance(declared, TypeAliasType):
        inner = (declared.__value__,)
    elif get_origin(declared) is Annotated:
        inner = (*declared.__metadata__, declared.__origin__)
    elif get_origin(declared) in (Union, UnionType):
        inner = get_args(declared)
    else:
        yield declared
        return
    for each in inner:
        yield from _marks(each, depth - 1)


def _read(mark: Any, name: str) -> Any:
    if type(mark).__module__.partition(".")[0] not in _DECLARED_BY:
        return None
    if isinstance(mark, WithJsonSchema):
        return (mark.json_schema or {}).get(name)
    return getattr(mark, name, None)


def _first(marks: Sequence[Any], name: str) -> Any:
    """Return what the outermost declares of this."""
    return next((found for found in (_read(mark, name) for mark in marks) if found is not None), None)


def _one_of(marks: Sequence[Any]) -> str:
    for mark in marks:
        values: Sequence[Any] = ()
        if get_origin(mark) is Literal:
            values = get_args(mark)
        elif isinstance(mark, type) and issubclass(mark, Enum):
            values = tuple(mark.__members__.values())
        plain = [each._value_ if isinstance(each, Enum) else each for each in values]
        texts = [repr(value) for value in plain if type(value) in _PLAIN]
        if len(texts) > _SHOWN_MAX:
            return f"one of {', '.join(texts[:_SHOWN_MAX])} and {len(texts) - _SHOWN_MAX} more"
        if texts:
            return f"one of {', '.join(texts)}" if len(texts) > 1 else texts[0]
    return ""


def _pattern(marks: Sequence[Any]) -> str:
    pattern = _first(marks, "pattern")
    text = cast("re.Pattern[str]", pattern).pattern if type(pattern) is re.Pattern else pattern
    return f"text like {text}" if type(text) is str and text else ""


def _length(marks: Sequence[Any]) -> str:
    least, most = (_first(marks, name) for name in ("min_length", "max_length"))
    if least is not None and most is not None:
        return f"{least:,} to {most:,} characters"
    if least is not None:
        return f"at least {least:,} character{'s' * (least != 1)}"
    return "" if most is None else f"at most {most:,} character{'s' * (most != 1)}"


def _bound(name: str, words: str) -> _Tell:
    def tell(marks: Sequence[Any]) -> str:
        bound = _first(marks, name)
        return f"{words} {bound:,}" if type(bound) in _PLAIN else ""

    return tell


_TELLS: Final[Mapping[str, _Tell]] = {
    "literal_error": _one_of,
    "enum": _one_of,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _length,
    "string_too_long": _length,
    "greater_than": _bound("gt", "more than"),
    "greater_than_equal": _bound("ge", "at least"),
    "less_than": _bound("lt", "less than"),
    "less_than_equal": _bound("le", "at most"),
}
