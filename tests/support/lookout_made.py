"""A lookout of the second Region over memory adapters, with canaries that find what a test says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from actors_made import actor_made
from baton.ledger_switch import LedgerSwitch
from baton.memory import (
    LoopClock,
    MemoryEventBus,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProvisions,
    MemoryQueues,
    MemoryRoutes,
    MemoryVitals,
)
from baton.model.control import Control
from baton.model.journal import Verdict
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from controller_made import EAST, WEST
from failover_controller.lookout import Lookout
from failover_controller.reach import Reach
from handover.settings import ControllerSettings
from handover_shell.acts import Place
from handover_shell.canary import Probe

SETTINGS = ControllerSettings()


@dataclass
class ToldCanary:
    """Says of each Region what it is told to, and counts."""

    bad: set[str] = field(default_factory=set[str])
    refused: set[str] = field(default_factory=set[str])
    sent: list[str] = field(default_factory=list[str])

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        del seconds_max
        self.sent.append(region)
        if region in self.refused:
            return Probe(Verdict.UNHEALTHY, "refused: AccessDenied", refused=True)
        if region in self.bad:
            return Probe(Verdict.UNHEALTHY, "it stood in SPLIT")
        return Probe(Verdict.HEALTHY, "went the whole way", 2.5)


def lookout_made(
    canary: ToldCanary,
    ledger: MemoryLedger | None = None,
    *,
    queues: Mapping[str, MemoryQueues] | None = None,
    urge: Callable[[], None] = lambda: None,
) -> Lookout:
    """Return the lookout of the second Region while the first one is active. `queues`: by Region, if not all empty."""
    clock = LoopClock()
    ledger = ledger or MemoryLedger()
    found = queues or {region: MemoryQueues(clock) for region in REGIONS_DEFAULT}
    places = {
        region: Place(MemoryObjectStore(clock), each.outbox(), MemoryVitals(each)) for region, each in found.items()
    }
    switch = LedgerSwitch()
    actor = actor_made(ledger, places, clock, switch=switch, routes=MemoryRoutes())
    reach = Reach(ledger, MemoryJournal(), switch, actor, places, canary, MemoryEventBus(), MemoryProvisions())
    control = Control(INITIAL_EPOCH, EAST)
    return Lookout(
        region=WEST,
        regions=REGIONS_DEFAULT,
        reach=reach,
        settings=SETTINGS,
        clock=clock,
        control=lambda: control,
        urge=urge,
    )
