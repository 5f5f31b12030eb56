"""What each look of a controller does: answers orders, continues a switch, corrects what differs from the row."""

from typing import Final

from baton.model.control import Phase, StepName
from handover import commands, switching
from handover.intents import Intent, Write
from handover.look import Look

_RECONCILED: Final = (StepName.SWITCH, StepName.ROUTES, StepName.TAKEOVER)


def continued(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Answer operators' commands, then continue what is under way."""
    look, intents = commands.handled(look)
    if any(isinstance(intent, Write) for intent in intents):
        return look, intents
    look, more = switching.advanced(look)
    return look, (*intents, *more)


def reconciled(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Compare switch, dials and owners with the row at intervals: a stale write must be undone."""
    if look.control.phase is Phase.SWITCHING or look.frozen:
        return look, ()
    if not switching.drives(look.memory, look.control.active_region, look.now):
        return look, ()
    return switching.due_acts(look, _RECONCILED, look.memory.settings.reconcile_seconds)
