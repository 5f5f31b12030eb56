"""docs/failover.md and docs/runbooks.md speak of what there is."""

import re
from pathlib import Path

import pytest

from baton.model.journal import CommandKind, Signal
from controller_made import START, control_made, memory_made
from handover import brakes

DOCS = Path(__file__).parents[3] / "docs"
FAILOVER = (DOCS / "failover.md").read_text()
RUNBOOKS = (DOCS / "runbooks.md").read_text()


def _first_cells(text: str) -> set[str]:
    return {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}


def test_every_signal_has_its_row() -> None:
    assert set(Signal) <= _first_cells(FAILOVER)


def test_every_brake_has_its_row_and_a_way_out() -> None:
    names = {rule.name for rule in brakes.brakes(memory_made(), control_made(), START)}

    assert names <= _first_cells(FAILOVER)
    held = RUNBOOKS.split("## It should fail over and does not")[1].split("\n## ")[0]
    assert {name for name in names if f"*{name}*" not in held} == {"isolated"}  # that one has a section of its own


def test_every_rule_of_readiness_has_a_way_out() -> None:
    held = RUNBOOKS.split("## It should fail over and does not")[1].split("\n## ")[0]

    for rule in brakes.own_readiness(memory_made(), START):
        assert f"*{rule.name}*" in held


@pytest.mark.parametrize("kind", CommandKind)
def test_every_command_is_explained(kind: CommandKind) -> None:
    assert any(cell.startswith(f"`baton {kind}") for cell in _first_cells(FAILOVER))


def test_each_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for section in RUNBOOKS.split("\n## ")[1:]:
        title = section.splitlines()[0]
        assert "**Do**" in section, title
        assert "**Look at**" in section, title
        assert re.search(r"`baton \w+", section) or "restart" in section or "log" in section, title
