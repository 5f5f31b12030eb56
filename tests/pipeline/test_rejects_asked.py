"""Which rejects people see of a batch that was merged under one version of its job and ends under another."""

import asyncio
from typing import Annotated

import pytest
from pydantic import Field

from baton.catalog import Catalog, LoadedJob
from baton.job import Job, Limits, Record
from baton.model.states import BatchState
from baton_cli.batches import actions, queries
from baton_proof.pipeline import Pipeline
from cli_world import connected_to

KEY = "input/numbers/f.csv"
LINES = b"number\n1\n22\nx\n4\n"


class _OneDigit(Record):
    number: Annotated[str, Field(pattern="^[0-9]$")]


class _Digits(Record):
    number: Annotated[str, Field(pattern="^[0-9]+$")]


class _Letters(Record):
    number: Annotated[str, Field(pattern="^[a-z]+$")]


def _jobs(record: type[Record], *, version: str, max_rejects: int = 3) -> Catalog:
    limits = Limits(max_rejects_percent=100, max_rejects=max_rejects)
    return {
        "numbers": LoadedJob(Job(name="numbers", record=record, limits=limits, recipients=("a@b.example",)), version)
    }


@pytest.mark.parametrize(
    ("record", "max_rejects", "state", "numbers"),
    [
        (_Digits, 3, BatchState.COMPLETED, [3]),
        (_Letters, 2, BatchState.FAILED, [1, 2, 4]),
    ],
)
def test_rejects_are_those_of_the_rules_that_the_batch_ended_under(
    record: type[Record], max_rejects: int, state: BatchState, numbers: list[int]
) -> None:
    async def story() -> tuple[BatchState, list[int], int]:
        first = Pipeline(_jobs(_OneDigit, version="1"), chunk_bytes=1_000)
        first.region.objects.refusals.refuse("put", after=4)  # the file, its plan, rejects and part; not the manifest
        batch_id = await first.upload(KEY, LINES)
        await first.drive()
        failed = await first.batch(batch_id)
        assert failed.failure is not None
        assert failed.failure.code == "merge_failed"
        first.region.objects.refusals.allow()

        second = Pipeline(_jobs(record, version="2", max_rejects=max_rejects), region=first.region, chunk_bytes=1_000)
        await actions.retry(connected_to(second), batch_id)
        await second.drive()
        batch = await second.batch(batch_id)
        found = await queries.rejects_of(connected_to(second), batch, limit=20)
        return batch.state, [each.record_number for each in found.rejects], found.total

    assert asyncio.run(story()) == (state, numbers, len(numbers))
