"""Defines to which witness each signal belongs, when it counts, and when a Region is declared unhealthy.

What one observer sees over one way is one witness, however many signals that yields: a broken way is no broken Region.
Two witnesses must speak against a Region, one of them by a canary, and none may speak for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from baton.model.journal import Rule, Signal, Verdict, Vote, Witness
from handover import signals
from handover.facts import CANARIES, Memory


class CountsWhen(StrEnum):
    """When a bad signal counts against a Region."""

    ALWAYS = "always"
    TOGETHER = "together"
    """If it turned bad together with a canary: it may be bad for hours while users are served."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class SignalSource:
    """Whose word a signal is, and when it counts."""

    witness: Witness
    counts: CountsWhen


SIGNAL_SOURCES: Final[Mapping[Signal, SignalSource]] = {
    Signal.OUTSIDE_CANARY: SignalSource(Witness.OUTSIDE, CountsWhen.ALWAYS),
    Signal.INSIDE_CANARY: SignalSource(Witness.INSIDE, CountsWhen.ALWAYS),
    Signal.SILENCE: SignalSource(Witness.LEDGER, CountsWhen.ALWAYS),
    Signal.OLDEST_MESSAGE: SignalSource(Witness.INSIDE, CountsWhen.TOGETHER),
    Signal.DEAD_LETTERS: SignalSource(Witness.INSIDE, CountsWhen.TOGETHER),
    Signal.OLDEST_BATCH: SignalSource(Witness.LEDGER, CountsWhen.TOGETHER),
    Signal.THROUGHPUT: SignalSource(Witness.LEDGER, CountsWhen.TOGETHER),
    Signal.CALLS: SignalSource(Witness.OUTSIDE, CountsWhen.TOGETHER),
    Signal.ALARMS: SignalSource(Witness.INSIDE, CountsWhen.TOGETHER),
    Signal.REPLICATION: SignalSource(Witness.INSIDE, CountsWhen.NEVER),
}
"""As docs/failover.md has it."""


def evidence(memory: Memory, region: str, now: datetime) -> tuple[Rule, ...]:
    """Return every signal of a Region, with whose word it is and what it counts for."""
    rules = {signal: signals.rule_of(memory, region, signal, now) for signal in Signal}
    return tuple(_heard(memory, region, rule, rules, now) for rule in rules.values())


def declares_unhealthy(rules: Iterable[Rule]) -> bool:
    """Return whether the evidence declares the Region unhealthy."""
    rules = tuple(rules)
    against = [rule for rule in rules if rule.voice is Vote.AGAINST]
    speaks_for_it = any(rule.voice is Vote.FOR for rule in rules)
    witnesses = {rule.witness for rule in against}
    return len(witnesses) > 1 and any(rule.signal in CANARIES for rule in against) and not speaks_for_it


def _heard(memory: Memory, region: str, rule: Rule, rules: Mapping[Signal, Rule], now: datetime) -> Rule:
    assert rule.signal is not None
    testimony = SIGNAL_SOURCES[rule.signal]
    witness = testimony.witness
    if region == memory.region and witness is Witness.OUTSIDE:
        witness = Witness.INSIDE  # nobody sees his own Region from outside
    match rule.verdict:
        case Verdict.UNHEALTHY:
            voice, note = _against(memory, region, rule.signal, rules)
        case Verdict.HEALTHY:
            voice, note = _for(memory, region, rule.signal, now)
        case Verdict.UNKNOWN:
            voice, note = None, "counts neither way: what is not known has no vote"
    return replace(rule, witness=witness, voice=voice, note=note)


def _against(memory: Memory, region: str, signal: Signal, rules: Mapping[Signal, Rule]) -> tuple[Vote | None, str]:
    match SIGNAL_SOURCES[signal].counts:
        case CountsWhen.ALWAYS:
            return Vote.AGAINST, f"counts against {region}"
        case CountsWhen.NEVER:
            return None, "explains only: a fault of the link is no fault of the Region"
        case CountsWhen.TOGETHER:
            canary = next(
                (each for each in sorted(CANARIES) if _is_bad(rules[each]) and _together(memory, region, signal, each)),
                None,
            )
            if canary:
                return Vote.AGAINST, f"counts against {region}: it turned bad together with the {canary}"
            return None, "explains only: it did not turn bad together with a canary"


def _is_bad(rule: Rule) -> bool:
    return rule.verdict is Verdict.UNHEALTHY


def _together(memory: Memory, region: str, signal: Signal, canary: Signal) -> bool:
    moments = [memory.series[region, each].since for each in (signal, canary)]
    first, second = moments
    if first is None or second is None:
        return False
    return abs(first - second) <= timedelta(seconds=memory.settings.together_seconds)


def _for(memory: Memory, region: str, signal: Signal, now: datetime) -> tuple[Vote | None, str]:
    """Only a canary that went the whole way speaks for a Region: a batch that moved. From inside its report is fresh.

    Users' batches that make no progress do not contradict that: one that takes hours may be all there is.
    """
    if signal not in CANARIES:
        return None, f"says nothing against {region}"
    if signal is Signal.INSIDE_CANARY:
        heard = memory.beats.get(region)
        if heard is None or now - heard.at > timedelta(seconds=memory.settings.written_seconds):
            return None, f"does not speak for {region}: its report is old"
    return Vote.FOR, f"speaks for {region}: as long as it does there is no failover"
