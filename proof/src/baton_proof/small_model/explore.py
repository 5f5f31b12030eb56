"""A model checker: breadth-first search over every interleaving of a model. Independent of the model.

Steps are of two kinds. *Progress* is what happens sooner or later without a fault: a process continues, a late request
arrives. *Faults* are what may happen and need not. A state without progress is quiet, and must be a good end. As
progress must also lead there whatever the order, a cycle of progress alone is a livelock.
"""

import gc
from array import array
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

type Step[S] = tuple[str, S, str | None]
"""What happens, the state after it, and the law that this very step breaks."""


class Model[S: Hashable](Protocol):
    """What can be explored."""

    @property
    def initial(self) -> S:
        """Where everything starts."""
        ...

    def progress(self, state: S) -> Iterable[Step[S]]:
        """Yield the steps of progress, in any order."""
        ...

    def faults(self, state: S) -> Iterable[Step[S]]:
        """Yield what may happen. A model bounds it."""
        ...

    def broken(self, before: S, after: S) -> str | None:
        """Return the law that this step or the state after it breaks."""
        ...

    def unfinished(self, state: S) -> str | None:
        """Return the law that this state breaks if nothing happens any more."""
        ...


@dataclass(frozen=True, slots=True)
class Counterexample[S]:
    """The shortest way to a state that breaks a law; for a livelock also the way round."""

    law: str
    trace: Sequence[tuple[str, S]]
    loop_from: int | None = None
    """Index in `trace` of the step with which the endless part begins."""

    @property
    def steps(self) -> list[str]:
        """The names of the steps."""
        return [label for label, _ in self.trace]

    def __str__(self) -> str:
        lines = [f"broken: {self.law}"]
        for number, (label, state) in enumerate(self.trace):
            mark = "again " if self.loop_from is not None and number >= self.loop_from else ""
            lines.append(f"{number + 1:3} {mark}{label}\n      {state}")
        return "\n".join(lines)


@dataclass(slots=True)
class Exploration[S]:
    """What was explored. Counts are of the part before the counterexample, if there is one."""

    states: int = 0
    transitions: int = 0
    ends: list[S] = field(default_factory=list[S])
    """States without progress."""
    depth: int = 0
    """Steps on the longest of the shortest ways."""
    taken: Counter[str] = field(default_factory=Counter[str])
    """How often each step was taken: one that never was is no part of what was shown."""
    found: Counterexample[S] | None = None

    def __str__(self) -> str:
        return f"{self.states:,} states, {self.transitions:,} transitions, {len(self.ends):,} ends, depth {self.depth}"


class _Search[S: Hashable]:
    def __init__(self, model: Model[S]) -> None:
        self._model = model
        self._states: list[S] = [model.initial]
        self._index: dict[S, int] = {model.initial: 0}
        self._came_from = array("q", [-1])
        self._came_by: list[str] = [""]
        self._depth = array("q", [0])
        self._progress_to = array("q")
        """Where progress leads, state after state."""
        self._progress_start = array("q", [0])
        self._report = Exploration[S]()

    def run(self) -> Exploration[S]:
        report = self._report
        at = 0
        while at < len(self._states) and report.found is None:
            self._expand(at)
            at += 1
        report.states = len(self._states)
        report.depth = self._depth[-1]
        if report.found is None:
            report.found = self._livelock()
        return report

    def _expand(self, at: int) -> None:
        model, state = self._model, self._states[at]
        for step in model.progress(state):
            self._progress_to.append(self._take(at, step))
        if len(self._progress_to) == self._progress_start[-1]:
            self._report.ends.append(state)
            law = model.unfinished(state)
            if law is not None:
                self._found(law, at)
        self._progress_start.append(len(self._progress_to))
        for step in model.faults(state):
            self._take(at, step)

    def _take(self, at: int, step: Step[S]) -> int:
        label, state, law = step
        report = self._report
        report.transitions += 1
        report.taken[label] += 1
        there = self._index.setdefault(state, len(self._states))
        if there == len(self._states):
            self._states.append(state)
            self._came_from.append(at)
            self._came_by.append(label)
            self._depth.append(self._depth[at] + 1)
        law = law or self._model.broken(self._states[at], state)
        if law is not None:
            self._found(law, at, (label, state))
        return there

    def _found(self, law: str, at: int, *last: tuple[str, S]) -> None:
        if self._report.found is None:
            self._report.found = Counterexample(law, [*self._way_to(at), *last])

    def _way_to(self, at: int) -> list[tuple[str, S]]:
        way: list[tuple[str, S]] = []
        while at > 0:
            way.append((self._came_by[at], self._states[at]))
            at = self._came_from[at]
        return way[::-1]

    # --- livelocks -----------------------------------------------------------------------------------------------

    def _next(self, at: int) -> Sequence[int]:
        return self._progress_to[self._progress_start[at] : self._progress_start[at + 1]]

    def _livelock(self) -> Counterexample[S] | None:
        for start in self._left_of_peeling():
            loop = self._way_round(start)
            if loop:
                way = self._way_to(start)
                return Counterexample("L: progress comes to an end", [*way, *loop], loop_from=len(way))
        return None

    def _left_of_peeling(self) -> list[int]:
        """Return the states that are on a cycle or behind one: all others can be taken away, first ones first."""
        waiting = array("q", bytes(8 * len(self._states)))
        for there in self._progress_to:
            waiting[there] += 1
        todo = [at for at, count in enumerate(waiting) if count == 0]
        while todo:
            for there in self._next(todo.pop()):
                waiting[there] -= 1
                if waiting[there] == 0:
                    todo.append(there)
        return [at for at, count in enumerate(waiting) if count > 0]

    def _way_round(self, start: int) -> list[tuple[str, S]]:
        """Return the shortest way from a state back to it, or nothing."""
        came_from, todo = {start: start}, deque([start])
        while todo:
            at = todo.popleft()
            for there in self._next(at):
                if there == start:
                    return self._named([*_back(came_from, at, start), start], start)
                if there not in came_from:
                    came_from[there] = at
                    todo.append(there)
        return []

    def _named(self, way: Sequence[int], start: int) -> list[tuple[str, S]]:
        named: list[tuple[str, S]] = []
        at = start
        for there in way:
            wanted = self._states[there]
            label = next(label for label, state, _ in self._model.progress(self._states[at]) if state == wanted)
            named.append((label, wanted))
            at = there
        return named


def _back(came_from: dict[int, int], at: int, start: int) -> list[int]:
    way: list[int] = []
    while at != start:
        way.append(at)
        at = came_from[at]
    return way[::-1]


def explore[S: Hashable](model: Model[S]) -> Exploration[S]:
    """Visit every state that the model can reach, or as many as it takes to find a law broken."""
    # States form no cycles of references: looking for some in ever more of them takes a third of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _Search(model).run()
    finally:
        if was_enabled:
            gc.enable()
