"""What a round of chaos is: the same for the same seed, every fault in its turn, two only if they go together."""

from collections import Counter

import pytest

from baton_local.stand_ins.refuser import RefusalKind
from baton_proof.chaos.draws import (
    LONG_SECONDS,
    SEVERING,
    SHORT_SECONDS,
    Fault,
    HitSide,
    Load,
    Trouble,
    compatible,
    drawn,
)

_ROUNDS = [drawn(seed, number) for seed in range(1, 30) for number in range(1, 28)]


def test_the_same_seed_and_number_are_the_same_round() -> None:
    assert [drawn(5, number) for number in range(1, 20)] == [drawn(5, number) for number in range(1, 20)]
    assert drawn(5, 7) != drawn(6, 7)


def test_a_round_does_not_depend_on_those_before_it() -> None:
    assert drawn(5, 12) == [drawn(5, number) for number in range(1, 13)][-1]


@pytest.mark.parametrize("seed", range(10))
def test_each_kind_of_fault_comes_once_before_one_comes_again(seed: int) -> None:
    firsts = [drawn(seed, number).troubles[0].fault for number in range(1, 2 * len(Fault) + 1)]

    assert set(firsts[: len(Fault)]) == set(Fault)
    assert Counter(firsts) == dict.fromkeys(Fault, 2)


def test_what_the_machine_does_not_allow_is_never_drawn() -> None:
    rounds = [drawn(seed, number, without=frozenset({Fault.PACKETS})) for seed in range(20) for number in range(1, 20)]

    assert {each.fault for draw in rounds for each in draw.troubles} == set(Fault) - {Fault.PACKETS}


def test_both_regions_are_active_both_sides_are_hit_and_some_rounds_have_two_faults() -> None:
    assert len({draw.active for draw in _ROUNDS}) == 2
    for fault in Fault:
        hit = [each for draw in _ROUNDS for each in draw.troubles if each.fault is fault]
        assert {each.side for each in hit} == (set(HitSide) if fault is not Fault.LOAD else {HitSide.ACTIVE})
    assert 0.2 < sum(len(draw.troubles) == 2 for draw in _ROUNDS) / len(_ROUNDS) < 0.4


def test_every_fault_is_clearly_short_or_clearly_long() -> None:
    for draw in _ROUNDS:
        for each in draw.troubles:
            low, high = LONG_SECONDS if each.is_long else SHORT_SECONDS
            assert low <= each.seconds <= high


def test_two_faults_are_drawn_only_if_they_can_be_undone_side_by_side() -> None:
    pairs = [draw.troubles for draw in _ROUNDS if len(draw.troubles) == 2]

    assert all(compatible(*pair) and compatible(*reversed(pair)) for pair in pairs)
    assert all(Fault.EMPTY not in {each.fault for each in pair} for pair in pairs)


def _trouble(fault: Fault, side: HitSide = HitSide.ACTIVE, service: str = "") -> Trouble:
    return Trouble(fault, side, 0, 50, service)


@pytest.mark.parametrize("fault", sorted(SEVERING - {Fault.PAUSE}))
def test_a_region_is_severed_in_one_way_at_a_time(fault: Fault) -> None:
    assert not compatible(_trouble(Fault.PAUSE), _trouble(fault))
    assert compatible(_trouble(Fault.PAUSE), _trouble(fault, HitSide.STANDBY))


def test_a_border_that_is_away_cannot_be_told_to_be_quick_again() -> None:
    assert not compatible(_trouble(Fault.DISCONNECT), _trouble(Fault.SLOW))
    assert compatible(_trouble(Fault.PACKETS), _trouble(Fault.SLOW))


def test_every_load_every_answer_and_every_link_is_drawn() -> None:
    drawn_ones = [each for draw in _ROUNDS for each in draw.troubles]

    assert {each.service for each in drawn_ones if each.fault is Fault.LOAD} == set(Load)
    assert {each.answer for each in drawn_ones if each.fault is Fault.REFUSE} == {
        RefusalKind.DENIED,
        RefusalKind.UNAVAILABLE,
    }
    assert {each.service for each in drawn_ones if each.fault is Fault.REFUSE} == {"s3", "dynamodb", "inward"}
    assert {(each.answer, each.amount) for each in drawn_ones if each.fault is Fault.GREY} == {
        (answer, share) for answer in (RefusalKind.UNAVAILABLE, RefusalKind.LATE) for share in (0.1, 0.3)
    }


def test_one_link_is_refused_in_one_way_at_a_time() -> None:
    s3 = _trouble(Fault.REFUSE, service="s3")

    assert not compatible(s3, _trouble(Fault.GREY, service="s3"))
    assert not compatible(_trouble(Fault.THROTTLE, service="dynamodb"), _trouble(Fault.GREY, service="dynamodb"))
    assert compatible(s3, _trouble(Fault.GREY, service="dynamodb"))
    assert not compatible(s3, _trouble(Fault.DISCONNECT))


def test_what_stands_still_cannot_be_killed_nor_one_service_twice() -> None:
    assert not compatible(_trouble(Fault.PAUSE), _trouble(Fault.KILL, service="worker"))
    assert not compatible(_trouble(Fault.OOM, service="worker"), _trouble(Fault.KILL, service="worker"))
    assert compatible(_trouble(Fault.OOM, service="worker"), _trouble(Fault.KILL, service="merger"))
