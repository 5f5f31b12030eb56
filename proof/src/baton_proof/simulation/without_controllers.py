"""An operator who fails over from his own machine: `baton failover --without-controllers`, in a simulated world."""

import asyncio
from typing import TYPE_CHECKING, Final

from baton.model.journal import Command, CommandKind, CommandState
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.simulation.canaries import SimCanary
from baton_proof.simulation.schedule import Order
from handover_shell.by_hand import ByHand, Hand
from handover_shell.steady import SteadyClock

if TYPE_CHECKING:  # a world has operators, and an operator his world
    from baton_proof.simulation.world import World

OPERATOR: Final = "operator"
"""Where he sits: outside both Regions."""
_SECONDS_MAX: Final = 400.0
"""After which he gives up; the next one continues."""


async def fail_over(world: "World", order: Order) -> None:
    """Type the command at its time, and leave it when all is done or nothing happens any more."""
    await asyncio.sleep(order.at)
    life = world.life(OPERATOR, OPERATOR)
    world.orders += 1
    now = world.clock.now()
    command = Command(
        f"h{world.orders}", CommandKind.FAILOVER, "ana@desk", now, "because", order.target, force=order.force
    )
    clock = world.clocks[command.id] = SteadyClock(world.clock)
    settings, log = world.schedule.settings, recording_log(world.lines)
    ledger, journal, switch = (
        life.wrap(world.ledger, "ledger"), life.wrap(world.journal, "journal"), life.wrap(world.switch, "switch"),
    )  # fmt: skip
    hand = ByHand(
        target=order.target,
        regions=REGIONS_DEFAULT,
        operator=command.by,
        instance=command.id,
        hand=Hand(ledger, journal, switch, world.actor(life, clock), SimCanary(world, life), world.events),
        settings=settings,
        clock=clock,
        log=log,
    )
    if not order.force:
        await hand.prove()
    async with hand.acting(command):
        await _over(world, command)
    life.killed.set()


async def _over(world: "World", command: Command) -> None:
    """Wait until the order is answered and what it began is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _SECONDS_MAX
    while loop.time() < until:
        await asyncio.sleep(2)
        answered = await world.journal.command(command.id)
        control = await world.ledger.control()
        if answered is not None and answered.state is not CommandState.PENDING and not control.in_transition:
            return
