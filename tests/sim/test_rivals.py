"""Baton and the rival under the same seeds: one of them loses nothing and doubles nothing."""

from collections import Counter
from typing import ClassVar, override

import pytest

from baton.errors import Unavailable
from baton.testing import virtual_time
from baton_proof.simulation import rivals
from baton_proof.simulation.rival import RivalWorld, RoutingControl
from baton_proof.simulation.rivals import LOST, MAILS, NO_RESULT, ROWS, STUCK, TWICE, UNTAKEN, UNTOLD, RivalOutcome
from baton_proof.simulation.schedule import drawn

SEEDS = (2, 20, 22, 30, 45, 50)
"""Two of them lose their active Region permanently in the middle of a mail that cannot be sent."""


@pytest.fixture(scope="module")
def both() -> tuple[list[RivalOutcome], list[RivalOutcome]]:
    pairs = [rivals.compare(drawn(seed)) for seed in SEEDS]
    assert [report.violations for report, _, _ in pairs] == [()] * len(SEEDS)
    return [ours for _, ours, _ in pairs], [theirs for _, _, theirs in pairs]


def _sum(outcomes: list[RivalOutcome]) -> Counter[str]:
    return sum((outcome.count() for outcome in outcomes), Counter[str]())


def test_baton_loses_nothing_and_doubles_nothing(both: tuple[list[RivalOutcome], list[RivalOutcome]]) -> None:
    """A second mail is sent in a declared window at most: the invariants, which held, see to that."""
    counted = _sum(both[0])

    assert [counted[row] for row in (UNTAKEN, LOST, STUCK, TWICE, NO_RESULT, UNTOLD)] == [0] * 6


def test_the_rival_loses_files_and_doubles_some(both: tuple[list[RivalOutcome], list[RivalOutcome]]) -> None:
    """Otherwise the model, or the simulator, would see nothing."""
    counted = _sum(both[1])

    assert min(counted[row] for row in (LOST, STUCK)) > 0, counted
    assert max(counted[row] for row in (TWICE, MAILS)) > 0, counted


def test_both_were_given_the_same_files(both: tuple[list[RivalOutcome], list[RivalOutcome]]) -> None:
    mine, theirs = both

    assert [each.count()["files sent"] for each in mine] == [each.count()["files sent"] for each in theirs]
    assert [each.switches for each in mine] == [each.switches for each in theirs]


def test_the_table_has_every_row(both: tuple[list[RivalOutcome], list[RivalOutcome]]) -> None:
    table = rivals.table(zip(*both, strict=True))

    assert [row for row in ROWS if row not in table] == []


# --- the model is the sample: each of these was seen when its own code was run --------------------------------------


class _LosesAnAnswer(RoutingControl):
    written: ClassVar[list[tuple[int, bool]]] = []

    @override
    async def set_states(self, endpoint: int, is_on: bool) -> None:
        await super().set_states(endpoint, is_on)
        self.written.append((endpoint, is_on))
        if endpoint == 1:
            raise Unavailable("no answer")


def test_a_lost_answer_toggles_back() -> None:
    control = _LosesAnAnswer(set())
    virtual_time.run(RivalWorld(drawn(1)).toggle(control))

    assert control.is_on
    assert control.written == [(1, False), (2, True)]


def test_two_toggles_undo_each_other() -> None:
    control, world = RoutingControl(set()), RivalWorld(drawn(1))
    virtual_time.run(world.toggle(control))
    virtual_time.run(world.toggle(control))

    assert control.is_on


def test_that_no_endpoint_answers_is_no_error() -> None:
    control, world = RoutingControl({1, 2, 3, 4, 5}), RivalWorld(drawn(1))
    virtual_time.run(world.toggle(control))

    assert control.is_on
