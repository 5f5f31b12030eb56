"""Begins a switch, advances it step by step, and ends it. Each step is a compare-and-set of the control row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from baton.model.control import (
    Control,
    Drill,
    Ending,
    Phase,
    StepDone,
    StepName,
    StepOutcome,
    Transition,
)
from baton.model.identity import next_epoch
from baton.model.journal import Assessment, Decision, DecisionKind, Signal, Verdict
from handover.facts import Memory, StepResult
from handover.intents import Act, Intent, LookAtDrain, Note, Write
from handover.look import Look
from handover.orders import Order
from handover.states import moved

_ENDS: Final = frozenset({DecisionKind.COMPLETED, DecisionKind.ROLLED_BACK})
_COMMANDS_KEPT: Final = 50
"""Applied commands that the control row remembers: far more than can be pending at once."""
STEPS: Final = (StepName.TAKEOVER, StepName.SWITCH, StepName.ROUTES)
"""Side by side, the one that users wait for first."""


def decision(
    memory: Memory,
    kind: DecisionKind,
    epoch: int,
    summary: str,
    now: datetime,
    *,
    transition: Transition | None = None,
    command_id: str | None = None,
) -> tuple[Memory, Decision]:
    """Return a new record, under an id that no other decision has."""
    number = memory.decisions + 1
    made = Decision(
        id=f"{memory.instance}-{number}",
        at=now,
        region=memory.region,
        kind=kind,
        epoch=epoch,
        summary=summary,
        transition_id=transition.id if transition else None,
        command_id=command_id or (transition.command_id if transition else None),
        ended=transition.ended if transition and kind in _ENDS else None,
        degraded=transition.degraded if transition and kind is DecisionKind.COMPLETED else (),
        taken_over=transition.taken_over if transition and kind is DecisionKind.COMPLETED else None,
        operator=memory.operator,
    )
    return replace(memory, decisions=number), made


def decided(
    look: Look,
    kind: DecisionKind,
    summary: str,
    *,
    epoch: int | None = None,
    transition: Transition | None = None,
    command_id: str | None = None,
) -> tuple[Look, Decision]:
    """Return a record of what this look decides, under the epoch of its control row if no other is given."""
    epoch = look.control.epoch if epoch is None else epoch
    memory, made = decision(look.memory, kind, epoch, summary, look.now, transition=transition, command_id=command_id)
    return replace(look, memory=memory), made


def stands_still(control: Control, now: datetime) -> bool:
    """Return whether a freeze forbids any change now: all but a switch under way that an operator ordered."""
    ordered = control.in_transition and control.transition is not None and control.transition.command_id is not None
    return control.frozen(now) and not ordered


def drives(memory: Memory, target: str, now: datetime) -> bool:
    """Return whether this controller carries out a switch to `target`: it runs there, or the one there is silent."""
    if memory.region == target:
        return True
    heard = memory.drivers.get(target)
    return heard is None or now - heard.at > timedelta(seconds=memory.settings.driver_seconds)


def with_new_owner(control: Control, region: str, regions: tuple[str, str]) -> dict[str, Any]:
    """Return the fields that make `region` active under its next epoch: the commit of every switch."""
    return {"epoch": next_epoch(control.epoch, region, regions), "active_region": region}


def with_command(control: Control, command_id: str | None) -> tuple[str, ...]:
    """Return the applied commands with this one."""
    return (*control.commands, *([command_id] if command_id else []))[-_COMMANDS_KEPT:]


# --- beginning --------------------------------------------------------------------------------------------------------


def failover(look: Look, order: Order, *, assessment: Assessment | None = None) -> tuple[Look, Write]:
    """Move the epoch now: the commit point of an unplanned switch."""
    control, now, settings = look.control, look.now, look.memory.settings
    transition = _transition(look, order)
    failovers = control.failovers
    if order.automatic:
        oldest = now - timedelta(seconds=settings.budget_long_seconds)
        failovers = (*(at for at in failovers if at > oldest), now)
    after = moved(
        control,
        Phase.SWITCHING,
        now,
        suspects=order.automatic,
        transition=transition,
        failovers=failovers,
        drill=None,
        commands=with_command(control, order.command_id),
        **with_new_owner(control, order.target, look.memory.regions),
    )
    text = f"{order.kind} from {control.active_region} to {order.target}: {order.reason}"
    if control.in_transition and control.transition:
        text = f"{text}; {control.transition.id} is replaced"
    return _committing(look, after, text, left=_left(look, transition), assessment=assessment)


def _committing(
    look: Look, after: Control, text: str, *, left: Transition | None = None, assessment: Assessment | None = None
) -> tuple[Look, Write]:
    """Return the write that moves the epoch, with what is put on record before and after it."""
    transition, intended = after.transition, None
    assert transition is not None
    if not any(_same_try(write.after, after) for write in look.memory.open_writes):
        look, made = decided(look, DecisionKind.INTENDED, text, transition=transition)
        intended = replace(made, assessment=assessment)
    look, made = decided(look, DecisionKind.COMMITTED, text, epoch=after.epoch, transition=transition)
    return look, Write(look.control, after, replace(made, assessment=assessment), intended, left)


def _same_try(one: Control, other: Control) -> bool:
    same_switch = one.transition and other.transition and one.transition.id == other.transition.id
    return bool(same_switch) and (one.revision, one.epoch) == (other.revision, other.epoch)


def planned(look: Look, order: Order) -> tuple[Look, Write]:
    """Start to drain: nothing is admitted until the switch is through or rolled back."""
    control = look.control
    transition = _transition(look, order)
    after = moved(
        control,
        Phase.DRAINING,
        look.now,
        suspects=look.memory.suspect_since is not None,
        drains_until=look.now + timedelta(seconds=look.memory.settings.drain_seconds),
        transition=transition,
        drill=order.drill or control.drill,
        commands=with_command(control, order.command_id),
    )
    text = f"{order.kind} from {control.active_region} to {order.target}: {order.reason}"
    look, made = decided(look, DecisionKind.STARTED, text, transition=transition)
    return look, Write(control, after, made, left=_left(look, transition))


def _left(look: Look, successor: Transition) -> Transition | None:
    """Return the switch whose place in the row the successor takes, as it ended."""
    last = look.control.transition
    if last is None or last.ended is not None:
        return last
    return replace(last, ended=Ending.SUPERSEDED, note=successor.id, ended_at=look.now)


def _transition(look: Look, order: Order) -> Transition:
    return Transition(
        id=f"t{look.control.revision + 1}",  # one writer wins each revision, so nobody else has this name
        kind=order.kind,
        source=look.control.active_region,
        target=order.target,
        reason=order.reason,
        started_at=look.now,
        automatic=order.automatic,
        command_id=order.command_id,
        unhealthy_since=look.memory.suspect_since if order.automatic else None,
    )


# --- advancing --------------------------------------------------------------------------------------------------------


def advanced(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Take the switch that is under way one step further; the other controller may have begun it."""
    transition = look.control.transition
    if transition is None or transition.ended is not None:
        look, notes = _repairs(look)
        look, more = _cooled_down(look) if look.control.phase is Phase.COOLDOWN else (look, ())
        return look, (*notes, *more)
    match look.control.phase:
        case Phase.DRAINING:
            return _draining(look, transition)
        case Phase.SWITCHING:
            return _switching(look, transition)
        case Phase.VERIFYING:
            return _verifying(look, transition)
        case _:
            return look, ()


def _repairs(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Record what the reconciler had to correct."""
    notes: list[Intent] = []
    for result in look.seen.results:
        if result.repaired and result.epoch == look.control.epoch:
            look, made = decided(look, DecisionKind.REPAIRED, f"{result.step}: {result.note}")
            notes.append(Note(made))
    return look, tuple(notes)


def _cooled_down(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    control = look.control
    if control.cooldown_until is not None and look.now < control.cooldown_until:
        return look, ()
    after = moved(control, Phase.STEADY, look.now, cooldown_until=None)
    look, made = decided(look, DecisionKind.STEP, "the cooldown is over", transition=control.transition)
    return look, (Write(control, after, made),)


def _draining(look: Look, transition: Transition) -> tuple[Look, tuple[Intent, ...]]:
    control, memory = look.control, look.memory
    limit, drain = memory.settings.drain_seconds, memory.drain
    if stands_still(control, look.now):
        return _rolled_back(look, transition, "frozen while it drained")
    # A driver that falls silent while it drains is followed by the other one before long; two reasons would be one
    # too many.
    if not drives(memory, transition.target, look.now):
        return look, ()
    # The row's deadline ends it for late controllers too: then the services admit again, and the order is an old one.
    overdue = control.drains_until is not None and look.now >= control.drains_until
    if look.waited_seconds >= limit or overdue:
        waiting = "; ".join(drain.waiting) if drain and drain.waiting else "it was not seen to be drained"
        return _rolled_back(look, transition, f"not drained in {limit:g} s: {waiting}")
    assert memory.phase_seen is not None
    if drain is None or drain.waiting or drain.at < memory.phase_seen.at:
        return look, (LookAtDrain(control),)
    if not look.is_ready(transition.target):
        return _rolled_back(look, transition, f"{transition.target} is no longer ready")
    fields = with_new_owner(control, transition.target, memory.regions)
    after = moved(control, Phase.SWITCHING, look.now, **fields)
    text = f"drained, {drain.open_batches} batches continue there: the epoch moves"
    look, write = _committing(look, after, text)
    return look, (write,)


def _rolled_back(look: Look, transition: Transition, why: str) -> tuple[Look, tuple[Intent, ...]]:
    control = look.control
    ended = replace(transition, ended=Ending.ROLLED_BACK, note=why, ended_at=look.now)
    # A practice run that never left home is over; one that did not get home is tried again.
    after = moved(control, Phase.STEADY, look.now, transition=ended, drill=_drill_left(control))
    look, made = decided(look, DecisionKind.ROLLED_BACK, why, transition=ended)
    return look, (Write(control, after, made),)


def _drill_left(control: Control) -> Drill | None:
    """Return the drill if it has not returned home yet."""
    return control.drill if control.drill and control.drill.home != control.active_region else None


def _switching(look: Look, transition: Transition) -> tuple[Look, tuple[Intent, ...]]:
    settings = look.memory.settings
    steps = (*transition.steps, *_new_steps(look, transition))
    if look.waited_seconds >= settings.step_seconds:
        steps = (*steps, *_given_up(look, steps))
    if steps != transition.steps:
        return _stepped(look, replace(transition, steps=steps))
    if stands_still(look.control, look.now) or not drives(look.memory, transition.target, look.now):
        return look, ()
    left = [step for step in STEPS if not transition.finished(step)]
    return due_acts(look, left, settings.retry_seconds)


def _new_steps(look: Look, transition: Transition) -> list[StepDone]:
    newest: dict[StepName, StepResult] = {result.step: result for result in look.seen.results}
    return [
        _done(look, result.step, StepOutcome.DONE, result.note, result.taken_over)
        for result in newest.values()
        if result.done and result.epoch == look.control.epoch and not transition.finished(result.step)
    ]


def _done(look: Look, step: StepName, outcome: StepOutcome, note: str, taken_over: int | None = None) -> StepDone:
    return StepDone(step, outcome, look.now, look.memory.region, note, taken_over, look.memory.operator)


def _given_up(look: Look, steps: Sequence[StepDone]) -> list[StepDone]:
    ended = {each.step for each in steps}
    late = f"not done in {look.memory.settings.step_seconds:g} s"

    def degraded(step: StepName) -> StepDone:
        last = look.memory.failing.get(step)
        note = f"{late}: {last.note}; it is tried again" if last else f"{late}; it is tried again"
        taken_over = last.taken_over if last else None
        return _done(look, step, StepOutcome.DEGRADED, note, taken_over)

    return [degraded(step) for step in STEPS if step not in ended]


def _stepped(look: Look, transition: Transition) -> tuple[Look, tuple[Intent, ...]]:
    control = look.control
    assert control.transition is not None
    new = transition.steps[len(control.transition.steps) :]
    text = "; ".join(f"{each.step} {each.outcome}: {each.note}" for each in new)
    if all(transition.finished(step) for step in STEPS):
        after = moved(control, Phase.VERIFYING, look.now, transition=transition)
    else:
        after = control.changed(transition=transition)
    look, made = decided(look, DecisionKind.STEP, text, transition=transition)
    return look, (Write(control, after, made),)


def _verifying(look: Look, transition: Transition) -> tuple[Look, tuple[Intent, ...]]:
    control, settings, now = look.control, look.memory.settings, look.now
    proof = _proof(look.memory, transition)
    if proof is None and look.waited_seconds < settings.verify_seconds:
        return look, ()
    outcome = StepOutcome.DONE if proof else StepOutcome.DEGRADED
    note = proof or f"no canary came through in {settings.verify_seconds:g} s"
    step = _done(look, StepName.VERIFY, outcome, note)
    ended = replace(transition, steps=(*transition.steps, step), ended=Ending.COMPLETED, ended_at=now)
    seconds = settings.cooldown_planned_seconds if transition.kind.is_planned else settings.cooldown_seconds
    after = moved(
        control,
        Phase.COOLDOWN,
        now,
        transition=ended,
        cooldown_until=now + timedelta(seconds=seconds),
        drill=_drill_left(control),
    )
    text = f"{transition.kind} to {transition.target} {ended.outcome}: {note}{ended.batches_told}"
    look, made = decided(look, DecisionKind.COMPLETED, text, transition=ended)
    return look, (Write(control, after, made),)


def _proof(memory: Memory, transition: Transition) -> str | None:
    """Return what proves that the new Region works: a canary that started there after the steps had ended.

    From the other Region it is the canary from outside. What the new Region's controller believes of itself may rest
    on canaries from before.
    """
    assert memory.phase_seen is not None
    signal = Signal.INSIDE_CANARY if memory.region == transition.target else Signal.OUTSIDE_CANARY
    series = memory.series.get((transition.target, signal))
    newest = series.newest if series else None
    if newest and newest.verdict is Verdict.HEALTHY and newest.started_at and newest.started_at >= memory.phase_seen.at:
        return f"canary: {newest.value}"
    return None


def due_acts(look: Look, steps: Sequence[StepName], every_seconds: float) -> tuple[Look, tuple[Intent, ...]]:
    """Return an `Act` for each step whose last one is long enough ago."""
    pause, acted = timedelta(seconds=every_seconds), look.memory.acted
    due = [step for step in steps if step not in acted or look.now >= acted[step] + pause]
    look = look.remembering(acted={**acted, **dict.fromkeys(due, look.now)})
    return look, tuple(Act(step, look.control) for step in due)
