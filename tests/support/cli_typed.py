"""The command as typed, on a world in memory."""

from rich.console import Console
from typer.testing import CliRunner, Result

from aio import run
from baton.model.batch import Batch
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session
from cli_world import CliWorld


def typed(world: CliWorld, *args: object, width: int = 80, stdin: str | None = None) -> Result:
    """Return what `baton ARGS` prints, on a screen of `width` columns that is no terminal."""
    session = Session(
        world,
        out=Console(highlight=False, width=width),
        err=Console(stderr=True, highlight=False, width=width),
        runner=virtual_time.run,
    )
    return CliRunner().invoke(app, [str(arg) for arg in args], obj=session, input=stdin)


def holding(*batches: Batch, world: CliWorld | None = None) -> CliWorld:
    """Return a world with these batches in its ledger."""
    world = world or CliWorld()
    for batch in batches:
        run(world.admit(batch))
    return world
