"""Answers about handovers for people. Reasons, notes and values are foreign text: shown, never interpreted."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from baton.model.control import Control, Drill, Transition
from baton.model.journal import Command, CommandKind, Decision, DecisionKind, Rule, Verdict
from baton_cli.batches.render import grid, moment, plain, span, table_of, with_next
from baton_cli.handover.epoch_render import went_back
from baton_cli.handover.orders import Milestone, OrderOutcome, Standing, Tone, milestones, since
from baton_cli.handover.queries import ControllerView, Situation
from baton_cli.hints import baton

_VERDICTS: Final = {Verdict.HEALTHY: "green", Verdict.UNHEALTHY: "bold red", Verdict.UNKNOWN: "yellow"}
_TONES: Final = {Tone.NEUTRAL: "", Tone.GOOD: "green", Tone.BAD: "bold red"}
DECISION_STYLES: Final = {
    DecisionKind.HELD: "yellow",
    DecisionKind.RECOMMENDED: "bold yellow",
    DecisionKind.COMMITTED: "bold",
    DecisionKind.COMPLETED: "green",
    DecisionKind.ROLLED_BACK: "bold red",
    DecisionKind.REFUSED: "red",
    DecisionKind.FAILED: "red",
    DecisionKind.REPAIRED: "yellow",
}


# --- orders -----------------------------------------------------------------------------------------------------------


class MilestoneLines:
    """Prints each milestone of an order once, with the time since it was given."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()
        self._problem: str | None = None

    def show(self, standing: Standing) -> None:
        """Print what is new."""
        for milestone in milestones(standing):
            if milestone.name not in self._told:
                self._told.add(milestone.name)
                self._print(standing, milestone)
        if standing.problem != self._problem:
            self._problem = standing.problem
            text, tone = (
                (standing.problem, Tone.BAD) if standing.problem else ("the ledger answers again", Tone.NEUTRAL)
            )
            self._print(standing, Milestone("problem", text, tone))

    def _print(self, standing: Standing, milestone: Milestone) -> None:
        self._console.print(after(since(standing)).append_text(_toned(milestone)), soft_wrap=True)


def _toned(milestone: Milestone) -> Text:
    text = plain(milestone.text)
    text.stylize(_TONES[milestone.tone])
    return text


def after(passed: timedelta) -> Text:
    """Return the time since something, in a column of its own."""
    return Text(f"+{passed.total_seconds():7.1f} s  ", style="dim")


def order(standing: Standing) -> RenderableType:
    """Return the outcome of an order so far, and what to do next."""
    command = standing.command
    rows: list[tuple[str, RenderableType]] = [
        ("order", plain(f"{command.id}: {wording(command)}")),
        ("outcome", _outcome(standing)),
    ]
    if standing.control:
        rows.append(("now", f"{standing.control.active_region} is active under epoch {standing.control.epoch}"))
    if drill := _drill_of(standing):
        rows.append(
            ("ends", f"{moment(drill.ends_at)}, or at a fault: then {drill.home} becomes active again automatically")
        )
    return with_next(rows, _next(standing))


def wording(command: Command) -> str:
    """Return what was ordered, and by whom."""
    target = f" to {command.target}" if command.target else ""
    return f"{command.kind}{target}, by {command.by}"


def _outcome(standing: Standing) -> Text:
    command, outcome, took = standing.command, standing.outcome, span(since(standing))
    match outcome:
        case OrderOutcome.PENDING:
            return Text(f"pending: no controller took it within {took}", style="yellow")
        case OrderOutcome.REFUSED:
            return Text("refused: ", style="bold red").append_text(plain(command.answer))
        case OrderOutcome.UNDER_WAY:
            return Text(f"under way for {took}", style="yellow")
        case OrderOutcome.DONE:
            return plain(command.answer)
        case OrderOutcome.COMPLETED:
            return Text(f"completed after {took}", style="green")
        case _:
            assert standing.transition is not None
            return Text(f"after {took}: ", style="bold red").append_text(plain(standing.transition.outcome or ""))


def _next(standing: Standing) -> str:
    me = standing.transition.id if standing.transition else standing.command.id
    match standing.outcome:
        case OrderOutcome.PENDING:
            return (
                "It stays pending until a controller runs; an order to switch is refused once it is too old. "
                f"See its outcome: {baton()} explain {standing.command.id}. "
                f"Which controllers run: {baton()} status"
            )
        case OrderOutcome.UNDER_WAY:
            return f"It continues. See how: {baton()} explain {me}, or {baton()} history --until-outcome"
        case OrderOutcome.DEGRADED:
            return f"The controllers continue with what is missing. See how: {baton()} explain {me}, {baton()} history"
        case _ if drill := _drill_of(standing):
            return f"End it earlier: {baton()} switchover --to {drill.home}. Follow it: {baton()} history --follow"
        case _:
            return f"See how and why: {baton()} explain {me}"


def _drill_of(standing: Standing) -> Drill | None:
    """Return the drill that this order has begun, and that is still to return."""
    is_begun = standing.command.kind is CommandKind.DRILL and standing.transition and standing.transition.ended
    return standing.control.drill if is_begun and standing.control else None


def submitted(command: Command) -> RenderableType:
    """Return the answer of an order that nobody waits for."""
    return with_next([("order", plain(f"{command.id}: {wording(command)}"))], f"{baton()} explain {command.id}")


# --- status -----------------------------------------------------------------------------------------------------------


def handover(situation: Situation) -> RenderableType:
    """Return what `status` shows of the control row and of both controllers."""
    control, now = situation.control, situation.at
    rows: list[tuple[str, RenderableType]] = [("phase", Text(phase_of(control, now)))]
    rows += [("ledger", went_back(found)) for found in (situation.went_back,) if found]
    if control.transition:
        name = "switch" if control.in_transition else "last switch"
        rows.append((name, plain(_switch(control.transition, now))))
    rows += brakes_of(control, now)
    rows += [(rule.name, _budget(rule)) for rule in situation.budgets]
    controllers = table_of("CONTROLLER", "HEARD", "CANARY", "READY", "FOLLOWS")
    for view in sorted(situation.controllers, key=lambda view: view.region != control.active_region):
        controllers.add_row(*_controller(view))
    return Group(grid(rows), Text(), controllers)


def phase_of(control: Control, now: datetime) -> str:
    """Return the phase, since when, and whether files are taken."""
    phase = f"{control.phase}" + (f" for {span(now - control.phase_since)}" if control.phase_since else "")
    return phase if control.admits(now) else f"{phase}: admits nothing"


def _switch(transition: Transition, now: datetime) -> str:
    head = f"{transition.id}: {transition.kind} from {transition.source} to {transition.target}"
    if transition.ended is None:
        steps = ", ".join(f"{each.step} {each.outcome}" for each in transition.steps) or "no step is done yet"
        return f"{head}, under way for {span(now - transition.started_at)}: {steps}"
    ago = f" {span(now - transition.ended_at)} ago" if transition.ended_at else ""
    return f"{head}, {transition.outcome}{ago}{transition.batches_told}"


def brakes_of(control: Control, now: datetime) -> Iterable[tuple[str, RenderableType]]:
    """Yield what people and earlier switches hold back."""
    drill, until = control.drill, control.cooldown_until
    for freeze in control.freezes(now):
        lift = f"{baton()} unfreeze {freeze.id}".rstrip()
        yield "frozen", plain(f"by {freeze.by} until {moment(freeze.until)}: {freeze.reason}. Lift it: {lift}")
    if until and now < until:
        yield "cooldown", f"for another {span(until - now)}: no automatic failover"
    if drill:
        alarm = f", or as soon as {drill.blocking_alarm} fires" if drill.blocking_alarm else ""
        yield "drill", plain(f"back to {drill.home} at {moment(drill.ends_at)}{alarm}")


def _budget(rule: Rule) -> Text:
    return Text(f"{rule.value}; spent: find the cause, then baton ack" if rule.blocks else rule.value)


def _controller(view: ControllerView) -> Sequence[RenderableType]:
    beat = view.heartbeat
    if beat is None or view.age is None:
        return (view.region, Text("never", style="bold red"), "-", "-", "-")
    if view.is_silent:
        # What it said last need not be so any more.
        stale = Text("stale", style="yellow")
        return (view.region, Text(f"{span(view.age)} ago: silent", style="bold red"), stale, stale, stale)
    heard = Text(f"{span(view.age)} ago", style="green")
    follows = Text("yes", style="green") if view.follows else Text(f"no: epoch {beat.epoch_seen}", style="red")
    return (view.region, heard, verdict(beat.canary), verdict(beat.ready), follows)


def verdict(verdict: Verdict) -> Text:
    return Text(verdict.value, style=_VERDICTS[verdict])


# --- history ----------------------------------------------------------------------------------------------------------


def kind(kind: DecisionKind) -> Text:
    return Text(kind.value, style=DECISION_STYLES.get(kind, ""))


def history(decisions: Sequence[Decision]) -> RenderableType:
    """Return decisions in the order given, each as a line of facts and what was decided."""
    if not decisions:
        return Text("Nothing was decided yet.")
    parts: list[RenderableType] = []
    for each in decisions:
        by = f"{each.operator} for {each.region}" if each.operator else each.region
        head = plain(f"{moment(each.at)}  {by}  ", style="dim").append_text(kind(each.kind))
        parts.append(head.append(f"  epoch {each.epoch}  ").append_text(plain(each.id)))
        parts.append(Padding(plain(each.summary), (0, 0, 0, 4), expand=False))
    return Group(*parts)


def news(decision: Decision, *, first_at: datetime) -> Text:
    """Return one decision as a line of a timeline that starts at `first_at`."""
    parts = (
        after(decision.at - first_at),
        Text(f"{decision.region}  "),
        kind(decision.kind),
        Text(f"  epoch {decision.epoch}  "),
        plain(decision.summary),
        Text(f"  {decision.id}", style="dim"),
    )
    return Text().join(parts)
