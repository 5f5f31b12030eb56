"""A canary that takes ten times as long as others did under no less load is a bad one."""

import random
from dataclasses import replace

import pytest

from baton.model.journal import Signal, Verdict
from controller_made import EAST, SETTINGS, START, WEST, sample, seconds
from handover import pace
from handover.facts import Sample
from handover.pace import Usual

KEY = (EAST, Signal.OUTSIDE_CANARY)


def _sample(took: float | None, load: float = 0.0, *, good: bool = True) -> Sample:
    return replace(sample(Signal.OUTSIDE_CANARY, good=good, at=START), seconds=took, load=load)


def _usual(*samples: Sample) -> Usual:
    return pace.compared(samples, {}, SETTINGS)[1]


def _verdict(took: float, usual: Usual, load: float = 0.0) -> Verdict:
    (judged,), _ = pace.compared([_sample(took, load)], usual, SETTINGS)
    return judged.verdict


HALF_A_SECOND = _usual(*[_sample(0.5)] * 60)


@pytest.mark.parametrize(("took", "good"), [(0.5, True), (4.9, True), (5.0, False), (9.9, False)])
def test_ten_times_as_long_is_bad(took: float, *, good: bool) -> None:
    assert _verdict(took, HALF_A_SECOND) is (Verdict.HEALTHY if good else Verdict.UNHEALTHY)


def test_it_says_what_was_usual() -> None:
    (judged,), _ = pace.compared([_sample(6)], HALF_A_SECOND, SETTINGS)

    assert judged.value == "v, 10 times its usual 0.5 s or more"


@pytest.mark.parametrize("took", [2.0, 2.9])
def test_what_no_user_notices_is_good_however_quick_it_was(took: float) -> None:
    assert _verdict(took, _usual(*[_sample(0.01)] * 60)) is Verdict.HEALTHY


def test_nothing_is_usual_before_enough_were_seen() -> None:
    few, enough = _usual(*[_sample(0.3)] * 19), _usual(*[_sample(0.3)] * 20)

    assert (_verdict(6, few), _verdict(6, enough)) == (Verdict.HEALTHY, Verdict.UNHEALTHY)


def test_under_more_load_than_ever_it_may_take_its_time() -> None:
    assert _verdict(6, HALF_A_SECOND, load=300e6) is Verdict.HEALTHY


def test_under_a_load_like_one_before_it_may_not() -> None:
    busy = _usual(*[_sample(0.5)] * 60, *[_sample(0.6, load=200e6)] * 20)

    assert _verdict(6, busy, load=300e6) is Verdict.UNHEALTHY
    assert _verdict(6, busy, load=500e6) is Verdict.HEALTHY


def test_slow_ones_never_become_usual() -> None:
    usual = HALF_A_SECOND

    for _ in range(1_000):
        (judged,), usual = pace.compared([_sample(6)], usual, SETTINGS)
        assert judged.verdict is Verdict.UNHEALTHY


def test_one_that_did_not_arrive_has_no_pace() -> None:
    samples = [_sample(None, good=False), _sample(None), replace(_sample(1), verdict=Verdict.UNHEALTHY)]

    assert pace.compared(samples, {}, SETTINGS) == (samples, {})


def test_regions_have_a_pace_of_their_own_and_the_newest_hour_counts() -> None:
    dice = random.Random(1)
    usual = _usual(*(_sample(dice.uniform(1, 2)) for _ in range(1_000)))
    other = replace(_sample(9), region=WEST)

    (judged,), after = pace.compared([other], usual, SETTINGS)

    assert judged.verdict is Verdict.HEALTHY
    assert len(after[KEY]) == SETTINGS.usual_samples
    assert len(after[WEST, Signal.OUTSIDE_CANARY]) == 1
    assert seconds(SETTINGS.usual_samples * SETTINGS.probe_seconds).total_seconds() == 3_600
