"""A table of states and transitions: the rules that the code asks, and the diagram for people."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Change", "StateTable"]


@dataclass(frozen=True, slots=True)
class Change[S: StrEnum]:
    """One allowed change of state and what it means to the person who reads the history."""

    source: S
    target: S
    comment: str


class StateTable[S: StrEnum]:
    """Every step that is allowed."""

    def __init__(self, rows: Iterable[Change[S]], *, initial: S, final: Iterable[S] = ()) -> None:
        self.rows = tuple(rows)
        self.initial = initial
        self.final = frozenset(final)
        self._allowed = frozenset((row.source, row.target) for row in self.rows)

    def allowed(self, source: S, target: S) -> bool:
        """Return whether one step leads from `source` to `target`."""
        return (source, target) in self._allowed

    def sources_of(self, target: S) -> frozenset[S]:
        """Return the states from which one step leads to `target`."""
        return frozenset(row.source for row in self.rows if row.target is target)

    def mermaid(self) -> str:
        """Return the state diagram as Mermaid text, one line per step."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        lines += [f"    {row.source} --> {row.target}: {row.comment}" for row in self.rows]
        lines += [f"    {state} --> [*]" for state in type(self.initial) if state in self.final]
        return "\n".join(lines) + "\n"
