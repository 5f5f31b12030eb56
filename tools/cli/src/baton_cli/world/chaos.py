"""Faults in a world on this machine: cut a Region off, kill a service, slow a link, stop ARC endpoints."""

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from baton_cli.batches.documents import Json
from baton_cli.batches.render import told as lines
from baton_cli.hints import baton
from baton_cli.options import AsJson
from baton_cli.session import session_of
from baton_cli.world import render
from baton_cli.world.commands import PANEL, ask

if TYPE_CHECKING:  # see session.py
    from baton_local.switches.admin import Admin

app = typer.Typer()
_chaos = typer.Typer(
    help="Inject faults into a world on this machine: cut a Region off, kill a service, slow a link.",
    no_args_is_help=True,
)
_arc = typer.Typer(
    help="Inject faults into the routing-control cluster: take its endpoints down, close its gate.",
    no_args_is_help=True,
)
app.add_typer(_chaos, name="chaos", rich_help_panel=PANEL)
_chaos.add_typer(_arc, name="arc")

_EMULATORS: Final = ("emulator", "localstack", "ministack")
"""Of a Region, as processes and as containers: whatever a world holds is in them."""
_ENDPOINTS: Final = 5
Endpoints = Annotated[
    list[int], typer.Argument(min=1, max=_ENDPOINTS, metavar="N...", help="From 1 to 5.", show_default=False)
]
Region = Annotated[str, typer.Argument(help="Such as us-east-1.", show_default=False)]
Service = Annotated[str, typer.Argument(help="Such as worker; see `baton chaos status`.", show_default=False)]


@_chaos.command("status")
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show processes, links, replication and routing controls."""
    session = session_of(ctx)
    found = ask(session, lambda admin: admin.status())
    session.answer(render.world(found), found.model_dump(mode="json"), as_json=as_json)


@_chaos.command()
def cut(ctx: typer.Context, region: Region, as_json: AsJson = False) -> None:
    """Cut a Region off: silently, both ways. Services inside keep running."""
    told = f"{region} is cut off. Heal it: {baton()} chaos heal {region}"
    _disturb(ctx, lambda admin: admin.cut(region), told, {"region": region, "cut": True}, as_json=as_json)


@_chaos.command()
def heal(ctx: typer.Context, region: Region, as_json: AsJson = False) -> None:
    """Connect a Region again."""
    told = f"{region} is connected again."
    _disturb(ctx, lambda admin: admin.heal(region), told, {"region": region, "cut": False}, as_json=as_json)


@_chaos.command()
def kill(
    ctx: typer.Context,
    region: Region,
    service: Service,
    as_json: AsJson = False,
) -> None:
    """Kill a service with SIGKILL; it is started again. With an emulator the data of its Region are gone."""
    after = f"it is started again: {baton()} chaos status"
    if service in _EMULATORS:
        after = f"its data are gone with it. Start a new world: {baton()} down, then {baton()} up"
    told, document = f"{service} in {region} is killed; {after}", {"region": region, "killed": service}
    _disturb(ctx, lambda admin: admin.kill(region, service), told, document, as_json=as_json)


@_chaos.command()
def pause(ctx: typer.Context, region: Region, service: Service, as_json: AsJson = False) -> None:
    """Freeze a service: its process exists and holds its connections, but does nothing."""
    told = f"{service} in {region} is frozen. Resume it: {baton()} chaos resume {region} {service}"
    document = {"region": region, "paused": service}
    _disturb(ctx, lambda admin: admin.pause(region, service), told, document, as_json=as_json)


@_chaos.command()
def resume(ctx: typer.Context, region: Region, service: Service, as_json: AsJson = False) -> None:
    """Resume a frozen service."""
    told, document = f"{service} in {region} continues.", {"region": region, "resumed": service}
    _disturb(ctx, lambda admin: admin.resume(region, service), told, document, as_json=as_json)


@_chaos.command()
def slow(
    ctx: typer.Context,
    region: Region,
    seconds: Annotated[
        float, typer.Argument(min=0, help="How long each piece of a request is delayed. 0: not at all.")
    ],
    link: Annotated[
        str | None, typer.Option(help="Only this link, such as `s3`; by default all of the Region's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Slow a Region's links down. In the composed world its own calls to S3 and DynamoDB are links too."""
    which = link or "every link"
    told = f"{which} of {region} takes {seconds:g} s longer. End it: {baton()} chaos heal {region}"
    document: Json = {"region": region, "link": link, "delay_seconds": seconds}
    _disturb(ctx, lambda admin: admin.slow(region, seconds, link), told, document, as_json=as_json)


@_chaos.command()
def throttle(
    ctx: typer.Context,
    region: Region,
    share: Annotated[float, typer.Argument(min=0, max=1, help="Of all calls, from 0 to 1.")],
    as_json: AsJson = False,
) -> None:
    """Make a Region's DynamoDB refuse a share of all calls. In the composed world only."""
    told = f"DynamoDB in {region} refuses {share:.0%} of all calls. End it: {baton()} chaos heal {region}"
    document: Json = {"region": region, "throttled_share": share}
    _disturb(ctx, lambda admin: admin.throttle(region, share), told, document, as_json=as_json)


class AnswerChoice(StrEnum):
    """What happens to calls that are hit: see `baton_local.stand_ins.refuser.RefusalKind`."""

    THROTTLED = "throttled"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"
    LATE = "late"


@_chaos.command()
def refuse(
    ctx: typer.Context,
    region: Region,
    share: Annotated[float, typer.Argument(min=0, max=1, help="Of all calls, from 0 to 1.")],
    link: Annotated[
        str, typer.Option(help="`s3` or `dynamodb`: the Region's own calls; `inward`: all that is asked from outside.")
    ] = "s3",
    how: Annotated[AnswerChoice, typer.Option(help="The answer to these calls.")] = AnswerChoice.UNAVAILABLE,
    as_json: AsJson = False,
) -> None:
    """Refuse a share of the calls on a Region's link, or let them come late. In the composed world only."""
    from baton_local.stand_ins.refuser import RefusalKind  # noqa: PLC0415 - see `WorldPlaces.connect`

    told = f"{share:.0%} of the calls on {link} of {region} are {how}. End it: {baton()} chaos heal {region}"
    document: Json = {"region": region, "link": link, "refused_share": share, "answer": how.value}
    _disturb(ctx, lambda admin: admin.refuse(region, link, share, RefusalKind(how)), told, document, as_json=as_json)


@_chaos.command()
def lag(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Argument(min=0, help="0 replicates at once.")],
    as_json: AsJson = False,
) -> None:
    """Delay replication between the buckets."""
    told, document = f"Replication lags {seconds:g} s.", {"lag_seconds": seconds}
    _disturb(ctx, lambda admin: admin.replication(lag_seconds=seconds), told, document, as_json=as_json)


@_chaos.command()
def dials(
    ctx: typer.Context,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="How long a change takes; S3 takes up to two minutes. 0: at once.")
    ] = None,
    refused: Annotated[
        bool | None, typer.Option("--refused/--allowed", help="Refuse to read and to change them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let the access point's dials change slowly, or refuse changes."""
    told = "The dials are set as ordered."
    document: Json = {"turn_seconds": seconds, "refused": refused}
    _disturb(ctx, lambda admin: admin.dials(turn_seconds=seconds, refused=refused), told, document, as_json=as_json)


class OutageChoice(StrEnum):
    """How an endpoint is down: see `baton_local.stand_ins.arc.Outage`."""

    SILENT = "silent"
    REFUSING = "refusing"
    MAINTENANCE = "maintenance"
    DENIED = "denied"


@_arc.command("down")
def arc_down(
    ctx: typer.Context,
    numbers: Endpoints,
    how: Annotated[
        OutageChoice, typer.Option(help="A black hole, closed connections, or an answer that is an error.")
    ] = (OutageChoice.SILENT),
    as_json: AsJson = False,
) -> None:
    """Take endpoints of the cluster down. With more than two of five down, nothing can be switched."""
    from baton_local.stand_ins.arc import Outage  # noqa: PLC0415 - see `WorldPlaces.connect`

    async def take_down(admin: "Admin") -> None:
        for number in numbers:
            await admin.arc_down(number, Outage(how))

    listed = ", ".join(map(str, numbers))
    told = f"Down ({how}): {listed}. Bring up: {baton()} chaos arc up {' '.join(map(str, numbers))}"
    _disturb(ctx, take_down, told, {"endpoints": numbers, "down": how}, as_json=as_json)


@_arc.command("up")
def arc_up(ctx: typer.Context, numbers: Endpoints, as_json: AsJson = False) -> None:
    """Bring endpoints of the cluster up again."""

    async def bring_up(admin: "Admin") -> None:
        for number in numbers:
            await admin.arc_up(number)

    told = f"Up: {', '.join(map(str, numbers))}."
    _disturb(ctx, bring_up, told, {"endpoints": numbers, "down": None}, as_json=as_json)


@_arc.command("lag")
def arc_lag(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Argument(min=0, help="0: a change is visible at once.", show_default=False)],
    numbers: Endpoints,
    as_json: AsJson = False,
) -> None:
    """Let endpoints of the cluster return old values for a while after each change."""

    async def lag_behind(admin: "Admin") -> None:
        for number in numbers:
            await admin.arc_lag(number, seconds)

    told = f"Behind by {seconds:g} s: {', '.join(map(str, numbers))}."
    _disturb(ctx, lag_behind, told, {"endpoints": numbers, "lag_seconds": seconds}, as_json=as_json)


class GateAct(StrEnum):
    """What can be done to a gate."""

    OPEN = "open"
    CLOSE = "close"


@_arc.command("gate")
def arc_gate(
    ctx: typer.Context,
    act: Annotated[GateAct, typer.Argument(help="While the gate is closed no switch is possible.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Open or close the gate before the routing controls."""
    is_open = act is GateAct.OPEN
    told = "The gate is open." if is_open else f"The gate is closed. Open it: {baton()} chaos arc gate open"
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
    ask(session, act)
    session.answer(lines(told), document, as_json=as_json)
