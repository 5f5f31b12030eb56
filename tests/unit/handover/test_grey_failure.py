"""A third of the canaries failing is left within 15 minutes; a tenth never is, whatever else is bad for hours."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import override

import pytest

from baton.model.journal import Signal, Verdict
from controller_made import CANARY_SECONDS, EAST, SETTINGS, START, WEST, Trace, heartbeat, memory_made, sample, seconds
from handover import brakes, signals, witnesses
from handover.facts import Heard, Memory, Sample, Series
from handover.witnesses import SIGNAL_SOURCES, CountsWhen

MINUTES_MAX = 15
DAYS = 30
CHRONIC = tuple(signal for signal, each in SIGNAL_SOURCES.items() if each.counts is CountsWhen.TOGETHER)
TAKES = seconds(CANARY_SECONDS)
PAUSE = timedelta(seconds=SETTINGS.probe_seconds)


@dataclass
class Sender:
    """Sends the canaries of one controller through one Region, more at a time while some of them fail."""

    region: str
    signal: Signal
    dice: random.Random
    failed_at: datetime | None = None

    def sent(self, now: datetime, share: float) -> list[Sample]:
        doubtful = self.failed_at is not None and now - self.failed_at <= seconds(SETTINGS.grey_seconds)
        found: list[Sample] = []
        for number in range(SETTINGS.grey_probes if doubtful else 1):
            good = self.dice.random() >= share
            if not good:
                self.failed_at = now
            verdict, beside = Verdict.HEALTHY if good else Verdict.UNHEALTHY, number > 0
            found.append(Sample(self.signal, self.region, verdict, "v", "limit", now, now - TAKES, beside=beside))
        return found


@dataclass
class Grey(Trace):
    """A standby whose active Region fails a share of all canaries, ours and its own."""

    seed: int = 0
    share: float = 0.0
    own: Memory = field(init=False)
    """What the active Region's own controller remembers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        dice = random.Random(self.seed)
        self.own = memory_made(EAST)
        self.outer = Sender(EAST, Signal.OUTSIDE_CANARY, dice)
        self.inner = Sender(EAST, Signal.INSIDE_CANARY, dice)
        self.works = True

    @override
    def _canaries(self) -> Iterator[Sample]:
        if self.probed_at is not None and self.now < self.probed_at + PAUSE:
            return
        self.probed_at = self.now
        series = dict(self.own.series)
        for each in self.inner.sent(self.now, self.share):
            key = (EAST, each.signal)
            series[key] = signals.after(series.get(key), each, SETTINGS)
        self.own = replace(self.own, series=series)
        yield sample(Signal.INSIDE_CANARY, good=True, region=WEST, at=self.now, started_at=self.now)
        yield from self.outer.sent(self.now, self.share)

    @override
    def look(self) -> tuple[object, ...]:  # pyright: ignore[reportIncompatibleMethodOverride] - nobody reads it here
        self.says_canary = brakes.canary_of(self.own, self.now).verdict
        return super().look()

    def minutes_to_failover(self) -> float | None:
        began = self.now
        while not any(write.after.epoch == 3 for write in self.applied):
            if self.now - began > timedelta(minutes=2 * MINUTES_MAX):
                return None
            self.look()
        return (self.now - began).total_seconds() / 60


def test_a_third_that_fails_is_left_within_a_quarter_of_an_hour() -> None:
    minutes: list[float | None] = []
    for seed in range(40):
        trace = Grey(seed=seed)
        trace.run(700)
        trace.share = 1 / 3
        minutes.append(trace.minutes_to_failover())

    assert all(each is not None and each <= MINUTES_MAX for each in minutes), minutes


def test_a_third_while_users_reach_it_well_from_outside_is_not() -> None:
    trace = Grey(seed=1)
    trace.run(60)
    trace.share = 1 / 3
    trace.outer = Sender(EAST, Signal.OUTSIDE_CANARY, random.Random(0))
    trace.outer.sent = lambda now, share: Sender.sent(trace.outer, now, 0.0 * share)

    assert trace.minutes_to_failover() is None


def _series_of(memory: Memory, sent: list[Sample], key: tuple[str, Signal]) -> Series | None:
    series = memory.series.get(key)
    for each in sent:
        series = signals.after(series, each, SETTINGS)
    return series


class Month:
    """The detector alone over many days, at every round of canaries: it must say the same for as long as the hold."""

    def __init__(self, seed: int, chronic: tuple[Signal, ...]) -> None:
        dice = random.Random(seed)
        self.senders = (
            Sender(EAST, Signal.OUTSIDE_CANARY, dice),
            Sender(EAST, Signal.INSIDE_CANARY, dice),
        )
        self.series: dict[Signal, Series | None] = {Signal.OUTSIDE_CANARY: None, Signal.INSIDE_CANARY: None}
        self.memory = memory_made()
        self.chronic = chronic

    def declared(self, days: float, share: float) -> int:
        """Return how often the Region was declared unhealthy for as long as the hold."""
        now, found, held = START, 0, 0
        for _ in range(int(days * 86_400 / SETTINGS.probe_seconds)):
            now += PAUSE
            for sender in self.senders:
                for each in sender.sent(now, share):
                    self.series[each.signal] = signals.after(self.series[each.signal], each, SETTINGS)
            held = held + 1 if self._is_declared(now) else 0
            found += held * SETTINGS.probe_seconds >= SETTINGS.hold_seconds
        return found

    def _is_declared(self, now: datetime) -> bool:
        outer, inner = self.series.values()
        if outer is None or signals.verdict_of(outer, SETTINGS, now) is not Verdict.UNHEALTHY:
            return False  # without it no two witnesses have a canary
        known = {
            (EAST, signal): Series(sample(signal, good=False, at=now), (False,) * 4, tripped=True, since=START)
            for signal in self.chronic
        }
        beat = heartbeat(EAST, 1, now, canary=signals.verdict_of(inner, SETTINGS, now))
        series = signals.reported(self.memory, {**known, (EAST, Signal.OUTSIDE_CANARY): outer}, beat, now)
        memory = replace(self.memory, series=series, beats={EAST: Heard((str(now),), now)})
        return witnesses.declares_unhealthy(witnesses.evidence(memory, EAST, now))


@pytest.mark.parametrize("seeds", [range(5), range(5, 10), range(10, 15)])
def test_a_tenth_that_fails_is_never_left_though_all_that_may_be_bad_for_hours_is(seeds: range) -> None:
    assert sum(Month(seed, CHRONIC).declared(DAYS / 15, 0.1) for seed in seeds) == 0


def test_the_month_sees_a_third() -> None:
    assert Month(1, ()).declared(0.02, 1 / 3) > 0


def test_an_outage_that_is_over_is_no_grey_failure() -> None:
    """As many bad canaries, but in one stretch: what it held against the Region ends with it."""
    key, memory, now = (EAST, Signal.OUTSIDE_CANARY), memory_made(), START
    for minute, good in [(minute, minute not in range(12, 16)) for minute in range(30)]:
        for number in range(4):
            now = START + seconds(60 * minute + 15 * number)
            made = sample(Signal.OUTSIDE_CANARY, good=good, at=now, started_at=now)
            series = _series_of(memory, [made, replace(made, beside=True)], key)
            assert series is not None
            memory = replace(memory, series={key: series})
            if good:
                assert signals.verdict_of(series, SETTINGS, now) is not Verdict.UNHEALTHY, minute


def test_nine_good_ones_in_a_row_do_not_end_it_and_ten_do() -> None:
    series: Series | None = None
    now = START
    for number in range(120):
        now += PAUSE / 2
        made = sample(Signal.OUTSIDE_CANARY, good=number % 3 > 0, at=now, started_at=now)
        series = signals.after(series, made, SETTINGS)
    assert series is not None
    found: list[bool] = []
    for _ in range(10):
        now += PAUSE / 10
        series = signals.after(series, sample(Signal.OUTSIDE_CANARY, good=True, at=now, started_at=now), SETTINGS)
        found.append(signals.fails_often(series, SETTINGS, now))

    assert found == [True] * 7 + [False] * 3, "the last two of the hundred were good as well"


def test_it_takes_a_while_to_be_healthy_again() -> None:
    dice, key, memory = random.Random(3), (EAST, Signal.OUTSIDE_CANARY), memory_made()
    series: Series | None = None
    now = START
    while series is None or not signals.fails_often(series, SETTINGS, now):
        now += PAUSE
        made = sample(Signal.OUTSIDE_CANARY, good=dice.random() > 0.4, at=now, started_at=now)
        series = _series_of(memory, [made, replace(made, beside=True)], key)
        memory = replace(memory, series={key: series} if series else {})
    for number in range(5):
        assert number == 0 or signals.verdict_of(series, SETTINGS, now) is not Verdict.HEALTHY
        now += PAUSE
        made = sample(Signal.OUTSIDE_CANARY, good=True, at=now, started_at=now)
        for each in (made, replace(made, beside=True)):
            series = signals.after(series, each, SETTINGS)

    assert signals.verdict_of(series, SETTINGS, now) is not Verdict.UNHEALTHY


def test_canaries_side_by_side_are_one_step() -> None:
    """A blip that meets two canaries of one moment is one bad sample of the last four."""
    series: Series | None = None
    for number in range(2):
        now = START + number * PAUSE
        for beside in (False, True):
            made = replace(sample(Signal.OUTSIDE_CANARY, good=False, at=now, started_at=now), beside=beside)
            series = signals.after(series, made, SETTINGS)

    assert series is not None
    assert not series.tripped
    assert len(series.recent) == 4
