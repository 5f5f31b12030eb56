"""Turns samples into verdicts.

Several bad samples are needed for UNHEALTHY, more good ones to recover; no sample means UNKNOWN. A canary is UNHEALTHY
as well if it fails now and then for ten minutes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from baton.model.journal import Heartbeat, Overlay, Rule, Signal, Verdict
from handover import pace, provided
from handover.facts import Heard, Memory, Sample, Seen, Series
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
    samples, usual = pace.compared(seen.samples, memory.usual, memory.settings)
    series = _with(memory.series, [*samples, *_silence(memory, seen, heard, now)], memory.settings)
    beat = seen.heartbeats.get(memory.other) if seen.control is not None else None
    if beat and beats[memory.other].at == now:
        series = reported(memory, series, beat, now)
    return replace(
        memory,
        heard=heard,
        beats=beats,
        drivers=drivers,
        phase_seen=_phase_seen(memory, seen, now),
        usual=usual,
        series=series,
        written_at=seen.written_at or memory.written_at,
        drain=seen.drain or memory.drain,
        endpoints=memory.endpoints if seen.endpoints is None else seen.endpoints,
        endpoints_at=memory.endpoints_at if seen.endpoints is None else now,
        provided=provided.absorbed(memory.provided, seen.provided),
    )


def _phase_seen(memory: Memory, seen: Seen, now: datetime) -> Heard | None:
    if seen.control is None:
        return memory.phase_seen
    mark = (str(seen.control.phase), str(seen.control.epoch), str(seen.control.phase_since))
    return memory.phase_seen if memory.phase_seen and memory.phase_seen.mark == mark else Heard(mark, now)


def _mark(beat: Heartbeat) -> tuple[str, ...]:
    return beat.instance, str(beat.sequence)


def _hear(heard: dict[str, Heard], region: str, mark: tuple[str, ...], now: datetime) -> None:
    if region not in heard or heard[region].mark != mark:
        heard[region] = Heard(mark, now)


def _silence(memory: Memory, seen: Seen, heard: Mapping[str, Heard], now: datetime) -> Iterable[Sample]:
    """Yield whether the ledger has anything new of the other Region."""
    if seen.control is None:
        return
    settings, other = memory.settings, memory.other
    silent = (now - heard[other].at).total_seconds()
    verdict = Verdict.UNHEALTHY if silent >= settings.silence_seconds else Verdict.HEALTHY
    limit = f"below {settings.silence_seconds:g} s"
    yield Sample(Signal.SILENCE, other, verdict, f"{silent:.1f} s", limit, now)


def reported(
    memory: Memory, series: Mapping[tuple[str, Signal], Series], beat: Heartbeat, now: datetime
) -> dict[tuple[str, Signal], Series]:
    """Return the series with the verdict of the other Region's controller on its own canary, as of many samples."""
    key, settings = (memory.other, Signal.INSIDE_CANARY), memory.settings
    before = series.get(key)
    others = {name: each for name, each in series.items() if name != key}
    if beat.canary is Verdict.UNKNOWN:
        return others  # what it no longer says is not held against it either
    sample = Sample(
        Signal.INSIDE_CANARY, memory.other, beat.canary, f"its own controller: {beat.canary}", "HEALTHY", now
    )
    good = beat.canary is Verdict.HEALTHY
    since = None if good else (before.since if before and before.since else now)
    verdicts = (good,) * (settings.ready_samples if good else settings.trip_bad)
    return {**others, key: Series(sample, verdicts, tripped=not good, since=since)}


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
    recent = _recent(before, sample, settings)
    if sample.beside and before:
        return replace(before, recent=recent)
    verdicts = (*(before.verdicts if before else ()), good)[-settings.clear_good :]
    tripped, since = (before.tripped, before.since) if before else (False, None)
    if tripped and len(verdicts) == settings.clear_good and all(verdicts):
        tripped, since = False, None
    elif not tripped and _trips(verdicts, settings):
        tripped, since = True, sample.at
    return Series(sample, verdicts, tripped, since, recent)


def _trips(verdicts: tuple[bool, ...], settings: ControllerSettings) -> bool:
    return verdicts[-settings.trip_of :].count(False) >= settings.trip_bad


def _recent(before: Series | None, sample: Sample, settings: ControllerSettings) -> tuple[tuple[datetime, bool], ...]:
    if sample.started_at is None:
        return ()  # no canary, or what somebody else says of his
    recent = before.recent if before else ()
    oldest, old = sample.at - timedelta(seconds=settings.grey_seconds), 0
    while old < len(recent) and recent[old][0] < oldest:
        old += 1
    return (*recent[old:], (sample.at, sample.verdict is Verdict.HEALTHY))


def verdict_of(series: Series | None, settings: ControllerSettings, now: datetime) -> Verdict:
    """Return the verdict of the signal now.

    A tripped signal whose newest sample is good is UNKNOWN until enough of them are good: a fault that passes no longer
    counts as UNHEALTHY at once, but counts as HEALTHY only later. Nor does a single bad sample in that time count.
    """
    if series is None or now - series.newest.at > timedelta(seconds=settings.fresh_seconds):
        return Verdict.UNKNOWN
    if fails_often(series, settings, now):
        return Verdict.UNHEALTHY
    if series.tripped:
        bad = not series.verdicts[-1] and _trips(series.verdicts, settings)
        return Verdict.UNHEALTHY if bad else Verdict.UNKNOWN
    healthy = series.verdicts[-1] and len(series.verdicts) >= settings.ready_samples
    return Verdict.HEALTHY if healthy else Verdict.UNKNOWN


def fails_often(series: Series, settings: ControllerSettings, now: datetime) -> bool:
    """Return whether canaries have failed now and then for the whole of `grey_seconds`, and still do."""
    bad = [at for at, good in series.recent if not good]
    few = len(series.recent) < settings.grey_canaries_min
    if few or 100 * len(bad) < settings.grey_percent * len(series.recent):
        return False
    # An outage of a few minutes is as many bad ones, but in one stretch, which the last four samples tell better.
    quarter = settings.grey_seconds / 4
    quarters = {int((now - at).total_seconds() // quarter) for at in bad}
    return quarters >= {0, 1, 2, 3} and not all(good for _, good in series.recent[-settings.grey_clear_good :])


def rule_of(memory: Memory, region: str, signal: Signal, now: datetime) -> Rule:
    """Return the signal of a Region as a line of `explain`."""
    settings = memory.settings
    series = memory.series.get((region, signal))
    if series is None:
        return Rule(signal, Verdict.UNKNOWN, "not measured", "", signal=signal)
    age = (now - series.newest.at).total_seconds()
    recent = series.verdicts[-settings.trip_of :]
    value = f"{series.newest.value} ({recent.count(False)} of the last {len(recent)} bad)"
    if fails_often(series, settings, now):
        bad = sum(not good for _, good in series.recent)
        value = f"{series.newest.value} ({bad} of the last {len(series.recent)} bad, for {settings.grey_seconds:g} s)"
    elif series.tripped and series.verdicts[-1]:
        streak = len(series.verdicts) - 1 - max((i for i, good in enumerate(series.verdicts) if not good), default=-1)
        value = f"{series.newest.value} (coming back: {streak} of {settings.clear_good} good)"
    return Rule(signal, verdict_of(series, settings, now), value, series.newest.threshold, age, signal=signal)


def firing(memory: Memory, region: str, alarm: str | None) -> bool:
    """Return whether this alarm of the Region was firing at the newest look."""
    series = memory.series.get((region, Signal.ALARMS))
    if series is None or series.newest.verdict is not Verdict.UNHEALTHY:
        return False
    return alarm in series.newest.firing
