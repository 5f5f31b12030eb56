"""A rule that never returns, and lets nothing else run, ends its worker, which starts again, and then its own batch."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from baton.model.batch import Batch
from baton.model.states import BatchState
from baton_cli.batches import queries
from baton_cli.batches.files import Submission
from baton_cli.reach import connect
from baton_local.processes.process import ProcessState
from baton_local.switches.admin import Admin, ProcessStatus
from embedded import Embedded, ended, sent, submission
from hanging_job import HANGS, job
from local_worlds import do

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]


def test_a_rule_that_hangs_ends_its_worker_and_its_batch_and_neither_another_file_nor_its_region(
    embedded: Embedded, tmp_path: Path
) -> None:
    hanging, other = tmp_path / "hanging.csv", tmp_path / "other.csv"
    hanging.write_text(f"a\n1\n{HANGS}\n")
    other.write_text("a\n1\n2\n")
    before = _worker(embedded)

    began = datetime.now(UTC)  # noqa: TID251 - the world's own time
    failed, meanwhile = asyncio.run(_both(embedded, *(submission(file, job=job.name) for file in (hanging, other))))

    assert failed.failure
    assert (failed.state, failed.failure.code) == (BatchState.FAILED, "rule_hangs"), embedded.logs()
    assert failed.failure.reason.startswith("a rule of the job 'hanging' hangs: a computation did not end within ")
    assert (meanwhile.state, meanwhile.counts and meanwhile.counts.records_out) == (BatchState.COMPLETED, 2)
    after = _worker(embedded)
    assert (after.state, after.restarts) == (ProcessState.RUNNING, before.restarts + 1), "only a first attempt ends it"
    assert after.pid != before.pid
    assert embedded.suspicions(began) == [], "canaries, which this process handles too, were late for too long"


async def _both(embedded: Embedded, hanging: Submission, other: Submission) -> tuple[Batch, Batch]:
    """Send the other file while the first one is computed, and return both batches as they ended."""
    async with connect.embedded(embedded.world) as connection:
        hung = await sent(connection, hanging)
        async for seen in queries.watch(connection, hung, poll_seconds=0.1):
            if seen.batch and seen.batch.state is BatchState.SPLIT:
                break
        meanwhile = await ended(connection, await sent(connection, other))
        return await ended(connection, hung), meanwhile


def _worker(embedded: Embedded) -> ProcessStatus:
    """Return the worker of the Region that handles files."""
    active = embedded.json("status")["active_region"]
    running = do(Admin(embedded.world.admin_endpoint).status()).processes
    return next(each for each in running if (each.region, each.name) == (active, "worker"))
