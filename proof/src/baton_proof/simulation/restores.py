"""A ledger whose control row goes back to what it was in the beginning, until an operator raises the epoch.

Batches stay as they are: `tests/pipeline/test_restored_ledger.py` plays what happens to those that go back as well.
"""

from typing import TYPE_CHECKING

from baton.model.control import Phase
from baton.model.identity import next_epoch, owner_of
from baton.topology import REGIONS_DEFAULT
from baton_proof.simulation.schedule import Trouble

if TYPE_CHECKING:  # a world is broken, and knows by what
    from collections.abc import Callable

    from baton_proof.simulation.world import World


def restored(world: "World", _: Trouble) -> "Callable[[], None]":
    """Put the first row back; return what raises the epoch above all that were in force, as `baton epoch` does."""
    known = world.ledger.put_back(world.watch.controls[0][1])

    def raise_the_epoch() -> None:
        active = owner_of(known.epoch, REGIONS_DEFAULT)
        world.ledger.raise_to(
            epoch=next_epoch(known.epoch, active, REGIONS_DEFAULT),
            active_region=active,
            phase=Phase.STEADY,
            phase_since=world.clock.now(),
            transition=None,
        )

    return raise_the_epoch
