"""Builds the shell of a controller in memory, with a canary that always comes through."""

from collections.abc import Mapping

from baton.ledger_switch import LedgerSwitch
from baton.memory import LoopClock, MemoryRoutes
from baton.model.journal import Verdict
from baton.ports import Ledger, Routes, Switch
from baton.topology import REGIONS_DEFAULT
from handover.settings import ControllerSettings
from handover_shell.acts import Actor, Place
from handover_shell.canary import Probe


def actor_made(
    ledger: Ledger,
    places: Mapping[str, Place],
    clock: LoopClock,
    *,
    switch: Switch | None = None,
    routes: Routes | None = None,
    at_once: int = 1,
) -> Actor:
    """Return an actor over these ports. Without a switch the ledger alone is one."""
    return Actor(
        regions=REGIONS_DEFAULT,
        ledger=ledger,
        switch=switch or LedgerSwitch(),
        routes=routes or MemoryRoutes(REGIONS_DEFAULT),
        places=places,
        clock=clock,
        at_once=at_once,
        dials_seconds=ControllerSettings().dials_seconds,
    )


class HealthyCanary:
    """Every Region is healthy."""

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        del region, seconds_max
        return Probe(Verdict.HEALTHY, "went the whole way")
