"""`decide(memory, seen, now) -> (memory, intents)`: makes every decision of a controller. No I/O.

Order of precedence: what is under way, then what people ordered, then what is left of a drill, then what the signals
ask for. At most one write of the control row is intended per look: the next look sees what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from baton.model.control import Phase
from baton.model.journal import Assessment, DecisionKind, Overlay, Rule, Verdict, Vote
from baton.region_order import another_order
from handover import (
    attempts,
    brakes,
    clocks,
    events,
    invariants,
    restored,
    signals,
    switching,
    under_way,
    windows,
    writes,
)
from handover.facts import Memory, Seen
from handover.intents import Intent, Note, Write
from handover.look import Look
from handover.orders import Order
from handover.settings import Mode
from handover.states import state_of


def decide(memory: Memory, seen: Seen, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Return what is remembered after this look and what is to be done, in order.

    `assess` explains the decision afterwards. Raises only on a bug.
    """
    memory = clocks.absorbed(memory, signals.absorbed(memory, seen, now), seen, now)
    memory = memory.remembering(refused_everywhere=seen.refused_everywhere)
    if seen.control is None:
        return _unread(memory, now), ()
    memory = restored.absorbed(memory, seen, seen.control)
    look = Look(replace(memory, read_at=now), seen, seen.control, now)
    if look.control.unknown or another_order(look.control, memory.regions) or not seen.kept_is_known:
        # A newer version ends what it began; of the others, see their conclusions.
        return replace(memory, suspect_since=None, clean_since=None), ()
    if memory.went_back:
        look, intents = restored.refusing(look, assess)
        return look.memory, intents
    look = _with_clean(look)
    if not look.can_write:
        # Cut off from the ledger: what looks like a fault of the others may be our own.
        return replace(look.memory, suspect_since=None), ()
    look, became = writes.resolved(look)
    look, failed = attempts.absorbed(look)
    after, intents = _automatic(look) if look.memory.settings.dry_run else _decided(look)
    invariants.check(look, intents)
    return writes.opened(after.memory, intents), (*became, *failed, *intents)


def _unread(memory: Memory, now: datetime) -> Memory:
    """Return the memory after a look that could not read the ledger.

    One of them is bad luck, and a hold outlives it. After several nobody knows what happened meanwhile: it starts anew.
    """
    if memory.read_at and now - memory.read_at <= timedelta(seconds=memory.settings.written_seconds):
        return memory
    return replace(memory, suspect_since=None, clean_since=None)


def hold_left_seconds(memory: Memory, now: datetime) -> float | None:
    """Return how long a suspicion is still held; None: there is none, or it was held for long enough."""
    if memory.suspect_since is None:
        return None
    left = memory.settings.hold_seconds - (now - memory.suspect_since).total_seconds()
    return left if left > 0 else None


def _decided(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    look, intents = under_way.continued(look)
    if not any(isinstance(intent, Write) for intent in intents):
        look, more = _by_itself(look)
        intents = (*intents, *more)
    return look, intents


def _with_clean(look: Look) -> Look:
    """Remember since when this Region has been ready without interruption, while it is not active."""
    if look.control.active_region == look.memory.region:
        return look.remembering(clean_since=None)
    ready = brakes.verdict_of(brakes.own_readiness(look.memory, look.now)) is Verdict.HEALTHY
    return look.remembering(clean_since=(look.memory.clean_since or look.now) if ready else None)


def _by_itself(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    look, intents = _automatic(look)
    if any(isinstance(intent, Write) for intent in intents):
        return look, intents
    home = _failback(look) or _end_of_drill(look)
    if home:
        look, write = switching.planned(look, home)
        return look, (*intents, write)
    look, acts = under_way.reconciled(look)
    return look, (*intents, *acts)


# --- unplanned --------------------------------------------------------------------------------------------------------


def _automatic(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    """Fail over if the evidence, the standby and the brakes allow it; else note once why not. Only the standby acts."""
    control = look.control
    if control.in_transition or control.active_region == look.memory.region or not look.declared_unhealthy:
        return _unsuspecting(look)
    if look.memory.suspect_since is None:
        look = look.remembering(suspect_since=look.now, announced="")
        look, note = _noted(look, DecisionKind.SUSPECTED, _why(look.evidence))
        return look, (note,)
    reason = _reason_not_to(look)
    if reason is not None:
        if reason.key == look.memory.announced or reason.kind is DecisionKind.SUSPECTED:
            return look, ()
        look, note = _noted(look.remembering(announced=reason.key), reason.kind, reason.text, held_by=reason.rules)
        return look, (note,)
    grounds = f"{control.active_region} fails its users: {_why(look.evidence)}"
    order = Order.automatic_failover(look.standby, grounds)
    look, write = switching.failover(look, order, assessment=assess(look))
    return look, (write,)


def _unsuspecting(look: Look) -> tuple[Look, tuple[Intent, ...]]:
    if look.memory.suspect_since is None:
        return look, ()
    was_held = look.memory.announced
    look = look.remembering(suspect_since=None, announced="")
    overtaken = look.control.in_transition or look.control.active_region == look.memory.region
    text = "overtaken by a switch" if overtaken else "the signals recovered"
    look, note = _noted(look, DecisionKind.CLEARED, text, held_by=() if was_held else None)
    return look, (note,)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the standby does not fail over. `key` stays the same while only figures in the text change."""

    kind: DecisionKind
    key: str
    text: str
    rules: tuple[str, ...] = ()
    """Names of the rules that forbid it."""


def _reason_not_to(look: Look) -> Reason | None:
    """Return the first reason that keeps the standby from failing over; None if there is none."""
    assert look.memory.suspect_since is not None
    settings = look.memory.settings
    if look.now < look.memory.suspect_since + timedelta(seconds=settings.hold_seconds):
        return Reason(DecisionKind.SUSPECTED, "hold", "held: a signal may still recover")
    if look.ready is not Verdict.HEALTHY:
        failing = [rule for rule in look.readiness if rule.verdict is not Verdict.HEALTHY and not rule.warns]
        what = "both Regions are unhealthy" if look.ready is Verdict.UNHEALTHY else "readiness is not proved"
        return _held(what, failing)
    if look.blocking:
        return _held("a brake is on", look.blocking)
    if settings.dry_run:
        return Reason(DecisionKind.WOULD_ACT, "dry run", f"dry run: would fail over to {look.standby}")
    if settings.mode is Mode.RECOMMEND:
        text = f"waiting for you: `baton failover --to {look.standby}`"
        return Reason(DecisionKind.RECOMMENDED, "recommend", text)
    return None


def _held(what: str, rules: Sequence[Rule]) -> Reason:
    names = ", ".join(rule.name for rule in rules)
    text = f"{what}: {'; '.join(_said(rule) for rule in rules)}"
    return Reason(DecisionKind.HELD, f"{what}: {names}", text, tuple(rule.name for rule in rules))


def _said(rule: Rule) -> str:
    return f"{rule.name}: {rule.value} (asked: {rule.threshold})"


def _why(evidence: Sequence[Rule]) -> str:
    return "; ".join(f"{rule.name}: {rule.value}" for rule in evidence if rule.voice is Vote.AGAINST)


def _noted(look: Look, kind: DecisionKind, text: str, *, held_by: tuple[str, ...] | None = None) -> tuple[Look, Note]:
    """Return the record of what was decided. `held_by`: it is told, with these rules; None: it is not."""
    look, decision = switching.decided(look, kind, text)
    told = None
    if held_by is not None:
        told = events.of_held(decision, look.control, look.memory.regions, held_by)
    return look, Note(replace(decision, assessment=assess(look)), told)


# --- planned and automatic --------------------------------------------------------------------------------------------


def _failback(look: Look) -> Order | None:
    """Fail back if that is enabled: after an hour without a fault, in a window, with no brake on.

    A spent budget is one: at home nothing would lead away from the next fault until it is cleared.
    """
    memory, control, now = look.memory, look.control, look.now
    settings, home = memory.settings, memory.regions[0]
    if settings.failback is not Mode.AUTOMATIC or memory.region != home or control.active_region == home:
        return None
    if control.phase is not Phase.STEADY or look.blocking or control.drill or memory.suspect_since:
        return None
    allowed = windows.parse_all(settings.failback_window)
    if allowed and not any(window.holds(now) for window in allowed):
        return None
    if memory.clean_since is None or now < memory.clean_since + timedelta(seconds=settings.clean_seconds):
        return None
    if _tried_within(look, settings.clean_seconds):
        return None
    return Order.automatic_failback(home, f"{home} was clean for {now - memory.clean_since}")


def _end_of_drill(look: Look) -> Order | None:
    """End a drill when its time is over, or as soon as the blocking alarm fires or the Region is unhealthy."""
    control, settings = look.control, look.memory.settings
    drill = control.drill
    if drill is None or control.in_transition or look.frozen or control.active_region == drill.home:
        return None
    hurts = _blocking_reason(look, drill.blocking_alarm)
    if look.now < drill.ends_at and hurts is None:
        return None
    if _tried_within(look, settings.cooldown_planned_seconds if hurts else settings.cooldown_seconds):
        return None
    if not switching.drives(look.memory, drill.home, look.now) or not look.is_ready(drill.home):
        return None
    return Order.end_of_drill(drill.home, hurts or "the practice run is over", control)


def _tried_within(look: Look, seconds: float) -> bool:
    """Return whether a planned switch was rolled back too lately for another one: each attempt pauses admission."""
    ago = look.rolled_back_seconds
    return ago is not None and ago < seconds


def _blocking_reason(look: Look, alarm: str | None) -> str | None:
    if signals.firing(look.memory, look.control.active_region, alarm):
        return f"the blocking alarm {alarm} fires"
    if look.declared_unhealthy:
        return f"the drill's Region fails its users: {_why(look.evidence)}"
    return None


# --- explaining -------------------------------------------------------------------------------------------------------


def assess(look: Look) -> Assessment:
    """Return all rules with their verdicts, and the conclusion as one sentence."""
    return Assessment(
        at=look.now,
        region=look.memory.region,
        epoch=look.control.epoch,
        state=state_of(look.control.phase, suspects=look.memory.suspect_since is not None),
        conclusion=_conclusion(look),
        evidence=look.evidence,
        readiness=look.readiness,
        brakes=look.brakes,
        overlays=overlays(look),
        failing=attempts.failing(look.memory),
        clock_off_seconds=clocks.off_seconds(look.memory),
        went_back=look.memory.went_back,
    )


def assess_unread(memory: Memory, now: datetime, why: str) -> Assessment:
    """Return the assessment of a controller that cannot read the ledger."""
    return Assessment(
        at=now,
        region=memory.region,
        epoch=None,
        state=None,
        conclusion=f"the ledger cannot be read ({why}): nothing is decided, nothing is changed",
        readiness=brakes.own_readiness(memory, now),
        overlays=(Overlay.ISOLATED,),
        clock_off_seconds=clocks.off_seconds(memory),
    )


def overlays(look: Look) -> tuple[Overlay, ...]:
    """Return the overlays: conditions beside the state that prevent or limit action."""
    budgets = [brakes.budget(look.memory, look.control, look.now, short=short).blocks for short in (True, False)]
    found = {
        Overlay.ISOLATED: not look.can_write or look.memory.refused_everywhere,
        Overlay.FROZEN: look.frozen,
        Overlay.DRY_RUN: look.memory.settings.dry_run,
        Overlay.BOTH_UNHEALTHY: look.declared_unhealthy and look.ready is Verdict.UNHEALTHY,
        Overlay.BUDGET_SPENT: any(budgets),
        Overlay.RECOMMENDS: _recommends(look),
        Overlay.WENT_BACK: look.memory.went_back is not None,
    }
    return tuple(overlay for overlay, lies in found.items() if lies)


def _recommends(look: Look) -> bool:
    if look.memory.suspect_since is None or not look.declared_unhealthy:
        return False
    reason = _reason_not_to(look)
    return reason is not None and reason.kind is DecisionKind.RECOMMENDED


def _conclusion(look: Look) -> str:
    control, transition = look.control, look.control.transition
    distrusted = restored.conclusion(look)
    if distrusted:
        return distrusted
    if not look.can_write:
        return "this controller cannot write the ledger: it takes no action"
    if control.unknown:
        words = ", ".join(control.unknown)
        return f"a newer version of Baton wrote {words} into the control row: this controller takes no action"
    if control.in_transition and transition:
        return f"{transition.kind} {transition.id} to {transition.target} is under way: {control.phase}"
    if not look.declared_unhealthy:
        return f"no failover: {_why_healthy(look)}"
    if control.active_region == look.memory.region:
        return "this Region's own signals declare it unhealthy; its standby decides"
    if look.memory.suspect_since is None:
        return f"{control.active_region} is declared unhealthy as of now"
    reason = _reason_not_to(look)
    return f"no failover: {reason.text}" if reason else f"failing over to {look.standby}"


def _why_healthy(look: Look) -> str:
    bad = [rule.name for rule in look.evidence if rule.verdict is Verdict.UNHEALTHY]
    if bad:
        return f"{', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not enough: {_why_not_enough(look.evidence)}"
    if all(rule.verdict is Verdict.UNKNOWN for rule in look.evidence):
        return f"nothing is known of {look.control.active_region}, and UNKNOWN never declares a Region unhealthy"
    return f"{look.control.active_region} is not declared unhealthy"


def _why_not_enough(evidence: Sequence[Rule]) -> str:
    speaks = [rule.name for rule in evidence if rule.voice is Vote.FOR]
    if speaks:
        return f"{', '.join(speaks)} went the whole way"
    return "two witnesses must speak against it, one of them by a canary"
