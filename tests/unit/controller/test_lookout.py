"""What a controller measures beside its looks: of which Region, since when, and what cannot wait for its turn."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from batches_made import admitted
from baton.memory import LoopClock, MemoryLedger, MemoryQueues
from baton.model.journal import Signal, Verdict
from baton.model.states import BatchState
from baton.ports import Delivery
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from controller_made import EAST, WEST
from handover.facts import Sample
from lookout_made import SETTINGS, ToldCanary, lookout_made


@pytest.mark.parametrize(
    ("canary", "urged"),
    [
        (ToldCanary(), 0),
        (ToldCanary(bad={EAST}), 1),
        (ToldCanary(bad={WEST}), 1),
        (ToldCanary(refused={EAST}), 1),
        (ToldCanary(refused={EAST, WEST}), 1),
    ],
    ids=["all healthy", "one failed", "our own failed", "one refused", "both refused"],
)
def test_a_canary_that_did_not_get_through_waits_for_no_turn(canary: ToldCanary, urged: int) -> None:
    urges: list[None] = []

    virtual_time.run(lookout_made(canary, urge=lambda: urges.append(None)).probe())

    assert len(urges) == urged


def test_what_both_regions_refuse_counts_against_ourselves_alone() -> None:
    async def story() -> Sequence[Sample]:
        lookout = lookout_made(ToldCanary(refused={EAST, WEST}))
        await lookout.probe()
        return lookout.inbox.taken().samples

    found = {each.region: each.verdict for each in virtual_time.run(story())}

    assert found == {WEST: Verdict.UNHEALTHY, EAST: Verdict.UNKNOWN}


def test_a_standby_measures_the_active_region_too() -> None:
    async def story() -> Sequence[Sample]:
        lookout = lookout_made(ToldCanary())
        await lookout.look_around()
        return lookout.inbox.taken().samples

    measured = {each.region for each in virtual_time.run(story()) if each.signal is Signal.DEAD_LETTERS}

    assert measured == {*REGIONS_DEFAULT}


def test_dead_letters_are_new_for_an_hour() -> None:
    async def story() -> list[Verdict]:
        queues = {region: MemoryQueues(LoopClock()) for region in REGIONS_DEFAULT}
        lookout, found = lookout_made(ToldCanary(), queues=queues), list[Verdict]()
        for seconds in (0, 1, SETTINGS.dead_letters_seconds - 3, 5):
            await asyncio.sleep(seconds)
            if seconds == 1:
                chunks = queues[EAST].inbox("chunk")
                for number in range(SETTINGS.dead_letters_max + 1):
                    await chunks.dead_letter(Delivery(f"{number}", "not ours", 1))
            await lookout.look_around()
            taken = lookout.inbox.taken().samples
            found += [each.verdict for each in taken if (each.region, each.signal) == (EAST, Signal.DEAD_LETTERS)]
        return found

    assert virtual_time.run(story()) == [Verdict.HEALTHY, Verdict.UNHEALTHY, Verdict.UNHEALTHY, Verdict.HEALTHY]


def test_the_age_of_a_change_is_by_our_own_clock_once_one_was_seen_to_be_made() -> None:
    """What was there before is as old as its own clock says; what is made later, as old as we have known it."""
    wrong = timedelta(seconds=3 * SETTINGS.standstill_seconds)

    async def story() -> list[Verdict]:
        ledger = MemoryLedger()
        now = LoopClock().now()
        batch = replace(admitted("b1", now), updated_at=now - wrong)
        await ledger.admit(batch)
        lookout, found = lookout_made(ToldCanary(), ledger), list[Verdict]()
        for _ in range(2):
            await lookout.look_around()
            taken = lookout.inbox.taken().samples
            found += [each.verdict for each in taken if (each.region, each.signal) == (EAST, Signal.THROUGHPUT)]
            moved = replace(batch, state=BatchState.SPLIT, plan_id="p", updated_at=now - wrong / 2)
            ledger._store.batches["b1"] = moved  # pyright: ignore[reportPrivateUsage] - by a clock that is wrong
        return found

    assert virtual_time.run(story()) == [Verdict.UNHEALTHY, Verdict.HEALTHY]


def test_what_a_look_has_taken_is_not_there_for_the_next_one() -> None:
    async def story() -> None:
        lookout = lookout_made(ToldCanary())
        await lookout.probe()
        await lookout.look_around()
        first, second = lookout.inbox.taken(), lookout.inbox.taken()
        assert first.samples
        assert first.endpoints is not None
        assert (second.samples, second.results, second.provided) == ([], [], [])
        assert (second.endpoints, second.drain) == (None, None)
        assert second.activity == first.activity, "it holds until it changes"

    virtual_time.run(story())
