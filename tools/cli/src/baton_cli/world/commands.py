"""Finds the world to work on, and starts it, stops it and reads its mails."""

import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from baton.catalog import Catalog, load_jobs, offered
from baton_cli.batches import render
from baton_cli.hints import baton
from baton_cli.options import AsJson
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import Session, session_of
from baton_local import state

if TYPE_CHECKING:  # see session.py
    from baton_local.state import World
    from baton_local.switches.admin import Admin

app = typer.Typer()
PANEL: Final = "World on this machine"
_CONNECT_SECONDS_MAX: Final = 2.0
"""To a port of this machine."""


class WorldChoice(StrEnum):
    """Which world to speak to."""

    EMBEDDED = "embedded"
    COMPOSE = "compose"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class WorldPlaces:
    """Finds things by the world file of this machine, or by the environment."""

    directory: Path
    choice: WorldChoice | None
    jobs_package: str

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        # The AWS SDK and the local world take a second to import: help, completion and refusals should not wait.
        from baton_cli.reach import connect  # noqa: PLC0415 - see above

        world = self._local()
        if world is None and self.choice is WorldChoice.EMBEDDED:
            raise Declined(f"no world runs in {self.directory}: start one with `{baton()} up`")
        return connect.embedded(world) if world else connect.aws()

    def admin(self) -> "Admin":
        from baton_local.switches.admin import Admin  # noqa: PLC0415 - see `connect`

        if self.choice is WorldChoice.COMPOSE:
            from baton_local.in_containers.admin import ComposeAdmin  # noqa: PLC0415 - see `connect`

            return ComposeAdmin()
        # Asked for by name or not: a disturbance is for this machine alone.
        world = self._local()
        if world is None:
            raise Declined(f"this works on a world of this machine only, and none runs: start it with `{baton()} up`")
        return Admin(world.admin_endpoint)

    def _local(self) -> "World | None":
        match self.choice:
            case WorldChoice.AWS:
                return None
            case WorldChoice.COMPOSE:
                from baton_local.in_containers import layout  # noqa: PLC0415 - see `connect`

                if not any(map(_listens, (*layout.WORLD.region_endpoints.values(), layout.WORLD.global_endpoint))):
                    raise Declined("no composed world runs: start it with `docker compose up -d --wait`")
                return layout.WORLD
            case _:
                return state.read(self.directory)

    def up(self) -> "World":
        from baton_local.on_processes import lifecycle  # noqa: PLC0415 - see `connect`

        self._refuse_compose("up -d --wait")
        self.catalog()  # every service would end for a mistake in it, and the world come up in vain
        try:
            return lifecycle.up(self.directory)
        except lifecycle.WorldFailed as error:
            raise Declined(*str(error).splitlines()) from error

    def down(self) -> None:
        from baton_local.on_processes import lifecycle  # noqa: PLC0415 - see `connect`

        self._refuse_compose("down -v")
        lifecycle.down(self.directory)

    def _refuse_compose(self, instead: str) -> None:
        if self.choice is WorldChoice.COMPOSE:
            raise Declined(f"Compose itself starts and stops its world: `docker compose {instead}`")

    def catalog(self) -> Catalog:
        return offered(load_jobs(self.jobs_package))


def _listens(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    try:
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=_CONNECT_SECONDS_MAX):
            return True
    except OSError:
        return False


@app.command(rich_help_panel=PANEL)
def up(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Start both Regions on this machine, in the background, and wait until they are ready."""
    session = session_of(ctx)
    stands = f"the world continues to start. Wait for it: {baton()} up, or stop it: {baton()} down"
    with session.interruptible(stands), session.failing_clearly(), session.err.status("Starting both Regions"):
        world = session.places.up()
    told = render.told(f"Both Regions are up: {', '.join(world.regions)}.", f"Logs: {world.log_directory}")
    session.answer(told, world.model_dump(mode="json"), as_json=as_json)


@app.command(rich_help_panel=PANEL)
def down(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Stop both Regions on this machine; nothing is left behind."""
    session = session_of(ctx)
    stands = f"some of it may be left. Stop it again: {baton()} down"
    with session.interruptible(stands), session.failing_clearly(), session.err.status("Stopping both Regions"):
        session.places.down()
    session.answer(render.told("Everything is stopped."), {"stopped": True}, as_json=as_json)


@app.command(rich_help_panel=PANEL)
def inbox(
    ctx: typer.Context,
    count: Annotated[int, typer.Argument(min=1, metavar="N", help="How many, the newest last.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Read the newest mails that the world on this machine has sent."""
    session = session_of(ctx)
    mails = ask(session, lambda admin: admin.inbox())[-count:]
    session.answer(render.inbox(mails), mails, as_json=as_json)


def ask[T](session: Session, question: "Callable[[Admin], Coroutine[Any, Any, T]]") -> T:
    from baton_local.switches.admin import AdminError  # noqa: PLC0415 - see `connect`

    async def answered() -> T:
        try:
            return await question(session.places.admin())
        except AdminError as error:
            raise Declined(str(error)) from error

    return session.run_alone(answered())
