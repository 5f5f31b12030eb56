"""docs/chaos.md speaks of what there is."""

from pathlib import Path

from baton_proof.chaos.draws import LONG_SECONDS, SHORT_SECONDS, Fault
from baton_proof.chaos.verdicts import Expected

TEXT = (Path(__file__).parents[3] / "docs" / "chaos.md").read_text()


def _first_cells() -> set[str]:
    return {line.split("|")[1].strip() for line in TEXT.splitlines() if line.startswith("| ")}


def test_every_fault_and_everything_that_may_have_to_follow_has_its_row() -> None:
    assert set(Fault) | set(Expected) <= _first_cells()


def test_the_lengths_are_those_that_are_drawn() -> None:
    assert f"short ({SHORT_SECONDS[0]:g} to {SHORT_SECONDS[1]:g} s)" in TEXT
    assert f"long ({LONG_SECONDS[0]:g} to {LONG_SECONDS[1]:g} s)" in TEXT
