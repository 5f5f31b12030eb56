"""Shows the plan of a switch to people."""

import json
from collections.abc import Iterable
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from baton_cli.batches.render import plain, table_of
from baton_cli.handover.explain_render import rules_table
from baton_cli.handover.planning import SwitchPlan
from handover.plan import PlannedCall
from handover.timeline import TimedStep


def plan(plan: SwitchPlan, *, timing: bool) -> RenderableType:
    """Return whether it would be done, by whom, on what rules, and each call; `timing` adds the worst case in time."""
    parts: list[RenderableType] = [_verdict(plan)]
    if plan.readiness:
        parts.append(Padding(rules_table("READINESS", plan.readiness), (1, 0, 0, 2), expand=False))
    for part, calls in groupby(plan.calls, key=lambda call: call.part):
        parts += [Text(), Text(part, style="bold"), *(line for call in calls for line in _call(call))]
    if timing:
        parts += [Text(), Text("An automatic failover, at worst", style="bold"), _timeline(plan.timeline)]
    return Group(*parts)


def _verdict(plan: SwitchPlan) -> Text:
    control = plan.situation.control
    head = plain(f"{plan.kind} from {control.active_region} to {plan.target}, epoch {control.epoch}: ")
    if plan.refusal is not None:
        return head.append("would be refused: ", style="bold red").append_text(plain(plan.refusal))
    if plan.driver is None:
        return head.append("no controller would take it: none runs", style="bold red")
    return head.append(f"the controller of {plan.driver.region} would take it", style="green")


def _call(call: PlannedCall) -> Iterable[RenderableType]:
    plane = "" if call.data_plane else ", control plane"
    yield Padding(plain(f"{call.service} {call.operation}  ({call.times}{plane})"), (0, 0, 0, 2), expand=False)
    yield Padding(Text("from ", style="dim").append_text(plain(call.served_from)), (0, 0, 0, 6), expand=False)
    if call.why:
        yield Padding(Text("why ", style="dim").append_text(plain(call.why)), (0, 0, 0, 6), expand=False)
    parameters = plain(json.dumps(call.parameters, ensure_ascii=False))
    parameters.stylize("dim")
    yield Padding(parameters, (0, 0, 0, 6), expand=False)


def _timeline(steps: Iterable[TimedStep]) -> Table:
    table = table_of("AT", "STEP", "TAKES", "WHY", numbers=("AT", "TAKES"))
    for step in steps:
        table.add_row(f"{step.at_seconds:.1f} s", plain(step.name), f"{step.seconds:.1f} s", plain(step.reason))
    return table
