"""Records failed attempts of steps: what differs from the control row, and why."""

from typing import Final

from baton.model.control import StepName
from baton.model.journal import DecisionKind, Failing
from handover import switching
from handover.facts import Attempts, Memory
from handover.intents import Intent, Note
from handover.look import Look

_BAD_LUCK: Final = 1
"""Attempts in a row that say nothing yet: the next one comes in seconds."""


def absorbed(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Remember what the newest attempts came to. The second one in a row that fails is put on record, once."""
    epoch, before = look.control.epoch, look.memory.failing
    ours = switching.drives(look.memory, look.control.active_region, look.now)
    failing = {step: each for step, each in before.items() if ours and each.epoch == epoch}
    intents: list[Intent] = []
    for result in look.seen.results:
        if result.epoch != epoch or result.under_way:
            continue
        if result.done:
            failing.pop(result.step, None)
        elif not look.frozen:  # then nothing may be changed
            times = failing[result.step].times + 1 if result.step in failing else 1
            failing[result.step] = Attempts(epoch, times, result.note, result.taken_over)
            if times == _BAD_LUCK + 1:
                look, note = _told(look, result.step, result.note)
                intents.append(note)
    return look.remembering(failing=failing), tuple(intents)


def failing(memory: Memory) -> tuple[Failing, ...]:
    """Return what cannot be brought in line with the control row, and why, after more than bad luck."""
    found = sorted(memory.failing.items())
    return tuple(Failing(step, each.note) for step, each in found if each.times > _BAD_LUCK)


def _told(look: Look, step: StepName, why: str) -> tuple[Look, Note]:
    switch = look.control.transition if look.control.in_transition else None
    look, made = switching.decided(
        look, DecisionKind.FAILED, f"{step} differs from the ledger, and is tried again: {why}", transition=switch
    )
    return look, Note(made)
