"""The command-line definitions of `history`, `explain` and `plan`: what the controllers decided, and why."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from baton.model.control import SwitchKind
from baton_cli.handover import documents, explain_render, orders, plan_render, planning, queries, render
from baton_cli.handover.commands import EXITS, PANEL, To
from baton_cli.handover.orders import OrderOutcome
from baton_cli.options import AsJson
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import ExitStatus, Session, session_of

app = typer.Typer()
_LIMIT = 20


@app.command(rich_help_panel=PANEL)
def history(
    ctx: typer.Context,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=0, help="How many. Default: 20, or none before those that follow."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print decisions as they are made, until Ctrl-C.")
    ] = False,
    until_outcome: Annotated[
        bool, typer.Option("--until-outcome", help="Follow until a switch has ended, and end with its status.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Stop following after this time.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the decisions, the newest first: every switch, every step, and every time that an action was held back.

    With --follow the newest comes last, each with the seconds since the first line; as JSON it is one object per line.
    """
    session = session_of(ctx)
    if follow or until_outcome:
        _follow(session, limit or 0, until_outcome=until_outcome, timeout=timeout, as_json=as_json)
        return

    async def ask(connection: Connection) -> None:
        found = await connection.journal.decisions(limit=_LIMIT if limit is None else limit)
        rows = [documents.decision(each) for each in found]
        session.answer(render.history(found), rows, as_json=as_json)

    session.run(ask)


def _follow(session: Session, past: int, *, until_outcome: bool, timeout: float | None, as_json: bool) -> None:
    async def bounded(connection: Connection) -> OrderOutcome:
        try:
            async with asyncio.timeout(timeout):
                return await _timeline(connection, session, past, until_outcome=until_outcome, as_json=as_json)
        except TimeoutError as error:
            if until_outcome:
                raise Declined(f"no switch ended within {timeout:g} s") from error
            return OrderOutcome.DONE

    try:
        outcome = session.run(bounded)
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    raise typer.Exit(EXITS.get(outcome, ExitStatus.OK))


async def _timeline(
    connection: Connection, session: Session, past: int, *, until_outcome: bool, as_json: bool
) -> OrderOutcome:
    """Print decisions as they are made; return how the first switch ended that ends from now on, if that is asked."""

    def outage(*, down: bool) -> None:
        session.note("the ledger does not answer" if down else "the ledger answers again")

    first_at: datetime | None = None
    async for each in queries.news(connection, past=past, outage=outage):
        decision = each.decision
        first_at = first_at or decision.at
        document = documents.decision(decision) | {"seconds": (decision.at - first_at).total_seconds()}
        session.answer_line(render.news(decision, first_at=first_at), document, as_json=as_json)
        if until_outcome and decision.ended and not each.is_past:
            return orders.outcome_of(decision.ended, decision.degraded)
    raise AssertionError("news never end")


@app.command(rich_help_panel=PANEL)
def explain(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="A decision, a switch such as t17, or an order: its id, the beginning of it, or 'last'.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every rule with its value and threshold, not only what holds something back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show why a Region is active, why nothing is done, or why something was done.

    Without an id: what both controllers report now, the last decision, and what to type next. JSON has every rule.
    """
    session = session_of(ctx)

    async def ask(connection: Connection) -> None:
        if name is None:
            now = await queries.situation(connection)
            session.answer(
                explain_render.explanation(now, everything=everything), documents.explanation(now), as_json=as_json
            )
            return
        found = await queries.find(connection, name)
        session.answer(explain_render.found(found, everything=everything), documents.found(found), as_json=as_json)

    session.run(ask)


@app.command(rich_help_panel=PANEL)
def plan(
    ctx: typer.Context,
    to: To,
    kind: Annotated[SwitchKind, typer.Option(case_sensitive=False, help="What would be ordered.")] = (
        SwitchKind.FAILOVER
    ),
    timing: Annotated[
        bool, typer.Option("--timing", help="How long an automatic failover takes at worst, step by step.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a switch would do, without doing it: each call, whether it would be refused now, and why.

    Ends with 0 if a controller would accept it now, otherwise with 1.
    """
    session = session_of(ctx)
    made = session.run(lambda connection: planning.plan(connection, target=to, kind=kind))
    session.answer(plan_render.plan(made, timing=timing), documents.plan(made), as_json=as_json)
    raise typer.Exit(ExitStatus.OK if made.is_carried_out else ExitStatus.ERROR)
