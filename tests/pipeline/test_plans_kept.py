"""Plans that a worker keeps between chunks are bounded by what they take, however many files are in work."""

import asyncio

import pytest

from baton.catalog import load_jobs
from baton_proof.pipeline import Pipeline


def _plans_read(monkeypatch: pytest.MonkeyPatch, *, chunks_cached: int, header: bytes = b"a") -> int:
    """Return how often a worker read a plan for two files of three chunks each, processed in turns."""
    monkeypatch.setenv("BATON_WORKER_CHUNKS_CACHED", f"{chunks_cached}")
    pipeline = Pipeline(load_jobs("baton_jobs"), chunk_bytes=20)
    inner, read = pipeline.region.objects.get, list[str]()

    async def get(key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        read.append(key)
        return await inner(key, version_id=version_id, start=start, end=end)

    async def story() -> int:
        for name in ("a", "b"):
            await pipeline.upload(f"input/passthrough/{name}.csv", header + b"\n" + b"12345678\n" * 8)
        queues, process = pipeline.region.queues, pipeline.process
        for delivery in await queues.inbox("split").receive(max_messages=10, wait_seconds=0):
            await process.runners["split"].process(delivery)
        chunks = await queues.inbox("chunk").receive(max_messages=10, wait_seconds=0)
        assert len(chunks) == 6
        monkeypatch.setattr(pipeline.region.objects, "get", get)
        for delivery in chunks:  # of a, of b, of a, ...: the queue is fair
            assert (await process.runners["chunk"].process(delivery)).delete
        return sum(key.endswith("plan.json") for key in read)

    return asyncio.run(story())


def test_plans_are_read_once_up_to_their_chunks_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _plans_read(monkeypatch, chunks_cached=6) == 2
    assert _plans_read(monkeypatch, chunks_cached=5) == 6


def test_names_of_columns_count_as_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    header = b"n" * 200_000

    assert _plans_read(monkeypatch, chunks_cached=500, header=header) == 2
    assert _plans_read(monkeypatch, chunks_cached=200, header=header) == 6
