"""The order of the Regions, which determines the owner of each epoch. A process with another order must not run."""

import asyncio
import contextlib
from typing import Final

from baton.errors import BatonError, Refused
from baton.model.control import Control
from baton.model.identity import owner_of
from baton.ports import Ledger

_PAUSE_SECONDS: Final = 5.0


def another_order(control: Control, regions: tuple[str, str]) -> str | None:
    """Return how the row differs from our order of the Regions, for people; None: it does not."""
    owner = owner_of(control.epoch, regions)
    if owner == control.active_region:
        return None
    return (
        f"epoch {control.epoch} is {control.active_region}'s by the ledger, {owner}'s by BATON_REGIONS="
        f"{','.join(regions)}: name the Regions as every other process does, the home Region first"
    )


def check_order(control: Control, regions: tuple[str, str]) -> None:
    """Raise `Refused` if the row was written by processes that have the Regions in another order."""
    if told := another_order(control, regions):
        raise Refused(told)


async def refuse_another_order(stop: asyncio.Event, *, ledger: Ledger, regions: tuple[str, str]) -> None:
    """End the process at its start if it has the Regions in another order; once the ledger has answered, do nothing.

    Raises `Refused`, which ends whatever runs beside it.
    """
    while not stop.is_set():
        try:
            control = await ledger.control()
        except BatonError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)
        else:
            check_order(control, regions)
            await stop.wait()
