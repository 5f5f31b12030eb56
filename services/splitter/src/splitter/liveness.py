"""Decides whether a batch is being worked on, waits in a queue, or has lost its message. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from baton.messages import APART, LARGE, ORDINARY, Kind, Lane
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import Nudges, Signs, Tally
from splitter.settings import SplitterSettings

QUEUES: Final[Mapping[BatchState, tuple[Kind, ...]]] = {
    BatchState.ADMITTED: ("split",),
    BatchState.WAITING_INPUT: ("split",),
    BatchState.SPLIT: ("split", "chunk"),
    BatchState.PROCESSED: ("merge",),
    BatchState.MERGED: ("notify",),
    BatchState.NOTIFIED: ("notify",),
    BatchState.COMPLETED: ("notify",),
    BatchState.FAILED: ("notify",),
}
"""Where the messages of a batch may wait, by its state. Of a state that is not named it has none."""
BOUNDED: Final = frozenset({BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED, BatchState.MERGED})
"""States whose message is sent again a bounded number of times. WAITING_INPUT waits for the deadline instead."""


def queues_of(batch: Batch) -> tuple[tuple[Kind, Lane], ...]:
    """Return the queues in which a user's batch may have a message."""
    lane = APART if batch.is_apart else LARGE if batch.is_large else ORDINARY
    return tuple((kind, lane) for kind in QUEUES.get(batch.state, ()))


_OF_THE_WAIT: Final = 20
"""A batch that waits for its file is asked again after this part of the time that it has waited."""
_SWEEPS_MAX: Final = 24
"""But not after more sweeps than this: 12 minutes."""


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """One batch: its row, its signs of life, and while it is SPLIT its tally."""

    batch: Batch
    signs: Signs
    tally: Tally | None = None

    @property
    def nudges(self) -> int:
        """Return how often its message was resent without effect: since it entered its state, or finished a chunk."""
        nudges = self.signs.nudges
        if nudges is None or nudges.entered_at != self.batch.entered_at:
            return 0
        return 0 if self.tally and self.tally.updated_at >= nudges.last_at else nudges.count

    @property
    def last_sign(self) -> datetime:
        """Return when it last moved, was in hand, or had its message sent."""
        nudges = self.signs.nudges
        moments = (
            self.batch.updated_at,
            self.signs.worked_at,
            nudges and nudges.last_at,
            self.tally and self.tally.updated_at,
        )
        return max(moment for moment in moments if moment)

    @property
    def is_asked(self) -> bool:
        """Whether its message was sent again and has not been received since."""
        nudges, worked_at = self.signs.nudges, self.signs.worked_at
        return self.nudges > 0 and nudges is not None and (worked_at is None or worked_at < nudges.last_at)

    @property
    def asked_after(self) -> timedelta:
        """Return how long it had been in its state when its message was last sent again; 0: it was not."""
        nudges = self.signs.nudges
        return nudges.last_at - self.batch.entered_at if self.nudges and nudges else timedelta()

    def nudged(self, now: datetime) -> Nudges:
        """Return the count with one more."""
        return Nudges(self.batch.entered_at, self.nudges + 1, now)


def silence_max(seen: BatchSeen, settings: SplitterSettings) -> timedelta:
    """Return how long the batch may be silent before its message counts as lost; it doubles with each nudge.

    A batch that waits for its file is asked about it, one question at a time: at first in every sweep, then ever more
    seldom. Otherwise many such batches would keep their queue from ever being seen empty, and of no message in it would
    it be known that it is lost.
    """
    if seen.batch.state is BatchState.WAITING_INPUT and not seen.is_asked:
        sweep = timedelta(seconds=settings.sweep_seconds)
        return min(max(sweep, seen.asked_after / _OF_THE_WAIT), _SWEEPS_MAX * sweep)
    doubled = 0 if seen.batch.state is BatchState.WAITING_INPUT else min(seen.nudges, settings.nudges_max)
    return timedelta(seconds=settings.stalled_seconds * 2**doubled)


def may_be_lost(listed: Batch, now: datetime, settings: SplitterSettings) -> bool:
    """Return whether its row alone, however old the reading, allows that its message is lost."""
    waiting = listed.state is BatchState.WAITING_INPUT
    seconds = settings.sweep_seconds if waiting else settings.stalled_seconds
    return listed.state in QUEUES and now > listed.updated_at + timedelta(seconds=seconds)
