"""The safety rules of routing controls, as Route 53 ARC checks them: pure, for the stand-ins of ARC.

Where AWS leaves a question open, the stricter reading is taken: a gate is read as it was before the transaction, so
that none opens its own gate; and a rule that is asserted over two controls is checked when either of them is named.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from baton.errors import SwitchRefused

GATE: Final = "gate"
"""The one gating control of `failover_panel`: while it is Off, nobody moves a Region's control."""
WAIT_DEFAULT: Final = timedelta(seconds=5)
"""ARC's own default; 60 s and more are advised against flapping."""
STATES_MAX: Final = 10
"""Routing controls in one update: ARC's quota."""


class RuleType(StrEnum):
    """How a rule counts controls that are On."""

    ATLEAST = "ATLEAST"
    AND = "AND"
    OR = "OR"


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """`threshold` belongs to ATLEAST; `inverted` turns the answer round."""

    type: RuleType
    threshold: int = 0
    inverted: bool = False

    def holds(self, states: Sequence[bool]) -> bool:
        """Return whether these states, On as true, satisfy the rule."""
        match self.type:
            case RuleType.ATLEAST:
                holds = sum(states) >= self.threshold
            case RuleType.AND:
                holds = all(states)
            case RuleType.OR:
                holds = any(states)
            case _:
                assert_never(self.type)
        return holds is not self.inverted


@dataclass(frozen=True, slots=True)
class AssertionRule:
    """Must hold over `targets` after every transaction that names one of them."""

    name: str
    targets: tuple[str, ...]
    config: RuleConfig
    wait: timedelta = WAIT_DEFAULT

    def allows(self, before: Mapping[str, bool], after: Mapping[str, bool]) -> bool:
        del before  # what was has no say
        return self.config.holds([after[name] for name in self.targets])


@dataclass(frozen=True, slots=True)
class GatingRule:
    """`targets` may be set only while it holds over `gates`."""

    name: str
    gates: tuple[str, ...]
    targets: tuple[str, ...]
    config: RuleConfig
    wait: timedelta = WAIT_DEFAULT

    def allows(self, before: Mapping[str, bool], after: Mapping[str, bool]) -> bool:
        del after
        return self.config.holds([before[name] for name in self.gates])


type SafetyRule = AssertionRule | GatingRule


@dataclass(frozen=True, slots=True)
class Panel:
    """Controls and rules by name. On is true."""

    states: Mapping[str, bool]
    rules: tuple[SafetyRule, ...] = ()
    changed_at: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """By rule: when one of its targets last changed. What sets a control to what it is starts no wait."""

    def updated(self, wanted: Mapping[str, bool], now: datetime, *, override: Collection[str] = ()) -> "Panel":
        """Return the panel after one transaction, without the rules named in `override`.

        Raises `SwitchRefused`, naming the first rule that forbids it, and `KeyError` for an unknown control.
        """
        if unknown := wanted.keys() - self.states.keys():
            raise KeyError(f"no such routing control: {', '.join(sorted(unknown))}")
        after = {**self.states, **wanted}
        touched = [rule for rule in self.rules if wanted.keys() & set(rule.targets)]
        for rule in touched:
            if rule.name not in override:
                self._check(rule, after, now)
        changed = {name for name, state in wanted.items() if state is not self.states[name]}
        moved = {rule.name: now for rule in touched if changed & set(rule.targets)}
        return replace(self, states=after, changed_at={**self.changed_at, **moved})

    def _check(self, rule: SafetyRule, after: Mapping[str, bool], now: datetime) -> None:
        if not rule.allows(self.states, after):
            raise SwitchRefused(f"safety rule {rule.name} is not met")
        last = self.changed_at.get(rule.name)
        if last is not None and now < last + rule.wait:
            left = (last + rule.wait - now).total_seconds()
            raise SwitchRefused(f"safety rule {rule.name} is in its wait period for another {left:.1f} s")


def failover_panel(regions: tuple[str, str], *, wait: timedelta = WAIT_DEFAULT) -> Panel:
    """Return Baton's panel: a control for each Region, the first one On, and an open gate.

    Never both On; both Off is legal. The gate is a freeze in ARC itself: it stops people as well as controllers.
    """
    both = tuple(regions)
    return Panel(
        states={regions[0]: True, regions[1]: False, GATE: True},
        rules=(
            AssertionRule("at-most-one-active", both, RuleConfig(RuleType.ATLEAST, 2, inverted=True), wait),
            GatingRule("not-frozen", (GATE,), both, RuleConfig(RuleType.OR), timedelta(0)),
        ),
    )
