"""A switch that does nothing: for deployments without ARC, where no DNS record follows the active Region."""

from collections.abc import Mapping

from baton.model.control import SwitchBackend
from baton.ports.switch import Endpoints


class LedgerSwitch:
    """A `Switch` that has no states: the ledger alone decides, and there is nothing to turn."""

    backend: SwitchBackend = SwitchBackend.LEDGER

    async def states(self) -> Mapping[str, bool]:
        return {}

    async def set_states(self, states: Mapping[str, bool], *, planned: bool = False) -> None:  # noqa: ARG002 - there is nothing to turn
        del states  # nothing holds them

    async def endpoints(self) -> Endpoints:
        return Endpoints(answering=0, total=0)
