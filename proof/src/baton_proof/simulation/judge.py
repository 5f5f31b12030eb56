"""Knows at every moment which Region serves its users, and judges each automatic failover by it: S13 and S14."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from baton.model.control import Control
from baton.model.journal import Decision, DecisionKind, State
from baton.topology import REGIONS_DEFAULT, other_region
from baton_proof.simulation.canaries import failing_share, is_too_slow
from baton_proof.simulation.network import LEDGER, WayMode

if TYPE_CHECKING:  # a world has a judge, and a judge his world
    from baton_proof.simulation.world import World

GREY_SERVES: Final = 0.15
"""Share of failing canaries up to which a Region is taken to serve its users."""
_TICK_SECONDS: Final = 5
_SEEN_SECONDS: Final = 40
"""How long a Region must have been healthy without a break: a canary sent right before it, until the next look sees its
verdict, and one more of each."""
_TICKS_KEPT: Final = 60


def served_throughout(ticks: Iterable[tuple[datetime, bool]], until: datetime) -> bool:
    """Return whether a Region served its users for so long before `until` that its standby must have seen it.

    `ticks`: moments, and whether it served them from then until the next one.
    """
    began = until - timedelta(seconds=_SEEN_SECONDS + _TICK_SECONDS)  # what one tick before says holds at the beginning
    served = [serves for at, serves in ticks if began < at <= until]
    return len(served) > _SEEN_SECONDS // _TICK_SECONDS and all(served)


@dataclass(slots=True)
class Judge:
    """Sees every Region as it is, at every tick."""

    world: "World"
    served: dict[str, deque[tuple[datetime, bool]]] = field(
        default_factory=lambda: {region: deque(maxlen=_TICKS_KEPT) for region in REGIONS_DEFAULT}
    )
    suspected: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """By the process that suspects: since when, by its own clock."""
    failovers: int = 0
    """Automatic ones that were intended."""
    false_failovers: int = 0

    async def watch(self) -> None:
        """Look at both Regions until cancelled."""
        while True:
            now = self.world.clock.now()
            for region, seen in self.served.items():
                seen.append((now, self._serves(region)))
            await asyncio.sleep(_TICK_SECONDS)

    def _serves(self, region: str) -> bool:
        """Return whether users of the Region are served, and its own controller can say so."""
        world = self.world
        loop_time = asyncio.get_running_loop().time()
        ways = (("users", region), (region, region), (region, LEDGER))
        alive = {
            life.name
            for life in world.lives
            if life.region == region and not life.killed.is_set() and life.paused_until <= loop_time
        }
        well = region not in world.lying and failing_share(world, region) <= GREY_SERVES
        well = well and not any(is_too_slow(world, each) for each in REGIONS_DEFAULT)
        return (
            well
            and alive >= {"services", "controller"}
            and all(world.network.mode(*way) is WayMode.OPEN for way in ways)
        )

    def decided(self, decision: Decision, row: Control) -> None:
        """Judge a decision that goes on record. `row` is the truth of the ledger."""
        process = decision.id.rpartition("-")[0]
        match decision.kind:
            case DecisionKind.SUSPECTED:
                self.suspected[process] = decision.at
            case DecisionKind.INTENDED if decision.assessment and decision.assessment.state is State.SUSPECT:
                self._intended(decision, process, row)
            case _:
                pass

    def _off(self, process: str) -> timedelta:
        """Return by how much a controller's clock is ahead."""
        return self.world.clocks[process].now() - self.world.clock.now()

    def _intended(self, decision: Decision, process: str, row: Control) -> None:
        self.failovers += 1
        at = decision.at - self._off(process)
        left = other_region(decision.region, REGIONS_DEFAULT)
        if not self.world.schedule.real_canary and served_throughout(self.served[left], at):
            self.false_failovers += 1
            self.world.watch.broke("S13", f"{left} is to be left while it serves its users: {decision.summary}")
        settings = self.world.schedule.settings
        since = self.suspected.get(process)
        if since is not None and decision.at - since < timedelta(seconds=settings.hold_seconds):
            self.world.watch.broke("S14", f"held for {decision.at - since} only: {decision.summary}")
        off = timedelta(seconds=max(self.world.skewed) - min(self.world.skewed))
        if row.cooldown_until and decision.at + off < row.cooldown_until and row.epoch == decision.epoch:
            self.world.watch.broke("S14", f"a failover within the cooldown until {row.cooldown_until}")
