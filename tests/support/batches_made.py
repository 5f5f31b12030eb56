"""Makes batches for tests of the ledger."""

from dataclasses import replace
from datetime import datetime, timedelta

from baton.model.batch import Batch, Counts, Failure, MailClaim, Published, Source, Step
from baton.model.states import BatchState
from baton.topology import INITIAL_EPOCH


def admitted(batch_id: str, at: datetime) -> Batch:
    """Return a batch as it is admitted."""
    source = Source(key=f"input/sales/{batch_id}.csv", version_id="v1", size_bytes=1_000)
    return Batch(
        batch_id=batch_id,
        job="sales",
        source=source,
        state=BatchState.ADMITTED,
        owner_epoch=INITIAL_EPOCH,
        admitted_at=at,
        updated_at=at,
    )


def stepped(batch: Batch, state: BatchState, *, seconds: float = 1) -> Batch:
    """Return the batch in its next state, some time later."""
    return replace(batch, state=state, updated_at=batch.updated_at + timedelta(seconds=seconds))


def filled(batch_id: str, at: datetime) -> Batch:
    """Return a batch in which no field has its default."""
    return replace(
        admitted(batch_id, at),
        run=3,
        plan_id="0123456789abcdef",
        chunks=7,
        records_total=100,
        counts=Counts(100, 90, 10),
        published=Published("output/r", "output/j", "output/m", 5_000_000_000, "crc=="),
        failure=Failure("mail_refused", "Die Adresse „x“ gibt es nicht."),
        retried_at=at + timedelta(seconds=2),
        mail_claim=MailClaim(run=3, epoch=4, claimed_at=at, sent_at=at + timedelta(microseconds=1)),
        history=(Step(at, BatchState.ADMITTED, "us-east-1"), Step(at, BatchState.FAILED, "operator")),
    )
