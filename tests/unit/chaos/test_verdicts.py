"""What must follow from a round of chaos, and where the controllers' record and what was done part."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from baton.model.journal import Assessment, Decision, DecisionKind, Rule, Signal, State, Verdict
from baton.topology import REGIONS_DEFAULT
from baton_local.stand_ins.refuser import RefusalKind
from baton_proof.chaos import verdicts
from baton_proof.chaos.draws import Draw, Fault, HitSide, Trouble
from baton_proof.chaos.verdicts import Effect, Expected, effect_of, expected, named

HOME, AWAY = REGIONS_DEFAULT
_NOW = datetime(2026, 11, 25, tzinfo=UTC)


def _draw(*troubles: Trouble) -> Draw:
    return Draw(1, 1, HOME, troubles)


def _hit(
    fault: Fault,
    seconds: float = 75,
    side: HitSide = HitSide.ACTIVE,
    *,
    service: str = "",
    amount: float = 0,
    answer: RefusalKind = RefusalKind.UNAVAILABLE,
) -> Trouble:
    return Trouble(fault, side, 0, seconds, service, amount, answer)


def _committed(*signals: Signal, region: str = AWAY) -> Decision:
    rules = tuple(Rule(each, Verdict.UNHEALTHY, "bad", "good", signal=each) for each in signals)
    well = Rule(Signal.ALARMS, Verdict.HEALTHY, "none", "none fires", signal=Signal.ALARMS)
    assessment = Assessment(_NOW, region, 2, State.SUSPECT, "failing over", evidence=(*rules, well))
    return Decision("1", _NOW, region, DecisionKind.COMMITTED, 3, "it fails", assessment=assessment)


def disagreements(draw: Draw, decisions: Sequence[Decision]) -> list[str]:
    return verdicts.disagreements(draw, decisions, _NOW + timedelta(seconds=10))


_CUT_REASONS = (Signal.OUTSIDE_CANARY, Signal.SILENCE)
_UNHEALTHY_REASONS = (Signal.OUTSIDE_CANARY, Signal.INSIDE_CANARY)


@pytest.mark.parametrize(
    ("trouble", "effect"),
    [
        (_hit(Fault.PAUSE), Effect.GONE),
        (_hit(Fault.PACKETS), Effect.GONE),
        (_hit(Fault.KILL, service="merger"), Effect.UNHEALTHY),
        (_hit(Fault.KILL, service="trigger"), Effect.DEGRADED),
        (_hit(Fault.OOM, service="controller"), Effect.UNNOTICED),
        (_hit(Fault.SLOW, amount=20), Effect.UNHEALTHY),
        (_hit(Fault.SLOW, amount=0.4), Effect.DEGRADED),
        (_hit(Fault.THROTTLE, amount=1), Effect.UNHEALTHY),
        (_hit(Fault.THROTTLE, amount=0.3), Effect.DEGRADED),
        (_hit(Fault.EMPTY), Effect.UNHEALTHY),
        (_hit(Fault.REFUSE, service="s3", answer=RefusalKind.DENIED), Effect.UNHEALTHY),
        (_hit(Fault.REFUSE, service="dynamodb"), Effect.UNHEALTHY),
        (_hit(Fault.REFUSE, service="inward"), Effect.UNNOTICED),
        (_hit(Fault.GREY, service="s3", amount=0.3), Effect.DEGRADED),
        (_hit(Fault.GREY, service="s3", amount=0.1), Effect.UNNOTICED),
        (_hit(Fault.GREY, service="s3", amount=0.1, answer=RefusalKind.LATE), Effect.DEGRADED),
        (_hit(Fault.LOAD, service="a large file"), Effect.UNNOTICED),
    ],
)
def test_what_a_fault_does_to_its_region(trouble: Trouble, effect: Effect) -> None:
    assert effect_of(trouble) is effect


@pytest.mark.parametrize(
    ("troubles", "wanted"),
    [
        ((_hit(Fault.PAUSE),), Expected.FAILOVER),
        ((_hit(Fault.PAUSE, 5),), Expected.NONE),
        ((_hit(Fault.PAUSE, side=HitSide.STANDBY),), Expected.NONE),
        ((_hit(Fault.KILL, service="controller"),), Expected.NONE),
        ((_hit(Fault.KILL, service="trigger"),), Expected.EITHER),
        ((_hit(Fault.CUT, 6), _hit(Fault.PACKETS, 6)), Expected.EITHER),
        ((_hit(Fault.LOAD, service="a large file"),), Expected.NONE),
        ((_hit(Fault.LOAD, service="a large file"), _hit(Fault.PAUSE)), Expected.FAILOVER),
        ((_hit(Fault.REFUSE, service="inward"),), Expected.NONE),
        ((_hit(Fault.REFUSE, service="s3"),), Expected.FAILOVER),
        ((_hit(Fault.GREY, service="s3", amount=0.3),), Expected.EITHER),
        ((_hit(Fault.CUT, 4), _hit(Fault.PACKETS, 4, HitSide.STANDBY)), Expected.NONE),
        ((_hit(Fault.CUT), _hit(Fault.THROTTLE, amount=0.3)), Expected.FAILOVER),
        ((_hit(Fault.CUT), _hit(Fault.KILL, 4, HitSide.STANDBY, service="worker")), Expected.EITHER),
    ],
)
def test_what_must_follow(troubles: Sequence[Trouble], wanted: Expected) -> None:
    assert expected(_draw(*troubles)) is wanted


def test_a_record_that_says_what_was_done_agrees() -> None:
    assert disagreements(_draw(_hit(Fault.PAUSE)), [_committed(*_CUT_REASONS)]) == []
    assert disagreements(_draw(_hit(Fault.EMPTY)), [_committed(*_UNHEALTHY_REASONS)]) == []
    assert disagreements(_draw(_hit(Fault.PAUSE, 5)), []) == []
    assert named(_committed(*_CUT_REASONS)) == set(_CUT_REASONS)


def test_a_failover_that_must_come_is_missed() -> None:
    (found,) = disagreements(_draw(_hit(Fault.PAUSE)), [])

    assert "of no use for long" in found


def test_a_failover_that_comes_after_the_fault_is_over_comes_too_late() -> None:
    late = replace(_committed(*_CUT_REASONS), at=_NOW + timedelta(seconds=11))

    assert "only after the fault was over" in disagreements(_draw(_hit(Fault.PAUSE)), [late])[0]


def test_a_failover_that_nothing_called_for_is_found() -> None:
    (found,) = disagreements(_draw(_hit(Fault.KILL, 4, service="worker")), [_committed(*_UNHEALTHY_REASONS)])

    assert "nothing called for" in found


def test_reasons_that_are_not_what_was_done_are_found() -> None:
    emptied, gone = _draw(_hit(Fault.EMPTY)), _draw(_hit(Fault.PACKETS))

    assert "silence, which was not done" in disagreements(emptied, [_committed(*_CUT_REASONS)])[0]
    assert "neither silence nor own calls" in disagreements(gone, [_committed(*_UNHEALTHY_REASONS)])[0]
    assert "not two witnesses" in disagreements(emptied, [_committed(Signal.OUTSIDE_CANARY)])[0]
    assert "not two witnesses" in disagreements(emptied, [_committed(Signal.CALLS, Signal.THROUGHPUT)])[0]


def test_a_silent_region_whose_controller_was_killed_as_well_is_explained() -> None:
    draw = _draw(_hit(Fault.KILL, service="worker"), _hit(Fault.OOM, service="controller"))

    assert disagreements(draw, [_committed(*_CUT_REASONS)]) == []


def test_it_is_the_standby_that_decides_and_only_once() -> None:
    draw, move = _draw(_hit(Fault.PAUSE)), _committed(*_CUT_REASONS)

    assert "not in the standby" in disagreements(draw, [replace(move, region=HOME)])[0]
    assert "2 failovers" in disagreements(draw, [move, move])[0]
