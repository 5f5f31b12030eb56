"""Answers about the world on this machine for people."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from baton_cli.batches.render import grid, plain, table_of, told
from baton_cli.hints import baton

if TYPE_CHECKING:  # see session.py
    from baton_local.switches.admin import ArcStatus, SupervisorStatus


def up(headline: str, log_directory: str) -> RenderableType:
    """Return that the world runs, and what to try first."""
    first = (
        "baton sample",
        "baton reference load financial financial.csv --key uuid",
        "baton submit sales.csv --job sales --watch",
    )
    steps = (f"  {step.replace('baton', baton(), 1)}" for step in first)
    return told(headline, f"Logs: {log_directory}", "Send a first file:", *steps)


def world(status: "SupervisorStatus") -> RenderableType:
    regions = table_of("REGION", "LINKS", "UPLOADS", "CONTROL")
    for name, region in status.regions.items():
        link = Text("cut", style="bold red") if region.cut else Text("up", style="green")
        control = Text("On", style="green") if status.arc.states.get(name) else Text("Off", style="dim")
        regions.add_row(name, link, f"{region.dial} %", control)
    processes = table_of("REGION", "PROCESS", "PID", "STATE", "RESTARTS", numbers=("PID", "RESTARTS"))
    for process in status.processes:
        pid = "-" if process.pid is None else str(process.pid)
        processes.add_row(process.region, process.name, pid, process.state, str(process.restarts))
    copying = status.replication
    backlog = ", ".join(f"{count:,} from {region}" for region, count in copying.backlog.items())
    line = (
        f"Replication: {'cut' if copying.cut else 'up'}, lag {copying.lag_seconds:g} s, waiting: {backlog or 'none'}."
    )
    return Group(regions, Text(), processes, Text(), Text(line), _cluster(status.arc))


def _cluster(arc: "ArcStatus") -> Text:
    up = sum(endpoint.state == "up" for endpoint in arc.endpoints)
    disturbed = [f"{each.number} ({each.region}) is {each.state}" for each in arc.endpoints if each.state != "up"]
    gate = "open" if arc.gate_open else "closed"
    line = f"Routing controls: {up} of {len(arc.endpoints)} endpoints up, gate {gate}."
    return Text(line + "".join(f" Endpoint {each}." for each in disturbed))


def _unbroken(line: str) -> Text:
    # A link that is cut into lines can neither be clicked nor copied.
    text = plain(line)
    text.no_wrap, text.overflow = True, "ignore"
    return text


def inbox(mails: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not mails:
        return Text("No mail.")
    parts: list[RenderableType] = []
    for mail in mails:
        parts += [
            Text("─" * 60, style="dim"),
            grid(
                (
                    ("from", plain(str(mail["sender"]))),
                    ("to", plain(", ".join(mail["recipients"]))),
                    ("at", plain(str(mail["received_at"]))),
                    ("subject", plain(str(mail["subject"]))),
                )
            ),
            Text(),
            *(_unbroken(line) for line in str(mail["text"]).splitlines()),
        ]
    return Group(*parts)
