"""The command-line definitions of the commands that order something from the controllers: failover, freeze, ..."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

import typer

from baton.model.control import Control
from baton.model.journal import Command, CommandKind, Verdict
from baton_cli.batches.documents import Json
from baton_cli.batches.render import told
from baton_cli.durations import duration
from baton_cli.handover import by_hand, by_hand_render, documents, orders, queries, render
from baton_cli.handover.orders import OrderOutcome, Standing
from baton_cli.hints import baton
from baton_cli.options import AsJson
from baton_cli.reach.connection import Connection, Declined
from baton_cli.session import ExitStatus, Session, session_of

app = typer.Typer()
PANEL: Final = "Hand over"
EXITS: Final = {
    OrderOutcome.PENDING: ExitStatus.ERROR,
    OrderOutcome.REFUSED: ExitStatus.ERROR,
    OrderOutcome.UNDER_WAY: ExitStatus.ERROR,
    OrderOutcome.ROLLED_BACK: ExitStatus.FAILED,
    OrderOutcome.SUPERSEDED: ExitStatus.CANCELLED,
    OrderOutcome.DEGRADED: ExitStatus.DEGRADED,
}
_SWITCH_SECONDS: Final = 300.0
"""Longer than any switch takes under the settings that controllers have by default: drained, stepped, verified."""
_PLANNED: Final = frozenset({CommandKind.SWITCHOVER, CommandKind.FAILBACK, CommandKind.DRILL})
_READY_POLL_SECONDS: Final = 1.0
_ORDER_SECONDS: Final = 30.0
"""Six beats of a controller."""
_EXITS_HELP: Final = (
    "Ends with 0 (completed), 1 (refused, or not over in time), 2 (rolled back), 3 (another switch took its place) or "
    "4 (done, but a step is still being tried)."
)

To = Annotated[
    str, typer.Option("--to", metavar="REGION", help="The Region that is to become active.", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.", show_default=False)]
By = Annotated[str | None, typer.Option("--by", help="Who orders it. Default: user@host.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it until it is over, or return at once.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Without a terminal nothing is asked.")]
SwitchTimeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Stop following after this time. The order stays.")
]
OrderTimeout = SwitchTimeout


@dataclass(frozen=True, slots=True)
class _Order:
    """What was typed."""

    kind: CommandKind
    by: str | None
    reason: str
    as_json: bool
    seconds_max: float
    target: str | None = None
    """None: no Region is to change."""
    lasts: timedelta | None = None
    wait: bool = True
    ask: bool = False
    force: bool = False
    blocking_alarm: str | None = None
    freeze_id: str | None = None

    def command(self, session: Session, connection: Connection) -> Command:
        """Return it as the row that is to be written."""
        now = connection.clock.now()
        return Command(
            id=f"{session.dice.getrandbits(32):08x}",
            kind=self.kind,
            by=self.by or session.who(),
            at=now,
            reason=self.reason,
            target=connection.regions[0] if self.kind is CommandKind.FAILBACK and not self.target else self.target,
            force=self.force,
            until=now + self.lasts if self.lasts else None,
            blocking_alarm=self.blocking_alarm,
            freeze_id=self.freeze_id,
        )


def _place(ctx: typer.Context, order: _Order) -> None:
    """Order it, follow it, answer with its outcome, and end with its status."""
    session = session_of(ctx)
    placed: list[Command] = []
    lines = render.MilestoneLines(session.err)
    quiet = order.as_json and not session.err.is_terminal

    async def ask(connection: Connection) -> Standing | None:
        command = order.command(session, connection)
        await _check(connection, command, session if order.ask else None)
        if order.wait and command.kind in _PLANNED:
            await _until_ready(connection, command, session, seconds_max=order.seconds_max)
        await orders.submit(connection, command)
        placed.append(command)
        if not order.wait:
            return None
        session.note(f"Order {command.id}")
        show: Callable[[Standing], None] = (lambda _: None) if quiet else lines.show
        return await orders.followed(connection, command, show, seconds_max=order.seconds_max)

    try:
        standing = session.run(ask)
    except KeyboardInterrupt:
        if placed:
            session.note(f"The order stays in force. See it: {baton()} explain {placed[0].id}")
        else:
            session.note(f"Interrupted: nothing was ordered, unless {baton()} history shows it")
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    if standing is None:
        session.answer(render.submitted(placed[0]), documents.command(placed[0]), as_json=order.as_json)
        return
    session.answer(render.order(standing), documents.order(standing), as_json=order.as_json)
    raise typer.Exit(EXITS.get(standing.outcome, ExitStatus.OK))


def _by_hand(ctx: typer.Context, order: _Order) -> None:
    """Carry it out from here, and end with its status."""
    session = session_of(ctx)
    lines = render.MilestoneLines(session.err)
    quiet = order.as_json and not session.err.is_terminal
    begun: list[Command] = []

    def show(standing: Standing) -> None:
        if not quiet:
            lines.show(standing)

    def tell(text: str) -> None:
        if not quiet:
            session.note(text)

    async def act(connection: Connection) -> tuple[Standing | by_hand.Realigned, tuple[str, str], tuple[str, ...]]:
        command = order.command(session, connection)
        await _check(connection, command, session if order.ask else None)
        begun.append(command)
        tell(f"Order {command.id}")
        done = await by_hand.fail_over(connection, command, show=show, tell=tell, seconds_max=order.seconds_max)
        return done, connection.regions, await by_hand.running(connection)

    try:
        done, regions, running = session.run(act)
    except KeyboardInterrupt:
        stands = f"What is under way stays in force. Continue it: the same command. See it: {baton()} status"
        session.note(stands if begun else "Interrupted: nothing was ordered")
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    if isinstance(done, by_hand.Realigned):
        session.answer(by_hand_render.kept(done, regions, running), documents.kept(done), as_json=order.as_json)
        raise typer.Exit(ExitStatus.DEGRADED if done.missing else ExitStatus.OK)
    session.answer(by_hand_render.done_by_hand(done, regions, running), documents.order(done), as_json=order.as_json)
    raise typer.Exit(EXITS.get(done.outcome, ExitStatus.OK))


async def _check(connection: Connection, command: Command, asking: Session | None) -> None:
    """Refuse what is mistyped, and ask for confirmation. Whether it may be done, a controller decides."""
    if command.target is None:
        return
    if command.target not in connection.regions:
        raise Declined(f"there is no Region {command.target}; there are {' and '.join(connection.regions)}")
    control = await connection.ledger.control()
    if asking and not asking.confirmed(_question(command, control)):
        raise Declined("nothing was ordered")


async def _until_ready(connection: Connection, command: Command, session: Session, *, seconds_max: float) -> None:
    """Wait for a Region that is becoming ready: a planned switch is not urgent.

    A silent one, or one that is not ready in time, is not waited for: the controllers refuse with a reason.
    """
    deadline = connection.clock.now() + timedelta(seconds=seconds_max)
    told = False
    while connection.clock.now() < deadline:
        waiting = await _not_ready(connection, command)
        if waiting is None:
            return
        if not told:
            session.note(f"Waiting until {command.target} is ready: {waiting}")
            told = True
        await asyncio.sleep(_READY_POLL_SECONDS)


async def _not_ready(connection: Connection, command: Command) -> str | None:
    """Return what the target of an order still lacks; None: nothing, or nothing that waiting would bring."""
    situation = await queries.situation(connection)
    if situation.control.active_region == command.target:
        return None
    view = situation.of(command.target or "")
    if view.heartbeat is None:
        return "its controller was not heard yet"
    if view.is_silent or (view.heartbeat.ready is Verdict.HEALTHY and view.follows):
        return None
    rules = view.heartbeat.assessment.readiness
    lacking = [f"{rule.name}: {rule.value}" for rule in rules if rule.verdict is not Verdict.HEALTHY]
    return "; ".join(lacking) or "its controller does not say so yet"


def _question(command: Command, control: Control) -> str:
    forced = ", even if it is not ready" if command.force else ""
    return (
        f"Now {control.active_region} is active ({control.phase}, epoch {control.epoch}). "
        f"Order a {command.kind} to {command.target}{forced}?"
    )


# --- switches ---------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=PANEL, epilog=_EXITS_HELP)
def failover(
    ctx: typer.Context,
    *,
    to: To,
    reason: Reason = "",
    force: Annotated[bool, typer.Option("--force", help="Even if the Region has not proved to be ready.")] = False,
    without_controllers: Annotated[
        bool, typer.Option("--without-controllers", help="Carry it out from this machine: no controller is needed.")
    ] = False,
    by: By = None,
    wait: Wait = True,
    yes: Yes = False,
    timeout: SwitchTimeout = _SWITCH_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Make a Region active now, without waiting for the other one: for when that one has failed.

    The epoch moves at once; switch, routes and open batches follow. Neither a freeze nor a spent budget prevents it.

    With `--without-controllers` this command does it all itself, by the same rules and with the same record. It may be
    interrupted and repeated at any time; a controller that comes back continues it as well.
    """
    order = _Order(CommandKind.FAILOVER, by, reason, as_json, timeout, target=to, wait=wait, ask=not yes, force=force)
    if not without_controllers:
        _place(ctx, order)
    elif wait:
        _by_hand(ctx, order)
    else:
        raise typer.BadParameter("not with --no-wait: without controllers, only this command carries it out")


@app.command(rich_help_panel=PANEL, epilog=_EXITS_HELP)
def switchover(
    ctx: typer.Context,
    to: To,
    reason: Reason = "",
    by: By = None,
    wait: Wait = True,
    yes: Yes = False,
    timeout: SwitchTimeout = _SWITCH_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Make a Region active by a planned switch: admission pauses until every open batch can continue there.

    The command waits until the Region is ready, and is refused if it is not ready in time. The switch is rolled back
    automatically if the pause takes too long.
    """
    _place(ctx, _Order(CommandKind.SWITCHOVER, by, reason, as_json, timeout, target=to, wait=wait, ask=not yes))


@app.command(rich_help_panel=PANEL, epilog=_EXITS_HELP)
def failback(
    ctx: typer.Context,
    to: Annotated[
        str | None, typer.Option("--to", metavar="REGION", help="The home Region: the first one.", show_default=False)
    ] = None,
    reason: Reason = "",
    by: By = None,
    wait: Wait = True,
    yes: Yes = False,
    timeout: SwitchTimeout = _SWITCH_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Return to the home Region by a planned switch, as with `switchover`."""
    _place(ctx, _Order(CommandKind.FAILBACK, by, reason, as_json, timeout, target=to, wait=wait, ask=not yes))


def _lasting(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


For = Annotated[
    timedelta,
    typer.Option("--for", parser=_lasting, metavar="TIME", help="Such as 90s, 30m, 2h, 1d.", show_default=False),
]


@app.command(rich_help_panel=PANEL, epilog=_EXITS_HELP)
def drill(
    ctx: typer.Context,
    *,
    to: To,
    lasts: For,
    blocking_alarm: Annotated[
        str | None,
        typer.Option(help="A CloudWatch alarm that ends it at once. Default: the Region's own signals."),
    ] = None,
    reason: Reason = "",
    by: By = None,
    wait: Wait = True,
    yes: Yes = False,
    timeout: SwitchTimeout = _SWITCH_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Practise a switchover: switch over for a while, then return automatically; at once if there is a fault.

    The command returns when the first switch is over, and says when it ends. To end it earlier, order a switchover
    home. During the drill there is no automatic failover, unless the switch back had to be rolled back.
    """
    order = _Order(
        CommandKind.DRILL, by, reason, as_json, timeout, target=to, lasts=lasts, wait=wait, ask=not yes,
        blocking_alarm=blocking_alarm,
    )  # fmt: skip
    _place(ctx, order)


# --- what changes no Region -------------------------------------------------------------------------------------------


@app.command(rich_help_panel=PANEL)
def freeze(
    ctx: typer.Context,
    lasts: For,
    reason: Annotated[str, typer.Option("--reason", help="Why, for other operators.", show_default=False)],
    by: By = None,
    wait: Wait = True,
    timeout: OrderTimeout = _ORDER_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Forbid every automatic action for a while. Operators' orders are still carried out."""
    _place(ctx, _Order(CommandKind.FREEZE, by, reason, as_json, timeout, lasts=lasts, wait=wait))


@app.command(rich_help_panel=PANEL)
def unfreeze(
    ctx: typer.Context,
    freeze_id: Annotated[
        str | None, typer.Argument(metavar="FREEZE", help="Which one, if several are in force.", show_default=False)
    ] = None,
    reason: Reason = "",
    by: By = None,
    wait: Wait = True,
    timeout: OrderTimeout = _ORDER_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Lift a freeze before it expires; others stay in force. If nothing is frozen, nothing is ordered."""
    session = session_of(ctx)

    async def frozen(connection: Connection) -> bool:
        return (await connection.ledger.control()).frozen(connection.clock.now())

    if not session.run(frozen):
        answer: Json = {"kind": CommandKind.UNFREEZE.value, "outcome": "done", "answer": "nothing is frozen"}
        session.answer(told("Nothing is frozen, so nothing was ordered."), answer, as_json=as_json)
        return
    _place(ctx, _Order(CommandKind.UNFREEZE, by, reason, as_json, timeout, wait=wait, freeze_id=freeze_id))


@app.command(rich_help_panel=PANEL)
def ack(
    ctx: typer.Context,
    reason: Reason = "",
    by: By = None,
    wait: Wait = True,
    timeout: OrderTimeout = _ORDER_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Acknowledge past automatic failovers: they no longer count against the budget."""
    _place(ctx, _Order(CommandKind.ACK, by, reason, as_json, timeout, wait=wait))
