"""Port: what moves traffic (routing controls, and the dials of the access point). Absolute states, never toggles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from baton.model.control import SwitchBackend


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How many of the switch's endpoints answer. Without a switch both are 0."""

    answering: int
    total: int


class Switch(Protocol):
    """The switch of the two Regions. Not the arbiter: it has no compare-and-set, the ledger has."""

    @property
    def backend(self) -> SwitchBackend:
        """What it turns."""
        ...

    async def states(self) -> Mapping[str, bool]:
        """Return On (true) or Off by Region, as a quorum has it; empty if there is no switch."""
        ...

    async def set_states(self, states: Mapping[str, bool], *, planned: bool = False) -> None:
        """Set every named Region's control to this state, in one transaction.

        `planned`: the Region that is left is healthy. A plan is told so, others have no use for it.

        When it returns, two endpoints have read it back. After an ambiguous answer the same states are sent again,
        never others. Raises `SwitchRefused` if a safety rule or the wait period forbids it.
        """
        ...

    async def endpoints(self) -> Endpoints:
        """Ask every endpoint for a state; say how many answered. Never raises."""
        ...


class Routes(Protocol):
    """The dials of the Multi-Region Access Point."""

    async def dials(self) -> Mapping[str, int]:
        """Return the share of traffic by Region: 0 or 100 percent."""
        ...

    async def set_dials(self, dials: Mapping[str, int]) -> None:
        """Set the dials of both Regions in one call. It takes up to two minutes to be true everywhere.

        Raises `SwitchRefused` if that would leave no Region at 100.
        """
        ...
