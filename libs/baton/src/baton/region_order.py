"""The order of the Regions, by which every epoch has its owner: a process that has another one must not run."""

import asyncio
import contextlib
from typing import Final

from baton.errors import BatonError, Refused
from baton.model.control import Control
from baton.model.identity import owner_of
from baton.ports import Ledger

_PAUSE_SECONDS: Final = 5.0


def check_order(control: Control, regions: tuple[str, str]) -> None:
    """Raise `Refused` if the row was written by processes that have the Regions in another order."""
    if owner_of(control.epoch, regions) != control.active_region:
        raise Refused(
            f"epoch {control.epoch} is {control.active_region}'s by the ledger, {owner_of(control.epoch, regions)}'s "
            f"by BATON_REGIONS={','.join(regions)}: name the Regions as every other process does, the home Region first"
        )


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
