"""Answers of `explain` for people: the present state, the last decision with its reasons, and what to type next."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from baton.model.control import Control, StepOutcome, Transition
from baton.model.journal import Assessment, Command, CommandState, Decision, Overlay, Rule, Verdict
from baton.topology import other_region
from baton_cli.batches.render import grid, moment, plain, span, table_of, told
from baton_cli.handover.orders import settler
from baton_cli.handover.queries import ControllerView, Explained, Situation
from baton_cli.handover.render import DECISION_STYLES, brakes_of, kind, phase_of, verdict, wording
from baton_cli.hints import baton
from handover.metrics import CLOCK_OFF_SECONDS_MAX

_BRAKE: Final = "BRAKE"
_READINESS: Final = "READINESS"


def explanation(situation: Situation, *, everything: bool) -> RenderableType:
    """Return what is, what was decided last, and what to type next.

    Of the rules those are shown that hold something back; `everything`: each one, with its value and threshold.
    """
    control, now = situation.control, situation.at
    head = Text.assemble(
        (control.active_region, "bold green"), f" is active under epoch {control.epoch}, ", phase_of(control, now), "."
    )
    parts: list[RenderableType] = [head, *([grid(brakes)] if (brakes := [*brakes_of(control, now)]) else [])]
    # What is heard comes before what is silent, and the active Region's word before the other's.
    for view in sorted(situation.controllers, key=lambda view: (view.is_silent, view.region != control.active_region)):
        parts += [Text(), *_said(view, control, everything=everything)]
    parts += [Text(), Text("Decided last", style="bold")]
    last = _decision(situation.last) if situation.last else Text("Nothing was decided yet.")
    return Group(*parts, _indented(last), Text(), Text("Next", style="bold"), told(*_next(situation, everything)))


def _next(situation: Situation, everything: bool) -> Iterable[str]:
    standby = other_region(situation.control.active_region, situation.regions)
    if situation.went_back:
        at_least = situation.went_back.at_least
        yield f"  {baton()} epoch --at-least {at_least}   # the ledger was restored; read the runbook first"
    if all(view.is_silent for view in situation.controllers):
        yield f"  {baton()} failover --to {standby} --without-controllers   # no controller runs, so none decides"
    if any(Overlay.RECOMMENDS in beat.assessment.overlays for beat in situation.heard):
        yield f"  {baton()} failover --to {standby}   # it is recommended, and waits for you"
    if any(rule.blocks for rule in situation.budgets):
        yield f"  {baton()} ack   # the budget of automatic failovers is spent; once you know the cause"
    if not everything:
        yield f"  {baton()} explain --all   # every rule of both controllers with its value"
    yield f"  {baton()} explain last   # the last decision with its grounds"
    yield f"  {baton()} history   # those before it"
    yield f"  {baton()} plan --to {standby}   # what a switch would do now, and whether it would be refused"


def _said(view: ControllerView, control: Control, *, everything: bool) -> Iterable[RenderableType]:
    role = "active" if view.region == control.active_region else "standby"
    beat = view.heartbeat
    if beat is None or view.age is None:
        yield Text(f"No controller of {view.region} ({role}) was ever heard.", style="bold red")
        return
    if view.is_silent:
        text = f"The controller of {view.region} ({role}) is silent: this is what it reported {span(view.age)} ago."
        notes = [Text(text, style="bold red")]
    else:
        notes = [Text(f"Reported by the controller of {view.region} ({role}) {span(view.age)} ago.", style="dim")]
    if not view.follows:
        notes.append(Text(f"It does not follow: it knows epoch {beat.epoch_seen}, not {control.epoch}.", style="red"))
    yield from _assessment(beat.assessment, *notes, everything=everything, stale=view.is_silent)


def _assessment(
    assessment: Assessment, *notes: Text, everything: bool, stale: bool = False
) -> Iterable[RenderableType]:
    """Yield a controller's words. `stale`: it is silent, so that nothing of it need still be so."""
    conclusion = plain(f"{assessment.region}: {assessment.conclusion}")
    conclusion.stylize("dim" if stale else "bold")
    epoch = "unknown" if assessment.epoch is None else assessment.epoch
    under = Text(f"{assessment.standing}, epoch {epoch}", style="dim")
    yield from (
        (*notes, _indented(conclusion), _indented(under)) if stale else (conclusion, *map(_indented, (*notes, under)))
    )
    if assessment.clock_off_seconds > CLOCK_OFF_SECONDS_MAX:
        text = f"Its clock and another one are {span(timedelta(seconds=assessment.clock_off_seconds))} apart."
        yield _indented(Text(text, style="red"))
    for each in assessment.failing:
        text = plain(f"{each.step} differs from the ledger, and is tried again: {each.note}", style="red")
        yield _indented(text)
    groups = (("SIGNAL", assessment.evidence), (_READINESS, assessment.readiness), (_BRAKE, assessment.brakes))
    for title, rules in groups:
        shown = [rule for rule in rules if everything or (not stale and _holds_back(title, rule))]
        if shown:
            yield Padding(rules_table(title, shown, stale=stale), (1, 0, 0, 2), expand=False)


def _holds_back(title: str, rule: Rule) -> bool:
    """Return whether somebody who asks why wants to see this rule first."""
    if title == _READINESS:
        return rule.verdict is not Verdict.HEALTHY
    return rule.blocks or (title != _BRAKE and rule.verdict is Verdict.UNHEALTHY)


def _indented(shown: RenderableType) -> Padding:
    return Padding(shown, (0, 0, 0, 2), expand=False)


def rules_table(title: str, rules: Sequence[Rule], *, stale: bool = False) -> Table:
    """Return rules as they stood; a brake is free or blocks. `stale`: who says so is silent since."""
    table = table_of(title, "VERDICT", "VALUE", "ASKED FOR", "AGE", numbers=("AGE",))
    for rule in rules:
        says = verdict(rule.verdict)
        if rule.blocks:
            says = Text("BLOCKS", style="bold red")
        elif title == _BRAKE:
            says = Text("free", style="green")
        if stale:
            says = Text(f"was {says.plain}", style="dim")
        age = "-" if rule.age_seconds is None or stale else span(timedelta(seconds=rule.age_seconds))
        value = plain(rule.value)
        if rule.note:
            value.append("\n").append_text(plain(rule.note, style="dim"))
        table.add_row(plain(rule.name), says, value, plain(rule.threshold), age)
    return table


def _decision(decision: Decision) -> RenderableType:
    summary = plain(decision.summary)
    summary.stylize(DECISION_STYLES.get(decision.kind, ""))
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


def found(found: Explained, *, everything: bool) -> RenderableType:
    """Return what an id names, with its grounds and what belongs to it; `everything`: all rules of the grounds."""
    parts: list[RenderableType] = []
    if found.decision:
        parts += [_decision(found.decision), Text()]
        if found.decision.assessment:
            parts += [*_assessment(found.decision.assessment, everything=everything), Text()]
            if not everything:
                parts += [told(f"Every rule on which it is based: {baton()} explain {found.decision.id} --all"), Text()]
        else:
            parts += [
                Text("It is based on the order or on the step alone: no rules are kept with it.", style="dim"),
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
        ("command", plain(f"{command.id}: {wording(command)}")),
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
