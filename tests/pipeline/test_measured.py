"""What services say of each piece of work for the dashboards."""

import asyncio

import pytest

from baton.canary import INPUT, canary_key
from baton.catalog import load_jobs
from baton.messages import ProcessChunk
from baton.model.states import BatchState
from baton.telemetry import Metrics
from pipeline import Pipeline


async def _measured(key: str, body: bytes) -> Metrics | None:
    """Return what the worker measures of a file's first chunk."""
    pipeline = Pipeline(load_jobs("baton_jobs"))
    batch_id = await pipeline.upload(key, body)
    while (batch := await pipeline.batch(batch_id)).state is not BatchState.SPLIT:
        assert await pipeline.step()
    message = ProcessChunk(batch_id=batch_id, owner_epoch=batch.owner_epoch, plan_id=batch.plan_id or "", index=0)
    return await pipeline.process.handlers["chunk"].handle(message, attempt=1)


@pytest.mark.parametrize(
    ("key", "body", "measured"),
    [
        (
            "input/passthrough/f.csv",
            b"a\n1\n2\n3,4\n",
            {"Records": (3, "Count"), "Rejects": (1, "Count"), "PartBytes": (6, "Bytes")},
        ),
        # It is no work of anybody's, and would hide that there is none.
        (canary_key("us-east-1", "1"), INPUT, None),
    ],
    ids=["file", "canary"],
)
def test_a_worker_counts_records_and_rejects_of_files_only(key: str, body: bytes, measured: Metrics | None) -> None:
    assert asyncio.run(_measured(key, body)) == measured
