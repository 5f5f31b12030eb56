"""A drain ends by its deadline without a controller too: its driver dies at any moment, and another follows or none."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from baton.model.control import Phase
from baton.model.journal import Command, CommandKind
from baton.testing import virtual_time
from by_hand_made import EAST, WEST, Kill, Scene

_EFFECTS_MAX = 10
_LATE_SECONDS = 5 + 30 + 60
"""A beat, the silence after which a driver is followed, and what is left to do then."""


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("left", ["nobody", "the other controller", "an operator"])
def test_its_driver_dies_at_any_moment(left: str, *, before: bool) -> None:
    """Either it was ended (rolled back, or carried on), or the services admit again by the deadline in the row."""

    async def killed(after: int) -> Phase:
        scene, kill = Scene(), Kill(before=before)
        await scene.admit()
        async with AsyncExitStack() as alive:
            await alive.enter_async_context(scene.awake(WEST, kill))
            if left == "the other controller":
                await alive.enter_async_context(scene.awake(EAST))
            await asyncio.sleep(60)
            kill.at = kill.seen + after
            order = Command("s1", CommandKind.SWITCHOVER, "ann", scene.clock.now(), target=WEST)
            await scene.journal.submit(order)
            died = asyncio.create_task(kill.dead.wait())
            await asyncio.wait([died], timeout=30)
            died.cancel()
            phase = (await scene.ledger.control()).phase
            await asyncio.sleep(scene.settings.drain_seconds)
            control = await scene.ledger.control()
            assert control.admits(scene.clock.now()) or left != "nobody"
            if left == "an operator":
                await _by_hand(scene)
            await asyncio.sleep(_LATE_SECONDS)
            control = await scene.ledger.control()
            assert control.admits(scene.clock.now())
            assert left == "nobody" or control.phase is not Phase.DRAINING
        return phase

    phases = [virtual_time.run(killed(after)) for after in range(_EFFECTS_MAX)]

    assert Phase.DRAINING in phases, "it was never killed while it drained"


async def _by_hand(scene: Scene) -> None:
    control = await scene.ledger.control()
    command = scene.order()
    hand = scene.by_hand(command)
    await hand.prove()
    done = control.active_region == WEST and not control.in_transition
    async with hand.acting(None if done else command):
        await hand.in_line.wait()
    assert (await scene.ledger.control()).active_region == WEST
