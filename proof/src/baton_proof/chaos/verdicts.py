"""Decides what must follow from a round, and whether the controllers' record says the same. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from baton.model.journal import Decision, DecisionKind, Signal, Verdict
from baton_local.stand_ins.refuser import RefusalKind
from baton_proof.chaos.draws import OUTSIDE, PIPELINE, SEVERING, Draw, Fault, HitSide, Trouble
from handover.facts import CANARIES
from handover.witnesses import SIGNAL_SOURCES

_UNBEARABLE_SECONDS: Final = 5
"""Of delay per piece of a request: the Region finishes nothing any more."""
_HIDDEN_SHARE: Final = 0.1
"""Of calls that fail: the client asks again."""
_SHORT_SUM_SECONDS: Final = 10
"""Two short faults one after the other may add up to more than the controller bears."""
_GENERAL: Final = frozenset(set(Signal) - {Signal.SILENCE, Signal.REPLICATION})


class Expected(StrEnum):
    """Whether the active Region must change automatically."""

    FAILOVER = "failover"
    NONE = "none"
    EITHER = "either"
    """The Region is degraded, or the other one could not always take over: both outcomes are right."""


class Effect(StrEnum):
    """What a fault does to the Region that it hits, as long as it lasts."""

    GONE = "gone"
    """Nothing of it is reachable."""
    UNHEALTHY = "unhealthy"
    """Its own canaries fail."""
    DEGRADED = "degraded"
    UNNOTICED = "unnoticed"


def effect_of(trouble: Trouble) -> Effect:
    """Return what it does to its Region."""
    fault = trouble.fault
    if fault in SEVERING:
        return Effect.GONE
    if trouble.service == "controller" or fault is Fault.LOAD:
        return Effect.UNNOTICED
    if fault is Fault.REFUSE and trouble.service == OUTSIDE:
        return Effect.UNNOTICED  # the way is broken, and the Region says that it is healthy
    if fault is Fault.GREY and trouble.amount <= _HIDDEN_SHARE and trouble.answer is not RefusalKind.LATE:
        return Effect.UNNOTICED
    serves_nobody = (
        fault in {Fault.EMPTY, Fault.REFUSE}
        or trouble.service in PIPELINE
        or (fault is Fault.SLOW and trouble.amount > _UNBEARABLE_SECONDS)
        or (fault is Fault.THROTTLE and trouble.amount >= 1)
    )
    return Effect.UNHEALTHY if serves_nobody else Effect.DEGRADED


def expected(draw: Draw) -> Expected:
    """Return whether a failover must follow, must not, or may."""
    hits = [each for each in draw.troubles if each.side is HitSide.ACTIVE and effect_of(each) is not Effect.UNNOTICED]
    if not any(each.is_long for each in hits):
        return Expected.EITHER if sum(each.seconds for each in hits) > _SHORT_SUM_SECONDS else Expected.NONE
    serves_nobody = any(each.is_long and effect_of(each) in {Effect.GONE, Effect.UNHEALTHY} for each in hits)
    standby_is_hit = any(each.side is HitSide.STANDBY for each in draw.troubles)
    return Expected.FAILOVER if serves_nobody and not standby_is_hit else Expected.EITHER


def named(decision: Decision) -> frozenset[Signal]:
    """Return the signals that a decision names as bad."""
    rules = decision.assessment.evidence if decision.assessment else ()
    return frozenset(rule.signal for rule in rules if rule.signal and rule.verdict is Verdict.UNHEALTHY)


def committed(decisions: Iterable[Decision]) -> list[Decision]:
    return [each for each in decisions if each.kind is DecisionKind.COMMITTED]


def disagreements(draw: Draw, decisions: Sequence[Decision], healed_at: datetime) -> list[str]:
    """Return where the controllers' record and what was done part. `healed_at`: when the last fault was over."""
    moves, wanted = committed(decisions), expected(draw)
    found: list[str] = []
    if wanted is Expected.FAILOVER and not moves:
        found.append("no failover, though the active Region was of no use for long")
    if wanted is Expected.FAILOVER and moves and moves[0].at > healed_at:
        found.append("the failover came only after the fault was over")
    if wanted is Expected.NONE and moves:
        found.append(f"a failover that nothing called for: {moves[0].summary}")
    if len(moves) > 1:
        found.append(f"{len(moves)} failovers in one round")
    for move in moves:
        found += _unmatched(draw, move)
    return found


def _unmatched(draw: Draw, move: Decision) -> list[str]:
    """Return what a failover names that was not done, and what was done that it does not name."""
    signals = named(move)
    effects = {effect_of(each) for each in draw.troubles if each.side is HitSide.ACTIVE}
    found: list[str] = []
    if move.region != draw.standby:
        found.append(f"the failover was decided in {move.region}, not in the standby")
    if not signals & CANARIES or len({SIGNAL_SOURCES[each].witness for each in signals}) < 2:
        found.append(f"it names {_listed(signals)}: not two witnesses, one of them by a canary")
    if Effect.GONE in effects and len(effects) == 1 and not signals & {Signal.SILENCE, Signal.CALLS}:
        found.append(f"the Region was gone, and it names neither silence nor own calls: {_listed(signals)}")
    silent = Effect.GONE in effects or any(
        each.service == "controller" for each in draw.troubles if each.side is HitSide.ACTIVE
    )
    allowed = _GENERAL | (frozenset({Signal.SILENCE}) if silent else frozenset[Signal]())
    if strange := signals - allowed:
        found.append(f"it names {_listed(strange)}, which was not done")
    return found


def _listed(signals: Iterable[Signal]) -> str:
    return ", ".join(sorted(signals)) or "nothing"
