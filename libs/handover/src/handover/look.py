"""One look of a controller: its memory, what it saw, the control row, and the rules computed from them (once each)."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from baton.model.control import Control
from baton.model.journal import Rule, Verdict
from handover import brakes, facts, witnesses
from handover.facts import Memory, Seen


@dataclass(frozen=True)
class Look:
    """The input of every rule. Each rule is computed once per look."""

    memory: Memory
    seen: Seen
    control: Control
    now: datetime

    def remembering(self, **changes: Any) -> "Look":
        """Return the look with other things in mind; if they are the same, the look with all that it computed."""
        memory = self.memory.remembering(**changes)
        return self if memory is self.memory else replace(self, memory=memory)

    @property
    def standby(self) -> str:
        """The Region that is not active."""
        return self.memory.standby(self.control)

    @cached_property
    def evidence(self) -> tuple[Rule, ...]:
        """Every signal of the active Region."""
        return witnesses.evidence(self.memory, self.control.active_region, self.now)

    @cached_property
    def readiness(self) -> tuple[Rule, ...]:
        """Whether the standby could take over."""
        return self.readiness_of(self.standby)

    @cached_property
    def brakes(self) -> tuple[Rule, ...]:
        """Every brake on an automatic failover, on or off."""
        return brakes.brakes(self.memory, self.control, self.now)

    @property
    def declared_unhealthy(self) -> bool:
        """Whether the signals that this controller sees declare the active Region unhealthy."""
        return witnesses.declares_unhealthy(self.evidence)

    @property
    def ready(self) -> Verdict:
        """Whether the standby could take over, as one verdict."""
        return brakes.verdict_of(self.readiness)

    @property
    def blocking(self) -> tuple[Rule, ...]:
        """The brakes that are on."""
        return tuple(rule for rule in self.brakes if rule.blocks)

    @property
    def frozen(self) -> bool:
        """Whether automatic action is forbidden now."""
        return self.control.frozen(self.now)

    @property
    def can_write(self) -> bool:
        """Whether this controller's own heartbeat reached the ledger lately: whether it may act at all."""
        return brakes.can_write(self.memory, self.now)

    @property
    def waited_seconds(self) -> float:
        """For how long this controller has seen the present phase."""
        return facts.waited_seconds(self.memory, self.now)

    @property
    def rolled_back_seconds(self) -> float | None:
        """For how long it has seen that the last switch was rolled back; None: it was not."""
        return facts.rolled_back_seconds(self.memory, self.control, self.now)

    def readiness_of(self, region: str) -> tuple[Rule, ...]:
        """Return whether a Region could take over, by our own look or by what its controller last wrote."""
        return brakes.readiness(self.memory, self.control, region, self.seen.heartbeats.get(region), self.now)

    def is_ready(self, region: str) -> bool:
        """Return whether every rule of its readiness is HEALTHY."""
        return brakes.verdict_of(self.readiness_of(region)) is Verdict.HEALTHY
