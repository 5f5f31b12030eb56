"""A batch that is published and one that failed, for tests of their mails."""

from dataclasses import replace
from datetime import UTC, datetime

from baton.model.batch import Batch, Counts, Failure, Published, Source
from baton.model.states import BatchState

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
DONE = Batch(
    batch_id="4e5f1c2d3b4a59687f6e",
    job="sales",
    source=Source("input/sales/july 2026.csv", "v", 1_000),
    state=BatchState.MERGED,
    owner_epoch=2,
    admitted_at=NOW,
    updated_at=NOW,
    counts=Counts(10_000, 9_800, 200),
    published=Published("r", "j", "m", 1, "0"),
)
FAILED = replace(
    DONE,
    state=BatchState.FAILED,
    published=None,
    counts=Counts(),
    failure=Failure("header", "missing 'uuid' <script>alert(1)</script>"),
)
