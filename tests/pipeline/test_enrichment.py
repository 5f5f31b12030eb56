"""Reference data through the whole pipeline: large tables like small ones, and one version from end to end."""

import asyncio
import csv
import io
import unicodedata
from collections.abc import Mapping

import pytest

from baton.catalog import LoadedJob, load_jobs
from baton.encoding import composed
from baton.job import Job, Lookup, Record
from baton.memory import LoopClock, MemoryReferenceData
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ReferenceVersion, Row
from baton.testing import virtual_time
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.sales import FINANCIAL, financial, sales_file
from baton_proof.two_regions import EAST, TwoRegions

SAMPLE = sales_file(records=24, bad=2)
KEY = "input/sales/f.csv"


async def _result(pipeline: Pipeline) -> bytes:
    await financial(pipeline.region.reference, SAMPLE)
    batch_id = await pipeline.upload(KEY, SAMPLE.body)
    await pipeline.drive()
    return await pipeline.result(batch_id)


def test_a_table_too_large_for_memory_is_asked_key_by_key_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = asyncio.run(_result(Pipeline(load_jobs("baton_jobs"))))
    monkeypatch.setenv("BATON_WORKER_REFERENCE_ROWS_IN_MEMORY_MAX", "0")

    by_keys = asyncio.run(_result(Pipeline(load_jobs("baton_jobs"))))

    assert by_keys == in_memory


def test_what_a_chunk_looks_up_beyond_what_a_worker_holds_fails_its_batch_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit in ("OUTPUT_BYTES_MAX", "REFERENCE_BYTES_HELD_MAX"):
        monkeypatch.setenv(f"BATON_WORKER_{limit}", "200")

    async def story(rows_in_memory_max: str) -> Batch:
        monkeypatch.setenv("BATON_WORKER_REFERENCE_ROWS_IN_MEMORY_MAX", rows_in_memory_max)
        pipeline = Pipeline(load_jobs("baton_jobs"))
        await financial(pipeline.region.reference, SAMPLE)
        batch_id = await pipeline.upload(KEY, SAMPLE.body)
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    for rows_in_memory_max in ("0", "1000"):
        failure = asyncio.run(story(rows_in_memory_max)).failure
        assert failure
        assert failure.code == "output_too_large"
        assert "chunk 1 of the job 'sales'" in failure.reason
        assert "'unitPrice'" in failure.reason


def test_a_batch_keeps_the_version_that_was_current_when_it_was_planned() -> None:
    async def story() -> tuple[bytes, bytes]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        await financial(pipeline.region.reference, SAMPLE)
        first = await pipeline.upload(KEY, SAMPLE.body)
        while not pipeline.region.queues.queued("chunk"):
            assert await pipeline.step()
        changed = {key: dict(row) | {"unitsSold": "0"} for key, row in SAMPLE.reference.items()}
        version = ReferenceVersion(dataset="financial", version="v2", rows=len(changed), columns=FINANCIAL)
        await pipeline.region.reference.publish(version, changed)
        await pipeline.drive()
        second = await pipeline.upload(KEY, SAMPLE.body)
        await pipeline.drive()
        return await pipeline.result(first), await pipeline.result(second)

    first, second = asyncio.run(story())

    assert first == asyncio.run(_result(Pipeline(load_jobs("baton_jobs"))))
    assert all(line.split(b",")[-6] == b"0" for line in second.splitlines()[1:])


@pytest.mark.parametrize("rows_in_memory_max", ["0", "1000"])
def test_a_table_whose_last_rows_are_on_their_way_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, rows_in_memory_max: str
) -> None:
    """A lookup cannot distinguish a row that has not arrived from one that does not exist."""
    monkeypatch.setenv("BATON_WORKER_REFERENCE_ROWS_IN_MEMORY_MAX", rows_in_memory_max)
    rows = dict(SAMPLE.reference)
    version = ReferenceVersion("financial", "v1", rows=len(rows), columns=FINANCIAL)

    async def story() -> tuple[BatchState, Batch, Batch]:
        world = TwoRegions(load_jobs("baton_jobs"))
        reference = world.east.region.reference
        reference.arrive(version, dict(list(rows.items())[:-1]), current=True)
        batch_id = await world.east.upload(KEY, SAMPLE.body)
        await world.settle(EAST)
        await world.pass_time(600, region=EAST)
        waiting = await world.east.batch(batch_id)
        reference.arrive(version, rows)
        await world.pass_time(60, region=EAST)
        await world.settle(EAST)
        return waiting.state, await world.east.batch(batch_id), await _never_complete()

    async def _never_complete() -> Batch:
        world = TwoRegions(load_jobs("baton_jobs"))
        too_many = {**rows, "another": next(iter(rows.values()))}
        world.east.region.reference.arrive(version, too_many, current=True)
        batch_id = await world.east.upload(KEY, SAMPLE.body)
        await world.settle(EAST)
        await world.pass_time(25 * 3_600, region=EAST, every_seconds=600)
        return await world.east.batch(batch_id)

    waiting, ended, never = asyncio.run(story())

    assert waiting is BatchState.WAITING_INPUT
    assert (ended.state, ended.counts.records_out) == (BatchState.COMPLETED, 22)
    assert never.state is BatchState.FAILED
    assert never.failure
    assert "what it was planned with" in never.failure.reason


def test_jobs_that_share_reference_data_each_add_their_own_columns() -> None:
    async def story() -> tuple[bytes, bytes]:
        catalog = dict(load_jobs("baton_jobs"))
        sales = catalog["sales"]
        assert sales.job.lookup is not None
        profits = sales.job.lookup.model_copy(update={"columns": ("totalProfit",)})
        catalog["profits"] = LoadedJob(sales.job.model_copy(update={"name": "profits", "lookup": profits}), "v")
        pipeline = Pipeline(catalog)
        await financial(pipeline.region.reference, SAMPLE)
        ids = [await pipeline.upload(f"input/{job}/f.csv", SAMPLE.body) for job in ("sales", "profits")]
        await pipeline.drive()
        full, short = [await pipeline.result(batch_id) for batch_id in ids]
        return full, short

    full, short = (list(csv.DictReader(io.StringIO(result.decode()))) for result in asyncio.run(story()))

    assert [row["totalProfit"] for row in short] == [row["totalProfit"] for row in full]


def test_a_version_that_never_arrives_in_this_region_ends_in_words() -> None:
    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        await financial(pipeline.region.reference, SAMPLE)
        batch_id = await pipeline.upload(KEY, SAMPLE.body)
        while not pipeline.region.queues.queued("chunk"):
            assert await pipeline.step()
        pipeline.region.reference = type(pipeline.region.reference)()  # a Region in which it is not
        pipeline.restart()
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.state is BatchState.FAILED
    assert batch.failure is not None
    assert batch.failure.code == "chunk_failed"
    assert "version v1 of 'financial' is not in this Region" in batch.failure.reason


def test_a_worker_loads_a_table_once_however_many_chunks_ask_at_once() -> None:
    loads: list[str] = []

    class Slow(MemoryReferenceData):
        async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
            loads.append(version.version)
            await asyncio.sleep(30)
            return await super().load(version)

    async def story() -> Batch:
        region = Region(clock=LoopClock(), reference=Slow())
        await financial(region.reference, SAMPLE)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region, chunk_bytes=64)
        batch_id = await pipeline.upload(KEY, SAMPLE.body)

        async def settled() -> bool:
            return (await pipeline.batch(batch_id)).is_settled

        await pipeline.serve(settled)
        return await pipeline.batch(batch_id)

    batch = virtual_time.run(story())

    assert batch.state is BatchState.COMPLETED
    assert batch.chunks > 2
    assert loads == ["v1"]


class Town(Record):
    town: str
    note: str


TOWNS = Job(
    name="towns",
    record=Town,
    lookup=Lookup(dataset="towns", key="town", columns=("state",)),
    recipients=("a@example.com",),
)
APART = unicodedata.normalize("NFD", "Köln")


@pytest.mark.parametrize("rows_in_memory_max", ["0", "1000"])
@pytest.mark.parametrize("key", ["Köln", APART])
def test_keys_are_compared_in_composed_form_and_come_out_as_they_came(
    monkeypatch: pytest.MonkeyPatch, key: str, rows_in_memory_max: str
) -> None:
    monkeypatch.setenv("BATON_WORKER_REFERENCE_ROWS_IN_MEMORY_MAX", rows_in_memory_max)
    body = f"town,note\nKöln,a\n{APART},{APART}\nBonn,b\nKoln,c\n".encode()

    async def story() -> tuple[bytes, bytes]:
        pipeline = Pipeline({"towns": LoadedJob(TOWNS, "1")})
        rows = {composed(town): {"town": town, "state": town} for town in (key, "Bonn")}
        await pipeline.region.reference.publish(ReferenceVersion("towns", "v1", 2, ("town", "state")), rows)
        batch_id = await pipeline.upload("input/towns/f.csv", body)
        await pipeline.drive()
        return await pipeline.result(batch_id), await pipeline.rejects(batch_id)

    result, rejects = asyncio.run(story())

    assert result.decode() == f"town,note,state\nKöln,a,{key}\n{APART},{APART},{key}\nBonn,b,Bonn\n"
    assert b"4,39,town,missing_reference,Koln" in rejects
