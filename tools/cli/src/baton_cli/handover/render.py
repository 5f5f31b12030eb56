"""Answers about handovers for people. Reasons, notes and values are foreign text: shown, never interpreted."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from baton.model.control import Control, StepOutcome, Transition
from baton.model.journal import Assessment, Command, CommandState, Decision, DecisionKind, Rule, Verdict
from baton_cli.batches.render import grid, moment, plain, span, table_of, with_next
from baton_cli.handover.epoch_render import went_back
from baton_cli.handover.orders import Milestone, OrderOutcome, Standing, Tone, milestones, settler, since
from baton_cli.handover.queries import ControllerView, Explained, Situation
from baton_cli.hints import baton
from handover.metrics import CLOCK_OFF_SECONDS_MAX

_BRAKE: Final = "BRAKE"
_VERDICTS: Final = {Verdict.HEALTHY: "green", Verdict.UNHEALTHY: "bold red", Verdict.UNKNOWN: "yellow"}
_TONES: Final = {Tone.NEUTRAL: "", Tone.GOOD: "green", Tone.BAD: "bold red"}
_KINDS: Final = {
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
    """Return what has come of an order, and what to do next."""
    command = standing.command
    rows: list[tuple[str, RenderableType]] = [
        ("order", plain(f"{command.id}: {_wording(command)}")),
        ("outcome", _outcome(standing)),
    ]
    if standing.control:
        rows.append(("now", f"{standing.control.active_region} is active under epoch {standing.control.epoch}"))
    return with_next(rows, _next(standing))


def _wording(command: Command) -> str:
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
                f"See what came of it: {baton()} explain {standing.command.id}. "
                f"Which controllers run: {baton()} status"
            )
        case OrderOutcome.UNDER_WAY:
            return f"It continues. See how: {baton()} explain {me}, or {baton()} history --until-outcome"
        case OrderOutcome.DEGRADED:
            return f"The controllers continue with what is missing. See how: {baton()} explain {me}, {baton()} history"
        case _:
            return f"See how and why: {baton()} explain {me}"


def submitted(command: Command) -> RenderableType:
    """Return the answer of an order that nobody waits for."""
    return with_next([("order", plain(f"{command.id}: {_wording(command)}"))], f"{baton()} explain {command.id}")


# --- status -----------------------------------------------------------------------------------------------------------


def handover(situation: Situation) -> RenderableType:
    """Return what `status` shows of the control row and of both controllers."""
    control, now = situation.control, situation.at
    phase = f"{control.phase}" + (f" for {span(now - control.phase_since)}" if control.phase_since else "")
    phase += "" if control.admits(now) else ": admits nothing"
    rows: list[tuple[str, RenderableType]] = [("phase", Text(phase))]
    rows += [("ledger", went_back(found)) for found in (situation.went_back,) if found]
    if control.transition:
        name = "switch" if control.in_transition else "last switch"
        rows.append((name, plain(_switch(control.transition, now))))
    rows += _brakes(control, now)
    rows += [(rule.name, _budget(rule)) for rule in situation.budgets]
    controllers = table_of("CONTROLLER", "HEARD", "CANARY", "READY", "FOLLOWS")
    for view in sorted(situation.controllers, key=lambda view: view.region != control.active_region):
        controllers.add_row(*_controller(view))
    return Group(grid(rows), Text(), controllers)


def _switch(transition: Transition, now: datetime) -> str:
    head = f"{transition.id}: {transition.kind} from {transition.source} to {transition.target}"
    if transition.ended is None:
        steps = ", ".join(f"{each.step} {each.outcome}" for each in transition.steps) or "no step is through yet"
        return f"{head}, under way for {span(now - transition.started_at)}: {steps}"
    ago = f" {span(now - transition.ended_at)} ago" if transition.ended_at else ""
    return f"{head}, {transition.outcome}{ago}{transition.batches_told}"


def _brakes(control: Control, now: datetime) -> Iterable[tuple[str, RenderableType]]:
    freeze, drill, until = control.freeze, control.drill, control.cooldown_until
    if freeze and control.frozen(now):
        yield (
            "frozen",
            plain(f"by {freeze.by} until {moment(freeze.until)}: {freeze.reason}. Lift it: {baton()} unfreeze"),
        )
    if until and now < until:
        yield "cooldown", f"for another {span(until - now)}: no automatic failover"
    if drill:
        alarm = f", or as soon as {drill.blocking_alarm} fires" if drill.blocking_alarm else ""
        yield "drill", plain(f"back to {drill.home} at {moment(drill.ends_at)}{alarm}")


def _budget(rule: Rule) -> Text:
    return Text(f"{rule.value}; spent: a human looks, then baton ack" if rule.blocks else rule.value)


def _controller(view: ControllerView) -> Sequence[RenderableType]:
    beat = view.heartbeat
    if beat is None or view.age is None:
        return (view.region, Text("never", style="bold red"), "-", "-", "-")
    said = ": silent" if view.is_silent else ""
    heard = Text(f"{span(view.age)} ago{said}", style="bold red" if said else "green")
    follows = Text("yes", style="green") if view.follows else Text(f"no: epoch {beat.epoch_seen}", style="red")
    return (view.region, heard, verdict(beat.canary), verdict(beat.ready), follows)


def verdict(verdict: Verdict) -> Text:
    return Text(verdict.value, style=_VERDICTS[verdict])


# --- explain ----------------------------------------------------------------------------------------------------------


def explanation(situation: Situation) -> RenderableType:
    """Return both controllers' last assessments, the standby's first, since it decides about a failover."""
    parts: list[RenderableType] = []
    for view in situation.controllers:
        parts += [*_said(view, situation.control), Text()]
    if situation.last is None:
        return Group(*parts, Text("Nothing was decided yet."))
    return Group(*parts, Text("The last decision", style="bold"), Padding(_decision(situation.last), (0, 0, 0, 2)))


def _said(view: ControllerView, control: Control) -> Iterable[RenderableType]:
    role = "active" if view.region == control.active_region else "standby"
    beat = view.heartbeat
    if beat is None or view.age is None:
        yield Text(f"No controller of {view.region} ({role}) was ever heard.", style="bold red")
        return
    notes = [Text(f"Said by the controller of {view.region} ({role}) {span(view.age)} ago.", style="dim")]
    if view.is_silent:
        text = f"The controller of {view.region} ({role}) is silent: this is what it said {span(view.age)} ago."
        notes = [Text(text, style="bold red")]
    if not view.follows:
        notes.append(Text(f"It does not follow: it knows epoch {beat.epoch_seen}, not {control.epoch}.", style="red"))
    yield from _assessment(beat.assessment, *notes)


def _assessment(assessment: Assessment, *notes: Text) -> Iterable[RenderableType]:
    conclusion = plain(f"{assessment.region}: {assessment.conclusion}")
    conclusion.stylize("bold")
    yield conclusion
    epoch = "unknown" if assessment.epoch is None else assessment.epoch
    for note in (*notes, Text(f"{assessment.standing}, epoch {epoch}", style="dim")):
        yield Padding(note, (0, 0, 0, 2))
    if assessment.clock_off_seconds > CLOCK_OFF_SECONDS_MAX:
        text = f"Its clock and another one are {span(timedelta(seconds=assessment.clock_off_seconds))} apart."
        yield Padding(Text(text, style="red"), (0, 0, 0, 2))
    for each in assessment.failing:
        text = plain(f"{each.step} is not as the ledger says, and is tried on: {each.note}", style="red")
        yield Padding(text, (0, 0, 0, 2))
    groups = (("SIGNAL", assessment.evidence), ("READINESS", assessment.readiness), (_BRAKE, assessment.brakes))
    for title, rules in groups:
        if rules:
            yield Padding(rules_table(title, rules), (1, 0, 0, 2))


def rules_table(title: str, rules: Sequence[Rule]) -> Table:
    """Return rules as they stood; a brake is free or blocks."""
    table = table_of(title, "VERDICT", "VALUE", "ASKED FOR", "AGE", numbers=("AGE",))
    for rule in rules:
        says = verdict(rule.verdict)
        if rule.blocks:
            says = Text("BLOCKS", style="bold red")
        elif title == _BRAKE:
            says = Text("free", style="green")
        age = "-" if rule.age_seconds is None else span(timedelta(seconds=rule.age_seconds))
        value = plain(rule.value)
        if rule.note:
            value.append("\n").append_text(plain(rule.note, style="dim"))
        table.add_row(plain(rule.name), says, value, plain(rule.threshold), age)
    return table


def _decision(decision: Decision) -> RenderableType:
    summary = plain(decision.summary)
    summary.stylize(_KINDS.get(decision.kind, ""))
    rows: list[tuple[str, RenderableType]] = [
        ("decided", summary),
        ("kind", decision.kind.value),
        ("at", f"{moment(decision.at)} by {_decider(decision)}, epoch {decision.epoch}"),
        ("id", plain(decision.id)),
    ]
    if decision.transition_id:
        rows.append(("switch", plain(decision.transition_id)))
    if decision.command_id:
        rows.append(("command", plain(decision.command_id)))
    return grid(rows)


def _decider(decision: Decision) -> str:
    return f"{decision.operator}, without a controller" if decision.operator else f"the controller of {decision.region}"


def found(found: Explained) -> RenderableType:
    """Return what an id names, with its grounds and what belongs to it."""
    parts: list[RenderableType] = []
    if found.decision:
        parts += [_decision(found.decision), Text()]
        if found.decision.assessment:
            parts += [*_assessment(found.decision.assessment), Text()]
        else:
            parts += [
                Text("It rests on the order or on the step alone: no rules are kept with it.", style="dim"),
                Text(),
            ]
    if found.command:
        parts += [_command(found.command), Text()]
    if found.transition:
        parts += [_transition(found.transition), Text()]
    if found.related:
        parts += [Text("What belongs to it", style="bold"), _related(found.related)]
    elif not found.decision:
        parts.append(Text("Nothing was decided about it so far."))
    return Group(*parts)


def _command(command: Command) -> RenderableType:
    rows: list[tuple[str, RenderableType]] = [
        ("command", plain(f"{command.id}: {_wording(command)}")),
        ("at", f"{moment(command.at)}"),
    ]
    if command.reason:
        rows.append(("reason", plain(command.reason)))
    if command.until:
        rows.append(("until", f"{moment(command.until)}"))
    if command.blocking_alarm:
        rows.append(("ends if", plain(f"{command.blocking_alarm} fires")))
    style = {CommandState.PENDING: "yellow", CommandState.REFUSED: "bold red"}.get(command.state, "green")
    state = Text(command.state.value, style=style)
    if command.settled_by:
        state.append_text(plain(f" by {settler(command)}: {command.answer}"))
    return grid([*rows, ("state", state)])


def _transition(transition: Transition) -> RenderableType:
    rows: list[tuple[str, RenderableType]] = [
        ("switch", plain(f"{transition.id}: {transition.kind} from {transition.source} to {transition.target}")),
        ("outcome", plain(transition.outcome or "under way")),
        ("reason", plain(transition.reason)),
        (
            "ordered",
            "automatically" if transition.automatic else plain(transition.command_id or "by an operator"),
        ),
        ("started", f"{moment(transition.started_at)}"),
    ]
    for step in transition.steps:
        text = plain(
            f"{step.outcome} +{span(step.at - transition.started_at)} by {step.operator or step.by}: {step.note}"
        )
        text.stylize("green" if step.outcome is StepOutcome.DONE else "bold red")
        rows.append((step.step.value, text))
    return grid(rows)


def _related(decisions: Sequence[Decision]) -> RenderableType:
    started = decisions[0].at
    table = table_of("AFTER", "REGION", "KIND", "SUMMARY", "ID")
    for each in decisions:
        table.add_row(f"+{span(each.at - started)}", each.region, kind(each.kind), plain(each.summary), plain(each.id))
    return table


# --- history ----------------------------------------------------------------------------------------------------------


def kind(kind: DecisionKind) -> Text:
    return Text(kind.value, style=_KINDS.get(kind, ""))


def history(decisions: Sequence[Decision]) -> RenderableType:
    """Return decisions in the order given, each as a line of facts and what was decided."""
    if not decisions:
        return Text("Nothing was decided yet.")
    parts: list[RenderableType] = []
    for each in decisions:
        by = f"{each.operator} for {each.region}" if each.operator else each.region
        head = plain(f"{moment(each.at)}  {by}  ", style="dim").append_text(kind(each.kind))
        parts.append(head.append(f"  epoch {each.epoch}  ").append_text(plain(each.id)))
        parts.append(Padding(plain(each.summary), (0, 0, 0, 4)))
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
