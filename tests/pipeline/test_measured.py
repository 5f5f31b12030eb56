"""What services say of each piece of work for the dashboards."""

import asyncio
from typing import Any

import pytest

from baton.canary import INPUT, canary_key
from baton.catalog import load_jobs
from baton.memory import LoopClock
from baton.messages import ProcessChunk
from baton.model.states import BatchState
from baton.telemetry import Metrics
from baton.testing import virtual_time
from baton_proof.logs import measured, recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region


async def _measured(key: str, body: bytes) -> Metrics | None:
    """Return what the worker measures of a file's first chunk."""
    pipeline = Pipeline(load_jobs("baton_jobs"))
    batch_id = await pipeline.upload(key, body)
    while (batch := await pipeline.batch(batch_id)).state is not BatchState.SPLIT:
        assert await pipeline.step()
    message = ProcessChunk(batch_id=batch_id, owner_epoch=batch.owner_epoch, plan_id=batch.plan_id or "", index=0)
    return await pipeline.process.handlers["chunk"].handle(message, 1)


@pytest.mark.parametrize(
    ("key", "body", "measured"),
    [
        (
            "input/passthrough/f.csv",
            b"a\n1\n2\n3,4\n",
            {
                "Records": (3, "Count"),
                "Rejects": (1, "Count"),
                "PartBytes": (6, "Bytes"),
                "BatchesProcessed": (1, "Count"),
            },
        ),
        # It is no work of anybody's, and would hide that there is none.
        (canary_key("us-east-1", "1"), INPUT, None),
    ],
    ids=["file", "canary"],
)
def test_a_worker_counts_records_and_rejects_of_files_only(key: str, body: bytes, measured: Metrics | None) -> None:
    assert asyncio.run(_measured(key, body)) == measured


async def _all_measured(files: dict[str, bytes]) -> dict[str, float]:
    """Return the sums of everything that is measured while these files go the whole way."""
    lines: list[dict[str, Any]] = []
    pipeline = Pipeline(
        load_jobs("baton_jobs"), region=Region(clock=LoopClock()), log=recording_log(lines), chunk_bytes=10
    )
    batch_ids = [await pipeline.upload(key, body) for key, body in files.items()]

    async def all_settled() -> bool:
        return all([(await pipeline.batch(batch_id)).is_settled for batch_id in batch_ids])

    await pipeline.serve(all_settled)
    sums: dict[str, float] = {}
    for (name, _), values in measured(lines).items():
        sums[name] = sums.get(name, 0) + sum(values)
    return sums


def test_every_stage_counts_a_batch_once_and_its_end_by_its_kind() -> None:
    files = {"input/passthrough/f.csv": b"a\n" + b"1\n" * 30, "input/nobody/f.csv": b"a\n1\n"}

    sums = virtual_time.run(_all_measured(files))

    assert {name: count for name, count in sums.items() if name.startswith("Batches")} == {
        "BatchesAdmitted": 2,
        "BatchesSplit": 1,
        "BatchesProcessed": 1,
        "BatchesMerged": 1,
        "BatchesCompleted": 1,
        "BatchesFailed": 1,
    }
    assert (sums["BytesAdmitted"], sums["Records"]) == (62 + 4, 30)


def test_of_a_canary_that_is_well_nothing_is_measured() -> None:
    sums = virtual_time.run(_all_measured({canary_key("us-east-1", "1"): INPUT}))

    assert sums == {}
