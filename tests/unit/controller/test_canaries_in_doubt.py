"""While canaries fail now and then, more of them are sent at a time; what each took, and under which load, is kept."""

import asyncio
from dataclasses import replace

from batches_made import admitted
from baton.memory import MemoryLedger
from baton.model.journal import Signal
from baton.model.states import BatchState
from baton.testing import virtual_time
from controller_made import EAST, START, WEST
from handover.facts import Sample
from lookout_made import SETTINGS, ToldCanary, lookout_made


def test_two_are_sent_at_a_time_from_the_first_that_fails_until_ten_minutes_after_the_last() -> None:
    async def story() -> list[int]:
        canary = ToldCanary()
        lookout = lookout_made(canary)
        found: list[int] = []
        for bad in (False, True, False, False):
            canary.bad, canary.sent = {EAST} if bad else set[str](), []
            await lookout.probe()
            found.append(canary.sent.count(EAST))
            assert canary.sent.count(WEST) == 1, "one Region's canaries are no doubt about the other's"
        await asyncio.sleep(SETTINGS.grey_seconds - 1)
        for _ in range(2):
            canary.sent = []
            await lookout.probe()
            found.append(canary.sent.count(EAST))
            await asyncio.sleep(1)
        return found

    assert virtual_time.run(story()) == [1, 1, 2, 2, 2, 1]


def test_of_those_sent_at_a_time_one_is_the_step_of_the_series() -> None:
    async def story() -> list[Sample]:
        lookout = lookout_made(ToldCanary({EAST}))
        await lookout.probe()
        await lookout.probe()
        return [each for each in lookout.inbox.samples if each.signal is Signal.OUTSIDE_CANARY]

    assert [each.beside for each in virtual_time.run(story())] == [False, False, True]


def test_what_it_took_and_the_open_work_of_its_region_come_with_it() -> None:
    async def story() -> list[Sample]:
        ledger = MemoryLedger()
        batch = admitted("b1", START)
        await ledger.admit(batch)
        waiting = replace(admitted("b2", START), state=BatchState.WAITING_INPUT)
        await ledger.admit(waiting)
        lookout = lookout_made(ToldCanary(), ledger)
        await lookout.look_around()
        await lookout.probe()
        canaries = {Signal.INSIDE_CANARY, Signal.OUTSIDE_CANARY}
        return [each for each in lookout.inbox.samples if each.signal in canaries]

    own, other = virtual_time.run(story())

    assert (own.seconds, own.load) == (2.5, 0)
    assert (other.seconds, other.load) == (2.5, admitted("b1", START).source.size_bytes + 2**20)
