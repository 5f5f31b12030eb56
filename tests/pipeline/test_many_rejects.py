"""What a batch leaves behind that one chunk alone makes fail, and what is known of rejects at the end."""

import asyncio
from typing import Annotated

import pytest
from pydantic import Field

import worker.domain
import worker.pieces
from baton.catalog import Catalog, LoadedJob
from baton.job import Job, Limits, Record
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ChunkDone, RejectCount
from baton_proof.pipeline import Pipeline


class Digits(Record):
    left: Annotated[str, Field(pattern="^[0-9]+$")]
    right: Annotated[str, Field(min_length=1)]


CATALOG: Catalog = {"p": LoadedJob(Job(name="p", record=Digits, recipients=("a@example.com",)), "1")}
HEADER = b"left,right\n"
KEY = "input/p/f.csv"


async def _ended(pipeline: Pipeline, body: bytes) -> tuple[Batch, list[ChunkDone]]:
    batch_id = await pipeline.upload(KEY, HEADER + body)
    await pipeline.drive()
    batch = await pipeline.batch(batch_id)
    return batch, list(await pipeline.region.progress.done(batch_id, batch.plan_id or ""))


def test_chunk_over_the_limit_alone_ends_its_batch_with_the_first_rejects_and_their_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker.domain, "REJECTS_TOLD_MAX", 5)
    pipeline = Pipeline(CATALOG, chunk_bytes=10_000)

    batch, (done,) = asyncio.run(_ended(pipeline, b"1,a\n" + b",\n" * 3 + b"x,b\n" * 96))
    rejects = asyncio.run(pipeline.region.objects.get(done.rejects_key))
    part = asyncio.run(pipeline.region.objects.head(done.part_key))

    assert batch.state is BatchState.FAILED
    assert batch.failure
    assert batch.failure.code == "too_many_rejects"
    assert "at least 99 of 100 checked records were rejected" in batch.failure.reason
    assert (done.counts.records_in, done.counts.rejects) == (100, 99)
    assert done.reject_counts == (RejectCount("left", "string_pattern_mismatch", 5),)
    assert len(rejects.splitlines()) == 6
    assert len(rejects) == done.rejects_bytes
    assert part is None


def test_rejects_of_a_chunks_pieces_count_together_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_RECORDS", 10)
    monkeypatch.setattr(worker.pieces, "_WHOLE_BY_RECORDS", 1)
    job = Job(name="p", record=Digits, limits=Limits(max_rejects_percent=10), recipients=("a@example.com",))
    pipeline = Pipeline({"p": LoadedJob(job, "1")}, chunk_bytes=10_000)

    batch, (done,) = asyncio.run(_ended(pipeline, (b"1,a\n" * 5 + b"x,a\n" * 5) * 10))
    part = asyncio.run(pipeline.region.objects.head(done.part_key))

    assert batch.state is BatchState.FAILED
    assert part is None, "the third piece breaks the limit of ten"
    assert (done.counts.records_in, done.counts.rejects) == (30, 15), "what was not checked is not counted"
    assert batch.failure
    assert batch.failure.reason == "at least 15 of 30 checked records were rejected; the job 'p' allows 10 of 100"


def test_a_retry_of_a_chunk_that_was_checked_in_part_fails_for_its_rejects_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker.pieces, "PIECE_RECORDS", 10)
    monkeypatch.setattr(worker.pieces, "_WHOLE_BY_RECORDS", 1)
    job = Job(name="p", record=Digits, limits=Limits(max_rejects_percent=10), recipients=("a@example.com",))
    pipeline = Pipeline({"p": LoadedJob(job, "1")}, chunk_bytes=10_000)

    async def retried() -> Batch:
        failed, _ = await _ended(pipeline, b"x,a\n" * 100)
        again = failed.moved(BatchState.ADMITTED, at=pipeline.region.clock.now(), by="operator", run=2, failure=None)
        await pipeline.region.ledger.update(failed, again)
        await pipeline.process.sweeper.sweep()
        await pipeline.drive()
        return await pipeline.batch(failed.batch_id)

    batch = asyncio.run(retried())

    assert (batch.run, batch.state) == (2, BatchState.FAILED)
    assert batch.failure
    assert batch.failure.code == "too_many_rejects"


def test_one_reject_that_is_too_many_is_said_in_the_singular() -> None:
    job = Job(name="p", record=Digits, limits=Limits(max_rejects_percent=10), recipients=("a@example.com",))

    batch, _ = asyncio.run(_ended(Pipeline({"p": LoadedJob(job, "1")}), b"1,a\nx,a\n"))

    assert batch.failure
    assert batch.failure.reason == "at least 1 of 2 checked records was rejected; the job 'p' allows 0 of 2"


def test_a_batch_ends_with_the_chunk_that_breaks_its_limit_and_the_others_are_left() -> None:
    job = Job(name="p", record=Digits, limits=Limits(max_rejects_percent=10), recipients=("a@example.com",))
    pipeline = Pipeline({"p": LoadedJob(job, "1")}, chunk_bytes=40)

    batch, done = asyncio.run(_ended(pipeline, (b"1,a\n" * 5 + b"x,a\n" * 5) * 10))

    assert batch.failure
    assert batch.failure.code == "too_many_rejects"
    assert batch.chunks == 10
    assert len(done) == 3, "each has 5 rejects, 10 are allowed"


def test_counts_of_rejects_are_recorded_with_each_chunk() -> None:
    pipeline = Pipeline(CATALOG, chunk_bytes=10_000)

    batch, (done,) = asyncio.run(_ended(pipeline, b"1,a\n" * 5 + b"x,a\n" * 2 + b"1,\n1\n"))

    assert batch.state is BatchState.COMPLETED
    assert done.reject_counts == (
        RejectCount("left", "string_pattern_mismatch", 2),
        RejectCount("", "columns", 1),
        RejectCount("right", "string_too_short", 1),
    )
