"""Chooses the decisions that are published as events, and builds these events. Pure.

A switch is told when it starts to drain, when the epoch moves and when it ends; a failover that is wanted is told once
it is held back, whenever that has another reason, and once it is no longer wanted.
"""

from collections.abc import Sequence
from typing import Final

from baton.model.control import Control, Ending, Transition
from baton.model.events import TEXT_CHARACTERS_MAX, Event, HeldTold, Kind, SwitchTold
from baton.model.journal import Decision, DecisionKind
from baton.shown import shown
from baton.topology import other_region
from handover.intents import Write

_OF_SWITCHES: Final = {
    DecisionKind.STARTED: Kind.STARTED,
    DecisionKind.COMMITTED: Kind.COMMITTED,
    DecisionKind.COMPLETED: Kind.COMPLETED,
    DecisionKind.ROLLED_BACK: Kind.ROLLED_BACK,
}
_UNQUOTED: Final = str.maketrans({'"': "'", "\\": "/"})
_OF_HELD: Final = {
    DecisionKind.HELD: Kind.HELD,
    DecisionKind.RECOMMENDED: Kind.RECOMMENDED,
    DecisionKind.WOULD_ACT: Kind.WOULD_ACT,
    DecisionKind.CLEARED: Kind.CLEARED,
}


def of_write(write: Write) -> Event | None:
    """Return the event of a change of the control row, once it is known to be made; None: it is no news."""
    kind, switch = _OF_SWITCHES.get(write.decision.kind), write.after.transition
    if kind is None or switch is None:
        return None
    return _event(kind, write.decision, write.after, switch=_switch(switch, write.left))


def of_held(decision: Decision, control: Control, regions: tuple[str, str], rules: Sequence[str] = ()) -> Event:
    """Return the event of a failover that these rules hold back, or of one that is no longer wanted."""
    active = control.active_region
    held = HeldTold(source=active, target=other_region(active, regions), rules=tuple(rules))
    return _event(_OF_HELD[decision.kind], decision, control, held=held)


def _event(
    kind: Kind,
    decision: Decision,
    control: Control,
    *,
    switch: SwitchTold | None = None,
    held: HeldTold | None = None,
) -> Event:
    return Event(
        id=decision.id,
        kind=kind,
        at=decision.at,
        controller=decision.region,
        epoch=control.epoch,
        active_region=control.active_region,
        summary=_text(decision.summary),
        switch=switch,
        held=held,
    )


def _text(text: str) -> str:
    """Return a text as one line that the template of a target may put between quotes."""
    return shown(text, most=TEXT_CHARACTERS_MAX).translate(_UNQUOTED)


def _switch(switch: Transition, left: Transition | None) -> SwitchTold:
    return SwitchTold(
        id=switch.id,
        kind=switch.kind,
        source=switch.source,
        target=switch.target,
        reason=_text(switch.reason),
        automatic=switch.automatic,
        command_id=switch.command_id,
        started_at=switch.started_at,
        ended=switch.ended,
        degraded=switch.degraded,
        taken_over=switch.taken_over,
        supersedes=left.id if left is not None and left.ended is Ending.SUPERSEDED else None,
    )
