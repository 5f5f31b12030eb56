"""Computes the row of a batch that the other Region takes over. Pure: the caller does the compare-and-set."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, assert_never

from baton.model.batch import Batch, Counts, Failure
from baton.model.control import Control, Transition
from baton.model.states import BatchState

QUARANTINED: Final = "quarantined"
"""The code of why a batch is set aside."""
_WORKED_ON: Final = frozenset({BatchState.ADMITTED, BatchState.SPLIT, BatchState.PROCESSED, BatchState.MERGED})
"""States in which a service has the batch in hand, or its message waits for one."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A Region that was left because it, or what it did, was no longer well."""

    region: str
    at: datetime
    """When it turned unhealthy: what began later did not make it so."""
    is_certain: bool
    """Whether the signals say so. An operator may have had other reasons."""


def turn_of(control: Control) -> Turn | None:
    """Return what made the active Region take over; None if the other one was left as planned."""
    switch = control.transition
    if switch is None or switch.kind.is_planned or switch.target != control.active_region:
        return None
    return Turn(switch.source, switch.unhealthy_since or switch.started_at, is_certain=switch.automatic)


def was_in_hand(batch: Batch, turn: Turn) -> bool:
    """Return whether the batch may have been in hand when the Region turned unhealthy.

    Only the row is asked: the Region's signs of life may be gone with it, and a process that dies at the first delivery
    of a message leaves none. So a batch whose message waited in a queue counts as well.
    """
    return batch.state in _WORKED_ON and batch.began_at <= turn.at


def taken_over(batch: Batch, *, epoch: int, at: datetime, by: str, turn: Turn | None = None) -> Batch:
    """Return the batch as the Region `by` owns it under `epoch`, in the state from which that Region can continue.

    What was finished stays finished: plan, run, published result and mail claim are kept. What was in hand when the
    Region left turned unhealthy continues apart; if that is so for the second time, it is set aside. Raises
    `ValueError` if the batch is settled, if it is a canary, or if the epoch does not grow.
    """
    if batch.is_canary:
        raise ValueError(f"batch {batch.batch_id} is a canary: it proves its own Region and no other")
    if batch.is_settled:
        raise ValueError(f"batch {batch.batch_id} is {batch.state}: nothing is left to take over")
    if epoch <= batch.owner_epoch:
        raise ValueError(f"batch {batch.batch_id} is owned by epoch {batch.owner_epoch}: {epoch} is no later one")
    state, changes = _resumed_in(batch.state), dict[str, Any]()
    if turn and was_in_hand(batch, turn):
        if batch.apart_epoch is None:
            changes["apart_epoch"] = epoch
        elif turn.is_certain:
            reason = f"it was in hand when {turn.region} turned unhealthy, and a Region had before"
            state, changes["failure"] = BatchState.QUARANTINED, Failure(QUARANTINED, reason)
    if state is BatchState.ADMITTED:
        changes["counts"] = Counts()  # the progress table is Regional: they are counted again from the parts
    return batch.moved(state, at=at, by=by, owner_epoch=epoch, **changes)


def was_moved_by(batch: Batch, switch: Transition, *, now: datetime) -> bool:
    """Return whether the batch changed its owner by this switch: from its source to its target, since it began.

    Only what was admitted before its end can have: an open batch that a later switch moves again was moved by this one.
    """
    if batch.admitted_at > (switch.ended_at or now):
        return False
    regions = [step for step in batch.history if step.by in {switch.source, switch.target}]
    return any(
        before.by == switch.source and after.by == switch.target and after.at >= switch.started_at
        for before, after in pairwise(regions)
    )


def _resumed_in(state: BatchState) -> BatchState:
    match state:
        case BatchState.ADMITTED | BatchState.WAITING_INPUT | BatchState.SPLIT | BatchState.PROCESSED:
            return BatchState.ADMITTED
        case (
            BatchState.MERGED
            | BatchState.NOTIFIED
            | BatchState.PAUSED
            | BatchState.QUARANTINED
            | BatchState.FAILED
            | BatchState.COMPLETED
            | BatchState.CANCELLED
        ):
            return state
        case _:
            assert_never(state)
