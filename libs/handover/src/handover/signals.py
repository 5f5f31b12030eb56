"""Turns samples into verdicts.

Several bad samples are needed for UNHEALTHY, more good ones to recover; no sample means UNKNOWN.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from baton.model.journal import Heartbeat, Overlay, Rule, Signal, Verdict
from handover.facts import CANARIES, HINTS, Heard, Memory, Sample, Seen, Series
from handover.settings import ControllerSettings


def absorbed(memory: Memory, seen: Seen, now: datetime) -> Memory:
    """Return the memory with everything that this look read."""
    heard, beats, drivers = dict(memory.heard), dict(memory.beats), dict(memory.drivers)
    # A look that could not read tells nothing of others: neither that they are silent, nor that they live.
    for region in memory.regions if seen.control is not None else ():
        beat = seen.heartbeats.get(region)
        if beat:
            _hear(beats, region, _mark(beat), now)
            if Overlay.DRY_RUN not in beat.assessment.overlays:
                _hear(drivers, region, _mark(beat), now)
        # Silent is a Region whose controller and services both write nothing: a dead controller alone is none.
        mark = (*(_mark(beat) if beat else ()), seen.activity.get(region, ""))
        _hear(heard, region, mark, now)
    memory = replace(memory, heard=heard, beats=beats, drivers=drivers)
    memory = replace(memory, written_at=seen.written_at or memory.written_at, drain=seen.drain or memory.drain)
    if seen.control is not None:
        mark = (str(seen.control.phase), str(seen.control.epoch), str(seen.control.phase_since))
        if memory.phase_seen is None or memory.phase_seen.mark != mark:
            memory = replace(memory, phase_seen=Heard(mark, now))
    if seen.endpoints is not None:
        memory = replace(memory, endpoints=seen.endpoints, endpoints_at=now)
    samples = [*seen.samples, *_from_ledger(memory, seen, now)]
    series = _with(memory.series, samples, memory.settings)
    beat = seen.heartbeats.get(memory.other)
    if beat and beat.canary is Verdict.UNKNOWN:
        # What its own controller no longer says of its canary is not held against it either.
        series.pop((memory.other, Signal.INSIDE_CANARY), None)
    return replace(memory, series=series)


def _mark(beat: Heartbeat) -> tuple[str, ...]:
    return beat.instance, str(beat.sequence)


def _hear(heard: dict[str, Heard], region: str, mark: tuple[str, ...], now: datetime) -> None:
    if region not in heard or heard[region].mark != mark:
        heard[region] = Heard(mark, now)


def _from_ledger(memory: Memory, seen: Seen, now: datetime) -> Iterable[Sample]:
    """Yield what the ledger says of the other Region: whether it is silent, and how its own canary is."""
    if seen.control is None:
        return
    settings, other = memory.settings, memory.other
    silent = (now - memory.heard[other].at).total_seconds()
    verdict = Verdict.UNHEALTHY if silent >= settings.silence_seconds else Verdict.HEALTHY
    limit = f"below {settings.silence_seconds:g} s"
    yield Sample(Signal.SILENCE, other, verdict, f"{silent:.1f} s", limit, now)
    beat = seen.heartbeats.get(other)
    if beat and memory.beats[other].at == now:
        yield Sample(Signal.INSIDE_CANARY, other, beat.canary, f"its own controller: {beat.canary}", "HEALTHY", now)


def _with(
    before: Mapping[tuple[str, Signal], Series], samples: Iterable[Sample], settings: ControllerSettings
) -> dict[tuple[str, Signal], Series]:
    series = dict(before)
    for sample in samples:
        if sample.verdict is not Verdict.UNKNOWN:
            key = (sample.region, sample.signal)
            series[key] = after(series.get(key), sample, settings)
    return series


def after(before: Series | None, sample: Sample, settings: ControllerSettings) -> Series:
    """Return the series with one more sample, which is good or bad. What is older than a long gap says nothing."""
    if before and sample.at - before.newest.at > timedelta(seconds=settings.fresh_seconds):
        before = None
    good = sample.verdict is Verdict.HEALTHY
    verdicts = (*(before.verdicts if before else ()), good)[-settings.clear_good :]
    tripped = before.tripped if before else False
    if tripped and len(verdicts) == settings.clear_good and all(verdicts):
        tripped = False
    elif not tripped and verdicts[-settings.trip_of :].count(False) >= settings.trip_bad:
        tripped = True
        verdicts = verdicts[-settings.trip_of :]  # good samples from before the fault do not count as recovery
    return Series(sample, verdicts, tripped)


def verdict_of(series: Series | None, settings: ControllerSettings, now: datetime) -> Verdict:
    """Return the verdict of the signal now.

    A tripped signal whose newest sample is good is UNKNOWN until enough of them are good: a fault that passes no longer
    counts as UNHEALTHY at once, but counts as HEALTHY only later.
    """
    if series is None or now - series.newest.at > timedelta(seconds=settings.fresh_seconds):
        return Verdict.UNKNOWN
    if series.tripped:
        return Verdict.UNKNOWN if series.verdicts[-1] else Verdict.UNHEALTHY
    healthy = series.verdicts[-1] and len(series.verdicts) >= settings.ready_samples
    return Verdict.HEALTHY if healthy else Verdict.UNKNOWN


def rule_of(memory: Memory, region: str, signal: Signal, now: datetime) -> Rule:
    """Return the signal of a Region as a line of `explain`."""
    settings = memory.settings
    series = memory.series.get((region, signal))
    if series is None:
        return Rule(signal, Verdict.UNKNOWN, "not measured", "", signal=signal)
    age = (now - series.newest.at).total_seconds()
    recent = series.verdicts[-settings.trip_of :]
    value = f"{series.newest.value} ({recent.count(False)} of the last {len(recent)} bad)"
    if series.tripped and series.verdicts[-1]:
        streak = len(series.verdicts) - 1 - max((i for i, good in enumerate(series.verdicts) if not good), default=-1)
        value = f"{series.newest.value} (coming back: {streak} of {settings.clear_good} good)"
    return Rule(signal, verdict_of(series, settings, now), value, series.newest.threshold, age, signal=signal)


def evidence(memory: Memory, region: str, now: datetime) -> tuple[Rule, ...]:
    """Return every signal of a Region."""
    return tuple(rule_of(memory, region, signal, now) for signal in Signal)


def firing(memory: Memory, region: str, alarm: str | None) -> bool:
    """Return whether this alarm of the Region was firing at the newest look."""
    series = memory.series.get((region, Signal.ALARMS))
    if series is None or series.newest.verdict is not Verdict.UNHEALTHY:
        return False
    return alarm in series.newest.firing


def declares_unhealthy(rules: Iterable[Rule]) -> bool:
    """Return whether the evidence declares the Region unhealthy: two different kinds agree, one of them a canary."""
    bad = {rule.signal for rule in rules if rule.verdict is Verdict.UNHEALTHY and rule.signal} - HINTS
    return len(bad) > 1 and bool(bad & CANARIES)
