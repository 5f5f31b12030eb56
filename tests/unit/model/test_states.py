"""The state table is complete, and the documentation shows it as it is."""

from pathlib import Path

from baton.model.states import FINAL, INITIAL, TABLE, BatchState

ARCHITECTURE = Path(__file__).parents[3] / "docs/architecture.md"


def _reachable(start: BatchState) -> set[BatchState]:
    seen, todo = {start}, [start]
    while todo:
        state = todo.pop()
        for row in TABLE.rows:
            if row.source is state and row.target not in seen:
                seen.add(row.target)
                todo.append(row.target)
    return seen


def test_every_state_can_be_reached() -> None:
    assert _reachable(INITIAL) == set(BatchState)


def test_every_state_that_is_not_final_can_end_in_each_way_that_it_should() -> None:
    for state in set(BatchState) - FINAL:
        assert BatchState.COMPLETED in _reachable(state), state


def test_every_state_before_the_mail_can_fail() -> None:
    after = {BatchState.NOTIFIED, BatchState.COMPLETED, BatchState.CANCELLED, BatchState.FAILED}
    for state in set(BatchState) - after:
        assert TABLE.allowed(state, BatchState.FAILED), state


def test_completed_and_cancelled_are_the_end() -> None:
    assert _reachable(BatchState.COMPLETED) == {BatchState.COMPLETED}
    assert _reachable(BatchState.CANCELLED) == {BatchState.CANCELLED}


def test_only_a_published_result_can_be_announced_as_done() -> None:
    assert TABLE.sources_of(BatchState.NOTIFIED) == {BatchState.MERGED}


def test_no_step_is_listed_twice_and_each_has_its_comment() -> None:
    steps = [(row.source, row.target) for row in TABLE.rows]

    assert len(steps) == len(set(steps))
    assert all(row.comment for row in TABLE.rows)


def test_the_diagram_in_the_documentation_is_the_table() -> None:
    assert TABLE.mermaid() in ARCHITECTURE.read_text(), "paste the output of baton.model.states.TABLE.mermaid()"
