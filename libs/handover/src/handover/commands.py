"""What operators order: taken once, answered in words, and refused with the reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from baton.model.control import Control, Freeze, Phase
from baton.model.journal import Command, CommandKind, CommandState, DecisionKind, Verdict
from handover import brakes, signals, switching
from handover.facts import Memory, Seen
from handover.intents import Intent, Note, Settle, Write
from handover.switching import with_command

_SWITCHES: Final = frozenset({CommandKind.FAILOVER, CommandKind.SWITCHOVER, CommandKind.FAILBACK, CommandKind.DRILL})


def handled(memory: Memory, seen: Seen, control: Control, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Answer pending commands, the oldest first, up to the first one that writes the control row."""
    intents: list[Intent] = []
    for command in seen.commands:
        memory, more = _one(memory, seen, control, command, now)
        intents += more
        if any(isinstance(intent, Write) for intent in more):
            break
    return memory, tuple(intents)


def _one(
    memory: Memory, seen: Seen, control: Control, command: Command, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    if command.id in control.commands:
        return memory, (_settled(memory, command, CommandState.ACCEPTED, "taken", now),)
    if command.kind in _SWITCHES:
        return _switch(memory, seen, control, command, now)
    match command.kind:
        case CommandKind.FREEZE:
            if command.until is None:
                return _refused(memory, control, command, "a freeze needs an end", now)
            freeze = Freeze(command.by, command.reason, now, command.until)
            after, text = control.changed(freeze=freeze), f"frozen by {command.by} until {command.until:%Y-%m-%d %H:%M}"
        case CommandKind.UNFREEZE:
            after, text = control.changed(freeze=None), f"unfrozen by {command.by}"
        case _:
            after, text = control.changed(acknowledged_at=now), f"acknowledged by {command.by}: the budget is clear"
    after = replace(after, commands=with_command(control, command.id))
    if command.reason:
        text = f"{text}: {command.reason}"
    memory, made = switching.decision(memory, DecisionKind.COMMANDED, control.epoch, text, now, command_id=command.id)
    return memory, (Write(control, after, made), _settled(memory, command, CommandState.ACCEPTED, text, now))


def _switch(
    memory: Memory, seen: Seen, control: Control, command: Command, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    reason = refusal(memory, control, command, now)
    target = command.target or ""
    if reason is None:
        if not switching.drives(memory, target, now):
            return memory, ()  # the controller over there takes it
        reason = _not_ready(memory, seen, control, command, now)
    if reason is None and command.target == control.active_region:
        return _adopted(memory, control, command, now)
    if reason is not None:
        return _refused(memory, control, command, reason, now)
    order = switching.Order.of(command, control)
    begin = switching.planned if order.kind.is_planned else switching.failover
    memory, write = begin(memory, control, order, now)
    transition = write.after.transition
    assert transition is not None
    return memory, (write, _settled(memory, command, CommandState.ACCEPTED, f"switch {transition.id}", now))


def _refused(
    memory: Memory, control: Control, command: Command, refusal: str, now: datetime
) -> tuple[Memory, tuple[Intent, ...]]:
    what = f"{command.kind} to {command.target}" if command.target else command.kind.value
    memory, made = switching.decision(
        memory, DecisionKind.REFUSED, control.epoch, f"{what}: {refusal}", now, command_id=command.id
    )
    return memory, (Note(made), _settled(memory, command, CommandState.REFUSED, refusal, now))


def _adopted(memory: Memory, control: Control, command: Command, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Drive on what stands still under a freeze: from here on it is the human's switch."""
    assert control.transition is not None
    transition = replace(control.transition, command_id=command.id)
    after = control.changed(transition=transition, commands=with_command(control, command.id))
    text = f"{command.by} drives {transition.id} on"
    memory, made = switching.decision(memory, DecisionKind.COMMANDED, control.epoch, text, now, transition=transition)
    return memory, (Write(control, after, made), _settled(memory, command, CommandState.ACCEPTED, text, now))


def refusal(memory: Memory, control: Control, command: Command, now: datetime) -> str | None:
    """Return what is wrong with the order itself, whether or not its target is ready; None: nothing."""
    regions, kind, target = memory.regions, command.kind, command.target
    too_old = now - command.at > timedelta(seconds=memory.settings.command_seconds_max)
    under_way = control.transition.id if control.transition else "one"
    busy = control.phase not in {Phase.STEADY, Phase.COOLDOWN}
    refusals = (
        (target not in regions, f"there is no Region {target}; there are {' and '.join(regions)}"),
        (too_old, "nobody took it in time; order it again if it is still wanted"),
        (target == control.active_region and not _adopts(control, command), f"{target} is active already"),
        (kind is CommandKind.FAILBACK and target != regions[0], f"home is {regions[0]}; use switchover"),
        (
            busy and kind is not CommandKind.FAILOVER,
            f"a switch is under way ({under_way}); only a failover may cut it short",
        ),
    )
    return next((text for wrong, text in refusals if wrong), None) or _refusal_of_drill(memory, control, command)


def _refusal_of_drill(memory: Memory, control: Control, command: Command) -> str | None:
    if command.kind is not CommandKind.DRILL:
        return None
    refusals = (
        (command.until is None, "a practice run needs an end"),
        (control.drill is not None, "a practice run is under way"),
        (
            signals.firing(memory, control.active_region, command.blocking_alarm),
            f"the blocking alarm {command.blocking_alarm} fires already",
        ),
    )
    return next((text for wrong, text in refusals if wrong), None)


def _adopts(control: Control, command: Command) -> bool:
    """Say whether this failover orders what is under way already, and stands still: a human may drive it on."""
    transition = control.transition
    under_way = transition is not None and transition.outcome is None and transition.target == command.target
    return under_way and command.kind is CommandKind.FAILOVER


def _not_ready(memory: Memory, seen: Seen, control: Control, command: Command, now: datetime) -> str | None:
    target = command.target or ""
    if command.force and command.kind is CommandKind.FAILOVER:
        return None
    rules = brakes.readiness(memory, control, target, seen.heartbeats.get(target), now)
    if brakes.verdict_of(rules) is Verdict.HEALTHY:
        return None
    failing = "; ".join(f"{rule.name}: {rule.value}" for rule in rules if rule.verdict is not Verdict.HEALTHY)
    hint = "; --force does it all the same" if command.kind is CommandKind.FAILOVER else ""
    return f"{target} does not prove that it is ready: {failing}{hint}"


def _settled(memory: Memory, command: Command, state: CommandState, answer: str, now: datetime) -> Settle:
    return Settle(replace(command, state=state, answer=answer, settled_at=now, settled_by=memory.region))
