"""What a batch becomes when the other Region takes it over. A pure function: the compare-and-set is the caller's."""

from datetime import datetime
from typing import Any, assert_never

from baton.model.batch import Batch, Counts
from baton.model.states import BatchState


def taken_over(batch: Batch, *, epoch: int, at: datetime, by: str) -> Batch:
    """Return the batch as the Region `by` owns it under `epoch`, in the state from which that Region can continue.

    What was finished stays finished: plan, run, published result and mail claim are kept. Raises `ValueError` if the
    batch is settled, if it is a canary, or if the epoch does not grow.
    """
    if batch.is_canary:
        raise ValueError(f"batch {batch.batch_id} is a canary: it proves its own Region and no other")
    if batch.is_settled:
        raise ValueError(f"batch {batch.batch_id} is {batch.state}: nothing is left to take over")
    if epoch <= batch.owner_epoch:
        raise ValueError(f"batch {batch.batch_id} is owned by epoch {batch.owner_epoch}: {epoch} is no later one")
    state = _resumed_in(batch.state)
    # The progress table is Regional: what the old Region counted is counted again from the parts.
    changes: dict[str, Any] = {"counts": Counts()} if state is BatchState.ADMITTED else {}
    return batch.moved(state, at=at, by=by, owner_epoch=epoch, **changes)


def _resumed_in(state: BatchState) -> BatchState:
    match state:
        case BatchState.ADMITTED | BatchState.WAITING_INPUT | BatchState.SPLIT | BatchState.PROCESSED:
            return BatchState.ADMITTED
        case (
            BatchState.MERGED
            | BatchState.NOTIFIED
            | BatchState.PAUSED
            | BatchState.FAILED
            | BatchState.COMPLETED
            | BatchState.CANCELLED
        ):
            return state
        case _:
            assert_never(state)
