"""Applies a drawn fault to a composed world, and ends it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from baton_cli.reach.connection import Connection
from baton_proof.chaos.draws import Fault, Load, Trouble
from baton_proof.chaos.stream import Stream
from baton_proof.composed import STAGES, Composed
from baton_proof.handovers import until, until_replicated

_REPLICATED_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault is done to."""

    composed: Composed
    connection: Connection
    stream: Stream
    reference: Path
    say: Callable[[str], None]
    """Notes what was done, and when."""


async def endure(scene: Scene, region: str, trouble: Trouble) -> None:
    """Wait for the trouble's time, do it, let it last, and undo it."""
    await asyncio.sleep(trouble.after_seconds)  # drawn, not a wait for something
    async with _inflicted(scene, region, trouble):
        await asyncio.sleep(trouble.seconds)  # the same
    scene.say(f"healed: {trouble.fault} of {region}")


@asynccontextmanager
async def _inflicted(scene: Scene, region: str, trouble: Trouble) -> AsyncGenerator[None]:
    do, undo = _WAYS[trouble.fault]
    scene.say(f"begins: {trouble.fault} {trouble.service} of {region}".replace("  ", " "))
    try:
        await do(scene, region, trouble)
        scene.say(f"done: {trouble.fault} of {region}")
        yield
    finally:
        await undo(scene, region, trouble)


async def _refuse(scene: Scene, region: str, trouble: Trouble) -> None:
    await scene.composed.admin.refuse(region, trouble.service, trouble.amount, trouble.answer)


async def _take_all(scene: Scene, region: str, trouble: Trouble) -> None:
    await scene.composed.admin.refuse(region, trouble.service, 0, trouble.answer)


async def _leave(scene: Scene, region: str, trouble: Trouble) -> None:
    """Undo nothing: what was sent is sent."""
    del scene, region, trouble


type _Act = Callable[[Scene, str, Trouble], Awaitable[None]]
_WAYS: Final[Mapping[Fault, tuple[_Act, _Act]]] = {
    Fault.PAUSE: (
        lambda scene, region, _: scene.composed.pause(region),
        lambda scene, region, _: scene.composed.unpause(region),
    ),
    Fault.KILL: (
        lambda scene, region, trouble: scene.composed.kill(region, trouble.service),
        lambda scene, region, trouble: scene.composed.start(region, trouble.service),
    ),
    Fault.OOM: (
        lambda scene, region, trouble: scene.composed.starve(region, trouble.service),
        lambda scene, region, trouble: scene.composed.feed(region, trouble.service),
    ),
    Fault.DISCONNECT: (
        lambda scene, region, _: scene.composed.disconnect(region),
        lambda scene, region, _: scene.composed.connect(region),
    ),
    Fault.PACKETS: (
        lambda scene, region, _: scene.composed.swallow_packets(region),
        lambda scene, region, _: scene.composed.pass_packets(region),
    ),
    Fault.CUT: (
        lambda scene, region, _: scene.composed.admin.cut(region),
        lambda scene, region, _: scene.composed.admin.heal(region),
    ),
    Fault.SLOW: (
        lambda scene, region, trouble: scene.composed.admin.slow(region, trouble.amount, "s3"),
        lambda scene, region, _: scene.composed.admin.slow(region, 0, "s3"),
    ),
    Fault.THROTTLE: (
        lambda scene, region, trouble: scene.composed.admin.throttle(region, trouble.amount),
        lambda scene, region, _: scene.composed.admin.throttle(region, 0),
    ),
    Fault.REFUSE: (_refuse, _take_all),
    Fault.GREY: (_refuse, _take_all),
    Fault.LOAD: (lambda scene, _, trouble: scene.stream.pour(Load(trouble.service)), _leave),
    Fault.EMPTY: (lambda scene, region, _: _empty(scene, region), lambda scene, _, __: _furnish(scene)),
}
"""How each fault is done, and undone."""


async def _empty(scene: Scene, region: str) -> None:
    """Lose the Region's state at a moment at which the other Region has a copy of everything.

    What had not been replicated when a Region's disks are lost is lost on AWS as well: nothing could be checked then.
    So the Region's services are paused, with their batches half done, until replication has caught up.
    """
    composed, connection = scene.composed, scene.connection
    other = next(each for each in connection.regions if each != region)
    with scene.stream.held():
        await scene.stream.rest()
        await composed.pause(region, *STAGES)
        try:
            await until_replicated(connection, scene.stream.sent, other, seconds=_REPLICATED_SECONDS_MAX)
            await until(lambda: caught_up(composed), "replication has caught up", seconds=_REPLICATED_SECONDS_MAX)
            await composed.empty(region)
        finally:
            await composed.unpause(region, *STAGES)


async def _furnish(scene: Scene) -> None:
    """Make what is missing, and load the reference data, as an operator would."""
    await scene.composed.furnish()
    await scene.composed.baton("reference", "load", "financial", str(scene.reference), "--key", "uuid")


async def caught_up(composed: Composed) -> bool:
    """Return whether nothing waits to be replicated, either way."""
    return not any((await composed.admin.status()).replication.backlog.values())
