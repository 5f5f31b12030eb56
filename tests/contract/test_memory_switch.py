"""The switch and the dials in memory are no quicker to agree than AWS's."""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta

import pytest

from baton.errors import SwitchRefused, Unavailable
from baton.memory import LoopClock, MemoryClock, MemoryRoutes, MemorySwitch
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT

EAST, WEST = REGIONS_DEFAULT
IN_EAST: Mapping[str, bool] = {EAST: True, WEST: False}
IN_WEST: Mapping[str, bool] = {EAST: False, WEST: True}
LAG = timedelta(seconds=10)
TURNS = timedelta(seconds=120)


async def _states_of(switch: MemorySwitch) -> set[bool]:
    return {(await switch.states())[WEST] for _ in range(50)}


async def _set_until_read_back(switch: MemorySwitch, clock: MemoryClock) -> int:
    """Set the states again and again, as a controller does; return how often that was not enough."""
    for attempt in range(20):
        try:
            await switch.set_states(IN_WEST)
        except (Unavailable, SwitchRefused):
            clock.advance(1)
        else:
            return attempt
    raise AssertionError("never read back")


def test_an_endpoint_may_read_what_was_and_the_change_is_made_once() -> None:
    async def main(seed: int) -> tuple[int, set[bool]]:
        clock = MemoryClock()
        switch = MemorySwitch(clock=clock, wait=timedelta(seconds=60), lag=LAG, dice=random.Random(seed))
        tries = await _set_until_read_back(switch, clock)
        seen = await _states_of(switch)
        assert (switch.truth, switch.changes) == (IN_WEST, [IN_WEST])
        clock.advance(LAG.total_seconds())
        assert await _states_of(switch) == {True}, "once all have learnt of it"
        return tries, seen

    stories = [asyncio.run(main(seed)) for seed in range(20)]

    assert any(tries for tries, _ in stories), "it was set, and not read back"
    assert any(seen == {True, False} for _, seen in stories), "endpoints disagree"


def test_without_a_lag_every_endpoint_reads_a_change_at_once() -> None:
    async def main() -> set[bool]:
        switch = MemorySwitch(clock=MemoryClock(), dice=random.Random(1))
        await switch.set_states(IN_WEST)
        return await _states_of(switch)

    assert asyncio.run(main()) == {True}


@pytest.mark.parametrize("seed", range(10))
def test_dials_turn_at_other_times_for_everybody_and_no_request_is_ever_without_a_region(seed: int) -> None:
    async def main() -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
        clock = LoopClock()
        routes = MemoryRoutes(clock=clock, turns=TURNS, dice=random.Random(seed))
        read, found = set[tuple[int, ...]](), set[tuple[int, ...]]()
        for dials in ({EAST: 0, WEST: 100}, {EAST: 100, WEST: 0}):
            await routes.set_dials(dials)
            assert routes.asked_for == dials
            for _ in range(60):
                await asyncio.sleep(1)
                read.add(tuple((await routes.dials()).values()))
                found.add(tuple(routes.routing.values()))
        await asyncio.sleep(TURNS.total_seconds())
        assert await routes.dials() == routes.routing == {EAST: 100, WEST: 0}
        return read, found

    read, found = virtual_time.run(main())

    assert (100, 100) in read
    assert (0, 0) not in read | found
