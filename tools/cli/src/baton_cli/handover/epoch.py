"""Raises the epoch above every one that was ever in force, after the ledger was restored.

The command writes the control row itself: until it is raised both controllers refuse every order.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from baton.errors import NotFound
from baton.model import high_water
from baton.model.control import Control, Ending, Phase
from baton.model.high_water import HighWater
from baton.model.identity import next_epoch, owner_of
from baton.model.journal import Decision, DecisionKind, Heartbeat
from baton.region_order import another_order
from baton_cli.hints import baton
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, NOT_HERE
from baton_cli.reach.connection import Connection, Declined

JUMP_MAX: Final = 1_000
"""Above what is known. Epochs grow by one or two with each switch: a larger step is a slip of the finger."""
_RECORDED_TIMES_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Raised:
    """What was written, and how far the ledger is known to have been."""

    before: Control
    after: Control
    known: HighWater
    decision: Decision
    is_recorded: bool = True


@dataclass(frozen=True, slots=True)
class LedgerStanding:
    """Where the ledger is, and how far it has been."""

    control: Control
    known: HighWater
    """The furthest that the control row, the controllers and both buckets know of."""
    is_told: bool
    """Whether a controller says that it was restored."""

    @property
    def is_restored(self) -> bool:
        """Whether anything says that the ledger lost what came later."""
        return self.is_told or self.known.place > (self.control.epoch, self.control.revision)


async def standing(connection: Connection) -> LedgerStanding:
    """Read it. Raises `Declined` if the Regions are named in another order than the row's."""
    control, heartbeats, kept = await asyncio.gather(
        connection.ledger.control(),
        connection.journal.heartbeats(),
        asyncio.gather(*(_kept_in(connection, region) for region in connection.regions)),
    )
    if told := another_order(control, connection.regions):
        raise Declined(told)
    known = HighWater(control.epoch, control.revision)
    for each in (*kept, *map(_said_by, heartbeats.values())):
        known = known.joined(each)
    told = (heartbeat.assessment.went_back for heartbeat in heartbeats.values())
    return LedgerStanding(control, known, any(each and control.epoch < each.at_least for each in told))


async def _kept_in(connection: Connection, region: str) -> HighWater | None:
    """Return what the Region's bucket says; None: nothing, or it does not answer, as if the Region were gone."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return high_water.read(await connection.by_region[region].objects.get(high_water.KEY))
    except (*NOT_HERE, NotFound):
        return None


def _said_by(heartbeat: Heartbeat) -> HighWater | None:
    return heartbeat.high_water


async def refuse_restored(connection: Connection) -> None:
    """Raise `Declined` if the ledger is behind what is known of it: what its control row says may be long over."""
    found = await standing(connection)
    known = found.known
    if found.is_restored:
        raise Declined(
            f"the ledger went back: it has been at epoch {known.epoch}, and is at {found.control.epoch}. "
            f"First: {baton()} epoch --at-least {known.epoch + 1}"
        )


def raised(connection: Connection, found: LedgerStanding, at_least: int, *, force: bool = False) -> Control:
    """Return the row under an epoch that was never in force, of the Region that was active last. Pure.

    Raises `Declined` for an epoch that may have been in force, or that is far above all that were; and, without
    `force`, if nothing says that the ledger was restored: then there is nothing to make good, and a drill to break off.
    """
    control, known = found.control, found.known
    if not found.is_restored and not force:
        raise Declined(
            "nothing says that the ledger was restored, so there is no need to raise the epoch (or: --force)"
        )
    if at_least <= known.epoch:
        raise Declined(f"epoch {known.epoch} was in force already: order at least {known.epoch + 1}")
    if at_least > known.epoch + JUMP_MAX:
        raise Declined(
            f"{at_least:,} is far above epoch {known.epoch}, the last one that is known: "
            f"order {known.epoch + 1}, or at most {known.epoch + JUMP_MAX:,}"
        )
    active = owner_of(known.epoch, connection.regions)
    now = connection.clock.now()
    ended = control.transition
    if ended is not None and ended.ended is None:
        ended = replace(ended, ended=Ending.SUPERSEDED, note="baton epoch", ended_at=now)
    return control.changed(
        epoch=next_epoch(at_least - 1, active, connection.regions),
        active_region=active,
        phase=Phase.STEADY,
        phase_since=now,
        transition=ended,
        cooldown_until=None,
        # Of a ledger that was restored it is of an earlier time; else it is the switch back, which nobody else knows.
        drill=None if found.is_restored or not control.drill or control.drill.home == active else control.drill,
    )


async def write(
    connection: Connection, found: LedgerStanding, after: Control, *, by: str, reason: str, name: str
) -> Raised:
    """Compare and set the control row, then put on record who raised the epoch. Raises `Conflict` if it changed."""
    before, known = found.control, found.known
    text = f"{by} raised the epoch to {after.epoch}: {after.active_region} is active; known was epoch {known.epoch}"
    decision = Decision(
        id=f"{name}-1",
        at=connection.clock.now(),
        region=after.active_region,
        kind=DecisionKind.COMMANDED,
        epoch=after.epoch,
        summary=f"{text}: {reason}" if reason else text,
    )
    await connection.ledger.set_control(after, before=before)
    done = Raised(before, after, known, decision)
    for _ in range(_RECORDED_TIMES_MAX):
        try:
            await connection.journal.record(decision)
        except NOT_HERE:
            continue
        return done
    return replace(done, is_recorded=False)
