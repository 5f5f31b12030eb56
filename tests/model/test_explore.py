"""The search itself, on models small enough to see through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baton_proof.small_model.explore import Step, explore


@dataclass
class Graph:
    """States are numbers, the first is 0; what is broken is said of states."""

    to: Mapping[int, Sequence[int]]
    faults_to: Mapping[int, Sequence[int]] = field(default_factory=dict[int, Sequence[int]])
    forbidden: int | None = None
    good_ends: frozenset[int] = frozenset()
    initial: int = 0

    def progress(self, state: int) -> list[Step[int]]:
        return [(f"to {there}", there, None) for there in self.to.get(state, ())]

    def faults(self, state: int) -> list[Step[int]]:
        return [(f"fault {there}", there, None) for there in self.faults_to.get(state, ())]

    def broken(self, before: int, after: int) -> str | None:
        del before
        return "forbidden" if after == self.forbidden else None

    def unfinished(self, state: int) -> str | None:
        return None if state in self.good_ends else "not finished"


def test_it_visits_every_state_once_and_counts_every_step() -> None:
    report = explore(Graph({0: (1, 2), 1: (3,), 2: (3,)}, good_ends=frozenset({3})))

    assert (report.states, report.transitions, report.ends, report.depth) == (4, 4, [3], 2)
    assert report.found is None


def test_it_finds_the_shortest_way_to_what_is_forbidden() -> None:
    found = explore(Graph({0: (1, 4), 1: (2,), 2: (3,), 4: (3,)}, forbidden=3)).found

    assert found is not None
    assert found.law == "forbidden"
    assert found.steps == ["to 4", "to 3"]


def test_it_finds_an_end_that_is_none_although_a_fault_leads_on() -> None:
    found = explore(Graph({0: (1,)}, faults_to={1: (2,)}, good_ends=frozenset({2}))).found

    assert found is not None
    assert (found.law, found.steps) == ("not finished", ["to 1"])


def test_it_finds_progress_that_never_ends_and_says_where_the_endless_part_begins() -> None:
    found = explore(Graph({0: (1,), 1: (2, 5), 2: (3,), 3: (2,)}, good_ends=frozenset({5}))).found

    assert found is not None
    assert found.law == "L: progress comes to an end"
    assert found.steps == ["to 1", "to 2", "to 3", "to 2"]
    assert found.loop_from == 2
    assert "again to 3" in str(found)


def test_a_way_round_that_needs_a_fault_is_no_livelock() -> None:
    report = explore(Graph({0: (1,)}, faults_to={1: (0,)}, good_ends=frozenset({1})))

    assert report.found is None
