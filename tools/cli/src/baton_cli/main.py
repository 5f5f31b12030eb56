"""The `baton` command: assembles all commands, and the options that they share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, override

import typer
from typer.core import TyperGroup

from baton_cli import hints
from baton_cli.batches import commands as batch_commands
from baton_cli.batches import data
from baton_cli.handover import commands as handover_commands
from baton_cli.handover import reading, restoring
from baton_cli.session import ExitStatus, Session
from baton_cli.world import chaos
from baton_cli.world import commands as world_commands
from baton_cli.world.commands import WorldChoice, WorldPlaces
from baton_local.state import DIRECTORY


class _OneForUsage(TyperGroup):
    """Wrong usage ends with 1: 2 says that a batch failed, and scripts must be able to tell them apart."""

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return _usage_ends_with_1(super().make_context, *args, **kwargs)

    @override
    def invoke(self, ctx: Any) -> Any:
        return _usage_ends_with_1(super().invoke, ctx)


def _usage_ends_with_1(step: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return step(*args, **kwargs)
    except typer.TyperException as error:
        error.exit_code = ExitStatus.ERROR
        raise


app = typer.Typer(
    cls=_OneForUsage,
    name="baton",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    epilog="Start with: [bold]baton up[/], [bold]baton sample[/], then "
    "[bold]baton reference load financial financial.csv --key uuid[/] and "
    "[bold]baton submit sales.csv --job sales --watch[/]",
)
app.add_typer(batch_commands.app)
app.add_typer(data.app)
app.add_typer(handover_commands.app)
app.add_typer(reading.app)
app.add_typer(restoring.app)
app.add_typer(world_commands.app)
app.add_typer(chaos.app)


def _given(ctx: typer.Context, options: Mapping[str, object]) -> list[str]:
    """Return those of the options that stand on the command line: the environment and the defaults are there again."""
    given: list[str] = []
    for option, value in options.items():
        source = ctx.get_parameter_source(option.removeprefix("--").replace("-", "_"))
        if source is not None and source.name == "COMMANDLINE":
            given += [option, str(value)]
    return given


@app.callback()
def baton(
    ctx: typer.Context,
    world: Annotated[
        WorldChoice | None,
        typer.Option(
            envvar="BATON_WORLD",
            help="The world on this machine, or the one on AWS that the environment names. "
            "Default: the one on this machine if it runs.",
        ),
    ] = None,
    directory: Annotated[
        Path, typer.Option(envvar="BATON_DIRECTORY", help="Where the world on this machine keeps its files.")
    ] = DIRECTORY,
    jobs_package: Annotated[
        str, typer.Option(envvar="BATON_JOBS_PACKAGE", help="The Python package that holds the jobs.")
    ] = "baton_jobs",
) -> None:
    """Two-Region batch processing with automatic failover: submit files, follow them, fetch results."""
    hints.keep(_given(ctx, {"--world": world, "--directory": directory, "--jobs-package": jobs_package}))
    if ctx.obj is None:
        ctx.obj = Session(WorldPlaces(directory=directory, choice=world, jobs_package=jobs_package))
