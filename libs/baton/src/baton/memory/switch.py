"""The switch and the dials in memory. Each method is one step of the event loop, so a change is one transaction.

As slow to agree as AWS: an endpoint may read a state that is a while old, and dials take their time to turn.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
_CONFIRMING: Final = 2
"""Endpoints that the client of ARC has read a state back from."""
_DIALS: Final = frozenset({0, 100})


@dataclass(frozen=True, slots=True)
class _Told:
    """The states after a change, and since when each endpoint reads them."""

    states: Mapping[str, bool]
    since: Sequence[datetime]


class MemorySwitch:
    """Routing controls with ARC's rules: never both On, a wait after each change, a gate that stops everybody."""

    backend: SwitchBackend = SwitchBackend.ARC

    def __init__(
        self,
        regions: tuple[str, str] = REGIONS_DEFAULT,
        *,
        clock: Clock,
        wait: timedelta = timedelta(0),
        lag: timedelta = timedelta(0),
        dice: random.Random | None = None,
    ) -> None:
        """With `dice` each endpoint learns of a change after up to `lag`, and one at random is asked."""
        self._clock = clock
        self._regions = regions
        self._panel = failover_panel(regions, wait=wait)
        self._lag = lag
        self._dice = dice
        self._told: list[_Told] = []
        """Changes that some endpoint may not know of yet, the oldest first; before them the first one's past."""
        self._before = self.truth
        self.refusals = Refusals(MemorySwitch)
        self.down: set[int] = set()
        """Endpoints, from 1 to 5, that do not answer. Fewer than three that do know nothing for sure."""
        self.answers_to_lose: int = 0
        """How many of the next changes are made, and then look as if the switch had not answered."""
        self.changes: list[Mapping[str, bool]] = []
        """Every change that was made, oldest first; setting what is already set is none."""
        self.were_planned: list[bool] = []
        """Of each of them, whether the Region that is left was said to be healthy."""

    @property
    def truth(self) -> Mapping[str, bool]:
        """The states, whatever an endpoint knows of them."""
        return {region: self._panel.states[region] for region in self._regions}

    def open_gate(self, *, is_open: bool) -> None:
        """Open the gate, or close it: a closed one refuses every change."""
        self._panel = self._panel.updated({GATE: is_open}, self._clock.now())

    async def states(self) -> Mapping[str, bool]:
        self.refusals.check("states")
        self._check_quorum()
        return self._read(1)[0]

    async def set_states(self, states: Mapping[str, bool], *, planned: bool = False) -> None:
        if unknown := states.keys() - set(self._regions):
            raise KeyError(f"no routing control for {', '.join(sorted(unknown))}")
        self.refusals.check("set_states")
        self._check_quorum()
        # Like the client of ARC: what two endpoints say is so needs no change, and no rule is asked.
        if self._is_so(states):
            return
        before = self.truth
        try:
            self._panel = self._panel.updated(states, self._clock.now())
        except SwitchRefused:
            if self._is_so(states):
                return
            raise
        self._tell(before)
        self.changes.append(dict(states))
        self.were_planned.append(planned)
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise Unavailable("the answer of the switch was lost")
        if not self._is_so(states):
            raise Unavailable("the states were set, but two endpoints did not read them back")

    async def endpoints(self) -> Endpoints:
        answering = _ENDPOINTS - len(self.down)
        return Endpoints(answering if answering >= _QUORUM else 0, _ENDPOINTS)

    def _is_so(self, states: Mapping[str, bool]) -> bool:
        return all({**seen, **states} == seen for seen in self._read(_CONFIRMING))

    def _read(self, wanted: int) -> Sequence[Mapping[str, bool]]:
        """Return what so many endpoints say, picked at random from those that answer."""
        up = [number for number in range(1, _ENDPOINTS + 1) if number not in self.down]
        asked = self._dice.sample(up, wanted) if self._dice else up[:wanted]
        return [self._known_to(number) for number in asked]

    def _known_to(self, number: int) -> Mapping[str, bool]:
        known, now = self._before, self._clock.now()
        for told in self._told:
            if told.since[number - 1] <= now:
                known = told.states
        return known if self._told else self.truth

    def _tell(self, before: Mapping[str, bool]) -> None:
        """Let every endpoint learn of the change that was made, each in its own time."""
        now = self._clock.now()
        self._before = before if not self._told else self._before
        lags = [self._lag * self._dice.random() if self._dice else timedelta(0) for _ in range(_ENDPOINTS)]
        self._told.append(_Told(self.truth, [now + lag for lag in lags]))
        while self._told and all(since <= now for since in self._told[0].since):
            self._before = self._told.pop(0).states

    def _check_quorum(self) -> None:
        if _ENDPOINTS - len(self.down) < _QUORUM:
            raise Unavailable(f"{len(self.down)} of {_ENDPOINTS} endpoints are down")


@dataclass(frozen=True, slots=True)
class _Turn:
    """A change of the dials. For each who asks: since when it finds those at 100, and those at 0."""

    dials: Mapping[str, int]
    on_off: Sequence[tuple[datetime, datetime]]


class MemoryRoutes:
    """Dials as the five Regions of S3 Control know them, and as requests to the access point find them."""

    def __init__(
        self,
        regions: tuple[str, str] = REGIONS_DEFAULT,
        *,
        clock: Clock | None = None,
        turns: timedelta = timedelta(0),
        dice: random.Random | None = None,
    ) -> None:
        """With a clock and dice a change takes up to `turns`, apart for each of the five and for requests.

        A Region is turned on before the other one is turned off: in between both are.
        """
        self._clock = clock
        self._turns = turns
        self._dice = dice
        self._settled: dict[str, int] = {regions[0]: 100, regions[1]: 0}
        self._turning: list[_Turn] = []
        """Changes that not everybody finds yet, the oldest first."""
        self.refusals = Refusals(MemoryRoutes)
        self.submitted: int = 0
        """How many changes were asked for."""

    @property
    def asked_for(self) -> Mapping[str, int]:
        """The dials as they were asked for last: what they will be."""
        return self._turning[-1].dials if self._turning else dict(self._settled)

    @property
    def routing(self) -> Mapping[str, int]:
        """The dials as requests to the access point find them."""
        return self._known_to(_ENDPOINTS)

    async def dials(self) -> Mapping[str, int]:
        self.refusals.check("dials")
        return self._known_to(self._dice.randrange(_ENDPOINTS) if self._dice else 0)

    async def set_dials(self, dials: Mapping[str, int]) -> None:
        self.refusals.check("set_dials")
        after = {**self.asked_for, **dials}
        if after.keys() != self._settled.keys() or not set(after.values()) <= _DIALS:
            raise ValueError(f"dials are 0 or 100, of {', '.join(self._settled)}: {dict(dials)}")
        if not any(after.values()):
            raise SwitchRefused("at least one Region must stay active")
        self.submitted += 1
        if self._clock is None or self._dice is None:
            self._settled = after
            return
        now = self._clock.now()
        spans = [sorted((self._dice.random(), self._dice.random())) for _ in range(_ENDPOINTS + 1)]
        self._turning.append(_Turn(after, [(now + self._turns * on, now + self._turns * off) for on, off in spans]))
        while self._turning and all(off <= now for _, off in self._turning[0].on_off):
            self._settled = dict(self._turning.pop(0).dials)

    def _known_to(self, who: int) -> Mapping[str, int]:
        known = dict(self._settled)
        if self._clock is not None:
            now = self._clock.now()
            for turn in self._turning:
                on, off = turn.on_off[who]
                known.update((region, dial) for region, dial in turn.dials.items() if (on if dial else off) <= now)
        return known
