"""Converts batches and the handover's records to rows and back, whichever version of Baton wrote them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from baton.errors import Refused
from baton.model import old_rows
from baton.model.batch import Batch
from baton.model.control import Control, SwitchBackend, Transition
from baton.model.journal import Command, Decision, Heartbeat
from baton.model.stored import SCHEMA, gathered, spread

_SCHEMA: Final = "schema"


def _as_it_is(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row)


def _heartbeat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out a switch that only a newer version knows: its type is a setting, which takes no unknown word."""
    return {**row, "switch": row["switch"] if row.get("switch") in set(SwitchBackend) else None}


@dataclass(frozen=True, slots=True)
class Form[T]:
    """One kind of row."""

    name: str
    kind: type[T]
    adapter: TypeAdapter[T]
    from_first: Callable[[Mapping[str, Any]], dict[str, Any]] = _as_it_is
    """Brings a row of schema 1 up to 2."""
    known: Callable[[Mapping[str, Any]], dict[str, Any]] = _as_it_is
    """Leaves out what a row of a newer version has and no record of ours can hold."""

    def read(self, row: Mapping[str, Any]) -> T:
        """Return the record of a row of plain values. Raises `Refused` if this version cannot read it at all."""
        try:
            plain = dict(row)
            schema = int(plain.pop(_SCHEMA, 1))
            present = self.known(plain if schema >= SCHEMA else self.from_first(plain))
            newer = {_SCHEMA: schema} if schema > SCHEMA else {}
            return self.adapter.validate_python(gathered(self.kind, {**present, **newer}))
        except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(f"{self.name} cannot be read by this version of Baton: {error}") from error

    def written(self, record: T) -> dict[str, Any]:
        """Return the row, with every field that a newer version left in it, and then with its number."""
        return {_SCHEMA: SCHEMA, **spread(record)}


BATCH: Final = Form("the row of a batch", Batch, TypeAdapter(Batch))
CONTROL: Final = Form("the control row", Control, TypeAdapter(Control), old_rows.control)
SWITCH: Final = Form("the row of a switch", Transition, TypeAdapter(Transition), old_rows.transition)
HEARTBEAT: Final = Form("a heartbeat", Heartbeat, TypeAdapter(Heartbeat), old_rows.heartbeat, _heartbeat)
COMMAND: Final = Form("a command", Command, TypeAdapter(Command))
DECISION: Final = Form("a decision", Decision, TypeAdapter(Decision), old_rows.decision)
