"""docs/events.md speaks of the events that there are."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from baton.model.events import SCHEMA, SOURCE, TEXT_CHARACTERS_MAX, Event, HeldTold, Kind, SwitchTold, entry
from events_made import EVENT

TEXT = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


def _rows() -> list[list[str]]:
    lines = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("|--")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _blocks() -> list[Any]:
    return [json.loads(part.partition("```")[0]) for part in TEXT.split("```json\n")[1:]]


def test_every_kind_has_its_row_and_its_type() -> None:
    told = [tuple(row[:2]) for row in _rows() if len(row) == 3 and row[0].startswith("Baton ")]

    assert told == [(kind.detail_type, kind.value) for kind in Kind]


def test_every_field_has_its_row_and_no_other() -> None:
    named = [row[0].strip("`") for row in _rows() if row[0].startswith("`") and row[0] != "`detail-type`"]
    nested = {"switch": SwitchTold, "held": HeldTold}
    of_event = [field.name for field in fields(Event) if field.name not in nested]
    of_parts = [f"{name}.{field.name}" for name, form in nested.items() for field in fields(form)]

    assert named == ["schema", "environment", *of_event, *of_parts]
    assert f"| `schema` | {SCHEMA} |" in TEXT
    assert f"at most {TEXT_CHARACTERS_MAX:,} characters" in TEXT


def test_the_example_is_an_event() -> None:
    example = _blocks()[0]
    made = entry(EVENT, "prod")

    assert (example["source"], example["detail-type"]) == (SOURCE, made["DetailType"])
    assert example["detail"] == json.loads(made["Detail"])
