"""The states of a batch and the transitions between them, as a table.

Every transition is a row with a comment for people; `TABLE` answers what is allowed. The diagram in
docs/architecture.md is generated from this table, and a test proves that every state can be reached and that every
state that is not final can end.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from baton.model.state_table import Change, StateTable


class BatchState(StrEnum):
    """The state of a batch: what is durably true, not what a service is doing."""

    ADMITTED = "ADMITTED"
    WAITING_INPUT = "WAITING_INPUT"
    SPLIT = "SPLIT"
    PROCESSED = "PROCESSED"
    MERGED = "MERGED"
    NOTIFIED = "NOTIFIED"
    COMPLETED = "COMPLETED"
    PAUSED = "PAUSED"
    QUARANTINED = "QUARANTINED"
    """Set aside: it was in hand when a Region turned unhealthy, and again when something died after that."""
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


FINAL: Final = frozenset({BatchState.COMPLETED, BatchState.CANCELLED, BatchState.FAILED})
INITIAL: Final = BatchState.ADMITTED
APART: Final = frozenset(
    {BatchState.ADMITTED, BatchState.WAITING_INPUT, BatchState.SPLIT, BatchState.PROCESSED, BatchState.MERGED}
)
"""States in which a suspected batch goes by a lane of its own, and from which it may be set aside."""


@dataclass(frozen=True, slots=True)
class BatchChange(Change[BatchState]):
    """One allowed change of a batch's state."""

    is_takeover: bool = False
    """Whether only a new owner takes this step: its epoch is larger than the one before."""


def _taken_over(source: BatchState, what_follows: str) -> BatchChange:
    return BatchChange(source, INITIAL, f"taken over by the other Region: {what_follows}", is_takeover=True)


def _rows() -> tuple[BatchChange, ...]:
    s = BatchState
    return (
        BatchChange(s.ADMITTED, s.SPLIT, "the file is planned: every chunk is known and queued"),
        BatchChange(s.ADMITTED, s.WAITING_INPUT, "this version of the file has not reached this Region yet"),
        BatchChange(s.WAITING_INPUT, s.SPLIT, "the file arrived and is planned"),
        BatchChange(s.SPLIT, s.WAITING_INPUT, "it has to be planned anew, and the file is not in this Region"),
        BatchChange(s.SPLIT, s.PROCESSED, "every chunk has its part and its counts"),
        BatchChange(s.PROCESSED, s.MERGED, "the books balance and the result is published"),
        BatchChange(s.MERGED, s.NOTIFIED, "the mail service took the mail"),
        BatchChange(s.NOTIFIED, s.COMPLETED, "nothing is left to do but to archive the input"),
        BatchChange(s.ADMITTED, s.PAUSED, "an operator paused it before it was planned"),
        BatchChange(s.SPLIT, s.PAUSED, "an operator paused it; finished chunks are kept"),
        BatchChange(s.PAUSED, s.ADMITTED, "resumed; finished chunks are found again and kept"),
        BatchChange(s.ADMITTED, s.CANCELLED, "an operator cancelled it"),
        BatchChange(s.WAITING_INPUT, s.CANCELLED, "an operator cancelled it"),
        BatchChange(s.SPLIT, s.CANCELLED, "an operator cancelled it"),
        BatchChange(s.PAUSED, s.CANCELLED, "an operator cancelled it"),
        BatchChange(s.PROCESSED, s.CANCELLED, "an operator cancelled it before the result was published"),
        BatchChange(s.ADMITTED, s.FAILED, "the file cannot be planned; the reason says why"),
        BatchChange(s.WAITING_INPUT, s.FAILED, "the file did not arrive before the deadline"),
        BatchChange(s.SPLIT, s.FAILED, "too many rejects, or a chunk that cannot be finished"),
        BatchChange(s.PAUSED, s.FAILED, "nobody resumed it before its deadline"),
        BatchChange(s.PROCESSED, s.FAILED, "the counts do not add up, or the result cannot be written"),
        BatchChange(s.MERGED, s.FAILED, "the mail service refused the mail permanently; the result stands"),
        BatchChange(s.FAILED, s.ADMITTED, "an operator retries it; finished chunks are found again and kept"),
        BatchChange(s.FAILED, s.MERGED, "an operator retries the mail; the result stands"),
        _taken_over(s.WAITING_INPUT, "it looks for the file in its own bucket"),
        _taken_over(s.SPLIT, "finished parts that are here are kept"),
        _taken_over(s.PROCESSED, "its chunks are counted again, finished parts that are here are kept"),
        BatchChange(
            s.MERGED, s.ADMITTED, "the published result never reached this Region: it is made again, byte for byte"
        ),
    )


def _rows_of_quarantine() -> tuple[BatchChange, ...]:
    s = BatchState
    why = "set aside: in hand at the fault of a Region, and at another one after it"
    return (
        *(BatchChange(state, s.QUARANTINED, why) for state in BatchState if state in APART),
        BatchChange(s.QUARANTINED, s.ADMITTED, "an operator retries it; finished chunks are found again and kept"),
        BatchChange(s.QUARANTINED, s.MERGED, "an operator retries the mail; the result stands"),
        BatchChange(s.QUARANTINED, s.CANCELLED, "an operator cancelled it"),
        BatchChange(s.QUARANTINED, s.FAILED, "nobody retried it before its deadline"),
    )


CHANGES: Final = _rows() + _rows_of_quarantine()
TABLE: Final = StateTable(CHANGES, initial=INITIAL, final=FINAL)
_TAKEOVERS: Final = frozenset((row.source, row.target) for row in CHANGES if row.is_takeover)


def needs_takeover(source: BatchState, target: BatchState) -> bool:
    """Return whether this step is one that only a new owner takes."""
    return (source, target) in _TAKEOVERS
