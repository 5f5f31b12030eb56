"""A newer version of Baton works beside ours: it leaves in the ledger what ours cannot read."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from baton.errors import Conflict
from baton.model.control import Control, Phase
from baton.model.journal import Command, CommandKind

if TYPE_CHECKING:  # a world is changed, and knows by what
    from baton_proof.simulation.world import World

_LATER_PHASE: Final = Phase("PARKED")
_LATER_FIELD: Final = {"later": {"since": "4.0"}}


def begins(world: "World", amount: float) -> Callable[[], None]:
    """Leave something in the ledger, of one of four kinds; return what takes it back as far as it is taken back."""
    kinds = (_order, _field, _phase, _batch)
    return kinds[int(amount * len(kinds))](world)


def _nothing() -> None:
    """Leave it where it is."""


def _order(world: "World") -> Callable[[], None]:
    """Give an order of a kind that ours does not know. It stays."""
    command = Command(f"later{world.orders}", CommandKind.ACK, "ana", world.clock.now(), "because")

    async def submit() -> None:
        await world.journal.submit(command)
        world.journal.spoil(f"command#{command.id}/command")

    world.beside(submit())
    return _nothing


def _field(world: "World") -> Callable[[], None]:
    """Put a field into the control row that ours does not know. It stays, whichever version writes the row."""
    world.beside(_rewritten(world, lambda row: replace(row, more={**row.more, **_LATER_FIELD})))
    return _nothing


def _phase(world: "World") -> Callable[[], None]:
    """Begin what ours does not know, unless something is under way, and end it."""
    steady = frozenset({Phase.STEADY, Phase.COOLDOWN})

    def park(row: Control) -> Control:
        return replace(row, phase=_LATER_PHASE) if row.phase in steady else row

    def unpark(row: Control) -> Control:
        return replace(row, phase=Phase.STEADY, cooldown_until=None) if row.phase is _LATER_PHASE else row

    world.beside(_rewritten(world, park))
    return lambda: world.beside(_rewritten(world, unpark))


def _batch(world: "World") -> Callable[[], None]:
    """Write an open batch so that ours cannot read it, and after a while so that it can."""
    ids = [batch.batch_id for batch in world.ledger.rows.values() if not batch.is_settled and not batch.is_canary]
    if not ids:
        return _nothing
    spoilt = world.dice.choice(ids)
    world.ledger.spoil(spoilt)
    return lambda: world.ledger.mend(spoilt)


async def _rewritten(world: "World", change: Callable[[Control], Control]) -> None:
    """Change the control row as a controller of a newer version does: by compare-and-set, until it is through."""
    while True:
        row = await world.ledger.control()
        after = change(row)
        if after == row:
            return
        try:
            with world.watch.newer_version():
                await world.ledger.set_control(replace(after, revision=row.revision + 1), before=row)
        except Conflict:
            continue
        return
