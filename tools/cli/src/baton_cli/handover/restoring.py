"""The command-line definition of `epoch`, which lets the controllers act again after a restore."""

from typing import Annotated

import typer

from baton_cli.handover import documents, epoch_render
from baton_cli.handover import epoch as epochs
from baton_cli.handover.commands import PANEL, By, Reason, Yes
from baton_cli.options import AsJson
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import session_of

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def epoch(
    ctx: typer.Context,
    at_least: Annotated[
        int, typer.Option("--at-least", metavar="N", min=1, help="Above every epoch that was ever in force.")
    ],
    reason: Reason = "",
    by: By = None,
    force: Annotated[bool, typer.Option("--force", help="Even if nothing says that it was restored.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let the controllers act again after the ledger was restored: raise the epoch above all that were in force.

    `baton status` says which N that is. The Region that was active last stays active.
    """
    session = session_of(ctx)

    async def ask(connection: Connection) -> epochs.Raised:
        found, name = await epochs.standing(connection), f"{session.dice.getrandbits(32):08x}"
        after = epochs.raised(connection, found, at_least, force=force)
        if not yes and not session.confirmed(epoch_render.question_of_epoch(found, after)):
            raise Declined("nothing was changed")
        return await epochs.write(connection, found, after, by=by or session.who(), reason=reason, name=name)

    done = session.run(ask)
    if not done.is_recorded:
        session.note(
            "The epoch is raised, and the journal did not accept the record of it: note down who did it and why."
        )
    session.answer(epoch_render.epoch(done), documents.epoch(done), as_json=as_json)
