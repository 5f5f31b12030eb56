"""The switch and the dials in memory. Each method is one step of the event loop, so a change is one transaction."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from baton.errors import SwitchRefused, Unavailable
from baton.memory.refusals import Refusals
from baton.model.control import SwitchBackend
from baton.model.routing import GATE, failover_panel
from baton.ports.clock import Clock
from baton.ports.switch import Endpoints
from baton.topology import REGIONS_DEFAULT

_ENDPOINTS: Final = 5
_QUORUM: Final = 3
_DIALS: Final = frozenset({0, 100})


class MemorySwitch:
    """Routing controls with ARC's rules: never both On, a wait after each change, a gate that stops everybody."""

    backend: SwitchBackend = SwitchBackend.ARC

    def __init__(
        self, regions: tuple[str, str] = REGIONS_DEFAULT, *, clock: Clock, wait: timedelta = timedelta(0)
    ) -> None:
        self._clock = clock
        self._regions = regions
        self._panel = failover_panel(regions, wait=wait)
        self.refusals = Refusals(MemorySwitch)
        self.down: set[int] = set()
        """Endpoints, from 1 to 5, that do not answer. Fewer than three that do know nothing for sure."""
        self.answers_to_lose: int = 0
        """How many of the next changes are made, and then look as if the switch had not answered."""
        self.changes: list[Mapping[str, bool]] = []
        """Every change that was made, oldest first; setting what is already set is none."""

    def open_gate(self, *, is_open: bool) -> None:
        """Open the gate, or close it: a closed one refuses every change."""
        self._panel = self._panel.updated({GATE: is_open}, self._clock.now())

    async def states(self) -> Mapping[str, bool]:
        self.refusals.check("states")
        self._check_quorum()
        return self._read()

    async def set_states(self, states: Mapping[str, bool]) -> None:
        if unknown := states.keys() - set(self._regions):
            raise KeyError(f"no routing control for {', '.join(sorted(unknown))}")
        self.refusals.check("set_states")
        self._check_quorum()
        # Like the client of ARC: what is so already needs no change, and no rule is asked.
        if {**self._read(), **states} == self._read():
            return
        self._panel = self._panel.updated(states, self._clock.now())
        self.changes.append(dict(states))
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise Unavailable("the answer of the switch was lost")

    async def endpoints(self) -> Endpoints:
        answering = _ENDPOINTS - len(self.down)
        return Endpoints(answering if answering >= _QUORUM else 0, _ENDPOINTS)

    def _read(self) -> Mapping[str, bool]:
        return {region: self._panel.states[region] for region in self._regions}

    def _check_quorum(self) -> None:
        if _ENDPOINTS - len(self.down) < _QUORUM:
            raise Unavailable(f"{len(self.down)} of {_ENDPOINTS} endpoints are down")


class MemoryRoutes:
    """Dials that turn at once."""

    def __init__(self, regions: tuple[str, str] = REGIONS_DEFAULT) -> None:
        self._dials: dict[str, int] = {regions[0]: 100, regions[1]: 0}
        self.refusals = Refusals(MemoryRoutes)

    async def dials(self) -> Mapping[str, int]:
        self.refusals.check("dials")
        return dict(self._dials)

    async def set_dials(self, dials: Mapping[str, int]) -> None:
        self.refusals.check("set_dials")
        after = {**self._dials, **dials}
        if after.keys() != self._dials.keys() or not set(after.values()) <= _DIALS:
            raise ValueError(f"dials are 0 or 100, of {', '.join(self._dials)}: {dict(dials)}")
        if not any(after.values()):
            raise SwitchRefused("at least one Region must stay active")
        self._dials = after
