"""Follows writes of the control row: an answer may be lost, or come after its caller gave up.

A switch goes on record twice: as intended before its epoch is moved, as committed once the row says so. So history
never claims what did not happen, and a write that was lost costs one look and no new hold.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from baton.model.control import Control
from baton.model.journal import DecisionKind
from handover import events, switching
from handover.facts import Memory
from handover.intents import Intent, Note, Write
from handover.look import Look

_KEPT: Final = 10
"""Tries of one revision: one of them may arrive long after it was sent."""


def opened(memory: Memory, intents: Iterable[Intent]) -> Memory:
    """Remember the writes that are about to be tried. Until the row is read again nobody knows what became of them."""
    writes = tuple(intent for intent in intents if isinstance(intent, Write))
    return replace(memory, open_writes=(*memory.open_writes, *writes)[-_KEPT:]) if writes else memory


def won(memory: Memory, write: Write) -> Memory:
    """Return the memory once this write is known to be in the row: a suspicion that it answers is over."""
    memory = replace(memory, open_writes=())
    switch = write.after.transition
    answered = _moves(write) and switch is not None and switch.automatic and not switch.kind.is_planned
    return replace(memory, suspect_since=None, announced="") if answered else memory


def resolved(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Compare writes of which nothing was heard with the row as it was read now, and put on record what they became."""
    writes, control = look.memory.open_writes, look.control
    if not writes or control.revision <= writes[-1].before.revision:
        return look, ()  # nobody wrote the row: what was sent may still arrive
    look = look.remembering(open_writes=())
    ours = next((write for write in writes if _took(write, control)), None)
    if ours is not None:
        return replace(look, memory=won(look.memory, ours)), (Note(ours.decision, events.of_write(ours)),)
    if control.revision > writes[-1].after.revision:
        return look, ()  # others wrote it since: what became of ours cannot be told
    text = f"{writes[-1].decision.summary}: not done, the control row changed meanwhile"
    look, made = switching.decided(look, DecisionKind.OVERTAKEN, text, epoch=writes[-1].before.epoch)
    return look, (Note(made),)


def _took(write: Write, control: Control) -> bool:
    """Return whether the row holds what was written, or what followed from it."""
    before, after = write.before, write.after
    if control == after:
        return True
    switch, found = after.transition, control.transition
    begins = _moves(write) or before.transition is None or switch is None or before.transition.id != switch.id
    if not begins or switch is None or found is None or control.epoch < after.epoch:
        return False
    return (found.id, found.started_at, found.target) == (switch.id, switch.started_at, switch.target)


def _moves(write: Write) -> bool:
    return write.after.epoch != write.before.epoch
