"""Breaks something of a simulated world, and says how to repair it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from baton.memory import Refusal, Refusals
from baton.topology import REGIONS_DEFAULT
from baton_proof.simulation import newer, restores
from baton_proof.simulation.network import LEDGER, MAIL, ROUTES, SWITCH, Partition, WayMode
from baton_proof.simulation.schedule import AWAY, HOME, Fault, Trouble

if TYPE_CHECKING:  # a world is broken, and knows by what
    from baton_proof.simulation.world import World

__all__ = ["begin"]

type Repair = Callable[[], None]

_THROTTLED: Final = tuple(
    (port, operation)
    for port, operations in {
        "objects": "put get read find_version compose copy delete list_versions",
        "queues": "send receive delete set_visibility",
        "progress": "open complete done",
        "heartbeats": "beat signs count_nudge",
        "reference": "current load",
        "rejects": "put",
        "ledger": "admit update claim_mail list_open get_many",
    }.items()
    for operation in operations.split()
)
"""Ports of a Region and their operations; the ledger is everybody's."""
_PART_HIT: Final = 0.7
"""Share of a Region's processes that a pause or a kill hits."""
_REFUSED: Final = tuple(
    (port, operation)
    for port, operations in {
        "vitals": "queues alarms replication",
        "objects": "put get read find_version compose copy delete list_versions",
        "queues": "send receive delete set_visibility",
    }.items()
    for operation in operations.split()
)
_SWALLOWED: Final = 0.4
"""Share of partitions that swallow what is sent; the others refuse it."""
_NO_KEY: Final = 0.5
_GREY_SHARES: Final = (0.05, 0.1, 0.33, 0.5)
_DEAD_LETTERS: Final = 50
_PART_SLOW: Final = 0.6
_SLOW_SECONDS_MAX: Final = 4.0
_CONTEST_SECONDS: Final = 20.0
_SKEW_SECONDS_MAX: Final = 300
_GREY_CALLS_MAX: Final = 0.2
_drop: Final = partial(Partition, mode=WayMode.DROPPED)


def begin(world: "World", trouble: Trouble) -> Repair:
    """Break it now; return what repairs it."""
    return _FAULTS[trouble.fault](world, trouble)


def _nothing() -> None:
    """Repair what has repaired itself."""


def _cut(world: "World", trouble: Trouble) -> Repair:
    region, other = trouble.region, _other(trouble.region)
    world.replication.set(cut=True)
    undo = world.with_rules(
        _drop(other, region),
        _drop("users", region),
        *(_drop(region, target) for target in (other, LEDGER, SWITCH, ROUTES)),
    )

    def repair() -> None:
        undo()
        world.replication.set(cut=False)

    return repair


def _dark(world: "World", trouble: Trouble) -> Repair:
    return world.with_rules(_drop(None, trouble.region))


def _deaf(world: "World", trouble: Trouble) -> Repair:
    return world.with_rules(Partition(trouble.region, LEDGER, WayMode.MUTE))


def _no_ledger(world: "World", trouble: Trouble) -> Repair:
    return world.with_rules(_drop(trouble.region if trouble.amount < 0.7 else None, LEDGER))


def _apart(world: "World", trouble: Trouble) -> Repair:
    region, other = trouble.region, _other(trouble.region)
    mode = WayMode.DROPPED if trouble.amount < _SWALLOWED else WayMode.REFUSED
    return world.with_rules(Partition(region, other, mode), Partition(other, region, mode))


def _endpoints(world: "World", trouble: Trouble) -> Repair:
    world.switch.down = set(range(1, 1 + int(trouble.amount * 6)))
    return world.switch.down.clear


def _gate(world: "World", _: Trouble) -> Repair:
    world.switch.open_gate(is_open=False)
    return lambda: world.switch.open_gate(is_open=True)


def _routes(world: "World", _: Trouble) -> Repair:
    return world.with_rules(_drop(None, ROUTES))


def _mail(world: "World", trouble: Trouble) -> Repair:
    return world.with_rules(_drop(trouble.region, MAIL))


def _lag(world: "World", trouble: Trouble) -> Repair:
    world.replication.set(lag_seconds=300 * trouble.amount)
    return lambda: world.replication.set(lag_seconds=world.schedule.lag_seconds)


def _replication(world: "World", trouble: Trouble) -> Repair:
    world.replication.set(trouble.region, lag_seconds=float("inf"))
    return lambda: world.replication.set(trouble.region, lag_seconds=world.schedule.lag_seconds)


def _storm(world: "World", trouble: Trouble) -> Repair:
    before = world.network.odds
    world.network.odds = replace(before, slow=0.02, lost=0.03, late=0.02, crash=0.01 * trouble.amount)
    return lambda: setattr(world.network, "odds", before)


def _pause(world: "World", trouble: Trouble) -> Repair:
    until = asyncio.get_running_loop().time() + trouble.seconds
    for life in world.lives:
        if life.region == trouble.region and world.dice.random() < _PART_HIT:
            life.paused_until = until
    return _nothing


def _kill(world: "World", trouble: Trouble) -> Repair:
    for life in world.lives:
        if life.region == trouble.region and world.dice.random() < _PART_HIT:
            life.killed.set()
    return _nothing


def _no_controllers(world: "World", _: Trouble) -> Repair:
    world.without_controllers = True
    for life in world.lives:
        if life.name == "controller":
            life.killed.set()

    def repair() -> None:
        world.without_controllers = False

    return repair


def _throttled(world: "World", trouble: Trouble) -> Repair:
    port, operation = _THROTTLED[int(trouble.amount * len(_THROTTLED))]
    refusals: Refusals = getattr(world.sides[trouble.region], port).refusals
    refusals.refuse(operation, by=Refusal.THROTTLED)
    return refusals.allow


def _refused(world: "World", trouble: Trouble) -> Repair:
    port, operation = _REFUSED[int(trouble.amount * len(_REFUSED))]
    side = world.sides[trouble.region]
    refusals: Refusals = world.vitals[trouble.region].refusals if port == "vitals" else getattr(side, port).refusals
    refusals.refuse(operation, by=Refusal.KMS if trouble.amount < _NO_KEY else Refusal.FORBIDDEN)
    return refusals.allow


def _grey(world: "World", trouble: Trouble) -> Repair:
    world.grey[trouble.region] = _GREY_SHARES[int(trouble.amount * len(_GREY_SHARES))]

    def repair() -> None:
        world.grey.pop(trouble.region, None)

    return repair


def _chronic(world: "World", trouble: Trouble) -> Repair:
    vitals = world.vitals[trouble.region]
    vitals.suffers(dead_letters=_DEAD_LETTERS, alarm=True)
    return lambda: vitals.suffers(dead_letters=0, alarm=False)


def _slow_ledger(world: "World", trouble: Trouble) -> Repair:
    regions = (trouble.region,) if trouble.amount < _PART_SLOW else REGIONS_DEFAULT
    slow = {(region, LEDGER): _SLOW_SECONDS_MAX * trouble.amount for region in regions}
    world.network.latency |= slow

    def repair() -> None:
        for way in slow:
            world.network.latency.pop(way, None)

    return repair


def _contested(world: "World", _: Trouble) -> Repair:
    network = world.network
    before = network.contest_seconds, network.contest_share
    network.contest_seconds, network.contest_share = _CONTEST_SECONDS, 1.0

    def repair() -> None:
        network.contest_seconds, network.contest_share = before

    return repair


def _no_quorum(world: "World", trouble: Trouble) -> Repair:
    return world.with_rules(Partition(trouble.region, LEDGER, WayMode.NO_QUORUM))


def _index(world: "World", _: Trouble) -> Repair:
    world.ledger.hold_index()
    world.journal.hold_index()

    def repair() -> None:
        world.watch.behind_until, world.watch.listed_behind = world.clock.now(), dict(world.ledger.listed)
        world.ledger.release_index()
        world.journal.release_index()

    return repair


def _clock(world: "World", trouble: Trouble) -> Repair:
    before = world.skews[trouble.region]
    world.set_clock(trouble.region, _SKEW_SECONDS_MAX * (2 * trouble.amount - 1))
    return lambda: world.set_clock(trouble.region, before)


def _newer(world: "World", trouble: Trouble) -> Repair:
    return newer.begins(world, trouble.amount)


def _unreplicated(world: "World", trouble: Trouble) -> Repair:
    world.replication.set(trouble.region, failing=trouble.amount)
    return lambda: world.replication.set(trouble.region, failing=0.0)


def _grey_calls(world: "World", trouble: Trouble) -> Repair:
    world.network.grey[trouble.region] = _GREY_CALLS_MAX * trouble.amount

    def repair() -> None:
        world.network.grey.pop(trouble.region, None)

    return repair


def _lie(world: "World", trouble: Trouble) -> Repair:
    world.lying.add(trouble.region)
    return lambda: world.lying.discard(trouble.region)


def _other(region: str) -> str:
    return AWAY if region == HOME else HOME


_FAULTS: Final[Mapping[Fault, Callable[["World", Trouble], Repair]]] = {
    Fault.CUT: _cut,
    Fault.DARK: _dark,
    Fault.DEAF: _deaf,
    Fault.NO_LEDGER: _no_ledger,
    Fault.APART: _apart,
    Fault.ENDPOINTS: _endpoints,
    Fault.GATE: _gate,
    Fault.ROUTES: _routes,
    Fault.MAIL: _mail,
    Fault.LAG: _lag,
    Fault.REPLICATION: _replication,
    Fault.STORM: _storm,
    Fault.PAUSE: _pause,
    Fault.KILL: _kill,
    Fault.NO_CONTROLLERS: _no_controllers,
    Fault.THROTTLED: _throttled,
    Fault.REFUSED: _refused,
    Fault.GREY: _grey,
    Fault.CHRONIC: _chronic,
    Fault.LIE: _lie,
    Fault.SLOW_LEDGER: _slow_ledger,
    Fault.CONTESTED: _contested,
    Fault.NO_QUORUM: _no_quorum,
    Fault.INDEX: _index,
    Fault.CLOCK: _clock,
    Fault.NEWER: _newer,
    Fault.UNREPLICATED: _unreplicated,
    Fault.GREY_CALLS: _grey_calls,
    Fault.RESTORED: restores.restored,
}
