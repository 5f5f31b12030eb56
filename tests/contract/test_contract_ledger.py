"""What every ledger does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from batches_made import admitted, filled, stepped
from baton.errors import Conflict, Fenced, NotFound, Refused
from baton.model.batch import Batch, Failure, MailClaim
from baton.model.control import (
    Control,
    Drill,
    Ending,
    Freeze,
    Phase,
    StepDone,
    StepName,
    StepOutcome,
    SwitchKind,
    Transition,
)
from baton.model.states import BatchState
from baton.model.unreadable import UnreadableRow
from baton.ports import Admission, BatchPage, batches_of
from baton.topology import INITIAL_EPOCH
from worlds import EAST, WEST, Ports, World, in_world

MOVES: dict[str, Callable[[Batch], Batch]] = {
    "state": lambda row: stepped(row, BatchState.SPLIT),
    "owner_epoch": lambda row: replace(stepped(row, row.state), owner_epoch=3),
    "run": lambda row: replace(stepped(row, row.state), run=2),
    "updated_at": lambda row: stepped(row, row.state),
}
"""What another writer may have changed since a row was read."""


@pytest.fixture
def shared() -> bool:
    """Say that the ledger is one for both Regions."""
    return True


@in_world
async def test_a_new_world_belongs_to_the_first_region(ports: Ports) -> None:
    assert await ports.ledger.control() == Control(INITIAL_EPOCH, EAST)


@in_world
async def test_a_world_that_is_not_set_up_has_no_control_row(ports: Ports) -> None:
    await ports.drop_control()

    with pytest.raises(NotFound):
        await ports.ledger.control()

    await ports.ledger.set_control(Control(2, EAST), before=None)
    assert await ports.ledger.control() == Control(2, EAST)


@in_world
async def test_control_moves_only_from_the_row_that_was_read(ports: Ports) -> None:
    first = await ports.ledger.control()
    moved = first.changed(epoch=3, active_region=WEST)
    await ports.ledger.set_control(moved, before=first)

    for before in (first, moved.changed(), None):
        with pytest.raises(Conflict):
            await ports.ledger.set_control(replace(moved, revision=before.revision + 1 if before else 9), before=before)

    assert await ports.ledger_in_west.control() == moved


@in_world
async def test_control_never_goes_back(ports: Ports) -> None:
    first = await ports.ledger.control()

    for wrong in (
        first.changed(epoch=1),
        first.changed(active_region=WEST),
        replace(first, phase=Phase.DRAINING),
    ):
        with pytest.raises(ValueError, match=r"control row|active Region"):
            await ports.ledger.set_control(wrong, before=first)


@in_world
async def test_the_epoch_may_be_raised_while_the_region_stays(ports: Ports) -> None:
    first = await ports.ledger.control()
    raised = first.changed(epoch=first.epoch + 2)

    await ports.ledger.set_control(raised, before=first)

    assert await ports.ledger.control() == raised


@in_world
async def test_control_keeps_everything_that_is_under_way(ports: Ports) -> None:
    first, now = await ports.ledger.control(), ports.clock.now()
    step = StepDone(StepName.ROUTES, StepOutcome.DEGRADED, now, WEST, note="no answer")
    transition = Transition(
        id="t1",
        kind=SwitchKind.DRILL,
        source=EAST,
        target=WEST,
        reason="„Übung“",
        started_at=now,
        automatic=True,
        command_id="c1",
        steps=(step,),
        ended=Ending.COMPLETED,
        note="„gut“",
        ended_at=now,
    )
    full = first.changed(
        epoch=3,
        active_region=WEST,
        phase=Phase.COOLDOWN,
        phase_since=now,
        transition=transition,
        freeze=Freeze(by="ana", reason="release", at=now, until=now + timedelta(hours=1)),
        failovers=(now - timedelta(hours=2), now),
        acknowledged_at=now,
        cooldown_until=now + timedelta(minutes=30),
        drill=Drill(home=EAST, ends_at=now + timedelta(minutes=30), blocking_alarm="sales-late"),
        commands=("c0", "c1"),
    )

    await ports.ledger.set_control(full, before=first)

    assert await ports.ledger_in_west.control() == full


@in_world
async def test_one_of_many_moves_of_the_control_row_wins(ports: Ports) -> None:
    first = await ports.ledger.control()
    moves = [ports.ledger.set_control(first.changed(epoch=3, active_region=WEST), before=first) for _ in range(16)]

    outcomes = await asyncio.gather(*moves, return_exceptions=True)

    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 15


@in_world
async def test_a_batch_is_admitted_once_and_then_left_alone(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())

    first = await ports.ledger.admit(batch)
    second = await ports.ledger.admit(replace(batch, job="other"))

    assert (first, second) == (Admission.ADMITTED, Admission.ALREADY_THERE)
    assert await ports.ledger.get("b1") == batch


@in_world
async def test_one_of_many_admissions_of_a_batch_wins(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())

    outcomes = await asyncio.gather(*(ports.ledger.admit(batch) for _ in range(16)))

    assert outcomes.count(Admission.ADMITTED) == 1


@in_world
async def test_a_batch_comes_back_with_every_field(ports: Ports) -> None:
    batch = filled("b1", ports.clock.now())

    await ports.ledger.admit(batch)

    assert await ports.ledger.get("b1") == batch
    assert await ports.ledger.get("b2") is None


@in_world
async def test_an_update_replaces_the_row(ports: Ports) -> None:
    before = admitted("b1", ports.clock.now())
    await ports.ledger.admit(before)
    after = replace(stepped(before, BatchState.SPLIT), plan_id="p", chunks=3)

    written = await ports.ledger_in_west.update(before, after)

    assert written == after
    assert await ports.ledger.get("b1") == after


@pytest.mark.parametrize("what", MOVES)
def test_a_row_that_moved_on_fences_who_read_it_before(world: World, what: str) -> None:
    @in_world
    async def scenario(ports: Ports) -> None:
        before = admitted("b1", ports.clock.now())
        await ports.ledger.admit(before)
        current = await ports.ledger.update(before, MOVES[what](before))

        with pytest.raises(Fenced):
            await ports.ledger.update(before, stepped(before, BatchState.SPLIT, seconds=5))

        assert await ports.ledger.get("b1") == current

    scenario(world)


@in_world
async def test_a_row_that_is_gone_fences(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())

    with pytest.raises(Fenced):
        await ports.ledger.update(batch, stepped(batch, BatchState.SPLIT))

    assert await ports.ledger.get("b1") is None


@in_world
async def test_a_step_that_the_table_does_not_allow_is_our_bug(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    await ports.ledger.admit(batch)

    for wrong in (
        stepped(batch, BatchState.COMPLETED),
        stepped(batch, BatchState.SPLIT, seconds=0),
        replace(stepped(batch, BatchState.SPLIT), batch_id="b2"),
    ):
        with pytest.raises(ValueError, match="b1"):
            await ports.ledger.update(batch, wrong)

    assert await ports.ledger.get("b1") == batch


@in_world
async def test_a_batch_never_goes_back_to_an_earlier_owner(ports: Ports) -> None:
    batch = replace(admitted("b1", ports.clock.now()), owner_epoch=3)
    await ports.ledger.admit(batch)
    split = await ports.ledger.update(batch, stepped(batch, BatchState.SPLIT))

    for wrong in (replace(stepped(split, BatchState.SPLIT), owner_epoch=2), stepped(split, BatchState.ADMITTED)):
        with pytest.raises(ValueError, match=r"b1.*owner"):
            await ports.ledger.update(split, wrong)

    assert await ports.ledger.get("b1") == split


@in_world
async def test_a_takeover_fences_the_owner_before(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    await ports.ledger.admit(batch)
    split = await ports.ledger.update(batch, stepped(batch, BatchState.SPLIT))

    taken = replace(stepped(split, BatchState.ADMITTED), owner_epoch=3)
    await ports.ledger_in_west.update(split, taken)

    with pytest.raises(Fenced):
        await ports.ledger.update(split, stepped(split, BatchState.PROCESSED, seconds=9))
    assert await ports.ledger.get("b1") == taken


@in_world
async def test_one_of_many_equal_updates_wins(ports: Ports) -> None:
    before = admitted("b1", ports.clock.now())
    await ports.ledger.admit(before)
    after = stepped(before, BatchState.SPLIT)

    outcomes = await _outcomes([ports.ledger.update(before, after) for _ in range(16)])

    assert outcomes.count(after) == 1
    assert outcomes.count("Fenced") == 15


@in_world
async def test_one_of_many_equal_mail_claims_wins(ports: Ports) -> None:
    row = await _merged(ports)
    claim = MailClaim(run=1, epoch=2, claimed_at=ports.clock.now() + timedelta(minutes=1))

    outcomes = await _outcomes([ports.ledger.claim_mail(row, claim) for _ in range(16)])

    assert outcomes.count("Fenced") == 15
    claimed = await ports.ledger.get("b1")
    assert claimed is not None
    assert claimed.mail_claim == claim
    assert claimed.updated_at > row.updated_at


@in_world
async def test_a_claim_is_completed_by_its_holder_and_not_by_who_read_before_it(ports: Ports) -> None:
    row = await _merged(ports)
    # The holder's clock is behind the one that wrote the row: the write must succeed all the same.
    claim = MailClaim(run=1, epoch=2, claimed_at=row.updated_at - timedelta(seconds=30))
    claimed = await ports.ledger.claim_mail(row, claim)

    with pytest.raises(Fenced):
        await ports.ledger.claim_mail(row, replace(claim, epoch=3))
    sent = await ports.ledger.claim_mail(claimed, replace(claim, sent_at=claim.claimed_at))

    assert sent.mail_claim == replace(claim, sent_at=claim.claimed_at)
    assert await ports.ledger.get("b1") == sent


@in_world
async def test_open_batches_come_newest_first_page_by_page_each_once(ports: Ports) -> None:
    start = ports.clock.now()
    batches = [admitted(f"b{number}", start + timedelta(seconds=number)) for number in range(60)]
    for batch in batches:
        await ports.ledger.admit(batch)
    await _cancel(ports, batches[4])

    pages = await _pages(ports.ledger.list_open())

    assert len(pages) > 1
    assert all(page.batches for page in pages)
    listed = [batch.batch_id for page in pages for batch in page.batches]
    assert listed == [f"b{number}" for number in reversed(range(60)) if number != 4]


@in_world
async def test_a_failed_batch_stays_open_until_its_mail_is_out(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    await ports.ledger.admit(batch)
    failed = await _fail(ports, batch)
    claim = MailClaim(run=1, epoch=2, claimed_at=failed.updated_at)

    while_unannounced = await batches_of(ports.ledger.list_open())
    claimed = await ports.ledger.claim_mail(failed, claim)
    await ports.ledger.claim_mail(claimed, replace(claim, sent_at=claimed.updated_at))
    afterwards = await batches_of(ports.ledger.list_open())

    assert [each.batch_id for each in while_unannounced] == ["b1"]
    assert afterwards == []


@in_world
async def test_a_batch_that_ends_between_two_pages_hides_no_other(ports: Ports) -> None:
    start = ports.clock.now()
    batches = {f"b{number}": admitted(f"b{number}", start + timedelta(seconds=number)) for number in range(60)}
    for batch in batches.values():
        await ports.ledger.admit(batch)
    pages = aiter(ports.ledger.list_open())
    first = await anext(pages)
    given = {batch.batch_id for batch in first.batches}
    ended = [max(given), min(set(batches) - given, key=lambda each: int(each[1:]))]
    for batch_id in ended:
        await _cancel(ports, batches[batch_id])

    listed = [batch.batch_id async for page in pages for batch in page.batches]

    assert set(listed) == set(batches) - given - set(ended)
    assert len(listed) == len(set(listed))


@in_world
async def test_many_rows_are_read_at_once_and_what_has_none_is_left_out(ports: Ports) -> None:
    for number in range(250):
        await ports.ledger.admit(admitted(f"b{number}", ports.clock.now()))

    found = await ports.ledger.get_many([f"b{number}" for number in range(300)])

    assert set(found) == {f"b{number}" for number in range(250)}
    assert found["b7"] == await ports.ledger.get("b7")
    assert await ports.ledger.get_many([]) == {}


@in_world
async def test_a_row_that_cannot_be_read_hides_no_other(ports: Ports) -> None:
    start = ports.clock.now()
    for number in range(8):
        await ports.ledger.admit(admitted(f"b{number}", start + timedelta(seconds=number)))
    await ports.spoil("b5")

    pages = await _pages(ports.ledger.list_open())
    recent = await _pages(ports.ledger.list_recent(since=start - timedelta(1)))
    many = await ports.ledger.get_many(["b4", "b5", "b6", "b99"])

    for listed in (pages, recent):
        assert [batch.batch_id for page in listed for batch in page.batches] == [
            "b7",
            "b6",
            "b4",
            "b3",
            "b2",
            "b1",
            "b0",
        ]
        assert [row.batch_id for page in listed for row in page.unreadable] == ["b5"]
    assert (set(many), many["b5"]) == ({"b4", "b5", "b6"}, None)
    with pytest.raises(Refused, match="b5"):
        await ports.ledger.get("b5")


@in_world
async def test_of_a_row_that_cannot_be_read_is_told_what_can_be(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    await ports.ledger.admit(batch)
    assert await ports.ledger.unreadable("b1") is None
    await ports.spoil("b1")

    row = await ports.ledger.unreadable("b1")
    (page,) = await _pages(ports.ledger.list_open())

    assert row is not None
    source = batch.source
    expected = UnreadableRow("b1", batch.job, source.key, source.version_id, row.state, batch.owner_epoch)
    assert (row, page.unreadable) == (expected, [row])
    assert await ports.ledger.unreadable("b99") is None


@in_world
async def test_a_row_has_a_size_at_which_the_store_ends(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    long = Failure("rule_error", "x" * 410_000)

    with pytest.raises(Refused):
        await ports.ledger.admit(replace(batch, failure=long))
    await ports.ledger.admit(batch)
    with pytest.raises(Refused):
        await ports.ledger.update(batch, replace(stepped(batch, BatchState.FAILED), failure=long))

    assert await ports.ledger.get("b1") == batch


@in_world
async def test_recent_batches_are_of_any_state_and_not_older_than_asked(ports: Ports) -> None:
    now = ports.clock.now()
    for days in range(5):
        await ports.ledger.admit(admitted(f"d{days}", now - timedelta(days=days)))
    await _cancel(ports, admitted("d1", now - timedelta(days=1)))
    await _cancel(ports, admitted("d4", now - timedelta(days=4)))
    since = now - timedelta(days=3)

    pages = await _pages(ports.ledger.list_recent(since=since))

    listed = [(batch.batch_id, batch.state) for page in pages for batch in page.batches]
    waiting = BatchState.ADMITTED
    assert listed == [("d0", waiting), ("d1", BatchState.CANCELLED), ("d2", waiting), ("d3", waiting)]


@in_world
async def test_settled_batches_are_listed_by_the_day_on_which_they_settled(ports: Ports) -> None:
    now = ports.clock.now()
    for name, admitted_days, settled_days in (("quick", 2, 2), ("late", 30, 2), ("new", 2, 0)):
        batch = admitted(name, now - timedelta(days=admitted_days))
        await ports.ledger.admit(batch)
        settled_at = now - timedelta(days=settled_days) + timedelta(microseconds=1)
        await ports.ledger.update(batch, replace(stepped(batch, BatchState.CANCELLED), updated_at=settled_at))
    await ports.ledger.admit(admitted("open", now - timedelta(days=2)))

    listed = await batches_of(ports.ledger.list_settled((now - timedelta(days=2)).date()))

    assert [batch.batch_id for batch in listed] == ["quick", "late"]


@in_world
async def test_a_final_row_is_forgotten(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    await ports.ledger.admit(batch)
    final = await _fail(ports, batch)

    await ports.ledger.delete(final)
    await ports.ledger.delete(final)

    assert await ports.ledger.get("b1") is None


@in_world
async def test_a_row_that_is_open_or_changed_is_not_forgotten(ports: Ports) -> None:
    batch = admitted("b1", ports.clock.now())
    await ports.ledger.admit(batch)

    with pytest.raises(ValueError, match="ADMITTED"):
        await ports.ledger.delete(batch)
    final = await _fail(ports, batch)
    retried = await ports.ledger.update(final, stepped(final, BatchState.ADMITTED))
    with pytest.raises(Fenced):
        await ports.ledger.delete(final)

    assert await ports.ledger.get("b1") == retried


async def _merged(ports: Ports) -> Batch:
    batch = replace(admitted("b1", ports.clock.now()), state=BatchState.MERGED)
    await ports.ledger.admit(batch)
    return batch


async def _cancel(ports: Ports, batch: Batch) -> Batch:
    return await ports.ledger.update(batch, stepped(batch, BatchState.CANCELLED))


async def _fail(ports: Ports, batch: Batch) -> Batch:
    failed = replace(stepped(batch, BatchState.FAILED), failure=Failure("no_job", "There is no such job."))
    return await ports.ledger.update(batch, failed)


async def _pages(listed: AsyncIterator[BatchPage]) -> list[BatchPage]:
    return [page async for page in listed]


async def _outcomes(calls: list[Coroutine[Any, Any, Batch]]) -> list[Batch | str]:
    """Make the calls at once; return each one's batch, or the name of its error."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [type(each).__name__ if isinstance(each, BaseException) else each for each in outcomes]
