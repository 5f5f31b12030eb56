"""`decide(memory, seen, now) -> (memory, intents)`: everything a controller does is decided here, with no I/O.

Order of precedence: what is under way, then what people ordered, then what is left of a drill, then what the signals
ask for. At most one write of the control row is intended per look: the next look sees what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from baton.model.control import Control, Phase, StepName
from baton.model.journal import Assessment, DecisionKind, Rule, Verdict
from handover import brakes, commands, signals, switching, windows
from handover.facts import Memory, Seen, remembered, rolled_back_for
from handover.intents import Intent, Note, Write
from handover.settings import Mode
from handover.states import Overlay, state_of

_RECONCILED: Final = (StepName.SWITCH, StepName.ROUTES, StepName.TAKEOVER)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rules as they stand, for a control row that was read."""

    control: Control
    standby: str
    evidence: tuple[Rule, ...]
    readiness: tuple[Rule, ...]
    brakes: tuple[Rule, ...]

    @property
    def convicted(self) -> bool:
        """Whether the active Region fails its users, as far as can be told from here."""
        return signals.convicts(self.evidence)

    @property
    def ready(self) -> Verdict:
        """Whether the standby could take over."""
        return brakes.verdict_of(self.readiness)

    @property
    def blocking(self) -> tuple[Rule, ...]:
        """The brakes that are on."""
        return tuple(rule for rule in self.brakes if rule.blocks)


def decide(memory: Memory, seen: Seen, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Return what is remembered after this look and what is to be done, in order.

    `assess` tells afterwards why. Raises nothing that the world can cause.
    """
    memory = signals.absorbed(memory, seen, now)
    if seen.control is None:
        return remembered(memory, suspect_since=None, clean_since=None), ()
    judgement = judge(memory, seen, seen.control, now)
    memory = _with_clean(memory, seen.control, now)
    if not brakes.can_write(memory, now):
        # Cut off from the ledger, whatever we believe of others may as well be true of us.
        return remembered(memory, suspect_since=None), ()
    if memory.settings.dry_run:
        return _automatic(memory, judgement, now)
    memory, intents = _ordered(memory, seen, judgement, now)
    if not any(isinstance(intent, Write) for intent in intents):
        memory, more = _by_itself(memory, seen, judgement, now)
        intents = (*intents, *more)
    return memory, intents


def judge(memory: Memory, seen: Seen, control: Control, now: datetime) -> Judgement:
    """Return every rule as it stands."""
    standby = memory.standby(control)
    return Judgement(
        control=control,
        standby=standby,
        evidence=signals.evidence(memory, control.active_region, now),
        readiness=brakes.readiness(memory, control, standby, seen.heartbeats.get(standby), now),
        brakes=brakes.brakes(memory, control, now),
    )


def _with_clean(memory: Memory, control: Control, now: datetime) -> Memory:
    """Remember since when our own Region has been ready without a break, while it is not active."""
    if control.active_region == memory.region:
        return remembered(memory, clean_since=None)
    ready = brakes.verdict_of(brakes.own_readiness(memory, now)) is Verdict.HEALTHY
    return remembered(memory, clean_since=(memory.clean_since or now) if ready else None)


def _ordered(memory: Memory, seen: Seen, judgement: Judgement, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Answer what people ordered, then go on with what is under way."""
    memory, intents = commands.handled(memory, seen, judgement.control, now)
    if any(isinstance(intent, Write) for intent in intents):
        return memory, intents
    memory, more = switching.advanced(memory, seen, judgement.control, now)
    return memory, (*intents, *more)


def _by_itself(memory: Memory, seen: Seen, judgement: Judgement, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    control = judgement.control
    memory, intents = _automatic(memory, judgement, now)
    if any(isinstance(intent, Write) for intent in intents):
        return memory, intents
    home = _failback(memory, judgement, now) or _end_of_drill(memory, seen, judgement, now)
    if home:
        memory, write = switching.planned(memory, control, home, now)
        return memory, (*intents, write)
    memory, acts = _reconciling(memory, control, now)
    return memory, (*intents, *acts)


# --- unplanned --------------------------------------------------------------------------------------------------------


def _automatic(memory: Memory, judgement: Judgement, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Fail over if the evidence, the standby and the brakes allow it; else say once why not. Only the standby acts."""
    control = judgement.control
    if control.in_transition or control.active_region == memory.region or not judgement.convicted:
        return _unsuspecting(memory, judgement, now)
    if memory.suspect_since is None:
        memory = remembered(memory, suspect_since=now, announced="")
        memory, note = _noted(memory, judgement, DecisionKind.SUSPECTED, _why(judgement.evidence), now)
        return memory, (note,)
    reason = _reason_not_to(memory, judgement, now)
    if reason is not None:
        if reason.key == memory.announced or reason.kind is DecisionKind.SUSPECTED:
            return memory, ()
        memory, note = _noted(remembered(memory, announced=reason.key), judgement, reason.kind, reason.text, now)
        return memory, (note,)
    grounds = f"{control.active_region} fails its users: {_why(judgement.evidence)}"
    order = switching.Order.automatic_failover(judgement.standby, grounds)
    memory, write = switching.failover(memory, control, order, now, assessment=assess(memory, judgement, now))
    return remembered(memory, suspect_since=None, announced=""), (write,)


def _unsuspecting(memory: Memory, judgement: Judgement, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    if memory.suspect_since is None:
        return memory, ()
    memory = remembered(memory, suspect_since=None, announced="")
    overtaken = judgement.control.in_transition or judgement.control.active_region == memory.region
    text = "overtaken by a switch" if overtaken else "the conviction did not last"
    memory, note = _noted(memory, judgement, DecisionKind.CLEARED, text, now)
    return memory, (note,)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the standby does not act on its conviction. `key` stays the same while only figures in the text change."""

    kind: DecisionKind
    key: str
    text: str


def _reason_not_to(memory: Memory, judgement: Judgement, now: datetime) -> Reason | None:
    """Return what keeps the standby from acting on its conviction, the first of all reasons; None: nothing does."""
    assert memory.suspect_since is not None
    settings = memory.settings
    if now < memory.suspect_since + timedelta(seconds=settings.hold_seconds):
        return Reason(DecisionKind.SUSPECTED, "hold", "held: a signal may still take the conviction back")
    if judgement.ready is not Verdict.HEALTHY:
        failing = [rule for rule in judgement.readiness if rule.verdict is not Verdict.HEALTHY]
        sick = "both Regions are sick" if judgement.ready is Verdict.UNHEALTHY else "readiness is not proved"
        return _held(sick, failing)
    if judgement.blocking:
        return _held("a brake is on", judgement.blocking)
    if settings.dry_run:
        return Reason(DecisionKind.WOULD_ACT, "dry run", f"dry run: would fail over to {judgement.standby}")
    if settings.mode is Mode.RECOMMEND:
        text = f"recommended: `baton failover --to {judgement.standby}`"
        return Reason(DecisionKind.RECOMMENDED, "recommend", text)
    return None


def _held(what: str, rules: Sequence[Rule]) -> Reason:
    names = ", ".join(rule.name for rule in rules)
    return Reason(DecisionKind.HELD, f"{what}: {names}", f"{what}: {'; '.join(_said(rule) for rule in rules)}")


def _said(rule: Rule) -> str:
    return f"{rule.name}: {rule.value} (asked: {rule.threshold})"


def _why(evidence: Sequence[Rule]) -> str:
    return "; ".join(f"{rule.name}: {rule.value}" for rule in evidence if rule.verdict is Verdict.UNHEALTHY)


def _noted(memory: Memory, judgement: Judgement, kind: DecisionKind, text: str, now: datetime) -> tuple[Memory, Note]:
    memory, decision = switching.decision(memory, kind, judgement.control.epoch, text, now)
    return memory, Note(replace(decision, assessment=assess(memory, judgement, now)))


# --- planned, by itself -----------------------------------------------------------------------------------------------


def _failback(memory: Memory, judgement: Judgement, now: datetime) -> switching.Order | None:
    """Go home by opt-in: after an hour clean, in a window, with no brake on."""
    settings, control, home = memory.settings, judgement.control, memory.regions[0]
    if settings.failback is not Mode.AUTOMATIC or memory.region != home or control.active_region == home:
        return None
    if control.phase is not Phase.STEADY or control.frozen(now) or control.drill or memory.suspect_since:
        return None
    allowed = windows.parse_all(settings.failback_window)
    if allowed and not any(window.holds(now) for window in allowed):
        return None
    if memory.clean_since is None or now < memory.clean_since + timedelta(seconds=settings.clean_seconds):
        return None
    if _tried_within(memory, control, settings.clean_seconds, now):
        return None
    return switching.Order.automatic_failback(home, f"{home} was clean for {now - memory.clean_since}")


def _end_of_drill(memory: Memory, seen: Seen, judgement: Judgement, now: datetime) -> switching.Order | None:
    """Go home when a practice run is over, or as soon as it hurts."""
    control = judgement.control
    drill = control.drill
    if drill is None or control.in_transition or control.frozen(now) or control.active_region == drill.home:
        return None
    hurts = _blocking_reason(memory, judgement, drill.blocking_alarm)
    if now < drill.ends_at and hurts is None:
        return None
    settings = memory.settings
    if _tried_within(memory, control, settings.cooldown_planned_seconds if hurts else settings.cooldown_seconds, now):
        return None
    if not switching.drives(memory, drill.home, now):
        return None
    ready = brakes.readiness(memory, control, drill.home, seen.heartbeats.get(drill.home), now)
    if brakes.verdict_of(ready) is not Verdict.HEALTHY:
        return None
    return switching.Order.end_of_drill(drill.home, hurts or "the practice run is over", control)


def _tried_within(memory: Memory, control: Control, seconds: float, now: datetime) -> bool:
    """Say whether a planned switch was rolled back that lately: each attempt pauses admission."""
    ago = rolled_back_for(memory, control, now)
    return ago is not None and ago < seconds


def _blocking_reason(memory: Memory, judgement: Judgement, alarm: str | None) -> str | None:
    if signals.firing(memory, judgement.control.active_region, alarm):
        return f"the blocking alarm {alarm} fires"
    if judgement.convicted:
        return f"the Region in practice fails its users: {_why(judgement.evidence)}"
    return None


# --- keeping the world as the row says --------------------------------------------------------------------------------


def _reconciling(memory: Memory, control: Control, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Compare switch, dials and owners with the row now and then: a stale write must not stand."""
    if control.phase is Phase.SWITCHING or control.frozen(now):
        return memory, ()
    if not switching.drives(memory, control.active_region, now):
        return memory, ()
    return switching.due_acts(memory, control, _RECONCILED, memory.settings.reconcile_seconds, now)


# --- explaining -------------------------------------------------------------------------------------------------------


def assess(memory: Memory, judgement: Judgement, now: datetime) -> Assessment:
    """Return the whole judgement, and in one sentence what follows from it."""
    control = judgement.control
    state = state_of(control.phase, suspects=memory.suspect_since is not None)
    return Assessment(
        at=now,
        region=memory.region,
        epoch=control.epoch,
        state=" ".join([state, *overlays(memory, judgement, now)]),
        conclusion=_conclusion(memory, judgement, now),
        evidence=judgement.evidence,
        readiness=judgement.readiness,
        brakes=judgement.brakes,
    )


def assess_unread(memory: Memory, now: datetime) -> Assessment:
    """Return the assessment of a controller that cannot read the ledger."""
    conclusion = "the ledger does not answer: nothing is decided, nothing is touched"
    readiness = brakes.own_readiness(memory, now)
    return Assessment(now, memory.region, None, Overlay.ISOLATED, conclusion, readiness=readiness)


def overlays(memory: Memory, judgement: Judgement, now: datetime) -> list[Overlay]:
    """Return what lies over the state and holds action back."""
    control = judgement.control
    budgets = [brakes.budget(memory, control, now, short=short).blocks for short in (True, False)]
    found = {
        Overlay.ISOLATED: not brakes.can_write(memory, now),
        Overlay.FROZEN: control.frozen(now),
        Overlay.DRY_RUN: memory.settings.dry_run,
        Overlay.BOTH_SICK: judgement.convicted and judgement.ready is Verdict.UNHEALTHY,
        Overlay.BUDGET_SPENT: any(budgets),
    }
    return [overlay for overlay, lies in found.items() if lies]


def _conclusion(memory: Memory, judgement: Judgement, now: datetime) -> str:
    control, transition = judgement.control, judgement.control.transition
    if not brakes.can_write(memory, now):
        return "this controller cannot write the ledger: it acts on nothing"
    if control.in_transition and transition:
        return f"{transition.kind} {transition.id} to {transition.target} is under way: {control.phase}"
    if not judgement.convicted:
        bad = [rule.name for rule in judgement.evidence if rule.verdict is Verdict.UNHEALTHY]
        unknown = all(rule.verdict is Verdict.UNKNOWN for rule in judgement.evidence)
        if bad:
            return f"no failover: {', '.join(bad)} alone convict nobody; two kinds must agree, one of them a canary"
        if unknown:
            return f"no failover: nothing is known of {control.active_region}, and nothing convicts nobody"
        return f"no failover: nothing convicts {control.active_region}"
    if control.active_region == memory.region:
        return "this Region is convicted by its own signals; its standby decides"
    if memory.suspect_since is None:
        return f"{control.active_region} is convicted as of now"
    reason = _reason_not_to(memory, judgement, now)
    return f"no failover: {reason.text}" if reason else f"failing over to {judgement.standby}"
