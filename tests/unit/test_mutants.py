"""The mutants fit the present code: a mutant that no longer does is found without running it."""

from pathlib import Path
from typing import Final

import pytest

from baton_proof.mutants.run import REPOSITORY, Mutant
from baton_proof.mutants.table import MUTANTS

MUTANTS_MIN: Final = 200


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_has_exactly_one_place_in_its_file(mutant: Mutant) -> None:
    text = mutant.path.read_text()

    assert mutant.mutated() != text
    assert text.count(mutant.before) == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_each_mutant_are_there(mutant: Mutant) -> None:
    for test in mutant.tests.split():
        path, _, name = test.partition("::")

        assert f"def {name}(" in Path(REPOSITORY, path).read_text() if name else Path(REPOSITORY, path).exists(), test


def test_there_are_many_mutants_and_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= MUTANTS_MIN
