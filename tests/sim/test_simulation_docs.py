"""docs/simulation.md speaks of what there is."""

import ast
import re
from pathlib import Path

from baton_proof.simulation import rivals, simulate, watch
from baton_proof.simulation.schedule import Fault

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "simulation.md").read_text()


def _first_cells(text: str) -> set[str]:
    return {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}


def _planted() -> set[str]:
    """Return the names of the planted bugs, as the test of the simulation has them: tests do not import each other."""
    tree = ast.parse((ROOT / "tests" / "sim" / "test_simulation.py").read_text())
    (found,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "PLANTED"
    )
    assert isinstance(found, ast.Dict)
    return {key.value for key in found.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def test_every_planted_bug_has_its_row_and_no_row_is_left_over() -> None:
    section = TEXT.split("## That it sees")[1].split("\n## ")[0]

    assert _first_cells(section) - {"planted"} == _planted()


def test_every_fault_has_its_row() -> None:
    assert set(Fault) <= _first_cells(TEXT)


def test_every_invariant_that_can_break_has_its_row() -> None:
    sources = [Path(module.__file__ or "").read_text() for module in (watch, simulate)]
    names = {name for source in sources for name in re.findall(r"\b[SL]\d+\b", source)}

    assert names <= _first_cells(TEXT)
    assert {f"S{number}" for number in range(1, 13)} | {f"L{number}" for number in range(1, 6)} <= _first_cells(TEXT)


def test_the_table_of_the_rivals_has_every_row() -> None:
    assert set(rivals.ROWS) <= _first_cells(TEXT)
