"""Shows the outcome of a failover without controllers, and what is left to do."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from baton_cli.batches.render import grid, plain
from baton_cli.handover.by_hand import Realigned, still_to_do
from baton_cli.handover.orders import OrderOutcome, Standing
from baton_cli.handover.render import order
from baton_cli.hints import baton


def done_by_hand(standing: Standing, regions: tuple[str, str], running: Sequence[str]) -> RenderableType:
    """Return the outcome of an order that this machine carried out, and what is left to do."""
    head, control, switch = order(standing), standing.control, standing.transition
    if standing.outcome is OrderOutcome.UNDER_WAY:
        again = f"{baton()} failover --to {standing.command.target} --without-controllers"
        return Group(head, _left([f"continue it: {again}"]))
    if switch and control and control.active_region == switch.target:
        return Group(head, _left(still_to_do(control, missing=switch.degraded, regions=regions, running=running)))
    return head


def kept(kept: Realigned, regions: tuple[str, str], running: Sequence[str]) -> RenderableType:
    """Return what was brought in line with the control row, and what is left to do."""
    control = kept.control
    rows: list[tuple[str, RenderableType]] = [
        ("now", f"{control.active_region} was active already, under epoch {control.epoch}"),
        *((each.step.value, plain(each.note, style="green" if each.done else "bold red")) for each in kept.results),
    ]
    return Group(grid(rows), _left(still_to_do(control, missing=kept.missing, regions=regions, running=running)))


def _left(lines: Sequence[str]) -> RenderableType:
    return Group(Text("\nStill to do", style="bold"), *(plain(f"- {line}") for line in lines))
