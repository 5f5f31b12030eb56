"""The splitter's plan does not depend on how the file comes: whatever the pieces, none is missed or read twice."""

from collections.abc import AsyncGenerator, Sequence
from typing import override

import pytest

from aio import run
from baton.catalog import LoadedJob
from baton.job import Job
from baton.memory import MemoryObjectStore
from baton.model.paths import plan_key
from baton.model.plan import MIB, Plan
from baton.model.states import BatchState
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from splitter.settings import SplitterSettings

HEADER = b"number,word,\xc3\xa4\n"
ROWS = b"".join(b'%d,"two, or\na pair",%d\n' % (number, number % 7) for number in range(100_000)) * 4


class _Pieces(MemoryObjectStore):
    """Gives pieces of these sizes, over and over."""

    sizes: Sequence[int] = (1,)

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        body, at, number = await self.get(key, version_id=version_id, start=start, end=end), 0, 0
        while at < len(body):
            size = self.sizes[number % len(self.sizes)]
            yield body[at : at + size]
            at, number = at + size, number + 1


def _plan(body: bytes, sizes: Sequence[int]) -> Plan:
    async def story() -> Plan:
        region = Region()
        region.objects = store = _Pieces(region.clock, region=region.region)
        store.sizes = sizes
        job = Job(name="any", record=None, recipients=("ann@example.com",))
        pipeline = Pipeline(
            {"any": LoadedJob(job, "1")}, region=region, splitter_settings=SplitterSettings(chunk_bytes=MIB)
        )
        batch = await pipeline.batch(await pipeline.upload("input/any/file.csv", body))
        (delivery,) = await region.queues.inbox("split", "large").receive(max_messages=1, wait_seconds=0)
        await pipeline.process.runners["split"].process(delivery)
        batch = await pipeline.batch(batch.batch_id)
        assert batch.state is BatchState.SPLIT, batch.failure
        assert batch.plan_id is not None
        return Plan.model_validate_json(await store.get(plan_key(batch.batch_id, batch.plan_id)))

    return run(story())


@pytest.mark.parametrize("sizes", [(64 * 1024,), (9 * MIB + 5, 1, 70_001), (4 * MIB,), (4 * MIB - 1, 3)], ids=str)
@pytest.mark.parametrize("blank_bytes", [0, 5 * MIB + 3], ids=["header first", "header behind blank lines"])
def test_a_plan_is_the_same_whatever_the_pieces(sizes: Sequence[int], blank_bytes: int) -> None:
    body = b"\n" * blank_bytes + HEADER + ROWS
    assert len(ROWS) > 9 * MIB

    plan = _plan(body, sizes)

    assert plan.records_total == 400_000
    assert plan.columns == ("number", "word", "ä")
    assert [(body[chunk.start - 1 : chunk.start], body[chunk.end - 1 : chunk.end]) for chunk in plan.chunks] == [
        (b"\n", b"\n")
    ] * len(plan.chunks)
    assert plan.chunks == _plan(body, (len(body),)).chunks
