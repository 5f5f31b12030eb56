"""The life of a handover, as data.

Every transition is a row with a comment for people, every wait has the setting that ends it. The diagram in
docs/failover.md is generated from this table; tests prove that every state can be reached and left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from baton.model.control import Control, Phase
from baton.model.journal import State


@dataclass(frozen=True, slots=True)
class Row:
    """One allowed change of state and what it means to the person who reads the history."""

    source: State
    target: State
    comment: str


def _rows() -> tuple[Row, ...]:
    s = State
    return (
        Row(s.STEADY, s.SUSPECT, "two kinds of signals say that the active Region fails its users"),
        Row(s.SUSPECT, s.STEADY, "a signal came back while it was held: nothing was done"),
        Row(s.SUSPECT, s.SWITCHING, "held long enough, the standby is ready, no brake is on: the epoch moves"),
        Row(s.STEADY, s.SWITCHING, "an operator orders a failover: the epoch moves"),
        Row(s.STEADY, s.DRAINING, "a planned switch starts: nothing new is admitted"),
        Row(s.DRAINING, s.SWITCHING, "every open batch can go on in the other Region: the epoch moves"),
        Row(s.DRAINING, s.STEADY, "not drained in time, or the target is no longer ready: rolled back"),
        Row(s.SWITCHING, s.SWITCHING, "an operator orders a failover back while one is under way: the epoch moves on"),
        Row(s.SWITCHING, s.VERIFYING, "switch, routes and ownership are set and read back, or out of time"),
        Row(s.VERIFYING, s.SWITCHING, "an operator orders a failover back: the epoch moves"),
        Row(s.VERIFYING, s.COOLDOWN, "a canary went the whole way in the new Region, or out of time"),
        Row(s.COOLDOWN, s.STEADY, "the cooldown is over"),
        Row(s.COOLDOWN, s.SWITCHING, "an operator orders a failover: the epoch moves"),
        Row(s.COOLDOWN, s.DRAINING, "a planned switch starts: nothing new is admitted"),
        Row(s.COOLDOWN, s.SUSPECT, "two kinds of signals say that the new active Region fails its users"),
        Row(s.SUSPECT, s.COOLDOWN, "a signal came back while it was held: nothing was done"),
        Row(s.SUSPECT, s.DRAINING, "an operator orders a planned switch"),
    )


ROWS: Final = _rows()
INITIAL: Final = State.STEADY
WAITS: Final[Mapping[State, str]] = {
    State.SUSPECT: "hold_seconds",
    State.DRAINING: "drain_seconds",
    State.SWITCHING: "step_seconds",
    State.VERIFYING: "verify_seconds",
    State.COOLDOWN: "cooldown_seconds",
}
"""The setting that ends each wait. STEADY waits for nothing."""
_ALLOWED: Final = frozenset((row.source, row.target) for row in ROWS)


def allowed(source: State, target: State) -> bool:
    """Say whether one step leads from `source` to `target`."""
    return (source, target) in _ALLOWED


def state_of(phase: Phase, *, suspects: bool) -> State:
    """Return the state of a controller that sees this phase of the control row."""
    quiet = phase in {Phase.STEADY, Phase.COOLDOWN}
    return State.SUSPECT if suspects and quiet else State(phase.value)


def moved(control: Control, phase: Phase, now: datetime, *, suspects: bool = False, **changes: Any) -> Control:
    """Return the row in its next phase. Raises `ValueError` if the table has no such step: that is our bug."""
    source = State.SUSPECT if suspects else State(control.phase.value)
    if not allowed(source, State(phase.value)):
        raise ValueError(f"no step leads from {source} to {phase}")
    return control.changed(phase=phase, phase_since=now, **changes)


def mermaid() -> str:
    """Return the state diagram as Mermaid text, one line per transition."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}"]
    lines += [f"    {row.source} --> {row.target}: {row.comment}" for row in ROWS]
    return "\n".join(lines) + "\n"
