"""Several bad samples make a signal UNHEALTHY, one good one ends that, many good ones make it HEALTHY again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from baton.model.journal import Overlay, Signal, Verdict
from controller_made import EAST, SETTINGS, START, WEST, Trace, heartbeat, memory_made, rule, sample, seconds
from handover import signals
from handover.facts import Memory, Sample, Seen
from handover.settings import ControllerSettings

HEALTHY, UNHEALTHY, UNKNOWN = Verdict.HEALTHY, Verdict.UNHEALTHY, Verdict.UNKNOWN
CANARY = Signal.OUTSIDE_CANARY
EVERY = timedelta(seconds=SETTINGS.probe_seconds)


def _verdicts(pattern: str) -> list[Verdict]:
    """Feed one sample per letter, `+` good and `-` bad; return the verdict after each."""
    memory, now = memory_made(), START
    found: list[Verdict] = []
    for letter in pattern:
        memory = _absorbed(memory, [sample(CANARY, good=letter == "+", at=now)], now)
        found.append(_verdict(memory, now))
        now += EVERY
    return found


def _absorbed(memory: Memory, samples: Iterable[Sample], now: datetime) -> Memory:
    return signals.absorbed(memory, Seen(None, samples=tuple(samples)), now)


def _verdict(memory: Memory, now: datetime, signal: Signal = CANARY, region: str = EAST) -> Verdict:
    return signals.rule_of(memory, region, signal, now).verdict


# --- hysteresis -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["---", "+---", "--+-", "-+--", "+++++++++++++++++++++---", "+-+-+--"])
def test_three_bad_ones_of_the_last_four_are_unhealthy(pattern: str) -> None:
    assert _verdicts(pattern)[-1] is UNHEALTHY


@pytest.mark.parametrize("pattern", ["-", "--", "++--", "--++-", "-+-+-+-+-", "--+", "+--++--++--"])
def test_fewer_do_not(pattern: str) -> None:
    assert UNHEALTHY not in _verdicts(pattern)


def test_the_third_good_one_makes_a_signal_healthy_after_a_start() -> None:
    assert _verdicts("+++") == [UNKNOWN, UNKNOWN, HEALTHY]


def test_one_bad_one_is_neither_healthy_nor_unhealthy() -> None:
    assert _verdicts("+++-+")[-2:] == [UNKNOWN, HEALTHY]


def test_the_newest_good_one_ends_unhealthy_without_making_it_healthy() -> None:
    assert _verdicts("---+") == [UNKNOWN, UNKNOWN, UNHEALTHY, UNKNOWN]


def test_after_twenty_of_twenty_good_ones_it_recovers() -> None:
    found = _verdicts("---" + "+" * 20)

    assert set(found[3:-1]) == {UNKNOWN}
    assert found[-1] is HEALTHY


def test_good_ones_before_the_fault_do_not_count_as_recovery() -> None:
    assert _verdicts("+" * 20 + "---" + "+" * 19)[-1] is UNKNOWN


@pytest.mark.parametrize("pattern", ["---+-", "---+++---", "---++++++++---"])
def test_a_relapse_is_unhealthy_by_the_same_number_of_bad_ones(pattern: str) -> None:
    assert _verdicts(pattern)[-1] is UNHEALTHY


@pytest.mark.parametrize("good", [2, 5, 19])
def test_a_bad_one_while_it_comes_back_is_neither(good: int) -> None:
    """Where a tenth of the canaries fails, a signal is coming back most of the time."""
    assert set(_verdicts("---" + "+" * good + "-")[3:]) == {UNKNOWN}


def test_a_relapse_starts_the_twenty_anew() -> None:
    assert _verdicts("---" + "+" * 19 + "-" + "+" * 19)[-1] is UNKNOWN


def test_after_it_recovered_it_takes_three_again() -> None:
    assert UNHEALTHY not in _verdicts("---" + "+" * 20 + "--")[3:]


# --- what was not measured --------------------------------------------------------------------------------------------


def _tripped() -> tuple[Memory, datetime]:
    memory, now = memory_made(), START
    for number in range(3):
        now = START + number * EVERY
        memory = _absorbed(memory, [sample(CANARY, good=False, at=now)], now)
    return memory, now


def test_an_old_sample_says_nothing() -> None:
    memory, now = _tripped()
    fresh = timedelta(seconds=SETTINGS.fresh_seconds)

    assert _verdict(memory, now + fresh) is UNHEALTHY
    assert _verdict(memory, now + fresh + seconds(1)) is UNKNOWN


def test_what_was_never_measured_is_unknown() -> None:
    assert {_verdict(memory_made(), START, signal) for signal in Signal} == {UNKNOWN}


def test_an_unknown_sample_changes_nothing() -> None:
    memory, now = _tripped()

    unknown = replace(sample(CANARY, good=True, at=now + EVERY), verdict=UNKNOWN)
    after = _absorbed(memory, [unknown], now + EVERY)

    assert after.series == memory.series


def test_missing_samples_never_make_a_signal_bad() -> None:
    trace = Trace(outside=None, inside=None, endpoints=None).warm()

    trace.run(3_600)

    assert UNHEALTHY not in {each.verdict for each in trace.assessment.evidence}
    assert trace.kinds == []


def test_unhealthy_from_before_a_long_gap_no_longer_counts() -> None:
    """The standby measures the active Region only: what it held against it before two switches says nothing now."""
    memory, now = _tripped()
    later = now + timedelta(hours=3)

    memory = _absorbed(memory, [sample(CANARY, good=False, at=later)], later)

    assert _verdict(memory, later) is UNKNOWN


# --- silence ----------------------------------------------------------------------------------------------------------


def _silence(trace: Trace) -> Verdict:
    return rule(trace.assessment.evidence, Signal.SILENCE).verdict


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_silence_is_measured_by_our_own_clock(minutes: int) -> None:
    trace = Trace(ahead=timedelta(minutes=minutes)).warm()
    assert _silence(trace) is HEALTHY

    trace.beats = False
    heard = trace.looks[-1][0]
    trace.run(15)
    assert _silence(trace) is not UNHEALTHY
    while _silence(trace) is not UNHEALTHY:
        trace.look()

    assert trace.looks[-1][0] - heard == timedelta(seconds=20)


def test_a_dead_controller_alone_is_no_silent_region() -> None:
    trace = Trace().warm()

    trace.beats, trace.works = False, True
    trace.run(600)

    assert _silence(trace) is HEALTHY


def test_a_region_that_never_said_anything_is_silent_after_a_while() -> None:
    trace = Trace(beats=False)

    trace.run(30)

    assert _silence(trace) is UNHEALTHY


def test_a_beating_heart_is_heard_although_no_batch_moves() -> None:
    trace = Trace(works=False).warm()

    trace.run(600)

    assert _silence(trace) is HEALTHY


def test_a_new_process_of_the_other_controller_is_a_sign_of_life() -> None:
    memory = memory_made()
    first = heartbeat(EAST, 5, START, instance="a")
    again = heartbeat(EAST, 5, START, instance="b")

    memory = signals.absorbed(memory, Seen(Trace().control, heartbeats={EAST: first}), START)
    memory = signals.absorbed(memory, Seen(Trace().control, heartbeats={EAST: first}), START + seconds(60))
    assert memory.beats[EAST].at == START
    memory = signals.absorbed(memory, Seen(Trace().control, heartbeats={EAST: again}), START + seconds(65))

    assert memory.beats[EAST].at == START + seconds(65)


def test_a_controller_on_a_dry_run_is_heard_and_drives_nothing() -> None:
    beat = heartbeat(EAST, 5, START)
    dry = replace(beat, assessment=replace(beat.assessment, overlays=(Overlay.DRY_RUN,)))

    memory = signals.absorbed(memory_made(), Seen(Trace().control, heartbeats={EAST: dry}), START)

    assert (set(memory.beats), set(memory.drivers)) == ({EAST}, set())


def test_our_own_blindness_is_neither_silence_nor_a_sign_of_life() -> None:
    """Every second look fails to read the ledger: that must not look as if something new had been written."""
    trace = Trace(settings=ControllerSettings(hold_seconds=3_600)).warm()
    trace.fail()

    for _ in range(20):
        trace.reads = not trace.reads
        trace.look()
        if not trace.reads:
            assert _silence_sampled(trace) == 0
    trace.reads = True
    trace.look()

    assert _silence(trace) is UNHEALTHY


def _silence_sampled(trace: Trace) -> int:
    series = trace.memory.series[EAST, Signal.SILENCE]
    return int(series.newest.at == trace.looks[-1][0])


# --- what the other controller says of its own Region -----------------------------------------------------------------


def test_its_own_canary_counts_as_ours_would() -> None:
    trace = Trace().warm()

    trace.says_canary = UNHEALTHY
    trace.run(15)

    assert rule(trace.assessment.evidence, Signal.INSIDE_CANARY).verdict is UNHEALTHY


def test_it_is_a_verdict_for_which_its_own_controller_saw_enough() -> None:
    trace = Trace().warm()

    trace.says_canary = UNHEALTHY
    trace.look()

    assert rule(trace.assessment.evidence, Signal.INSIDE_CANARY).verdict is UNHEALTHY


def test_what_a_heartbeat_said_counts_as_long_as_any_sample() -> None:
    trace = Trace().warm()
    trace.says_canary = UNHEALTHY
    trace.look()
    said = trace.looks[-1][0]
    trace.beats = False

    while rule(trace.assessment.evidence, Signal.INSIDE_CANARY).verdict is UNHEALTHY:
        trace.look()

    assert trace.looks[-1][0] - said == seconds(SETTINGS.fresh_seconds + SETTINGS.beat_seconds)


def test_what_its_own_controller_takes_back_is_not_held_against_it() -> None:
    trace = Trace().warm()
    trace.says_canary = UNHEALTHY
    trace.run(30)

    trace.says_canary = UNKNOWN  # its canary is coming back: not healthy yet, but no longer unhealthy
    trace.look()

    assert rule(trace.assessment.evidence, Signal.INSIDE_CANARY).verdict is UNKNOWN


# --- alarms -----------------------------------------------------------------------------------------------------------


def test_an_alarm_is_known_by_its_whole_name() -> None:
    trace = Trace(alarms=("baton-rejects", "baton-lag"))
    trace.look()

    assert signals.firing(trace.memory, EAST, "baton-lag")
    assert not signals.firing(trace.memory, EAST, "baton-reject")
    assert not signals.firing(trace.memory, EAST, None)
    assert not signals.firing(trace.memory, WEST, "baton-lag")


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_signal_that_comes_back_says_how_far_it_is() -> None:
    memory, now = _tripped()
    for number in range(1, 4):
        memory = _absorbed(memory, [sample(CANARY, good=True, at=now + number * EVERY)], now + number * EVERY)

    said = signals.rule_of(memory, EAST, CANARY, now + 3 * EVERY)

    assert said.value == "v (coming back: 3 of 20 good)"
    assert said.age_seconds == 0


def test_a_signal_tells_how_many_of_the_last_were_bad() -> None:
    memory, now = _tripped()

    assert signals.rule_of(memory, EAST, CANARY, now + seconds(4)).value == "v (3 of the last 3 bad)"
    assert signals.rule_of(memory, EAST, CANARY, now + seconds(4)).age_seconds == 4
