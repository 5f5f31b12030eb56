"""What a simulated controller learns of a Region from canaries: the truth, a false result, or a real canary's."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from baton.model.journal import Verdict
from baton_proof.simulation.network import LEDGER, Life, WayMode
from handover_shell.canary import Canary, Probe

if TYPE_CHECKING:  # a world has canaries, and a canary its world
    from baton_proof.simulation.world import World


_CALLS_OF_A_CANARY: Final = 6
"""One after the other; what happens to a call of any service happens to one of them."""
_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class RealCanary:
    """The canary of production; the watch believes it."""

    world: "World"
    canary: Canary

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        probe = await self.canary.probe(region, seconds_max=seconds_max)
        if probe.verdict is Verdict.HEALTHY:
            self.world.watch.well_at[region] = self.world.clock.now()
        return probe


class SimCanary:
    """A canary that reports the true state, or a false one. Cheaper than a batch, so that many schedules are seen."""

    def __init__(self, world: "World", life: Life) -> None:
        self._world, self._life = world, life

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        world, life = self._world, self._life
        await life.awake()
        await asyncio.sleep(world.dice.uniform(1, 3))
        mode = world.network.mode
        if mode(life.region, LEDGER) is not WayMode.OPEN:
            await asyncio.sleep(seconds_max - 3)
            return Probe(Verdict.UNKNOWN, "the ledger did not answer")
        lives = any(each.name == "services" and each.region == region for each in world.lives if _works(each))
        well = lives and mode(region, region) is WayMode.OPEN and mode(region, LEDGER) is WayMode.OPEN
        well = well and not is_too_slow(world, region) and not is_too_slow(world, life.region)
        if well:
            world.watch.well_at[region] = world.clock.now()
        seen = well and mode(life.region, region) is WayMode.OPEN
        if region in world.lying:
            seen = not seen
            world.watch.lied_at[region] = world.clock.now()
        if well and world.dice.random() < failing_share(world, region):
            seen = False
        if not seen and mode(life.region, region) is not WayMode.REFUSED:
            await asyncio.sleep(seconds_max - 3)
        await life.awake()
        return Probe(
            Verdict.HEALTHY if seen else Verdict.UNHEALTHY, "went the whole way" if seen else "it did not come back"
        )


def is_too_slow(world: "World", region: str) -> bool:
    """Return whether the Region's ledger is so slow that no canary comes through in time."""
    return world.network.latency.get((region, LEDGER), 0.0) * _CALLS_OF_A_CANARY > _SECONDS_MAX


def failing_share(world: "World", region: str) -> float:
    """Return which share of the Region's canaries fails."""
    calls = 1 - (1 - world.network.grey.get(region, 0.0)) ** _CALLS_OF_A_CANARY
    return max(world.grey.get(region, 0.0), calls)


def _works(life: Life) -> bool:
    return not life.killed.is_set() and life.paused_until <= asyncio.get_running_loop().time()
