"""Runs a case through the real services, and reports where the outcome is not the expected one."""

import asyncio
import csv
import io
from itertools import zip_longest
from typing import Final

import pytest

import worker.pieces
from baton.catalog import LoadedJob
from baton.model.states import BatchState
from baton.ports import ReferenceVersion, StoredReject
from baton.rejects import STORED_TEXT_CHARACTERS_MAX
from baton_proof.fuzz.cases import JOB, Case
from baton_proof.fuzz.oracle import Ended, RejectLine, expected
from baton_proof.pipeline import Pipeline

_SHOWN_BYTES: Final = 400
_STORED_MAX: Final = 1_000
"""More than a file of a case has."""


def difference(case: Case, must: Ended | None = None) -> str | None:
    """Return how the pipeline's outcome differs from that of the slow reader, as a text; None if it does not."""
    must = must or expected(case)
    with pytest.MonkeyPatch.context() as patch:
        if case.seed % 3 == 0:  # files are small: so must be the pieces that a worker takes a chunk apart into
            patch.setattr(worker.pieces, "PIECE_RECORDS", 1 + case.seed % 5)
        found = asyncio.run(_played(case))
    if found.failure != must.failure:
        return f"ended {found.failure or 'COMPLETED'}, must be {must.failure or 'COMPLETED'}"
    if found.result != must.result:
        return f"result {found.result[:_SHOWN_BYTES]!r}, must be {must.result[:_SHOWN_BYTES]!r}"
    if found.rejects != must.rejects:
        only = [each for each in found.rejects if each not in must.rejects][:3]
        missing = [each for each in must.rejects if each not in found.rejects][:3]
        return f"{len(found.rejects)} rejects for {len(must.rejects)}: too many {only}, missing {missing}"
    return None


async def _played(case: Case) -> Ended:
    pipeline = Pipeline({JOB: LoadedJob(case.job, "1")}, chunk_bytes=case.chunk_bytes, seed=case.seed)
    if case.job.lookup:
        columns = ("key", *case.job.lookup.columns)
        version = ReferenceVersion(case.job.lookup.dataset, "v1", rows=len(case.reference), columns=columns)
        await pipeline.region.reference.publish(version, case.reference)
    batch_id = await pipeline.upload(f"input/{JOB}/file.csv", case.body)
    await pipeline.drive()
    batch = await pipeline.batch(batch_id)
    assert len(pipeline.region.mailer.outbox) == 1, "somebody waits for this mail"
    if batch.state is BatchState.FAILED:
        assert batch.failure is not None
        return Ended(batch.failure.code)
    assert batch.state is BatchState.COMPLETED, batch.state
    assert batch.counts.balanced, batch.counts
    rejects = _rejects(await pipeline.rejects(batch_id))
    assert len(rejects) == batch.counts.rejects
    stored = await pipeline.region.rejects.list(batch_id, batch.plan_id or "", limit=_STORED_MAX)
    told = [_stored(each) for each in rejects[:_STORED_MAX]]
    assert list(stored) == told, next(pair for pair in zip_longest(stored, told) if pair[0] != pair[1])
    return Ended(None, await pipeline.result(batch_id), rejects)


def _stored(reject: RejectLine) -> StoredReject:
    """Return what can be queried of a reject: a line of many characters is cut there, and whole in the file only."""
    texts = (reject.column, reject.rule, reject.value, reject.line)
    return StoredReject(
        reject.record_number, reject.byte_offset, *(text[:STORED_TEXT_CHARACTERS_MAX] for text in texts)
    )


def _rejects(body: bytes) -> tuple[RejectLine, ...]:
    rows = csv.DictReader(io.StringIO(body.decode(), newline=""))
    return tuple(RejectLine(int(row.pop("record_number")), int(row.pop("byte_offset")), **row) for row in rows)
