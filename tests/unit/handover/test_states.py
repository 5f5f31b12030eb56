"""The table of a handover's life is complete, and the documentation shows it as it is."""

from pathlib import Path

import pytest

from baton.model.control import Phase
from baton.model.journal import State
from controller_made import SETTINGS, START, control_made
from handover.states import TABLE, WAITS, moved, state_of

FAILOVER = Path(__file__).parents[3] / "docs/failover.md"


def _reachable(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        state = todo.pop()
        new = {row.target for row in TABLE.rows if row.source is state} - seen
        seen |= new
        todo += new
    return seen


def test_every_state_can_be_reached() -> None:
    assert _reachable(TABLE.initial) == set(State)


@pytest.mark.parametrize("state", State)
def test_every_state_gets_back_to_rest(state: State) -> None:
    assert TABLE.initial in _reachable(state)


@pytest.mark.parametrize("state", set(State) - {TABLE.initial})
def test_every_state_but_rest_has_a_wait_that_ends(state: State) -> None:
    assert getattr(SETTINGS, WAITS[state]) > 0


def test_rest_waits_for_nothing() -> None:
    assert TABLE.initial not in WAITS


def test_no_step_is_listed_twice_and_each_has_its_comment() -> None:
    steps = [(row.source, row.target) for row in TABLE.rows]

    assert len(steps) == len(set(steps))
    assert all(row.comment for row in TABLE.rows)


def test_the_epoch_that_moved_never_goes_back_to_draining_or_rest() -> None:
    for committed in (State.SWITCHING, State.VERIFYING):
        for before in (State.STEADY, State.SUSPECT, State.DRAINING):
            assert not TABLE.allowed(committed, before)


@pytest.mark.parametrize("source", Phase)
@pytest.mark.parametrize("target", Phase)
def test_a_row_moves_by_the_table_only(source: Phase, target: Phase) -> None:
    control = control_made(phase=source)

    if not TABLE.allowed(State(source.value), State(target.value)):
        with pytest.raises(ValueError, match=f"no step leads from {source} to {target}"):
            moved(control, target, START)
    else:
        after = moved(control, target, START)
        assert (after.phase, after.phase_since, after.revision) == (target, START, control.revision + 1)


def test_every_phase_is_a_state_and_suspicion_lies_over_the_quiet_ones_only() -> None:
    for phase in Phase:
        assert state_of(phase, suspects=False) == State(phase.value)
    suspecting = {phase for phase in Phase if state_of(phase, suspects=True) is State.SUSPECT}
    assert suspecting == {Phase.STEADY, Phase.COOLDOWN}


def test_the_diagram_in_the_documentation_is_the_table() -> None:
    assert TABLE.mermaid() in FAILOVER.read_text(), "paste the output of handover.states.TABLE.mermaid()"
