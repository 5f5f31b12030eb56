"""How a switch begins, goes on and ends. Every step is a compare-and-set of the control row, decided here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from baton.model.control import (
    Control,
    Drill,
    Phase,
    StepDone,
    StepName,
    StepOutcome,
    SwitchKind,
    Transition,
)
from baton.model.identity import next_epoch
from baton.model.journal import Assessment, Command, Decision, DecisionKind, Verdict
from handover import brakes
from handover.facts import ROLLED_BACK, Memory, Seen, Signal, StepResult, remembered, waited
from handover.intents import Act, Intent, LookAtDrain, Note, Write
from handover.states import moved

_COMMANDS_KEPT: Final = 50
"""Applied commands that the control row remembers: far more than can be pending at once."""
STEPS: Final = (StepName.TAKEOVER, StepName.SWITCH, StepName.ROUTES)
"""Side by side, the one that users wait for first."""


@dataclass(frozen=True, slots=True)
class Order:
    """A switch as it is wanted, by whoever wants it."""

    kind: SwitchKind
    target: str
    reason: str
    automatic: bool
    command_id: str | None = None
    drill: Drill | None = None

    @classmethod
    def automatic_failover(cls, target: str, reason: str) -> Self:
        return cls(SwitchKind.FAILOVER, target, reason, automatic=True)

    @classmethod
    def automatic_failback(cls, target: str, reason: str) -> Self:
        return cls(SwitchKind.FAILBACK, target, reason, automatic=True)

    @classmethod
    def end_of_drill(cls, target: str, reason: str, control: Control) -> Self:
        """Return the way home, under the command that started the practice run."""
        begun_by = control.transition.command_id if control.transition else None
        return cls(SwitchKind.DRILL, target, reason, automatic=False, command_id=begun_by)

    @classmethod
    def of(cls, command: Command, control: Control) -> Self:
        """Return what an operator's command asks for. It names a target."""
        assert command.target is not None
        kind = SwitchKind(command.kind.value)
        drill = None
        if kind is SwitchKind.DRILL:
            assert command.until is not None
            drill = Drill(control.active_region, command.until, command.blocking_alarm)
        reason = command.reason or f"ordered by {command.by}"
        return cls(kind, command.target, reason, automatic=False, command_id=command.id, drill=drill)


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
    )
    return remembered(memory, decisions=number), made


def stands_still(control: Control, now: datetime) -> bool:
    """Say whether a freeze forbids to touch anything now: all but a switch under way that a human ordered."""
    ordered = control.in_transition and control.transition is not None and control.transition.command_id is not None
    return control.frozen(now) and not ordered


def drives(memory: Memory, target: str, now: datetime) -> bool:
    """Say whether this controller carries a switch to `target` out: it sits there, or the one there is silent."""
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


def failover(
    memory: Memory, control: Control, order: Order, now: datetime, *, assessment: Assessment | None = None
) -> tuple[Memory, Write]:
    """Move the epoch now: the commit point of an unplanned switch."""
    transition = _transition(control, order, now)
    failovers = control.failovers
    if order.automatic:
        oldest = now - timedelta(seconds=memory.settings.budget_long_seconds)
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
        **with_new_owner(control, order.target, memory.regions),
    )
    text = f"{order.kind} from {control.active_region} to {order.target}: {order.reason}"
    if control.in_transition and control.transition:
        text = f"{text}; {control.transition.id} is cut short"
    memory, made = decision(memory, DecisionKind.COMMITTED, after.epoch, text, now, transition=transition)
    return memory, Write(control, after, replace(made, assessment=assessment))


def planned(memory: Memory, control: Control, order: Order, now: datetime) -> tuple[Memory, Write]:
    """Start to drain: nothing is admitted until the switch is through or rolled back."""
    transition = _transition(control, order, now)
    after = moved(
        control,
        Phase.DRAINING,
        now,
        suspects=memory.suspect_since is not None,
        transition=transition,
        drill=order.drill or control.drill,
        commands=with_command(control, order.command_id),
    )
    text = f"{order.kind} from {control.active_region} to {order.target}: {order.reason}"
    memory, made = decision(memory, DecisionKind.STARTED, after.epoch, text, now, transition=transition)
    return memory, Write(control, after, made)


def _transition(control: Control, order: Order, now: datetime) -> Transition:
    return Transition(
        id=f"t{control.revision + 1}",  # one writer wins each revision, so nobody else has this name
        kind=order.kind,
        source=control.active_region,
        target=order.target,
        reason=order.reason,
        started_at=now,
        automatic=order.automatic,
        command_id=order.command_id,
    )


# --- going on ---------------------------------------------------------------------------------------------------------


def advanced(memory: Memory, seen: Seen, control: Control, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Take the switch that is under way one step on, whoever began it."""
    transition = control.transition
    if transition is None or transition.outcome is not None:
        memory, notes = _repairs(memory, seen, control, now)
        memory, more = _cooled_down(memory, control, now) if control.phase is Phase.COOLDOWN else (memory, ())
        return memory, (*notes, *more)
    match control.phase:
        case Phase.DRAINING:
            return _draining(memory, seen, control, transition, now)
        case Phase.SWITCHING:
            return _switching(memory, seen, control, transition, now)
        case Phase.VERIFYING:
            return _verifying(memory, control, transition, now)
        case Phase.STEADY | Phase.COOLDOWN:
            return memory, ()


def _repairs(memory: Memory, seen: Seen, control: Control, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Put on record what the reconciler had to set right."""
    notes: list[Intent] = []
    for result in seen.results:
        if result.repaired and result.epoch == control.epoch:
            text = f"{result.step}: {result.note}"
            memory, made = decision(memory, DecisionKind.REPAIRED, control.epoch, text, now)
            notes.append(Note(made))
    return memory, tuple(notes)


def _cooled_down(memory: Memory, control: Control, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    if control.cooldown_until is not None and now < control.cooldown_until:
        return memory, ()
    after = moved(control, Phase.STEADY, now, cooldown_until=None)
    text = "the cooldown is over"
    memory, made = decision(memory, DecisionKind.STEP, control.epoch, text, now, transition=control.transition)
    return memory, (Write(control, after, made),)


def _draining(
    memory: Memory, seen: Seen, control: Control, transition: Transition, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    settings, drain = memory.settings, memory.drain
    if stands_still(control, now):
        return _rolled_back(memory, control, transition, "frozen while it drained", now)
    # A driver that falls silent while it drains is followed by the other one before long; two reasons would be one
    # too many.
    if not drives(memory, transition.target, now):
        return memory, ()
    if waited(memory, now) >= settings.drain_seconds:
        waiting = "; ".join(drain.waiting) if drain and drain.waiting else "it was not seen to be drained"
        return _rolled_back(memory, control, transition, f"not drained in {settings.drain_seconds:g} s: {waiting}", now)
    assert memory.phase_seen is not None
    if drain is None or drain.waiting or drain.at < memory.phase_seen.at:
        return memory, (LookAtDrain(control),)
    ready = brakes.readiness(memory, control, transition.target, seen.heartbeats.get(transition.target), now)
    if brakes.verdict_of(ready) is not Verdict.HEALTHY:
        return _rolled_back(memory, control, transition, f"{transition.target} is no longer ready", now)
    fields = with_new_owner(control, transition.target, memory.regions)
    after = moved(control, Phase.SWITCHING, now, **fields)
    text = f"drained, {drain.open_batches} batches go along: the epoch moves"
    memory, made = decision(memory, DecisionKind.COMMITTED, after.epoch, text, now, transition=transition)
    return memory, (Write(control, after, made),)


def _rolled_back(
    memory: Memory, control: Control, transition: Transition, why: str, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    ended = replace(transition, outcome=f"{ROLLED_BACK}: {why}", ended_at=now)
    # A practice run that never left home is over; one that did not get home is tried again.
    drill = control.drill if control.drill and control.drill.home != control.active_region else None
    after = moved(control, Phase.STEADY, now, transition=ended, drill=drill)
    memory, made = decision(memory, DecisionKind.ROLLED_BACK, control.epoch, why, now, transition=transition)
    return memory, (Write(control, after, made),)


def _switching(
    memory: Memory, seen: Seen, control: Control, transition: Transition, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    steps = (*transition.steps, *_new_steps(memory, seen, control, transition, now))
    if waited(memory, now) >= memory.settings.step_seconds:
        steps = (*steps, *_given_up(memory, steps, now))
    if steps != transition.steps:
        return _stepped(memory, control, replace(transition, steps=steps), now)
    if stands_still(control, now) or not drives(memory, transition.target, now):
        return memory, ()
    left = [step for step in STEPS if not transition.finished(step)]
    return due_acts(memory, control, left, memory.settings.retry_seconds, now)


def _new_steps(memory: Memory, seen: Seen, control: Control, transition: Transition, now: datetime) -> list[StepDone]:
    newest: dict[StepName, StepResult] = {result.step: result for result in seen.results}
    return [
        StepDone(result.step, StepOutcome.DONE, now, memory.region, result.note)
        for result in newest.values()
        if result.done and result.epoch == control.epoch and not transition.finished(result.step)
    ]


def _given_up(memory: Memory, steps: Sequence[StepDone], now: datetime) -> list[StepDone]:
    ended = {each.step for each in steps}
    note = f"not through in {memory.settings.step_seconds:g} s; it is tried on"
    return [StepDone(step, StepOutcome.DEGRADED, now, memory.region, note) for step in STEPS if step not in ended]


def _stepped(
    memory: Memory, control: Control, transition: Transition, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    assert control.transition is not None
    new = transition.steps[len(control.transition.steps) :]
    text = "; ".join(f"{each.step} {each.outcome}: {each.note}" for each in new)
    if all(transition.finished(step) for step in STEPS):
        after = moved(control, Phase.VERIFYING, now, transition=transition)
    else:
        after = control.changed(transition=transition)
    memory, made = decision(memory, DecisionKind.STEP, control.epoch, text, now, transition=transition)
    return memory, (Write(control, after, made),)


def _verifying(
    memory: Memory, control: Control, transition: Transition, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    proof = _proof(memory, transition)
    if proof is None and waited(memory, now) < memory.settings.verify_seconds:
        return memory, ()
    outcome = StepOutcome.DONE if proof else StepOutcome.DEGRADED
    note = proof or f"no canary came through in {memory.settings.verify_seconds:g} s"
    step = StepDone(StepName.VERIFY, outcome, now, memory.region, note)
    degraded = sorted({each.step.value for each in (*transition.steps, step) if each.outcome is StepOutcome.DEGRADED})
    result = f"completed; degraded: {', '.join(degraded)}" if degraded else "completed"
    ended = replace(transition, steps=(*transition.steps, step), outcome=result, ended_at=now)
    seconds = (
        memory.settings.cooldown_planned_seconds if transition.kind.is_planned else memory.settings.cooldown_seconds
    )
    after = moved(
        control,
        Phase.COOLDOWN,
        now,
        transition=ended,
        cooldown_until=now + timedelta(seconds=seconds),
        drill=control.drill if control.drill and control.drill.home != control.active_region else None,
    )
    text = f"{transition.kind} to {transition.target} {result}: {note}"
    memory, made = decision(memory, DecisionKind.COMPLETED, control.epoch, text, now, transition=ended)
    return memory, (Write(control, after, made),)


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


def due_acts(
    memory: Memory, control: Control, steps: Sequence[StepName], every_seconds: float, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    """Return an `Act` for each step whose last one is long enough ago."""
    pause = timedelta(seconds=every_seconds)
    due = [step for step in steps if step not in memory.acted or now >= memory.acted[step] + pause]
    acted = {**memory.acted, **dict.fromkeys(due, now)}
    return remembered(memory, acted=acted), tuple(Act(step, control) for step in due)
