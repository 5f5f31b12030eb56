"""A rule that is no pure function judges a value anew in each run: what is published comes from one run of a chunk."""

import asyncio
import csv
import io
from typing import Annotated

import pytest
from pydantic import AfterValidator

from baton.catalog import LoadedJob
from baton.job import Job, Limits, Record
from baton.messages import Message, ProcessChunk
from baton.model.batch import Batch
from baton.model.plan import MIB
from baton.model.states import BatchState
from baton_proof.pipeline import Pipeline

RECORDS = 20


class Mood:
    """Refuses odd numbers in one run and even ones in the next."""

    def __init__(self) -> None:
        self.run = 0

    def __call__(self, value: str) -> str:
        if int(value) % 2 == self.run % 2:
            raise ValueError("not today")
        return value


async def _split(pipeline: Pipeline, batch_id: str) -> Batch:
    while (batch := await pipeline.batch(batch_id)).state is not BatchState.SPLIT:
        await pipeline.step()
    return batch


def _column(body: bytes, name: str) -> list[str]:
    csv.field_size_limit(2 * MIB)
    return [row[name] for row in csv.DictReader(io.StringIO(body.decode()))]


@pytest.mark.parametrize("padding_bytes", [0, 700_000], ids=["a joined part", "a copied part"])
def test_deliveries_of_one_chunk_at_once_publish_each_record_once(padding_bytes: int) -> None:
    mood = Mood()

    class Moody(Record):
        number: Annotated[str, AfterValidator(mood)]
        padding: str

    job = Job(name="p", record=Moody, limits=Limits(max_rejects_percent=60), recipients=("a@example.com",))
    # One chunk of nearly all, which comes several times, and one that is done once, and last.
    lines = [f"{10 + number},{'x' * padding_bytes}\n" for number in range(RECORDS)]

    body = ("number,padding\n" + "".join(lines)).encode()

    async def story() -> tuple[bytes, bytes]:
        pipeline = Pipeline({"p": LoadedJob(job, "1")}, chunk_bytes=sum(map(len, lines)) * 9 // 10)
        batch_id = await pipeline.upload("input/p/f.csv", body)
        batch = await _split(pipeline, batch_id)
        chunk: Message = ProcessChunk(
            batch_id=batch_id, owner_epoch=batch.owner_epoch, plan_id=batch.plan_id or "", index=0
        )
        for mood.run in range(2):
            await pipeline.process.handlers["chunk"].handle(chunk, 1)
        await pipeline.drive()
        return await pipeline.result(batch_id), await pipeline.rejects(batch_id)

    result, rejects = asyncio.run(story())

    numbers = _column(result, "number") + [line.partition(",")[0] for line in _column(rejects, "line")]
    assert sorted(numbers) == [str(10 + number) for number in range(RECORDS)]
