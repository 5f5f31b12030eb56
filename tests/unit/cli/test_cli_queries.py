"""What operators ask: names of batches, lists, status, watching through outages, details, rejects."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, override

import pytest

from aio import run
from baton.errors import Unavailable
from baton.memory import MemoryLedger
from baton.model.batch import Batch, Counts
from baton.model.control import Control
from baton.model.states import BatchState
from baton.ports import BatchPage, ChunkDone, StoredReject
from baton.testing import virtual_time
from baton_cli.batches import queries
from baton_cli.batches.advice import advise
from baton_cli.batches.queries import RegionStatus, Snapshot
from baton_cli.reach.connection import Declined
from cli_world import AWAY, EPOCH, HOME, PUBLISHED, CliWorld, Silent, Unreachable, completed, failed, virtual_world

REJECT = StoredReject(7, 420, "uuid", "string_pattern_mismatch", "x", "x,y")


def _ids(world: CliWorld, *ids: str, minutes_apart: float = 1.0) -> None:
    """Admit batches, the first one first."""
    for batch_id in ids:
        run(world.admit(world.batch(batch_id)))
        world.clock.advance(60 * minutes_apart)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["abcd", "ABCDEF", "abcdef" + "0" * 14, "last"])
def test_a_batch_is_found_by_id_by_beginning_and_as_the_last_one(text: str) -> None:
    world = CliWorld()
    _ids(world, "1" * 20, "abcdef" + "0" * 14)

    found = run(queries.resolve(world.connection, text))

    assert found.batch_id == "abcdef" + "0" * 14


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "too short: give at least 4 digits"),
        ("", "too short"),
        ("abcd", "2 batches start with abcd: abcd2"),
        ("ffff", "no batch of the last 14 days starts with ffff"),
        ("f" * 20, "there is no batch ffff"),
    ],
)
def test_a_name_that_fits_none_or_several_is_refused(text: str, reason: str) -> None:
    world = CliWorld()
    _ids(world, "abcd1" + "0" * 15, "abcd2" + "0" * 15)

    with pytest.raises(Declined, match=reason):
        run(queries.resolve(world.connection, text))


def test_there_is_no_last_batch_in_an_empty_world() -> None:
    with pytest.raises(Declined, match="there is no batch yet"):
        run(queries.resolve(CliWorld().connection, "last"))


def test_a_beginning_is_looked_up_among_fourteen_days_and_the_row_is_read_again() -> None:
    class Stale(MemoryLedger):
        @override
        async def list_recent(self, *, since: datetime) -> AsyncIterator[BatchPage]:
            async for page in super().list_recent(since=since):
                yield replace(page, batches=[replace(b, state=BatchState.ADMITTED) for b in page.batches])

    world = CliWorld(ledger=Stale())
    _ids(world, "abcd" * 5)
    world.clock.advance(13 * 24 * 3_600)

    found = run(queries.resolve(world.connection, "abcd"))

    assert found.state is BatchState.SPLIT


# --- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes_apart", [0.1, 30, 1_000])
@pytest.mark.parametrize("page_batches", [1, 3, 100])
def test_the_newest_batches_come_first_however_they_are_paged(minutes_apart: float, page_batches: int) -> None:
    world = CliWorld(ledger=MemoryLedger(Control(EPOCH, HOME), page_batches=page_batches))
    _ids(world, *(f"{n:020d}" for n in range(8)), minutes_apart=minutes_apart)

    found = run(queries.recent(world.connection, limit=5))

    assert [int(batch.batch_id) for batch in found] == [7, 6, 5, 4, 3]


def test_a_list_can_be_of_one_state_and_reaches_as_far_back_as_it_must() -> None:
    world = CliWorld()
    run(world.admit(world.batch("1" * 20, **failed())))
    world.clock.advance(5 * 24 * 3_600)
    _ids(world, "2" * 20, "3" * 20)

    found = run(queries.recent(world.connection, state=BatchState.FAILED, limit=1))

    assert [batch.batch_id for batch in found] == ["1" * 20]


# --- status ----------------------------------------------------------------------------------------------------------


def test_status_counts_open_batches_and_names_the_oldest() -> None:
    world = CliWorld()
    _ids(world, "1" * 20, "2" * 20)
    run(world.admit(world.batch("3" * 20, BatchState.PAUSED)))
    run(world.admit(world.batch("4" * 20, **completed())))
    run(world.admit(world.batch("5" * 20, **failed())))

    found = run(queries.status(world.connection))

    assert found.control == Control(EPOCH, HOME)
    assert found.open_by_state == {BatchState.SPLIT: 2, BatchState.PAUSED: 1}
    assert found.oldest_open is not None
    assert found.oldest_open.batch_id == "1" * 20
    assert found.regions == (
        RegionStatus(HOME, active=True, problem=None),
        RegionStatus(AWAY, active=False, problem=None),
    )


def test_status_says_which_region_refuses_and_which_is_silent() -> None:
    world = virtual_world()
    world.lose(HOME, Unreachable())
    world.lose(AWAY, Silent())

    found = virtual_time.run(queries.status(world.connection))

    assert [region.problem for region in found.regions] == ["tally: connection refused", "no answer within 4 s"]


# --- watching --------------------------------------------------------------------------------------------------------


class _Outage(MemoryLedger):
    """A ledger that cannot be read from second 1 to second 2."""

    async def get(self, batch_id: str) -> Batch | None:
        if 1 <= asyncio.get_running_loop().time() < 2:
            raise Unavailable("throttled")
        return await super().get(batch_id)


def _watch(world: CliWorld, *life: Coroutine[Any, Any, Any]) -> list[Snapshot]:
    """Watch on virtual time while `life` continues, one step per second."""

    async def live() -> None:
        for step in life:
            await asyncio.sleep(1)
            await step

    async def watch() -> list[Snapshot]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(live())
            return [snapshot async for snapshot in queries.watch(world.connection, "b" * 20)]

    return virtual_time.run(watch())


async def _admit(world: CliWorld) -> None:
    await world.admit(world.batch(state=BatchState.ADMITTED, plan_id=None))


async def _move(world: CliWorld, **changes: Any) -> None:
    batch = await world.ledger.get("b" * 20)
    assert batch is not None
    updated_at = max(world.clock.now(), batch.updated_at + timedelta(microseconds=1))
    await world.ledger.update(batch, replace(batch, updated_at=updated_at, **changes))


async def _finish_chunk(world: CliWorld, index: int) -> None:
    now = world.clock.now()
    await world.home.progress.open("b" * 20, "plan1", chunks=2, now=now)
    await world.home.progress.complete(ChunkDone("b" * 20, "plan1", index, Counts(5, 4, 1), 1, 0, 0, 0), now=now)


def _a_life(world: CliWorld) -> list[Coroutine[Any, Any, None]]:
    return [
        _admit(world),
        _move(world, state=BatchState.SPLIT, plan_id="plan1"),
        _finish_chunk(world, 0),
        _finish_chunk(world, 1),
        _move(world, state=BatchState.PROCESSED, counts=Counts(10, 8, 2)),
        _move(world, state=BatchState.FAILED),
    ]


def test_a_batch_is_watched_from_before_its_admission_to_its_end() -> None:
    world = virtual_world()

    seen = _watch(world, *_a_life(world))

    assert seen[0].batch is None
    states = [snapshot.batch.state for snapshot in seen if snapshot.batch]
    assert list(dict.fromkeys(states)) == ["ADMITTED", "SPLIT", "PROCESSED", "FAILED"]
    assert list(dict.fromkeys(snapshot.records_done for snapshot in seen)) == [0, 5, 10]
    assert all(snapshot.problem is None for snapshot in seen)
    assert seen[-1].is_over
    assert not any(snapshot.is_over for snapshot in seen[:-1])


@pytest.mark.parametrize("lost", [Unreachable(), Silent()])
def test_watching_goes_on_while_the_owner_region_does_not_answer(lost: Any) -> None:
    world = virtual_world()
    world.lose(HOME, lost)

    seen = _watch(world, *_a_life(world))

    assert {snapshot.problem for snapshot in seen} == {None, f"{HOME} does not answer"}
    assert seen[-1].is_over
    assert seen[-1].records_done == 10


def test_watching_goes_on_while_the_ledger_does_not_answer() -> None:
    world = CliWorld(clock=virtual_world().clock, ledger=_Outage())

    seen = _watch(world, *_a_life(world))

    outage = [snapshot for snapshot in seen if snapshot.problem]
    assert {snapshot.problem for snapshot in outage} == {"the ledger does not answer"}
    assert seen[-1].is_over
    assert seen[-1].problem is None


def test_what_was_counted_is_not_forgotten_when_a_region_stops_answering() -> None:
    world = virtual_world()

    async def watch() -> queries.Snapshot:
        await world.admit(world.batch())
        await _finish_chunk(world, 0)
        snapshots = queries.watch(world.connection, "b" * 20)
        first = await anext(snapshots)
        assert first.records_done == 5
        world.lose(HOME, Unreachable())
        return await queries.look(world.connection, "b" * 20, first)

    second = virtual_time.run(watch())

    assert second.records_done == 5
    assert second.problem == f"{HOME} does not answer"


# --- one batch -------------------------------------------------------------------------------------------------------


def test_a_detail_holds_progress_and_owner() -> None:
    world = virtual_world()

    async def ask() -> queries.Detail:
        batch = await world.admit(world.batch(state=BatchState.ADMITTED))
        await asyncio.sleep(2)
        await _move(world, state=BatchState.SPLIT)
        await _finish_chunk(world, 0)
        return await queries.detail(world.connection, await world.ledger.get(batch.batch_id))

    found = virtual_time.run(ask())

    assert found.owner == HOME
    assert found.tally is not None
    assert (found.tally.chunks_done, found.tally.counts) == (1, Counts(5, 4, 1))
    assert found.problem is None


def test_a_detail_says_when_progress_cannot_be_asked() -> None:
    world = virtual_world()
    world.lose(HOME, Silent(), "progress")

    async def ask() -> queries.Detail:
        return await queries.detail(world.connection, await world.admit(world.batch()))

    found = virtual_time.run(ask())

    assert found.tally is None
    assert found.problem == f"{HOME} does not answer"


@pytest.mark.parametrize("lost", [None, Unreachable(), Silent()])
def test_rejects_come_from_the_owner_region_or_else_from_the_other(lost: Any) -> None:
    world = virtual_world()
    if lost:
        world.lose(HOME, lost)
    index = world.away.rejects if lost else world.home.rejects

    async def ask() -> queries.Rejects:
        batch = await world.admit(world.batch(**completed()))
        await index.put(batch.batch_id, "plan1", [REJECT])
        return await queries.rejects_of(world.connection, batch, limit=20)

    found = virtual_time.run(ask())

    assert found.rejects == [REJECT]
    assert found.total == 2


@pytest.mark.parametrize(("limit", "numbers"), [(1, [1]), (3, [1, 2, 9]), (10, [1, 2, 9, 10])])
def test_rejects_of_an_unfinished_batch_are_read_from_its_finished_chunks(limit: int, numbers: list[int]) -> None:
    world = CliWorld()
    header = "record_number,byte_offset,column,rule,value,line,also\n"

    async def ask() -> queries.Rejects:
        batch = await world.admit(world.batch(**failed("too_many_rejects")))
        folder = f"work/{batch.batch_id}/plan1/rejects/"
        await world.home.objects.put(
            f"{folder}00000-aa.csv", f'{header}1,0,uuid,r,v,"a\nb",\n2,9,,columns,1,x,\n'.encode()
        )
        await world.home.objects.put(f"{folder}00000-0a.csv", f"{header}1,0,uuid,r,v,another run,\n".encode())
        long_line = "y" * 200_000
        await world.home.objects.put(
            f"{folder}00001-bb.csv", f"9,80,,columns,1,{long_line},\n10,90,,columns,1,z,\n".encode()
        )
        await _finish_chunk(world, 0)
        return await queries.rejects_of(world.connection, batch, limit=limit)

    found = run(ask())

    assert [reject.record_number for reject in found.rejects] == numbers
    assert found.rejects[0] == StoredReject(1, 0, "uuid", "r", "v", "a\nb")
    assert found.total == max(1, len(numbers))


def test_rejects_of_a_published_batch_are_in_the_replica_when_the_owner_is_cut_off() -> None:
    world = virtual_world()
    world.lose(HOME, Silent())

    async def ask() -> queries.Rejects:
        batch = await world.admit(world.batch(**completed()))
        cut_off = b"9,80,,columns,1,x"  # as if the file continued beyond what is read
        body = b"record_number,byte_offset,column,rule,value,line,also\n7,420,uuid,r,v,line,\n" + cut_off
        await world.away.objects.put(PUBLISHED.rejects_key, body)
        return await queries.rejects_of(world.connection, batch, limit=20)

    found = virtual_time.run(ask())

    assert found.rejects == [StoredReject(7, 420, "uuid", "r", "v", "line")]
    assert found.total == 2


def test_rejects_are_in_the_replica_when_the_owner_refuses_us() -> None:
    world = virtual_world()
    world.home.rejects.refusals.refuse("list")

    async def ask() -> queries.Rejects:
        batch = await world.admit(world.batch(**completed()))
        body = b"record_number,byte_offset,column,rule,value,line,also\n7,420,uuid,r,v,line,\n"
        await world.away.objects.put(PUBLISHED.rejects_key, body)
        return await queries.rejects_of(world.connection, batch, limit=20)

    assert len(virtual_time.run(ask()).rejects) == 1


def test_a_batch_is_shown_without_its_progress_where_that_is_refused() -> None:
    world = virtual_world()
    world.home.progress.refusals.refuse("tally")

    async def look() -> queries.Snapshot:
        batch = await world.admit(world.batch(plan_id="p1"))
        before = queries.Snapshot(world.clock.now(), None, None)
        return await queries.look(world.connection, batch.batch_id, before)

    snapshot = virtual_time.run(look())

    assert snapshot.batch is not None
    assert snapshot.problem is not None
    assert snapshot.problem.startswith(f"{HOME}: tally")


def test_there_is_advice_for_every_state() -> None:
    world = CliWorld()

    advice = {state: advise(world.batch(state=state), owner=HOME) for state in BatchState}

    assert all(text.endswith((".", "b" * 20)) for text in advice.values()), advice
    assert advice[BatchState.CANCELLED].startswith("Send the file again")


@pytest.mark.parametrize(
    ("code", "published", "words"),
    [
        ("mail_refused", True, "only its mail failed"),
        ("too_many_rejects", False, "all that were written"),
        ("header", False, "submit it again"),
        ("unknown_job", False, f"deploy, then: baton retry {'b' * 20}"),
        ("reference_missing", False, f"FILE --key COLUMN. Then: baton retry {'b' * 20}"),
        ("reference_columns", False, "every column that the job adds: baton reference load DATASET"),
        ("rule_error", False, "Correct the job"),
        ("rule_hangs", False, "Correct the job"),
        ("unreadable", False, "Let Baton read the file"),
        ("part_missing", False, "submit it again"),
        ("conservation", False, "baton retry"),
    ],
)
def test_advice_after_a_failure_fits_its_reason(code: str, published: bool, words: str) -> None:  # noqa: FBT001 - a case
    world = CliWorld()
    batch = world.batch(**(completed() if published else {}) | failed(code))

    assert words in advise(batch, owner=HOME)


# --- canaries --------------------------------------------------------------------------------------------------------


def test_canaries_are_listed_only_for_who_asks_for_them() -> None:
    world = CliWorld()
    canary = "canary-" + "1" * 20
    _ids(world, "1" * 20, canary)

    listed = run(queries.recent(world.connection, limit=5))
    everything = run(queries.recent(world.connection, limit=5, canaries=True))
    status = run(queries.status(world.connection))

    assert [batch.batch_id for batch in listed] == ["1" * 20]
    assert [batch.batch_id for batch in everything] == [canary, "1" * 20]
    assert sum(status.open_by_state.values()) == 1
    assert run(queries.resolve(world.connection, "last")).batch_id == "1" * 20
    assert run(queries.resolve(world.connection, canary)).batch_id == canary
