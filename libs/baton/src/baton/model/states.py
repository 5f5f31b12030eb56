"""The life of a batch, as data.

Every transition is a row with a comment for people; `allowed` is the only question the code asks. The diagram in
docs/architecture.md is generated from this table, and a test proves that every state can be reached and that every
state that is not final can end.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class BatchState(StrEnum):
    """Where a batch stands. Each state says what is durably true, not what somebody is doing."""

    ADMITTED = "ADMITTED"
    WAITING_INPUT = "WAITING_INPUT"
    SPLIT = "SPLIT"
    PROCESSED = "PROCESSED"
    MERGED = "MERGED"
    NOTIFIED = "NOTIFIED"
    COMPLETED = "COMPLETED"
    PAUSED = "PAUSED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


FINAL: Final = frozenset({BatchState.COMPLETED, BatchState.CANCELLED, BatchState.FAILED})
INITIAL: Final = BatchState.ADMITTED


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed change of state and what it means to the person who reads the history."""

    source: BatchState
    target: BatchState
    comment: str
    is_takeover: bool = False
    """Whether only a new owner takes this step: its epoch is larger than the one before."""


def _taken_over(source: BatchState, what_follows: str) -> Transition:
    return Transition(source, INITIAL, f"taken over by the other Region: {what_follows}", is_takeover=True)


def _rows() -> tuple[Transition, ...]:
    s = BatchState
    return (
        Transition(s.ADMITTED, s.SPLIT, "the file is planned: every chunk is known and queued"),
        Transition(s.ADMITTED, s.WAITING_INPUT, "this version of the file has not reached this Region yet"),
        Transition(s.WAITING_INPUT, s.SPLIT, "the file arrived and is planned"),
        Transition(s.SPLIT, s.WAITING_INPUT, "it has to be planned anew, and the file is not in this Region"),
        Transition(s.SPLIT, s.PROCESSED, "every chunk has its part and its counts"),
        Transition(s.PROCESSED, s.MERGED, "the books balance and the result is published"),
        Transition(s.MERGED, s.NOTIFIED, "the mail service took the mail"),
        Transition(s.NOTIFIED, s.COMPLETED, "nothing is left to do but to archive the input"),
        Transition(s.ADMITTED, s.PAUSED, "an operator paused it before it was planned"),
        Transition(s.SPLIT, s.PAUSED, "an operator paused it; finished chunks are kept"),
        Transition(s.PAUSED, s.ADMITTED, "resumed; finished chunks are found again and kept"),
        Transition(s.ADMITTED, s.CANCELLED, "an operator cancelled it"),
        Transition(s.WAITING_INPUT, s.CANCELLED, "an operator cancelled it"),
        Transition(s.SPLIT, s.CANCELLED, "an operator cancelled it"),
        Transition(s.PAUSED, s.CANCELLED, "an operator cancelled it"),
        Transition(s.PROCESSED, s.CANCELLED, "an operator cancelled it before the result was published"),
        Transition(s.ADMITTED, s.FAILED, "the file cannot be planned; the reason says why"),
        Transition(s.WAITING_INPUT, s.FAILED, "the file did not arrive before the deadline"),
        Transition(s.SPLIT, s.FAILED, "too many rejects, or a chunk that cannot be finished"),
        Transition(s.PAUSED, s.FAILED, "nobody resumed it before its deadline"),
        Transition(s.PROCESSED, s.FAILED, "the books do not balance, or the result cannot be written"),
        Transition(s.MERGED, s.FAILED, "the mail service refused the mail for good; the result stands"),
        Transition(s.FAILED, s.ADMITTED, "an operator retries it; finished chunks are found again and kept"),
        Transition(s.FAILED, s.MERGED, "an operator retries the mail; the result stands"),
        _taken_over(s.WAITING_INPUT, "it looks for the file in its own bucket"),
        _taken_over(s.SPLIT, "finished parts that are here are kept"),
        _taken_over(s.PROCESSED, "its chunks are counted again, finished parts that are here are kept"),
        Transition(
            s.MERGED, s.ADMITTED, "the published result never reached this Region: it is made again, byte for byte"
        ),
    )


TRANSITIONS: Final = _rows()
_ALLOWED: Final = frozenset((row.source, row.target) for row in TRANSITIONS)
_TAKEOVERS: Final = frozenset((row.source, row.target) for row in TRANSITIONS if row.is_takeover)


def allowed(source: BatchState, target: BatchState) -> bool:
    """Say whether a batch may go from `source` to `target` in one step."""
    return (source, target) in _ALLOWED


def needs_takeover(source: BatchState, target: BatchState) -> bool:
    """Say whether this step is one that only a new owner takes."""
    return (source, target) in _TAKEOVERS


def sources_of(target: BatchState) -> frozenset[BatchState]:
    """Return the states from which `target` can be entered: the condition of the conditional write."""
    return frozenset(row.source for row in TRANSITIONS if row.target is target)


def mermaid() -> str:
    """Return the state diagram as Mermaid text, one line per transition."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}"]
    lines += [f"    {row.source} --> {row.target}: {row.comment}" for row in TRANSITIONS]
    lines += [f"    {state} --> [*]" for state in BatchState if state in FINAL]
    return "\n".join(lines) + "\n"
