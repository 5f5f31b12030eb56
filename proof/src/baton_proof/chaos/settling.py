"""Waits until both Regions are healthy and makes the wanted one active, by planned switches as an operator would."""

import time
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from baton.model.control import Control
from baton.model.journal import Command, CommandKind, Heartbeat, Verdict
from baton_cli.handover import orders
from baton_cli.handover.orders import OrderOutcome
from baton_cli.reach.connection import Connection
from baton_proof.handovers import until, until_ready

_WELL_SECONDS_MAX: Final = 300
"""A Region that was unhealthy recovers after 10 good canaries: two minutes in this world."""
_SWITCH_SECONDS_MAX: Final = 120
_HEARD_SECONDS_MAX: Final = 6
_PLANNED_COOLDOWN: Final = timedelta(seconds=30)
"""A longer one is a failover's."""


async def until_followed(connection: Connection) -> None:
    """Return once both controllers follow the epoch and no switch is under way, in every state of their own."""

    async def look() -> bool:
        return _follow(connection, await connection.ledger.control(), await connection.journal.heartbeats())

    await until(look, "both Regions follow the epoch", seconds=_WELL_SECONDS_MAX)


async def until_well(connection: Connection, *, without: Collection[str] = ()) -> None:
    """Return once both Regions follow the epoch and could be active, and no switch is under way.

    `without` names processes whose heartbeats do not count any more.
    """

    async def look() -> bool:
        control, beats = await connection.ledger.control(), await connection.journal.heartbeats()
        return _follow(connection, control, beats) and all(
            beat.ready is Verdict.HEALTHY and beat.instance not in without for beat in beats.values()
        )

    await until(look, "both Regions are healthy", seconds=_WELL_SECONDS_MAX)


def _follow(connection: Connection, control: Control, beats: Mapping[str, Heartbeat]) -> bool:
    now = connection.clock.now()
    return not control.in_transition and all(
        (beat := beats.get(region)) is not None
        and beat.epoch_seen == control.epoch
        and (now - beat.at).total_seconds() < _HEARD_SECONDS_MAX
        for region in connection.regions
    )


async def make_active(connection: Connection, region: str) -> int:
    """Have that Region active, and no cooldown on; return how many planned switches it took.

    The cooldown after a failover lasts twelve minutes in this world. A planned switch ends it with its own, which is
    shorter: there and back, if need be.
    """
    switches = 0
    await until_well(connection)
    control = await connection.ledger.control()
    now = connection.clock.now()
    if control.active_region == region and control.cooldown_until and control.cooldown_until > now + _PLANNED_COOLDOWN:
        await _switch_over(connection, next(each for each in connection.regions if each != region))
        switches += 1
    if (await connection.ledger.control()).active_region != region:
        await _switch_over(connection, region)
        switches += 1
    await until_ready(connection, seconds=_WELL_SECONDS_MAX)
    return switches


async def _switch_over(connection: Connection, region: str) -> None:
    kind = CommandKind.FAILBACK if region == connection.regions[0] else CommandKind.SWITCHOVER

    async def switched() -> bool:
        await until_well(connection)
        command = Command(
            f"chaos-{time.time_ns()}", kind, "chaos", connection.clock.now(), "between two rounds", target=region
        )
        await orders.submit(connection, command)
        standing = await orders.followed(connection, command, lambda _: None, seconds_max=_SWITCH_SECONDS_MAX)
        return standing.outcome in {OrderOutcome.COMPLETED, OrderOutcome.DEGRADED}

    # Refused or rolled back: a Region may have been unready for a moment.
    await until(switched, f"a planned switch to {region}", seconds=_WELL_SECONDS_MAX)
