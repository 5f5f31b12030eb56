"""What a mail shows of the rejects, and the file that a failed batch's mail links to."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import override

import pytest

from aio import run
from baton.checksums import crc64nvme
from baton.memory import MemoryClock, MemoryObjectStore, MemoryProgress
from baton.model import paths
from baton.model.batch import Batch, Counts
from baton.ports import ChunkDone, ObjectInfo, Piece, RejectCount, StoredReject
from baton.rejects import REJECTS_HEADER
from baton.testing import virtual_time
from baton_proof.logs import silent_log
from baton_proof.pipeline import inline
from ended_batches import DONE, FAILED, NOW
from notifier.domain import rejected_of
from notifier.rejects import NOTHING_FOUND, Found, RejectsOf
from notifier.settings import NotifierSettings

PLAN = "p1"
BROKEN = replace(FAILED, plan_id=PLAN)
KEY = f"output/sales/{BROKEN.batch_id}/e2-p1/failed-1/rejects.csv"


def _rows(first: int, number: int, rule: str = "literal_error") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for record in range(first, first + number):
        writer.writerow((record, record * 10, "Item", rule, f"v{record}", f'x,"{record}"', ""))
    return out.getvalue().encode()


def _stored(number: int, rule: str, column: str = "Item") -> StoredReject:
    return StoredReject(number, number * 10, column, rule, f"v{number}", "")


def _chunk(index: int, rejects: int, *reasons: RejectCount) -> ChunkDone:
    return ChunkDone(BROKEN.batch_id, PLAN, index, Counts(10, 10 - rejects, rejects), 1, 0, 1, 0, reasons)


def _bucket() -> MemoryObjectStore:
    return MemoryObjectStore(MemoryClock())


class World:
    """A bucket with parts of rejects by chunk, and what the mail of a batch makes of them."""

    def __init__(self, objects: MemoryObjectStore, **settings: float) -> None:
        self.objects = objects
        self.progress = MemoryProgress()
        self.find = RejectsOf(
            objects=self.objects,
            progress=self.progress,
            offload=inline,
            settings=NotifierSettings.model_validate(settings),
            log=silent_log(),
        )

    async def part(self, index: int, body: bytes) -> None:
        await self.objects.put(paths.rejects_part_key(BROKEN.batch_id, PLAN, index, crc64nvme(body)), body)


def _found(parts: dict[int, bytes], batch: Batch = BROKEN, **settings: float) -> tuple[Found, bytes | None]:
    async def story() -> tuple[Found, bytes | None]:
        world = World(_bucket(), **settings)
        for index, body in parts.items():
            await world.part(index, body)
        found = await world.find(batch)
        assert await world.find(batch) == found, "twice is the same"
        return found, await world.objects.get(found.key) if found.key else None

    return run(story())


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        pytest.param(
            {0: REJECTS_HEADER + _rows(1, 2), 2: _rows(30, 1)},
            REJECTS_HEADER + _rows(1, 2) + _rows(30, 1),
            id="with the first chunk",
        ),
        pytest.param({3: _rows(30, 2), 2: _rows(20, 1)}, REJECTS_HEADER + _rows(20, 1) + _rows(30, 2), id="without it"),
        pytest.param({0: REJECTS_HEADER, 4: _rows(40, 1)}, REJECTS_HEADER + _rows(40, 1), id="the first has none"),
    ],
)
def test_the_rejects_of_a_failed_batch_are_put_together_below_their_header(
    parts: dict[int, bytes], body: bytes
) -> None:
    found, written = _found(parts)

    assert (found.key, written) == (KEY, body)
    assert found.rejected.examples


def test_a_chunk_that_was_worked_off_twice_is_in_the_file_once() -> None:
    async def story() -> bytes:
        world = World(_bucket())
        for body in (REJECTS_HEADER + _rows(1, 2), REJECTS_HEADER + _rows(1, 1)):
            await world.part(0, body)
        await world.part(1, _rows(20, 1))
        found = await world.find(BROKEN)
        assert found.key
        return await world.objects.get(found.key)

    written = run(story())

    assert written.count(REJECTS_HEADER) == 1
    assert written.endswith(_rows(20, 1))


def test_a_second_run_has_a_file_of_its_own() -> None:
    found, _ = _found({1: _rows(1, 1)}, replace(BROKEN, run=2))

    assert found.key == KEY.replace("failed-1", "failed-2")


@pytest.mark.parametrize("parts", [{}, {0: REJECTS_HEADER}], ids=["no part", "a header alone"])
def test_without_rejects_there_is_no_file(parts: dict[int, bytes]) -> None:
    assert _found(parts) == (NOTHING_FOUND, None)


def test_a_batch_that_was_never_planned_has_none() -> None:
    assert _found({0: REJECTS_HEADER + _rows(1, 2)}, FAILED) == (NOTHING_FOUND, None)


def test_the_file_is_bounded_and_the_mail_knows() -> None:
    first = REJECTS_HEADER + _rows(1, 5)
    found, written = _found({0: first, 1: _rows(10, 5), 2: _rows(20, 1)}, rejects_bytes_max=len(first) + 10)

    assert (written, found.rejected.cut) == (first, True)


def test_large_parts_and_small_ones_make_one_file() -> None:
    large = _rows(100, 200_000)
    parts = {0: REJECTS_HEADER + _rows(1, 1), 1: large, 2: _rows(500_000, 1), 3: _rows(600_000, 1)}

    _, written = _found(parts)

    assert len(large) > 6 * 1024 * 1024
    assert written == b"".join(parts.values())


class Refuses(MemoryObjectStore):
    """Refuses one operation in a way that nobody thought of."""

    broken = ""

    @override
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        self._check("compose")
        return await super().compose(key, pieces, content_type=content_type)

    @override
    async def get(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> bytes:
        self._check("get")
        return await super().get(key, version_id=version_id, start=start, end=end)

    @override
    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self._check("list")
        async for each in super().list(prefix):
            yield each

    def _check(self, operation: str) -> None:
        if operation == self.broken:
            raise RuntimeError(f"no {operation} today")


@pytest.mark.parametrize("operation", ["compose", "get", "list"])
def test_whatever_fails_there_the_mail_goes_out_without_it(operation: str) -> None:
    async def story() -> Found:
        objects = Refuses(MemoryClock())
        world = World(objects)
        await world.part(0, REJECTS_HEADER + _rows(1, 2))
        objects.broken = operation
        return await world.find(BROKEN)

    assert run(story()) == NOTHING_FOUND


class SlowBucket(MemoryObjectStore):
    """Takes its time to put an object together."""

    compose_seconds = 60.0
    composing = composing_most = 0

    @override
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        self.composing += 1
        self.composing_most = max(self.composing_most, self.composing)
        await asyncio.sleep(self.compose_seconds)
        self.composing -= 1
        return await super().compose(key, pieces, content_type=content_type)


def test_a_mail_does_not_wait_for_its_rejects_for_ever() -> None:
    async def story() -> tuple[Found, float]:
        objects = SlowBucket(MemoryClock())
        objects.compose_seconds = 10_000
        world = World(objects)
        await world.part(0, REJECTS_HEADER + _rows(1, 2))
        return await world.find(BROKEN), asyncio.get_running_loop().time()

    found, seconds = virtual_time.run(story())

    assert found == NOTHING_FOUND
    assert seconds == pytest.approx(120, abs=1)


def test_one_file_of_a_failed_batch_is_put_together_at_a_time() -> None:
    async def story() -> tuple[set[str | None], int]:
        objects = SlowBucket(MemoryClock())
        world = World(objects, rejects_seconds_max=1_000)
        await world.part(0, REJECTS_HEADER + _rows(1, 2))
        found = await asyncio.gather(*(world.find(replace(BROKEN, run=run)) for run in range(1, 6)))
        return {each.key for each in found}, objects.composing_most

    keys, at_once = virtual_time.run(story())

    assert len(keys - {None}) == 5
    assert at_once == 1, "each holds pieces in memory"


def test_a_published_batch_shows_its_rejects_and_links_to_them_even_if_they_cannot_be_read() -> None:
    async def story() -> tuple[Found, Found]:
        world = World(_bucket())
        unread = await world.find(replace(DONE, plan_id=PLAN))
        assert DONE.published is not None
        await world.objects.put(DONE.published.rejects_key, REJECTS_HEADER + _rows(7, 3))
        return unread, await world.find(replace(DONE, plan_id=PLAN))

    unread, read = run(story())

    assert unread == Found(NOTHING_FOUND.rejected, "j")
    assert (read.key, read.rejected.records, read.rejected.of) == ("j", 200, 3)
    assert [each.record_number for each in read.rejected.examples] == [7, 8, 9]


def test_reasons_are_summed_over_the_chunks() -> None:
    async def story() -> Found:
        world = World(_bucket())
        await world.part(0, REJECTS_HEADER + _rows(1, 2))
        await world.progress.open(BROKEN.batch_id, PLAN, chunks=3, now=NOW)
        await world.progress.complete(_chunk(0, 3, RejectCount("Item", "literal_error", 3)), now=NOW)
        await world.progress.complete(
            _chunk(1, 6, RejectCount("Item", "literal_error", 1), RejectCount("", "columns", 4)), now=NOW
        )
        return await world.find(BROKEN)

    rejected = run(story()).rejected

    assert (rejected.records, rejected.of) == (9, 9)
    assert rejected.reasons == (RejectCount("", "columns", 4), RejectCount("Item", "literal_error", 4))


def test_where_no_chunk_counted_reasons_the_rows_at_hand_are_counted() -> None:
    rows = [_stored(1, "a"), _stored(2, "b"), _stored(3, "b")]

    rejected = rejected_of([_chunk(0, 8)], rows, records=0)

    assert (rejected.records, rejected.of) == (8, 3)
    assert rejected.reasons == (RejectCount("Item", "b", 2), RejectCount("Item", "a", 1))


def test_examples_show_as_many_reasons_as_they_can() -> None:
    rows = [*(_stored(number, "common") for number in range(1, 100)), _stored(100, "rare"), _stored(101, "rarer")]

    picked = rejected_of([], rows, records=0).examples

    assert [each.record_number for each in picked] == [1, 2, 3, 100, 101]
