"""Finds the world to work on, and starts it, stops it and reads its mails."""

import json
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from baton.catalog import Catalog, CatalogError, load_jobs, offered
from baton_cli.batches.render import told as lines
from baton_cli.hints import baton
from baton_cli.options import AsJson
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import Session, session_of
from baton_cli.world import render
from baton_local import state

if TYPE_CHECKING:  # see session.py
    from baton_local.state import World
    from baton_local.switches.admin import Admin

app = typer.Typer()
PANEL: Final = "World on this machine"
_JOBS: Final = "jobs.json"
"""In the directory of a world: the versions of the jobs that it was started with."""
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

    def up(self) -> "tuple[World, bool]":
        from baton_local.on_processes import lifecycle  # noqa: PLC0415 - see `connect`

        self._refuse_compose("up -d --wait")
        ran = state.read(self.directory) is not None
        jobs = self.catalog()  # every service would end for a mistake in it, and the world come up in vain
        try:
            world = lifecycle.up(self.directory)
        except lifecycle.WorldFailed as error:
            raise Declined(*str(error).splitlines()) from error
        if not ran:
            versions = {name: loaded.version for name, loaded in jobs.items()}
            (self.directory / _JOBS).write_text(json.dumps(versions))
        return world, ran

    def jobs_at_start(self) -> Mapping[str, str] | None:
        if self.choice in (WorldChoice.COMPOSE, WorldChoice.AWS) or state.read(self.directory) is None:
            return None
        try:
            versions: dict[str, str] = json.loads((self.directory / _JOBS).read_text())
        except (OSError, ValueError):
            return None
        return versions

    def down(self) -> bool:
        from baton_local.on_processes import lifecycle  # noqa: PLC0415 - see `connect`

        self._refuse_compose("down -v")
        there_was = lifecycle.is_there(self.directory)
        lifecycle.down(self.directory)
        return there_was

    def _refuse_compose(self, instead: str) -> None:
        if self.choice is WorldChoice.COMPOSE:
            raise Declined(f"Compose itself starts and stops its world: `docker compose {instead}`")

    def catalog(self, *, left_out: list[CatalogError] | None = None) -> Catalog:
        return offered(load_jobs(self.jobs_package, left_out=left_out))


def _listens(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    try:
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=_CONNECT_SECONDS_MAX):
            return True
    except OSError:
        return False


@app.command(rich_help_panel=PANEL)
def up(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Start both Regions on this machine, in the background, and wait until they are ready.

    Services load the jobs when they start. If the world runs already, it is left as it is.
    """
    session = session_of(ctx)
    stands = f"the world continues to start. Wait for it: {baton()} up, or stop it: {baton()} down"
    with session.interruptible(stands), session.failing_clearly(), session.err.status("Starting both Regions"):
        world, ran = session.places.up()
        other = _other_jobs(session) if ran else ""
    were = "were up already" if ran else "are up"
    told = render.up(f"Both Regions {were}: {', '.join(world.regions)}.", world.log_directory)
    session.answer(told, world.model_dump(mode="json"), as_json=as_json)
    if other:
        session.note(
            f"They run with other jobs than are here now ({other}). To use these: {baton()} down, then {baton()} up. "
            "That deletes batches, results and reference data: load these again"
        )


def _other_jobs(session: Session) -> str:
    """Return which jobs differ from those that the world was started with; empty: none, or nobody knows."""
    before = session.places.jobs_at_start()
    if before is None:
        return ""
    now = {name: loaded.version for name, loaded in session.places.catalog().items()}
    kinds = {
        "new": now.keys() - before.keys(),
        "changed": {name for name in now.keys() & before.keys() if now[name] != before[name]},
        "gone": before.keys() - now.keys(),
    }
    return "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in kinds.items() if names)


@app.command(rich_help_panel=PANEL)
def down(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Stop both Regions on this machine, and delete what they hold: batches, results, mails, reference data."""
    session = session_of(ctx)
    stands = f"some of it may be left. Stop it again: {baton()} down"
    with session.interruptible(stands), session.failing_clearly(), session.err.status("Stopping both Regions"):
        there_was = session.places.down()
    stopped = "Everything is stopped, and what it held is deleted: batches, results, mails, reference data."
    told = lines(stopped if there_was else "No world was here: there was nothing to stop.")
    session.answer(told, {"stopped": True}, as_json=as_json)


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
