"""The command-line definitions of the commands on jobs, reference data and sample files."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from baton.catalog import CatalogError
from baton_cli.batches import documents, render
from baton_cli.options import AsJson, no_pipe
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import session_of
from baton_local.sales.sample import KEYS_DEFAULT, other_than_samples, write_sales

app = typer.Typer()
_reference = typer.Typer(help="Load and show the tables that records are enriched with.", no_args_is_help=True)
_PANEL: Final = "Jobs and data"
app.add_typer(_reference, name="reference", rich_help_panel=_PANEL)

Dataset = Annotated[str, typer.Argument(help="Name of the data set, as jobs call it.", show_default=False)]


@app.command(rich_help_panel=_PANEL)
def jobs(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the jobs that a file can be sent to. Ends with 1 if one of them cannot be loaded."""
    session = session_of(ctx)
    left_out: list[CatalogError] = []
    with session.failing_clearly():
        catalog = session.places.catalog(left_out=left_out)
    if catalog or not left_out:
        session.answer(render.jobs(catalog), documents.jobs(catalog), as_json=as_json)
    if left_out:
        session.fail(*map(str, left_out))


@_reference.command("load")
def load_reference(
    ctx: typer.Context,
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(help="A CSV file with a header and one row per key.", callback=no_pipe)],
    key: Annotated[str, typer.Option("--key", help="The column that records are looked up by.", show_default=False)],
    lines_in_fields: Annotated[
        bool, typer.Option("--lines-in-fields", help="Quoted text may hold lines that look like rows.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Even if it lacks columns that jobs add.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a file as the current version of a data set. Batches that are already planned keep theirs.

    Versions that were replaced more than 45 days ago are removed: no batch uses them any more.
    """
    from baton_cli.batches import reference  # noqa: PLC0415 - it reads with numpy, for which no other command waits

    session = session_of(ctx)
    with session.interruptible(f"{file} was not loaded to its end; load it again"):
        with session.failing_clearly():
            loaded = reference.read(dataset, file, key=key, lines_in_fields=lines_in_fields)
            if not force:
                reference.check_columns(loaded, session.places.catalog(left_out=[]))
        removed = session.run(lambda connection: reference.publish(connection, loaded))
    if removed:
        session.note(f"Removed what no batch uses any more: {', '.join(removed)}")
    session.answer(render.reference(loaded.version), documents.reference(loaded.version), as_json=as_json)


@_reference.command("show")
def show_reference(ctx: typer.Context, dataset: Dataset, as_json: AsJson = False) -> None:
    """Show the version of a data set that new batches use."""
    from baton_cli.batches import reference  # noqa: PLC0415 - see `load_reference`

    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        version = await reference.current(connection, dataset)
        session.answer(render.reference(version), documents.reference(version), as_json=as_json)

    session.run(ask)


@app.command(rich_help_panel=_PANEL)
def sample(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The sales file to write.")] = Path("sales.csv"),
    reference: Annotated[
        Path, typer.Option("--reference-out", help="Its reference data; load it as `financial` by `uuid`.")
    ] = Path("financial.csv"),
    records: Annotated[int, typer.Option(min=0, help="Records in the file.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    bad_percent: Annotated[float, typer.Option(min=0, max=100, help="How many of them break a rule.")] = 2.0,
    keys: Annotated[int, typer.Option(min=1, help="Reference rows at most.")] = KEYS_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Write a sample sales file, with bad records of every kind, and its reference data."""
    session = session_of(ctx)
    with session.failing_clearly():
        if others := other_than_samples(output, reference):
            raise Declined(
                f"{others[0]} is there already and is no sample: remove it, or name other files by "
                "--output and --reference-out"
            )
        written = write_sales(
            output, reference, records=records, seed=seed, bad_percent=bad_percent, keys=min(keys, max(records, 1))
        )
    told = render.told(
        f"{output}: {written.records:,} records, {written.bad:,} of them bad",
        f"{reference}: {written.keys:,} reference rows",
    )
    document = {"file": str(output), "reference": str(reference), **asdict(written)}
    session.answer(told, document, as_json=as_json)
