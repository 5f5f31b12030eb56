"""A switch that a controller or an operator wants."""

from dataclasses import dataclass
from typing import Self

from baton.model.control import Control, Drill, SwitchKind
from baton.model.journal import Command


@dataclass(frozen=True, slots=True)
class Order:
    """A switch that a controller or an operator wants."""

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
        """Return the switch home, under the command that started the drill."""
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
