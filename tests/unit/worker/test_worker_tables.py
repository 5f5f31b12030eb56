"""What a worker holds of reference data is bounded in bytes, however few rows they are."""

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import override

import pytest

import worker.tables
from baton.encoding import composed
from baton.job import Lookup
from baton.memory import MemoryReferenceData
from baton.ports import ReferenceVersion, Row
from worker.reference import ReferenceFrame
from worker.settings import WorkerSettings
from worker.tables import Tables, TooLargeError

LOOKUP = Lookup(dataset="texts", key="id", columns=("text",))
COLUMNS = ("id", "text")


class Watched(MemoryReferenceData):
    """Tells what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        """The number of keys; 0 for the whole table."""

    @override
    async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
        self.asked.append(0)
        return await super().load(version)

    @override
    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        self.asked.append(len(keys))
        return await super().get_many(version, keys)


async def _inline[T](work: Callable[[], T], /) -> T:
    return work()


async def _no_bound(_: int) -> None: ...


def _asked(
    *,
    rows: int,
    value_bytes: int,
    times: int = 1,
    settings: WorkerSettings,
    hold: Callable[[int], Awaitable[None]] = _no_bound,
) -> list[int]:
    async def story() -> list[int]:
        reference = Watched()
        table = {f"{n}": {"id": f"{n}", "text": "x" * value_bytes} for n in range(rows)}
        await reference.publish(ReferenceVersion("texts", "1", rows, COLUMNS), table)
        tables = Tables(reference, compute=_inline, settings=settings)
        for _ in range(times):
            found = await tables.rows_for(LOOKUP, "1", lambda: [*table, "none"], hold=hold)
            assert dict(found.frame.select("key", "r0").iter_rows()) == {key: row["text"] for key, row in table.items()}
        return reference.asked

    return asyncio.run(story())


def test_table_within_both_bounds_is_loaded_whole_and_once() -> None:
    settings = WorkerSettings(reference_bytes_in_memory_max=10_000)

    assert _asked(rows=8, value_bytes=1_000, times=3, settings=settings) == [0]


def test_table_of_few_rows_with_giant_values_is_asked_for_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.tables, "_KEYS_AT_ONCE_MAX", 4)
    monkeypatch.setattr(worker.tables, "_KEYS_AT_ONCE_MIN", 2)
    settings = WorkerSettings(reference_bytes_in_memory_max=10_000)

    assert _asked(rows=8, value_bytes=2_000, settings=settings) == [4, 4, 1]

    monkeypatch.setattr(worker.tables, "VALUES_AT_ONCE_BYTES", 5_000)
    assert _asked(rows=8, value_bytes=2_000, settings=settings) == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("rows_in_memory_max", [0, 1_000])
def test_two_keys_that_are_one_in_composed_form_are_one_row(
    monkeypatch: pytest.MonkeyPatch, rows_in_memory_max: int
) -> None:
    monkeypatch.setattr(worker.tables, "_KEYS_AT_ONCE_MAX", 1)
    monkeypatch.setattr(worker.tables, "_KEYS_AT_ONCE_MIN", 1)
    apart = unicodedata.normalize("NFD", "é")
    table = {key: {"id": key, "text": repr(key)} for key in (apart, "é", "ü", "z")}

    async def story() -> ReferenceFrame:
        reference = MemoryReferenceData()
        await reference.publish(ReferenceVersion("texts", "1", len(table), COLUMNS), table)
        settings = WorkerSettings(reference_rows_in_memory_max=rows_in_memory_max)
        return await Tables(reference, compute=_inline, settings=settings).rows_for(
            LOOKUP, "1", lambda: [*map(composed, table), apart], hold=_no_bound
        )

    rows = asyncio.run(story()).frame.select("key", "r0").rows()

    assert sorted(rows) == [("z", "'z'"), ("é", "'é'"), ("ü", "'ü'")]


def test_table_that_takes_more_than_is_kept_is_not_kept() -> None:
    assert _asked(rows=8, value_bytes=1_000, times=2, settings=WorkerSettings(reference_bytes_cached=10_000)) == [0, 0]


def test_rows_of_more_bytes_than_there_are_for_them_end_in_words() -> None:
    settings = WorkerSettings(reference_bytes_in_memory_max=0, reference_bytes_held_max=10_000)

    with pytest.raises(TooLargeError, match="'text' of 'texts' for 9 keys take more than 10,000 bytes"):
        _asked(rows=8, value_bytes=2_000, settings=settings)


def test_rows_of_its_own_keys_are_held_only_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.tables, "_KEYS_AT_ONCE_MAX", 4)
    monkeypatch.setattr(worker.tables, "_KEYS_AT_ONCE_MIN", 2)
    asked = list[int]()

    async def hold(size_bytes: int) -> None:
        asked.append(size_bytes)

    settings = WorkerSettings(reference_bytes_in_memory_max=0)
    _asked(rows=8, value_bytes=2_000, settings=settings, hold=hold)
    assert len(asked) == 3
    assert 4 * 2_000 < asked[0] < asked[1]

    asked.clear()
    _asked(rows=8, value_bytes=2_000, settings=WorkerSettings(), hold=hold)
    assert asked == []


def test_one_table_is_loaded_at_a_time_and_as_much_is_dropped_before_as_that_takes() -> None:
    class Slow(Watched):
        now = most = 0

        @override
        async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
            self.now += 1
            self.most = max(self.most, self.now)
            for _ in range(10):  # as many turns as the others need to get here
                await asyncio.sleep(0)
            self.now -= 1
            return await super().load(version)

    async def story(in_all_max: int) -> tuple[int, int]:
        reference, names = Slow(), ("texts", "words", "texts")
        table = {f"{n}": {"id": f"{n}", "text": "x" * 1_000} for n in range(8)}
        for name in names:
            await reference.publish(ReferenceVersion(name, "1", 8, COLUMNS), table)
        tables = Tables(reference, compute=_inline, settings=WorkerSettings(reference_bytes_in_all_max=in_all_max))
        lookups = [LOOKUP.model_copy(update={"dataset": name}) for name in names]
        await asyncio.gather(*(tables.rows_for(each, "1", list, hold=_no_bound) for each in lookups))
        await tables.rows_for(lookups[0], "1", list, hold=_no_bound)
        return reference.most, len(reference.asked)

    assert asyncio.run(story(100_000)) == (1, 2)
    assert asyncio.run(story(60_000)) == (1, 3)


def test_keys_are_gathered_where_chunks_are_computed() -> None:
    computing = False

    async def compute[T](work: Callable[[], T], /) -> T:
        nonlocal computing
        computing = True
        try:
            return work()
        finally:
            computing = False

    def keys() -> list[str]:
        assert computing, "a quarter of a million keys hold the event loop for 50 ms"
        return ["1"]

    async def story() -> int:
        reference = Watched()
        await reference.publish(ReferenceVersion("texts", "1", 1, COLUMNS), {"1": {"id": "1", "text": "x"}})
        tables = Tables(reference, compute=_inline, settings=WorkerSettings(reference_rows_in_memory_max=0))
        found = await tables.computing_by(compute).rows_for(LOOKUP, "1", keys, hold=_no_bound)
        return found.frame.height

    assert asyncio.run(story()) == 1
