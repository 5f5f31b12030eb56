"""The other Region takes a batch over, in every state, with any part of it replicated: the same bytes, one mail."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, override

import pytest

from baton.catalog import load_jobs
from baton.errors import Fenced
from baton.memory import MemoryLedger
from baton.model.batch import Batch, Failure, MailClaim, Step
from baton.model.plan import Plan
from baton.model.states import BatchState
from baton.ports import ReferenceVersion
from baton.testing.faults import Crash
from baton_proof.pipeline import Pipeline
from baton_proof.sales import FINANCIAL, financial, sales_file
from baton_proof.two_regions import EAST, WEST, TwoRegions

SAMPLE = sales_file(records=24, bad=3)
KEY = "input/sales/july.csv"
S = BatchState


async def _world() -> TwoRegions:
    world = TwoRegions(load_jobs("baton_jobs"))
    for pipeline in (world.east, world.west):
        await financial(pipeline.region.reference, SAMPLE)
    return world


async def _uploaded(state: BatchState, *, chunks_done: int | None = None) -> tuple[TwoRegions, Batch]:
    """Return a world whose East brought a batch to that state and then died; nothing has replicated."""
    world = await _world()
    batch_id = await world.east.upload(KEY, SAMPLE.body)
    batch = await world.until(batch_id, S.MERGED if state is S.NOTIFIED else state)
    if state is S.NOTIFIED:
        await _die_before_it_completes(world.east)
    while chunks_done is not None and len(world.computed) < chunks_done:
        assert await world.east.step()
    return world, await world.east.batch(batch.batch_id)


async def _die_before_it_completes(pipeline: Pipeline) -> None:
    ledger = pipeline.region.ledger

    class Dies(MemoryLedger):
        @override
        async def update(self, before: Batch, after: Batch) -> Batch:
            if after.state is S.COMPLETED:
                raise Crash("before it completed")
            return await ledger.update(before, after)

    dies = Dies()
    dies._store = ledger._store  # pyright: ignore[reportPrivateUsage] - another view of the same rows
    pipeline.region.ledger = dies
    pipeline.restart()
    assert await pipeline.step()
    pipeline.region.ledger = ledger
    pipeline.restart()


async def _in_peace() -> tuple[bytes, bytes, Batch]:
    """Return result, rejects and batch of the same file where nothing goes wrong."""
    world = await _world()
    batch_id = await world.east.upload(KEY, SAMPLE.body)
    await world.east.drive()
    return await world.east.result(batch_id), await world.east.rejects(batch_id), await world.east.batch(batch_id)


async def _check(world: TwoRegions, batch: Batch, *, pipeline: Pipeline | None = None, mails: int = 1) -> Batch:
    """Drive the West to the end and compare with the file's undisturbed result."""
    await (pipeline or world.west).drive()
    result, rejects, expected = await _in_peace()
    ended = await world.west.batch(batch.batch_id)
    assert ended.state is S.COMPLETED, ended.failure
    assert await world.west.result(batch.batch_id) == result
    assert await world.west.rejects(batch.batch_id) == rejects
    assert (ended.counts, ended.plan_id) == (expected.counts, expected.plan_id)
    assert len(world.mails) == mails
    assert len(set(world.mails)) == 1
    return ended


@pytest.mark.parametrize("state", [S.ADMITTED, S.SPLIT, S.PROCESSED, S.MERGED, S.NOTIFIED])
def test_a_batch_of_any_state_goes_on_in_the_other_region(state: BatchState) -> None:
    async def story() -> tuple[Batch, int]:
        world, batch = await _uploaded(state)
        world.replicate()
        before = len(world.computed)
        taken = await world.take_over(batch)
        assert taken == await world.west.batch(batch.batch_id)
        assert taken.history[-1] == Step(taken.updated_at, taken.state, WEST)
        ended = await _check(world, batch)
        assert [info async for info in world.west.region.objects.list("input/")] == []
        return ended, len(world.computed) - before

    ended, computed = asyncio.run(story())

    assert ended.owner_epoch == 3
    assert computed == (ended.chunks if state in {S.ADMITTED, S.SPLIT} else 0)


def test_a_takeover_is_seen_in_the_history_also_where_the_state_stays() -> None:
    async def story() -> Sequence[Step]:
        world, batch = await _uploaded(S.MERGED)
        world.replicate()
        await world.take_over(batch)
        return (await _check(world, batch)).history

    steps = [(step.state, step.by) for step in asyncio.run(story())]

    assert steps[3:6] == [(S.MERGED, EAST), (S.MERGED, WEST), (S.NOTIFIED, WEST)]


def test_taking_over_again_sends_the_message_again_and_changes_nothing() -> None:
    async def story() -> tuple[Batch, Batch, int]:
        world, batch = await _uploaded(S.SPLIT)
        taken = await world.take_over(batch)
        again = await world.take_over(taken)
        return taken, again, len(world.west.region.queues.queued("split"))

    taken, again, sent = asyncio.run(story())

    assert again == taken
    assert sent == 2


def test_a_row_that_moved_or_has_a_later_owner_is_not_taken() -> None:
    async def story() -> None:
        world, batch = await _uploaded(S.SPLIT)
        moved = await world.until(batch.batch_id, S.PROCESSED)
        with pytest.raises(Fenced):
            await world.batches(WEST).take_over(batch, epoch=3)
        taken = await world.batches(WEST).take_over(moved, epoch=5)
        with pytest.raises(Fenced):
            await world.batches(WEST).take_over(taken, epoch=3)
        assert await world.west.batch(batch.batch_id) == taken

    asyncio.run(story())


def test_a_settled_batch_is_never_taken() -> None:
    async def story() -> None:
        world, batch = await _uploaded(S.COMPLETED)
        with pytest.raises(ValueError, match="nothing is left"):
            await world.batches(WEST).take_over(batch, epoch=3)

    asyncio.run(story())


def test_a_paused_batch_stays_paused_and_goes_on_in_the_other_region_when_it_is_resumed() -> None:
    async def story() -> tuple[Batch, Batch]:
        world, batch = await _uploaded(S.SPLIT, chunks_done=1)
        paused = batch.moved(S.PAUSED, at=world.clock.now(), by="operator")
        await world.east.region.ledger.update(batch, paused)
        world.replicate()
        taken = await world.take_over(paused)
        await world.settle(WEST)
        assert taken == await world.west.batch(batch.batch_id)
        resumed = taken.moved(S.ADMITTED, at=world.clock.now(), by="operator")
        await world.west.region.ledger.update(taken, resumed)
        await world.batches(WEST).nudge(resumed)
        return taken, await _check(world, batch)

    taken, ended = asyncio.run(story())

    assert (taken.state, taken.owner_epoch) == (S.PAUSED, 3)
    assert ended.state is S.COMPLETED


def test_a_failure_that_nobody_was_told_of_is_told_by_the_other_region() -> None:
    async def story() -> tuple[Batch, int, int]:
        world, batch = await _uploaded(S.SPLIT)
        failed = batch.moved(S.FAILED, at=world.clock.now(), by=EAST, failure=Failure("split_failed", "no luck"))
        await world.east.region.ledger.update(batch, failed)
        await world.take_over(failed)
        await world.west.drive()
        by_east, by_west = (len(each.region.mailer.outbox) for each in (world.east, world.west))
        return await world.west.batch(batch.batch_id), by_east, by_west

    batch, by_east, by_west = asyncio.run(story())

    assert batch.is_settled
    assert (by_east, by_west) == (0, 1)


# --- what has reached the other Region, and what has not -------------------------------------------------------------


@pytest.mark.parametrize("state", [S.ADMITTED, S.SPLIT, S.PROCESSED])
def test_a_file_that_is_not_here_is_waited_for_and_found_by_the_sweeper(state: BatchState) -> None:
    async def story() -> list[tuple[BatchState, str]]:
        world, batch = await _uploaded(state)
        world.replicate_only("plan.json", "/parts/", "/rejects/")
        await world.take_over(batch)
        await world.pass_time(600)
        waiting = await world.west.batch(batch.batch_id)
        assert (waiting.state, waiting.owner_epoch) == (S.WAITING_INPUT, 3)
        world.replicate()
        ended = await _check(world, batch)
        return [(step.state, step.by) for step in ended.history]

    steps = asyncio.run(story())

    assert steps.count((S.WAITING_INPUT, WEST)) == 1


def test_a_file_that_never_comes_ends_the_batch_at_its_deadline() -> None:
    async def story() -> tuple[Batch, int]:
        world, batch = await _uploaded(S.SPLIT)
        await world.take_over(batch)
        await world.pass_time(24 * 3_600 + 600, every_seconds=300)
        return await world.west.batch(batch.batch_id), len(world.mails)

    batch, mails = asyncio.run(story())

    assert batch.failure is not None
    assert (batch.failure.code, mails) == ("deadline", 1)
    assert batch.is_settled


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_only_the_chunks_whose_parts_are_not_here_are_computed_again(done: int) -> None:
    async def story() -> tuple[int, int, int]:
        world, batch = await _uploaded(S.SPLIT, chunks_done=done)
        made = len(world.computed)
        world.replicate()
        await world.take_over(batch)
        ended = await _check(world, batch)
        return made, len(world.computed) - made, ended.chunks

    before, after, chunks = asyncio.run(story())

    assert before == done
    assert before + after == chunks


def test_a_part_whose_rejects_are_not_here_is_made_again() -> None:
    async def story() -> tuple[int, int]:
        world, batch = await _uploaded(S.PROCESSED)
        made = len(world.computed)
        world.replicate_only("input/", "plan.json", "/parts/")
        await world.take_over(batch)
        ended = await _check(world, batch)
        rejecting = sum(["/rejects/" in key and "work/" in key for key in world.east.region.objects.history()])
        assert ended.chunks == made
        return len(world.computed) - made, rejecting

    again, rejecting = asyncio.run(story())

    assert again == rejecting > 0


def test_a_plan_that_is_not_here_is_made_again_under_the_same_name() -> None:
    async def story() -> tuple[int, int]:
        world, batch = await _uploaded(S.PROCESSED)
        made = len(world.computed)
        world.replicate_only("input/", "/parts/00000", "/rejects/")
        await world.take_over(batch)
        ended = await _check(world, batch)
        return len(world.computed) - made, ended.chunks

    again, chunks = asyncio.run(story())

    assert again == chunks - 1


def test_what_replicates_while_the_other_region_works_changes_nothing() -> None:
    async def story() -> Batch:
        world, batch = await _uploaded(S.PROCESSED)
        world.replicate_only("input/")
        await world.take_over(batch)
        await world.until_queued("merge", region=WEST)
        world.replicate()
        return await _check(world, batch)

    asyncio.run(story())


# --- reference data ---------------------------------------------------------------------------------------------------


async def _without_reference(state: BatchState, *, other: str | None = None) -> tuple[TwoRegions, Batch]:
    """Return a world whose West has not got the reference data of the batch, but perhaps another version of it."""
    world = TwoRegions(load_jobs("baton_jobs"))
    await financial(world.east.region.reference, SAMPLE, version="v2")
    if other:
        await financial(world.west.region.reference, SAMPLE, version=other)
    batch_id = await world.east.upload(KEY, SAMPLE.body)
    batch = await world.until(batch_id, state)
    return world, batch


@pytest.mark.parametrize("arrived", ["plan.json", "no plan"])
@pytest.mark.parametrize("other", [None, "v1"])
def test_reference_data_that_is_not_here_is_waited_for(other: str | None, arrived: str) -> None:
    async def story() -> tuple[Batch, Batch]:
        world, batch = await _without_reference(S.SPLIT, other=other)
        world.replicate_only("input/", arrived)
        await world.take_over(batch)
        await world.pass_time(120)
        waiting = await world.west.batch(batch.batch_id)
        await financial(world.west.region.reference, SAMPLE, version="v2")
        await world.west.drive()
        return waiting, await world.west.batch(batch.batch_id)

    waiting, ended = asyncio.run(story())

    # Without the plan nobody can know with which version it was made: what is current here will do.
    expected = S.COMPLETED if (other, arrived) == ("v1", "no plan") else S.WAITING_INPUT
    assert (waiting.state, ended.state) == (expected, S.COMPLETED)
    assert (ended.plan_id == waiting.plan_id) or expected is S.COMPLETED


def test_rows_of_reference_data_that_are_not_here_are_waited_for_rather_than_taken_for_missing() -> None:
    async def story() -> tuple[BatchState, Batch, Batch]:
        world, batch = await _without_reference(S.SPLIT)
        world.replicate()
        rows = SAMPLE.reference
        reference = world.west.region.reference
        whole = ReferenceVersion("financial", "v2", rows=len(rows), columns=FINANCIAL)
        reference.arrive(whole, dict(list(rows.items())[:-1]))
        await world.take_over(batch)
        await world.pass_time(1_200)
        waiting = await world.west.batch(batch.batch_id)
        await financial(reference, SAMPLE, version="v2")
        await world.west.drive()
        return waiting.state, await world.west.batch(batch.batch_id), (await _in_peace())[2]

    waiting, ended, expected = asyncio.run(story())

    assert waiting is S.WAITING_INPUT
    assert (ended.state, ended.counts) == (S.COMPLETED, expected.counts)


async def _versions(world: TwoRegions, batch: Batch) -> tuple[str | None, BatchState]:
    ended = await world.west.batch(batch.batch_id)
    key = f"work/{ended.batch_id}/{ended.plan_id}/plan.json"
    return Plan.model_validate_json(await world.west.region.objects.get(key)).reference_version, ended.state


def test_a_batch_whose_reference_data_never_comes_is_planned_anew_with_what_is_current() -> None:
    async def story() -> tuple[str | None, BatchState]:
        world, batch = await _without_reference(S.PROCESSED, other="v1")
        world.replicate()
        await world.take_over(batch)
        await world.pass_time(600)
        await world.west.drive()
        return await _versions(world, batch)

    assert asyncio.run(story()) == ("v1", S.COMPLETED)


def test_a_published_batch_is_never_made_again_with_other_reference_data() -> None:
    async def story() -> tuple[str | None, BatchState]:
        world, batch = await _without_reference(S.MERGED, other="v1")
        world.replicate_only("input/", "work/")
        await world.take_over(batch)
        await world.pass_time(3_600)
        waiting = await world.west.batch(batch.batch_id)
        assert waiting.state is S.WAITING_INPUT
        world.replicate_only("plan.json")
        await financial(world.west.region.reference, SAMPLE, version="v2")
        await world.west.drive()
        return await _versions(world, batch)

    assert asyncio.run(story()) == ("v2", S.COMPLETED)


def test_a_published_batch_whose_plan_is_not_here_waits_for_it_rather_than_use_another() -> None:
    async def story() -> tuple[BatchState, tuple[str | None, BatchState]]:
        world, batch = await _without_reference(S.MERGED, other="v1")
        world.replicate_only("input/", "/parts/")
        await world.take_over(batch)
        await world.pass_time(3_600)
        waiting = await world.west.batch(batch.batch_id)
        await financial(world.west.region.reference, SAMPLE, version="v2")
        await world.west.drive()
        return waiting.state, await _versions(world, batch)

    assert asyncio.run(story()) == (S.WAITING_INPUT, ("v2", S.COMPLETED))


# --- the result and the mail -----------------------------------------------------------------------------------------


def test_no_mail_offers_a_result_that_is_not_here() -> None:
    async def story() -> None:
        world, batch = await _uploaded(S.MERGED)
        world.replicate_only("input/", "/result.csv")
        await world.take_over(batch)
        await world.settle(WEST)
        assert (await world.west.batch(batch.batch_id)).state is S.MERGED
        assert world.mails == [], "its rejects are not here"
        world.replicate()
        ended = await _check(world, batch)
        assert ended.published == batch.published, "nothing was made again"

    asyncio.run(story())


@pytest.mark.parametrize("arrived", ["work/", "input/"])
def test_a_result_that_never_comes_is_made_again_byte_for_byte(arrived: str) -> None:
    async def story() -> tuple[list[BatchState], int, int]:
        world, batch = await _uploaded(S.MERGED)
        made = len(world.computed)
        world.replicate_only("input/", arrived)
        await world.take_over(batch)
        ended = await _check(world, batch)
        assert ended.published is not None
        assert batch.published is not None
        assert f"/e{ended.owner_epoch}-" in ended.published.result_key
        assert ended.published.result_crc64nvme == batch.published.result_crc64nvme
        assert await world.west.region.objects.head(batch.published.result_key) is None
        return [step.state for step in ended.history if step.by == WEST], len(world.computed) - made, ended.chunks

    steps, computed, chunks = asyncio.run(story())

    assert steps == [S.MERGED, S.ADMITTED, S.SPLIT, S.PROCESSED, S.MERGED, S.NOTIFIED, S.COMPLETED]
    assert computed == (0 if arrived == "work/" else chunks)


def test_a_batch_that_completed_but_was_not_filed_away_is_filed_away_by_the_other_region() -> None:
    async def story() -> tuple[Batch, int, int]:
        world, batch = await _uploaded(S.NOTIFIED)
        completed = batch.moved(S.COMPLETED, at=world.clock.now(), by=EAST)
        await world.east.region.ledger.update(batch, completed)  # and there it died
        await world.activate(WEST)
        world.replicate()
        await world.pass_time(600)
        world.replicate()
        left = [len([info async for info in each.region.objects.list("input/")]) for each in (world.east, world.west)]
        archived = [info async for info in world.east.region.objects.list("archive/")]
        return await world.west.batch(batch.batch_id), sum(left), len(archived)

    batch, left, archived = asyncio.run(story())

    assert (batch.state, left, archived) == (S.COMPLETED, 0, 1)


async def _claimed_in_the_east() -> tuple[TwoRegions, Batch]:
    world, batch = await _uploaded(S.MERGED)
    claim = MailClaim(run=batch.run, epoch=batch.owner_epoch, claimed_at=world.clock.now())
    claimed = await world.east.region.ledger.claim_mail(batch, claim)
    world.replicate()
    return world, claimed


def test_a_claim_of_the_old_region_keeps_its_lease_and_then_the_mail_is_sent_under_the_same_name() -> None:
    async def story() -> tuple[int, Batch]:
        world, claimed = await _claimed_in_the_east()
        await world.take_over(claimed)
        world.clock.advance(100)
        await world.settle(WEST)
        within_the_lease = len(world.mails)
        ended = await _check(world, claimed)
        assert world.mails == [f"baton.{claimed.batch_id}.1"]
        return within_the_lease, ended

    within_the_lease, ended = asyncio.run(story())

    assert within_the_lease == 0
    assert ended.mail_claim is not None
    assert ended.mail_claim.epoch == 3


# --- the old Region resumes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.ADMITTED, S.SPLIT, S.PROCESSED, S.MERGED, S.NOTIFIED])
def test_messages_of_the_old_region_change_nothing(state: BatchState) -> None:
    async def story() -> None:
        world, batch = await _uploaded(state)
        world.replicate()
        taken = await world.take_over(batch)
        await world.pass_time(7_200, region=EAST)
        assert await world.west.batch(batch.batch_id) == taken
        await _check(world, batch, mails=1)
        await world.pass_time(7_200, region=EAST)
        assert len(world.mails) == 1

    asyncio.run(story())


class _Meanwhile:
    """Lets something else happen first when a port's method is called, once: between two lines of a handler."""

    def __init__(self, port: Any, method: str, happen: Callable[[], Awaitable[None]]) -> None:
        self._port = port
        self._method = method
        self._happen = [happen]

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if name != self._method:
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            while self._happen:
                await self._happen.pop()()
            return await member(*args, **kwargs)

        return call


LATE = {
    "a late plan": ("objects", "put", S.ADMITTED),
    "a late part": ("objects", "put", S.SPLIT),
    "a late count": ("progress", "complete", S.SPLIT),
    "a late result": ("objects", "compose", S.PROCESSED),
    "a late publication": ("rejects", "put", S.PROCESSED),
    "a late mail claim": ("ledger", "claim_mail", S.MERGED),
    "a late end": ("ledger", "update", S.NOTIFIED),
}


@pytest.mark.parametrize("late", LATE)
def test_what_the_old_region_had_in_hand_when_it_was_overtaken_loses(late: str) -> None:
    async def story() -> None:
        port, method, state = LATE[late]
        world, batch = await _uploaded(state)
        world.replicate()
        rows: list[Batch] = []

        async def takeover() -> None:
            await world.take_over(await world.west.batch(batch.batch_id))
            await world.west.drive()
            rows.append(await world.west.batch(batch.batch_id))

        region = world.east.region
        setattr(region, port, _Meanwhile(getattr(region, port), method, takeover))
        world.east.restart()
        world.clock.advance(60)  # for the message that a dead process was handling
        while not rows:
            assert await world.east.step()
        assert rows[0].state is S.COMPLETED
        await world.settle(EAST)
        world.replicate()
        assert await world.west.batch(batch.batch_id) == rows[0]
        await _check(world, batch)

    asyncio.run(story())


def test_a_late_mark_of_the_old_region_does_not_touch_the_new_owners_row() -> None:
    async def story() -> None:
        world, batch = await _uploaded(S.MERGED)
        world.replicate()
        taken: list[Batch] = []

        async def takeover() -> None:
            taken.append(await world.take_over(await world.west.batch(batch.batch_id)))

        region = world.east.region
        setattr(region, "mailer", _Meanwhile(region.mailer, "send", takeover))  # noqa: B010 - no subclass of it
        world.east.restart()
        await world.settle(EAST)
        assert await world.west.batch(batch.batch_id) == taken[0]
        # The declared window: claimed and sent, never marked. The lease is kept, then it is sent again.
        await _check(world, batch, mails=2)
        sent = (await world.west.batch(batch.batch_id)).mail_claim
        assert sent is not None
        assert sent.claimed_at >= batch.updated_at + timedelta(seconds=120)

    asyncio.run(story())


def test_there_and_back_again_ends_once() -> None:
    async def story() -> Batch:
        world, batch = await _uploaded(S.SPLIT, chunks_done=1)
        world.replicate()
        taken = await world.take_over(batch)
        await world.until_queued("chunk", region=WEST)
        await world.west.step()
        await world.west.step()
        world.replicate()
        back = await world.take_over(await world.west.batch(taken.batch_id), to=EAST)
        assert back.owner_epoch == 4
        world.replicate()
        await world.east.drive()
        world.replicate()
        return await _check(world, batch)

    ended = asyncio.run(story())

    assert ended.owner_epoch == 4


def test_a_published_batch_whose_result_is_made_again_here_is_not_too_late() -> None:
    async def story() -> tuple[BatchState, BatchState]:
        world, batch = await _uploaded(S.MERGED)
        world.clock.advance(2 * 86_400)
        taken = await world.take_over(batch)
        assert taken.published
        await world.batches(WEST).move(taken, S.ADMITTED)  # as the notifier does, if the result does not come
        await world.west.process.sweeper.sweep()
        waits = (await world.west.batch(batch.batch_id)).state
        world.replicate_only("input/", "/plan")
        return waits, (await _check(world, taken)).state

    assert asyncio.run(story()) == (S.ADMITTED, S.COMPLETED)
