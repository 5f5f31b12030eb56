"""Reads and writes rows so that different versions of Baton can share them.

A word that this version does not know is kept as it is: it equals none of ours, so that nothing is done because of it.
A field that this version does not know is kept in `more`, and written back where it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, Self, cast, get_args, get_type_hints

SCHEMA: Final = 2
"""Of the rows that this version writes; what is older is in `baton.model.old_rows`. A row without a number is of 1."""
_MORE: Final = "more"


class Word(StrEnum):
    """A name that stands in rows."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word

    @property
    def is_known(self) -> bool:
        """Whether this version knows the word."""
        return any(self is word for word in type(self))


def gathered(form: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row for reading as `form`: fields that the form does not have are in `more`, if it has that."""
    forms = _forms_of(form)
    read = {name: _gathered_in(forms[name], value) for name, value in row.items() if name in forms}
    extra = {name: value for name, value in row.items() if name not in forms}
    return {**read, _MORE: extra} if extra and _MORE in forms else read


def spread(record: Any) -> dict[str, Any]:
    """Return the row of a record, with what was in `more` back in its place."""
    return cast("dict[str, Any]", _spread(asdict(record)))


def _spread(value: Any) -> Any:
    match value:
        case dict():
            plain = {name: _spread(each) for name, each in cast("dict[str, Any]", value).items()}
            more = cast("dict[str, Any] | None", plain.pop(_MORE, None))
            return {**(more or {}), **plain}
        case tuple() | list():
            return [_spread(each) for each in cast("Sequence[Any]", value)]
        case _:
            return value


def _gathered_in(form: type | None, value: Any) -> Any:
    if form is None:
        return value
    if isinstance(value, Mapping):
        return gathered(form, cast("Mapping[str, Any]", value))
    if isinstance(value, list | tuple):
        return [_gathered_in(form, each) for each in cast("Sequence[Any]", value)]
    return value


@cache
def _forms_of(form: type) -> Mapping[str, type | None]:
    """Return the fields of a form, each with the form of the records in it; None: there are none in it."""
    hints = get_type_hints(form)
    return {each.name: next(_records_in(hints[each.name]), None) for each in fields(form)}


def _records_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _records_in(part)
