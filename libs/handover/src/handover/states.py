"""The states of a handover and the transitions between them, as a table.

Every transition is a row with a comment for people, every wait has the setting that ends it. The diagram in
docs/failover.md is generated from this table; tests prove that every state can be reached and left.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from baton.model.control import Control, Phase
from baton.model.journal import State
from baton.model.state_table import Change, StateTable


def _rows() -> tuple[Change[State], ...]:
    s = State
    return (
        Change(s.STEADY, s.SUSPECT, "two witnesses say that the active Region fails its users"),
        Change(s.SUSPECT, s.STEADY, "a signal came back while it was held: nothing was done"),
        Change(s.SUSPECT, s.SWITCHING, "held long enough, the standby is ready, no brake is on: the epoch moves"),
        Change(s.STEADY, s.SWITCHING, "an operator orders a failover: the epoch moves"),
        Change(s.STEADY, s.DRAINING, "a planned switch starts: nothing new is admitted"),
        Change(s.DRAINING, s.SWITCHING, "every open batch can continue in the other Region: the epoch moves"),
        Change(s.DRAINING, s.STEADY, "not drained in time, or the target is no longer ready: rolled back"),
        Change(
            s.SWITCHING, s.SWITCHING, "an operator orders a failover back while one is under way: the epoch moves on"
        ),
        Change(s.SWITCHING, s.VERIFYING, "switch, routes and ownership are set and read back, or out of time"),
        Change(s.VERIFYING, s.SWITCHING, "an operator orders a failover back: the epoch moves"),
        Change(s.VERIFYING, s.COOLDOWN, "a canary went the whole way in the new Region, or out of time"),
        Change(s.COOLDOWN, s.STEADY, "the cooldown is over"),
        Change(s.COOLDOWN, s.SWITCHING, "an operator orders a failover: the epoch moves"),
        Change(s.COOLDOWN, s.DRAINING, "a planned switch starts: nothing new is admitted"),
        Change(s.COOLDOWN, s.SUSPECT, "two witnesses say that the new active Region fails its users"),
        Change(s.SUSPECT, s.COOLDOWN, "a signal came back while it was held: nothing was done"),
        Change(s.SUSPECT, s.DRAINING, "an operator orders a planned switch"),
    )


TABLE: Final = StateTable(_rows(), initial=State.STEADY)
WAITS: Final[Mapping[State, str]] = {
    State.SUSPECT: "hold_seconds",
    State.DRAINING: "drain_seconds",
    State.SWITCHING: "step_seconds",
    State.VERIFYING: "verify_seconds",
    State.COOLDOWN: "cooldown_seconds",
}
"""The setting that ends each wait. STEADY waits for nothing."""


def state_of(phase: Phase, *, suspects: bool) -> State:
    """Return the state of a controller that sees this phase of the control row."""
    quiet = phase in {Phase.STEADY, Phase.COOLDOWN}
    return State.SUSPECT if suspects and quiet else State(phase.value)


def moved(control: Control, phase: Phase, now: datetime, *, suspects: bool = False, **changes: Any) -> Control:
    """Return the row in its next phase. Raises `ValueError` if the table has no such step: that is our bug."""
    source = State.SUSPECT if suspects else State(control.phase.value)
    if not TABLE.allowed(source, State(phase.value)):
        raise ValueError(f"no step leads from {source} to {phase}")
    changes.setdefault("drains_until", None)
    return control.changed(phase=phase, phase_since=now, **changes)
