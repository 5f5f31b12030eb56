"""Converts DynamoDB's typed attributes to plain values and back. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast, override

from baton.topology import PROGRESS_KEPT_DAYS

_WHOLE: Final = re.compile("-?[0-9]{1,38}")

type Item = dict[str, Any]
"""An item on the wire: attribute name to a typed value such as `{"S": "text"}`."""


class Attribute:
    """An attribute of a kind that no version of ours writes yet: read, and written back as it was."""

    def __init__(self, typed: Mapping[str, Any]) -> None:
        self.typed = typed

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attribute) and self.typed == other.typed

    __hash__ = None  # pyright: ignore[reportAssignmentType] - as of a dict, which it is made of


def iso(moment: datetime) -> str:
    """Return ISO 8601 in UTC with microseconds: texts that sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_item(plain: Mapping[str, Any]) -> Item:
    """Return the item of a mapping; None is left out."""
    return {name: _to_attribute(value) for name, value in plain.items() if value is not None}


def typed(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request of `baton.requests` with attributes for its plain values."""
    values = request.get("ExpressionAttributeValues")
    return {**request, "ExpressionAttributeValues": to_item(values)} if values is not None else dict(request)


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping of an item; moments stay texts, as the reader knows which they are.

    What is no text, whole number, truth value, list or map is an `Attribute`.
    """
    return {name: _from_attribute(attribute) for name, attribute in item.items()}


def expires_at(now: datetime) -> int:
    """Return when a row of a Regional table written now may be removed by the table itself: a Unix time in seconds."""
    return int((now + timedelta(days=PROGRESS_KEPT_DAYS)).timestamp())


def _to_attribute(value: Any) -> dict[str, Any]:
    match value:
        case Attribute():
            return dict(value.typed)
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": str(value)}
        case datetime():
            return {"S": iso(value)}
        case Mapping():
            return {"M": to_item(cast("Mapping[str, Any]", value))}
        case Sequence():
            return {"L": [_to_attribute(element) for element in cast("Sequence[Any]", value)]}
        case _:
            raise TypeError(f"no attribute type for {type(value).__name__}")


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N" if _WHOLE.fullmatch(value):
            return int(value)
        case "M":
            return from_item(value)
        case "L":
            return [_from_attribute(element) for element in value]
        case "S" | "BOOL":
            return value
        case _:
            return Attribute(attribute)
