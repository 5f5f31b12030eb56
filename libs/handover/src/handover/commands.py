"""Answers operators' commands. Each is taken once, and is applied or refused with a reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from baton.model.control import Control, Freeze, Phase
from baton.model.journal import Command, CommandKind, CommandState, DecisionKind
from handover import brakes, signals, switching
from handover.facts import Memory
from handover.intents import Intent, Note, Settle, Write
from handover.look import Look
from handover.orders import Order

SWITCHES: Final = frozenset({CommandKind.FAILOVER, CommandKind.SWITCHOVER, CommandKind.FAILBACK, CommandKind.DRILL})
"""Orders that make a Region active."""


def handled(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Answer pending commands, the oldest first, up to the first one that writes the control row."""
    intents: list[Intent] = []
    for command in look.seen.commands:
        look, more = _one(look, command)
        intents += more
        if any(isinstance(intent, Write) for intent in more):
            break
    return look, tuple(intents)


def _one(look: Look, command: Command) -> tuple[Look, tuple[Intent, ...]]:
    control = look.control
    if command.id in control.commands:
        return look, (_settled(look, command, CommandState.ACCEPTED, "taken"),)
    if not command.kind.is_known:
        text = f"this version of Baton knows no order {command.kind}: order it again once both controllers are newer"
        return refused(look, command, text)
    if command.kind in SWITCHES:
        return _switch(look, command)
    made = _brake_moved(look, command)
    if isinstance(made, str):
        return refused(look, command, made)
    after, text = made
    after = replace(after, commands=switching.with_command(control, command.id))
    if command.reason:
        text = f"{text}: {command.reason}"
    look, made = switching.decided(look, DecisionKind.COMMANDED, text, command_id=command.id)
    return look, (Write(control, after, made), _settled(look, command, CommandState.ACCEPTED, text))


def _brake_moved(look: Look, command: Command) -> tuple[Control, str] | str:
    """Return the row with a freeze, without one, or with an acknowledgement, and what to say; or why not."""
    control, now = look.control, look.now
    match command.kind:
        case CommandKind.FREEZE:
            if command.until is None:
                return "a freeze needs an end"
            freeze = Freeze(command.by, command.reason, now, command.until, command.id)
            beside = len(control.freezes(now))
            told = f"; {beside} more {'is' if beside == 1 else 'are'} in force" if beside else ""
            text = f"frozen by {command.by} until {command.until:%Y-%m-%d %H:%M} UTC{told}"
            return control.with_freeze(freeze), text
        case CommandKind.UNFREEZE:
            return _unfrozen(control, command, now)
        case _:
            # A failover that a faster clock dated ahead of ours has happened all the same.
            after = control.changed(acknowledged_at=max((now, *control.failovers)))
            return after, f"acknowledged by {command.by}: the budget is clear"


def _unfrozen(control: Control, command: Command, now: datetime) -> tuple[Control, str] | str:
    """Lift the one freeze that is meant: who ordered another one relies on it."""
    freezes, wanted = control.freezes(now), command.freeze_id
    named = {each.id: each for each in freezes}
    if wanted is None and len(freezes) > 1:
        return f"{len(freezes)} freezes are in force: name one ({', '.join(named)})"
    if wanted is not None and wanted not in named:
        return f"no freeze {wanted} is in force"
    text = f"unfrozen by {command.by}"
    if not freezes:
        return control.changed(freeze=None, freezes_below=()), text
    lifted = freezes[0] if wanted is None else named[wanted]
    rest = [each for each in freezes if each is not lifted]
    if rest:
        text = f"{text}: the freeze by {lifted.by}; still frozen by {', '.join(each.by for each in rest)}"
    return control.without_freeze(lifted.id, now), text


def _switch(look: Look, command: Command) -> tuple[Look, tuple[Intent, ...]]:
    control = look.control
    reason = refusal(look.memory, control, command, look.now)
    target = command.target or ""
    if reason is None:
        if not switching.drives(look.memory, target, look.now):
            return look, ()  # the controller over there takes it
        if target == control.active_region:
            return _adopted(look, command)  # it is active already: whether it was ready is no question any more
        reason = _not_ready(look, command)
    if reason is not None:
        return refused(look, command, reason)
    order = Order.of(command, control)
    begin = switching.planned if order.kind.is_planned else switching.failover
    look, write = begin(look, order)
    transition = write.after.transition
    assert transition is not None
    return look, (write, _settled(look, command, CommandState.ACCEPTED, f"switch {transition.id}"))


def refused(look: Look, command: Command, refusal: str) -> tuple[Look, tuple[Intent, ...]]:
    """Answer an order with why it is refused."""
    what = f"{command.kind} to {command.target}" if command.target else command.kind.value
    look, made = switching.decided(look, DecisionKind.REFUSED, f"{what}: {refusal}", command_id=command.id)
    return look, (Note(made), _settled(look, command, CommandState.REFUSED, refusal))


def _adopted(look: Look, command: Command) -> tuple[Look, tuple[Intent, ...]]:
    """Continue a switch that a freeze has paused: from here on it is the operator's switch."""
    control = look.control
    assert control.transition is not None
    transition = replace(control.transition, command_id=command.id)
    after = control.changed(transition=transition, commands=switching.with_command(control, command.id))
    text = f"{command.by} drives {transition.id} on"
    look, made = switching.decided(look, DecisionKind.COMMANDED, text, transition=transition)
    return look, (Write(control, after, made), _settled(look, command, CommandState.ACCEPTED, text))


def refusal(memory: Memory, control: Control, command: Command, now: datetime) -> str | None:
    """Return what is wrong with the order itself, whether or not its target is ready. None: nothing."""
    regions, kind, target = memory.regions, command.kind, command.target
    too_old = now - command.at > timedelta(seconds=memory.settings.command_seconds_max)
    under_way = control.transition.id if control.transition else "one"
    busy = control.phase not in {Phase.STEADY, Phase.COOLDOWN}
    refusals = (
        (target not in regions, f"there is no Region {target}; there are {' and '.join(regions)}"),
        (too_old, "no controller took it in time; order it again if it is still wanted"),
        (target == control.active_region and not _adopts(control, command), f"{target} is active already"),
        (kind is CommandKind.FAILBACK and target != regions[0], f"home is {regions[0]}; use switchover"),
        (
            busy and kind is not CommandKind.FAILOVER,
            f"a switch is under way ({under_way}); only a failover may replace it",
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
    """Return whether this failover orders a switch that is under way and paused: an operator may continue it."""
    transition = control.transition
    under_way = transition is not None and transition.ended is None and transition.target == command.target
    return under_way and command.kind is CommandKind.FAILOVER


def _not_ready(look: Look, command: Command) -> str | None:
    if command.force and command.kind is CommandKind.FAILOVER:
        return None
    return brakes.unproved(command.target or "", look.readiness_of(command.target or ""), command.kind)


def _settled(look: Look, command: Command, state: CommandState, answer: str) -> Settle:
    memory = look.memory
    by = {"settled_by": memory.region, "settled_operator": memory.operator}
    return Settle(replace(command, state=state, answer=answer, settled_at=look.now, **by))
