"""What a controller intends to do: frozen data that the controller's loop carries out, in order."""

from dataclasses import dataclass

from baton.model.control import Control, StepName, Transition
from baton.model.events import Event
from baton.model.journal import Command, Decision


@dataclass(frozen=True, slots=True)
class Write:
    """Compare-and-set the control row, then put the decision on record."""

    before: Control
    after: Control
    decision: Decision
    intended: Decision | None = None
    """Of one that moves the epoch: goes on record before it is tried. None: it moves none, or it is tried again."""
    left: Transition | None = None
    """The ended switch that this write removes from the row: from then on only the journal has it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Put a decision on record that changes no row."""

    decision: Decision
    event: Event | None = None
    """The event that is sent about it. None: none is."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer a command."""

    command: Command


@dataclass(frozen=True, slots=True)
class Act:
    """Bring one thing in line with the control row, if it still has this epoch: switch, dials or owners."""

    step: StepName
    control: Control


@dataclass(frozen=True, slots=True)
class LookAtDrain:
    """Check whether the target of a planned switch could continue every open batch."""

    control: Control


type Intent = Write | Note | Settle | Act | LookAtDrain
