"""Canaries: small synthetic files that go the whole way through one Region, to prove that it works.

A controller writes `canary/<region>/<name>.csv` to that Region's bucket. The Region's splitter admits it whichever
Region is active and whatever is under way; splitter, worker, merger and notifier treat it as any other batch, in a lane
that nothing else uses (`baton.messages.lane_of`), except that it is not mailed and not archived. It is owned under an
epoch of its Region's own, is never taken over, and its messages are never sent again. Everything made of it is stored
below `canary-work/<batch_id>/`: neither `canary/` nor `canary-work/` is replicated. The controller that sent it deletes
it (`clear_away`); if it did not, the sweeper does so after `KEPT`.
"""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from baton.job import Job, Limits, Record
from baton.model import paths
from baton.model.batch import Batch
from baton.model.paths import canary_key
from baton.ports import Ledger, ObjectStore
from baton.topology import INITIAL_EPOCH

__all__ = [
    "CANARY_JOB", "EXPECTED_REJECTS", "EXPECTED_RESULT", "INPUT", "KEPT", "canary_epoch", "canary_key", "clear_away",
]  # fmt: skip

INPUT: Final = b'number,word\n1,one\n2,"two, or a pair"\nthree,not a number\n4,vier \xe2\x98\x83\n'
"""What a canary holds: a field that needs its quotes, one beyond ASCII, and a record that breaks a rule."""
EXPECTED_RESULT: Final = b'number,word\n1,one\n2,"two, or a pair"\n4,vier \xe2\x98\x83\n'
"""The bytes that a Region in order publishes for it."""
EXPECTED_REJECTS: Final = 1
KEPT: Final = timedelta(minutes=15)
"""How long a canary may take, with all that it leaves. A controller gives up on one within a minute."""


class CanaryRecord(Record):
    """One record of a canary."""

    number: Annotated[str, Field(pattern=r"^[0-9]+$")]
    word: str


CANARY_JOB: Final = Job(
    name=paths.CANARY_JOB_NAME,
    record=CanaryRecord,
    limits=Limits(deadline_minutes=15),
    recipients=("nobody@example.com",),
)
"""Part of every catalog. It has a recipient because a job must have one: no canary is ever mailed."""


def canary_epoch(region: str, regions: tuple[str, str]) -> int:
    """Return the epoch that owns a Region's canaries: its own by parity, and never that of a takeover."""
    return INITIAL_EPOCH + regions.index(region)


async def clear_away(batch: Batch, *, ledger: Ledger, objects: ObjectStore) -> None:
    """Remove a canary that ended: its file, its row, then all that was made of it. Doing it again is harmless.

    The row goes before the objects: a sweeper finds it by them. Raises `Fenced` if the row changed, `ValueError` if
    the batch has not ended or is no canary.
    """
    if not batch.is_canary:
        raise ValueError(f"batch {batch.batch_id} is no canary")
    # Without the file, an event that comes late starts nothing. Mostly the notifier has deleted it already.
    if await objects.head(batch.source.key):
        await objects.hide(batch.source.key)
    await ledger.delete(batch)
    await hide_work(batch.batch_id, objects)


async def hide_work(batch_id: str, objects: ObjectStore) -> None:
    """Remove what was made of a canary, whose row is gone."""
    for key in [info.key async for info in objects.list(paths.canary_work(batch_id))]:
        await objects.hide(key)
