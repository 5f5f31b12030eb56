"""What somebody meets who types the commands for the first time."""

from typing import Any

import pytest

from baton.model.batch import Counts
from baton.model.states import BatchState
from cli_typed import holding, typed
from cli_world import PUBLISHED, CliWorld, completed, failed

ID = "b" * 20


# --- batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (failed("header"), "10 - "),
        (failed("too_many_rejects") | {"counts": Counts(8, 2, 6)}, "10 6 "),
        (failed("mail_failed") | {"published": PUBLISHED, "counts": Counts(10, 10, 0)}, "10 0 "),
        ({"state": BatchState.ADMITTED}, "10 0 "),
        (completed(), "10 2 "),
    ],
)
def test_a_list_of_batches_shows_rejects_as_far_as_they_are_known(changes: dict[str, Any], told: str) -> None:
    world = holding(CliWorld().batch(**changes))

    assert f"march.csv {told}" in " ".join(typed(world, "batches").stdout.split())


@pytest.mark.parametrize("command", ["watch", "show"])
def test_a_batch_over_its_limit_shows_how_much_of_it_was_checked(command: str) -> None:
    world = holding(CliWorld().batch(counts=Counts(8, 2, 6), **failed("too_many_rejects")))

    text = typed(world, command, ID).stdout

    assert "8 of 10 were checked, 6 rejected" in text
    assert " out " not in text, "nothing of it is published"
