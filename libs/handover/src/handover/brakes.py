"""What must hold before an automatic failover: the standby is ready, and no brake (freeze, budget, ...) is on."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from baton.model.control import Control
from baton.model.journal import CommandKind, Heartbeat, Rule, Signal, Verdict
from handover import provided, signals, windows
from handover.facts import Memory, rolled_back_seconds

_OWN_CANARY = "own canary"
_SWITCH_ENDPOINTS = "switch endpoints"


def _verdict(*, good: bool) -> Verdict:
    return Verdict.HEALTHY if good else Verdict.UNHEALTHY


def canary_of(memory: Memory, now: datetime) -> Rule:
    """Return the verdict of this Region's own canary, as its heartbeat reports it."""
    return signals.rule_of(memory, memory.region, Signal.INSIDE_CANARY, now)


def can_write(memory: Memory, now: datetime) -> bool:
    """Return whether this controller's own heartbeat reached the ledger lately, without which it must not act."""
    return memory.written_at is not None and now - memory.written_at <= timedelta(
        seconds=memory.settings.written_seconds
    )


# --- readiness --------------------------------------------------------------------------------------------------------


def own_readiness(memory: Memory, now: datetime) -> tuple[Rule, ...]:
    """Return whether this controller's own Region could be active."""
    canary = canary_of(memory, now)
    written = memory.written_at
    age = (now - written).total_seconds() if written else None
    return (
        Rule(_OWN_CANARY, canary.verdict, canary.value, "goes the whole way, fresh", canary.age_seconds),
        Rule(
            "ledger write",
            Verdict.UNKNOWN if written is None else _verdict(good=can_write(memory, now)),
            "never" if age is None else f"{age:.1f} s ago",
            f"within {memory.settings.written_seconds:g} s",
            age,
        ),
        _switch(memory, now),
        # An operator's machine cannot ask for them in the Region's place.
        *(() if memory.operator else provided.rules(memory.provided, memory.settings, now)),
    )


def _switch(memory: Memory, now: datetime) -> Rule:
    endpoints, needed = memory.endpoints, memory.settings.switch_endpoints_min
    if endpoints is None or memory.endpoints_at is None:
        return Rule(_SWITCH_ENDPOINTS, Verdict.UNKNOWN, "not asked yet", f"at least {needed}")
    if endpoints.total == 0:
        return Rule(_SWITCH_ENDPOINTS, Verdict.HEALTHY, "there is no switch", "none needed")
    # One endpoint may be in the failed Region, so one fewer must answer. A Region-switch plan has two: one is enough.
    needed = min(needed, endpoints.total - 1)
    age = (now - memory.endpoints_at).total_seconds()
    value = f"{endpoints.answering} of {endpoints.total} answer"
    if age > memory.settings.fresh_seconds:
        return Rule(_SWITCH_ENDPOINTS, Verdict.UNKNOWN, value, f"at least {needed}", age)
    return Rule(_SWITCH_ENDPOINTS, _verdict(good=endpoints.answering >= needed), value, f"at least {needed}", age)


def readiness(
    memory: Memory, control: Control, region: str, heartbeat: Heartbeat | None, now: datetime
) -> tuple[Rule, ...]:
    """Return whether `region` could take over: by our own samples, or by what its controller last wrote."""
    if region == memory.region:
        return own_readiness(memory, now)
    heard = memory.beats.get(region)
    if heartbeat is None or heard is None:
        return (Rule("heartbeat", Verdict.UNKNOWN, "never heard", "fresh"),)
    age = (now - heard.at).total_seconds()
    fresh = age <= memory.settings.written_seconds
    follows = heartbeat.epoch_seen == control.epoch
    return (
        Rule(
            "heartbeat", _verdict(good=fresh), f"{age:.1f} s ago", f"within {memory.settings.written_seconds:g} s", age
        ),
        Rule("says it is ready", heartbeat.ready if fresh else Verdict.UNKNOWN, heartbeat.ready, "HEALTHY", age),
        # A Region that recovers counts as a follower only once its heartbeat has the present epoch.
        Rule("follows", _verdict(good=follows), f"epoch {heartbeat.epoch_seen}", f"epoch {control.epoch}", age),
    )


def verdict_of(rules: Sequence[Rule]) -> Verdict:
    """Return HEALTHY if every rule is, UNHEALTHY if one is, else UNKNOWN. A rule that only warns does not count."""
    verdicts = {rule.verdict for rule in rules if not rule.warns}
    if Verdict.UNHEALTHY in verdicts:
        return Verdict.UNHEALTHY
    return Verdict.HEALTHY if verdicts == {Verdict.HEALTHY} else Verdict.UNKNOWN


def _forbids(rule: Rule) -> bool:
    return rule.verdict is not Verdict.HEALTHY and not rule.warns


def unproved(region: str, rules: Sequence[Rule], kind: CommandKind) -> str | None:
    """Return why an order to make the Region active is refused by these rules of its readiness; None: it is not."""
    if verdict_of(rules) is Verdict.HEALTHY:
        return None
    failing = "; ".join(f"{rule.name}: {rule.value}" for rule in rules if _forbids(rule))
    hint = "; --force overrides this" if kind is CommandKind.FAILOVER else ""
    return f"{region} does not prove that it is ready: {failing}{hint}"


# --- brakes -----------------------------------------------------------------------------------------------------------


def brakes(memory: Memory, control: Control, now: datetime) -> tuple[Rule, ...]:
    """Return every brake on an automatic failover; one that `blocks` is on."""
    settings = memory.settings
    return (
        _isolated(memory, now),
        _frozen(control, now),
        _maintenance(settings.maintenance, now),
        _cooldown(control, now),
        budget(memory, control, now, short=True),
        budget(memory, control, now, short=False),
        _brake("way", blocks=control.in_transition, value=_under_way(control), threshold="no switch under way"),
        _drill(memory, control, now),
    )


def _brake(name: str, *, blocks: bool, value: str, threshold: str) -> Rule:
    return Rule(name, _verdict(good=not blocks), value, threshold, blocks=blocks)


def _isolated(memory: Memory, now: datetime) -> Rule:
    if memory.refused_everywhere:
        return _brake("isolated", blocks=True, value="both Regions refuse our canaries", threshold="one takes them")
    return _brake("isolated", blocks=not can_write(memory, now), value="our own heartbeat", threshold="in the ledger")


def _drill(memory: Memory, control: Control, now: datetime) -> Rule:
    # A drill returns home by a planned switch. If that could not drain, a failover may do it.
    tried = rolled_back_seconds(memory, control, now) is not None
    value = str(control.drill or "none")
    return _brake(
        "drill", blocks=control.drill is not None and not tried, value=value, threshold="none that returns home"
    )


def _under_way(control: Control) -> str:
    return f"{control.transition.id} to {control.transition.target}" if control.transition else "none"


def _frozen(control: Control, now: datetime) -> Rule:
    freezes = control.freezes(now)
    told = [f"by {each.by} until {each.until:%Y-%m-%d %H:%M} UTC: {each.reason}" for each in freezes]
    return _brake("freeze", blocks=bool(freezes), value="; ".join(told) or "none", threshold="none")


def _maintenance(text: str, now: datetime) -> Rule:
    held = next((window for window in windows.parse_all(text) if window.holds(now)), None)
    return _brake(
        "maintenance", blocks=held is not None, value=held.text if held else "no window", threshold="no window"
    )


def _cooldown(control: Control, now: datetime) -> Rule:
    until = control.cooldown_until
    blocks = until is not None and now < until
    value = f"until {until:%H:%M:%S} UTC" if until and blocks else "over"
    return _brake("cooldown", blocks=blocks, value=value, threshold="over")


def budget(memory: Memory, control: Control, now: datetime, *, short: bool) -> Rule:
    """Return one of the two budgets of automatic failovers. Those before a human's ack no longer count."""
    settings = memory.settings
    seconds = settings.budget_short_seconds if short else settings.budget_long_seconds
    most = settings.failovers_short_max if short else settings.failovers_long_max
    since = max(filter(None, [now - timedelta(seconds=seconds), control.acknowledged_at]))
    spent = sum(at > since for at in control.failovers)
    name = "budget" if short else "daily budget"
    value = f"{spent} of {most} automatic failovers in {timedelta(seconds=seconds)}"
    return _brake(name, blocks=spent >= most, value=value, threshold=f"fewer than {most}; `baton ack` clears it")
