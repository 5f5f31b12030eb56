"""Commands on the world itself, and where to find it."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from baton.catalog import Catalog, load_jobs, offered
from baton_cli import render
from baton_cli.connection import Connection, Refused
from baton_cli.documents import Json
from baton_cli.options import AsJson
from baton_cli.session import Session, session_of
from baton_local import state

if TYPE_CHECKING:  # see session.py
    from baton_local.admin import Admin
    from baton_local.state import World

app = typer.Typer()
_world = typer.Typer(
    help="See and disturb the world on this machine: cut a Region, kill a service.", no_args_is_help=True
)
_arc = typer.Typer(
    help="Disturb the routing-control cluster: take its endpoints down, close its gate.", no_args_is_help=True
)
_PANEL: Final = "World on this machine"
app.add_typer(_world, name="world", rich_help_panel=_PANEL)
_world.add_typer(_arc, name="arc")

_ENDPOINTS: Final = 5
Endpoints = Annotated[
    list[int], typer.Argument(min=1, max=_ENDPOINTS, metavar="N...", help="From 1 to 5.", show_default=False)
]
Region = Annotated[str, typer.Argument(help="Such as us-east-1.", show_default=False)]


class WorldChoice(StrEnum):
    """Which world to speak to."""

    EMBEDDED = "embedded"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class WorldPlaces:
    """Finds things by the world file of this machine, or by the environment."""

    directory: Path
    choice: WorldChoice | None
    jobs_package: str

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        # The AWS SDK and the local world take a second to import: help, completion and refusals should not wait.
        from baton_cli import connect  # noqa: PLC0415 - see above

        world = None if self.choice is WorldChoice.AWS else state.read(self.directory)
        if world is None and self.choice is WorldChoice.EMBEDDED:
            raise Refused(f"no world runs in {self.directory}: start one with `baton up`")
        return connect.embedded(world) if world else connect.aws()

    def admin(self) -> "Admin":
        from baton_local.admin import Admin  # noqa: PLC0415 - see `connect`

        # Asked for by name or not: a disturbance is for this machine alone.
        world = None if self.choice is WorldChoice.AWS else state.read(self.directory)
        if world is None:
            raise Refused("this works on the world of this machine only, and none runs: start it with `baton up`")
        return Admin(world.admin_endpoint)

    def up(self) -> "World":
        from baton_local import lifecycle  # noqa: PLC0415 - see `connect`

        try:
            return lifecycle.up(self.directory)
        except lifecycle.WorldFailed as error:
            raise Refused(str(error)) from error

    def down(self) -> None:
        from baton_local import lifecycle  # noqa: PLC0415 - see `connect`

        lifecycle.down(self.directory)

    def catalog(self) -> Catalog:
        return offered(load_jobs(self.jobs_package))


@app.command(rich_help_panel=_PANEL)
def up(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Start both Regions on this machine, in the background, and wait until they are ready."""
    session = session_of(ctx)
    with session.failing_clearly(), session.err.status("Starting both Regions"):
        world = session.places.up()
    told = render.told(f"Both Regions are up: {', '.join(world.regions)}.", f"Logs: {world.log_directory}")
    session.answer(told, world.model_dump(mode="json"), as_json=as_json)


@app.command(rich_help_panel=_PANEL)
def down(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Stop both Regions on this machine and leave nothing behind."""
    session = session_of(ctx)
    with session.failing_clearly(), session.err.status("Stopping both Regions"):
        session.places.down()
    session.answer(render.told("Everything is stopped."), {"stopped": True}, as_json=as_json)


@app.command(rich_help_panel=_PANEL)
def inbox(
    ctx: typer.Context,
    count: Annotated[int, typer.Argument(min=1, metavar="N", help="How many, the newest last.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Read the newest mails that the world on this machine has sent."""
    session = session_of(ctx)
    mails = _ask(session, lambda admin: admin.inbox())[-count:]
    session.answer(render.inbox(mails), mails, as_json=as_json)


@_world.command("status")
def world_status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """See processes, links, replication and routing controls."""
    session = session_of(ctx)
    status = _ask(session, lambda admin: admin.status())
    session.answer(render.world(status), status.model_dump(mode="json"), as_json=as_json)


@_world.command()
def cut(ctx: typer.Context, region: Region, as_json: AsJson = False) -> None:
    """Cut a Region off: silently, both ways. What runs inside goes on."""
    told = f"{region} is cut off. Heal it: baton world heal {region}"
    _disturb(ctx, lambda admin: admin.cut(region), told, {"region": region, "cut": True}, as_json=as_json)


@_world.command()
def heal(ctx: typer.Context, region: Region, as_json: AsJson = False) -> None:
    """Connect a Region again."""
    told = f"{region} is connected again."
    _disturb(ctx, lambda admin: admin.heal(region), told, {"region": region, "cut": False}, as_json=as_json)


@_world.command()
def kill(
    ctx: typer.Context,
    region: Region,
    service: Annotated[str, typer.Argument(help="Such as worker; see `baton world status`.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Kill a service with SIGKILL; it is started again."""
    told, document = f"{service} in {region} is killed; it starts again.", {"region": region, "killed": service}
    _disturb(ctx, lambda admin: admin.kill(region, service), told, document, as_json=as_json)


@_world.command()
def lag(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Argument(min=0, help="0 replicates at once.")],
    as_json: AsJson = False,
) -> None:
    """Let replication between the buckets lag."""
    told, document = f"Replication lags {seconds:g} s.", {"lag_seconds": seconds}
    _disturb(ctx, lambda admin: admin.replication(lag_seconds=seconds), told, document, as_json=as_json)


class OutageChoice(StrEnum):
    """How an endpoint is down: see `baton_local.arc.Outage`."""

    SILENT = "silent"
    REFUSING = "refusing"
    MAINTENANCE = "maintenance"


@_arc.command("down")
def arc_down(
    ctx: typer.Context,
    numbers: Endpoints,
    how: Annotated[OutageChoice, typer.Option(help="A black hole, closed connections, or a polite error.")] = (
        OutageChoice.SILENT
    ),
    as_json: AsJson = False,
) -> None:
    """Take endpoints of the cluster down. With more than two of five down, nothing can be switched."""
    from baton_local.arc import Outage  # noqa: PLC0415 - see `WorldPlaces.connect`

    async def take_down(admin: "Admin") -> None:
        for number in numbers:
            await admin.arc_down(number, Outage(how))

    listed = ", ".join(map(str, numbers))
    told = f"Down ({how}): {listed}. Bring up: baton world arc up {' '.join(map(str, numbers))}"
    _disturb(ctx, take_down, told, {"endpoints": numbers, "down": how}, as_json=as_json)


@_arc.command("up")
def arc_up(ctx: typer.Context, numbers: Endpoints, as_json: AsJson = False) -> None:
    """Bring endpoints of the cluster up again."""

    async def bring_up(admin: "Admin") -> None:
        for number in numbers:
            await admin.arc_up(number)

    told = f"Up: {', '.join(map(str, numbers))}."
    _disturb(ctx, bring_up, told, {"endpoints": numbers, "down": None}, as_json=as_json)


class GateAct(StrEnum):
    """What a gate can be told."""

    OPEN = "open"
    CLOSE = "close"


@_arc.command("gate")
def arc_gate(
    ctx: typer.Context,
    act: Annotated[GateAct, typer.Argument(help="A closed gate lets nobody switch.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Open or close the gate before the routing controls."""
    is_open = act is GateAct.OPEN
    told = "The gate is open." if is_open else "The gate is closed. Open it: baton world arc gate open"
    _disturb(ctx, lambda admin: admin.arc_gate(is_open=is_open), told, {"gate_open": is_open}, as_json=as_json)


def _disturb(
    ctx: typer.Context,
    act: "Callable[[Admin], Coroutine[Any, Any, object]]",
    told: str,
    document: Json,
    *,
    as_json: bool,
) -> None:
    session = session_of(ctx)
    _ask(session, act)
    session.answer(render.told(told), document, as_json=as_json)


def _ask[T](session: Session, question: "Callable[[Admin], Coroutine[Any, Any, T]]") -> T:
    from baton_local.admin import AdminError  # noqa: PLC0415 - see `connect`

    async def ask() -> T:
        try:
            return await question(session.places.admin())
        except AdminError as error:
            raise Refused(str(error)) from error

    return session.run_alone(ask())
