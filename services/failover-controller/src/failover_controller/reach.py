"""Everything that a controller may touch, and how it asks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from baton.errors import BatonError
from baton.ports import Journal, Ledger, Switch
from failover_controller.acts import Actor, Place
from failover_controller.canary import Canary


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything that a controller may touch."""

    ledger: Ledger
    journal: Journal
    switch: Switch
    actor: Actor
    places: Mapping[str, Place]
    canary: Canary


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks, and takes no answer in time for none."""

    seconds_max: float

    async def __call__[**P, T](
        self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Return the answer; None if there is none in time."""
        try:
            async with asyncio.timeout(self.seconds_max):
                return await question(*args, **kwargs)
        except (BatonError, TimeoutError):
            return None
