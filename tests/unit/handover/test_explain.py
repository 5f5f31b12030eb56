"""`explain`: the state, one sentence that says why or why not, and every rule with its value."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from baton.model.control import Ending, Phase, SwitchKind
from baton.model.journal import CommandKind, DecisionKind, Signal, State
from baton.ports import Endpoints
from controller_made import EAST, START, WEST, Trace, control_made, frozen, rule, under_way
from handover.settings import ControllerSettings, Mode

LATER = START + timedelta(days=1)


def _well(trace: Trace) -> None:
    trace.run(60)


def _one_kind(trace: Trace) -> None:
    trace.outside = False
    trace.run(60)


def _dying(trace: Trace) -> None:
    trace.run(60)
    trace.fail()
    while trace.kinds == []:
        trace.look()


def _dead(trace: Trace) -> None:
    _dying(trace)
    trace.run(60)


def _both_unhealthy(trace: Trace) -> None:
    trace.run(60)
    trace.fail()
    trace.inside = False
    trace.run(180)


def _ordered(trace: Trace) -> None:
    trace.run(60)
    trace.waiting = ("a file",)
    trace.order(CommandKind.SWITCHOVER, target=WEST)


def _cut_off(trace: Trace) -> None:
    trace.run(60)
    trace.writes = False
    trace.run(30)


def _blind(trace: Trace) -> None:
    trace.reads = False
    trace.run(60)


NOTHING = "nothing is decided, nothing is changed"
SPENT = "a brake is on: budget: 0 of 0 automatic failovers in 6:00:00 (asked: fewer than 0; `baton ack` clears it)"
BOTH_UNHEALTHY = "both Regions are unhealthy: own canary: own (4 of the last 4 bad) (asked: goes the whole way, fresh)"
SENTENCES: list[tuple[Callable[[Trace], None], Trace, str, str]] = [
    (_well, Trace(), "STEADY", f"no failover: {EAST} is not declared unhealthy"),
    (
        _one_kind,
        Trace(),
        "STEADY",
        "no failover: outside canary is not enough: inside canary went the whole way",
    ),
    (_dying, Trace(), "SUSPECT", "no failover: held: a signal may still recover"),
    (
        _both_unhealthy,
        Trace(),
        "SUSPECT BOTH_UNHEALTHY",
        f"no failover: {BOTH_UNHEALTHY}",
    ),
    (
        _dead,
        Trace(control=control_made(freeze=frozen(LATER))),
        "SUSPECT FROZEN",
        "no failover: a brake is on: freeze: by bob until 2026-07-02 12:00 UTC: works (asked: none)",
    ),
    (
        _dead,
        Trace(settings=ControllerSettings(failovers_short_max=0)),
        "SUSPECT BUDGET_SPENT",
        f"no failover: {SPENT}",
    ),
    (
        _dead,
        Trace(settings=ControllerSettings(mode=Mode.RECOMMEND)),
        "SUSPECT RECOMMENDS",
        f"no failover: waiting for you: `baton failover --to {WEST}`",
    ),
    (
        _dead,
        Trace(settings=ControllerSettings(dry_run=True)),
        "SUSPECT DRY_RUN",
        f"no failover: dry run: would fail over to {WEST}",
    ),
    (_ordered, Trace(), "DRAINING", f"switchover t8 to {WEST} is under way: DRAINING"),
    (_cut_off, Trace(), "STEADY ISOLATED", "this controller cannot write the ledger: it takes no action"),
    (
        _blind,
        Trace(),
        "ISOLATED",
        "the ledger cannot be read (no answer in 4 s): nothing is decided, nothing is changed",
    ),
]


@pytest.mark.parametrize(("story", "trace", "state", "sentence"), SENTENCES, ids=[case[3][:40] for case in SENTENCES])
def test_one_sentence_says_why_or_why_not(
    story: Callable[[Trace], None], trace: Trace, state: str, sentence: str
) -> None:
    trace = replace(trace)  # a case is told once in each run

    story(trace)

    assert (trace.assessment.standing, trace.assessment.conclusion) == (state, sentence)


def test_nothing_known_is_said_to_be_so() -> None:
    trace = Trace().warm()
    trace.memory = replace(trace.memory, series={})

    assert (
        trace.assessment.conclusion
        == f"no failover: nothing is known of {EAST}, and UNKNOWN never declares a Region unhealthy"
    )


def test_the_active_region_explains_itself_too() -> None:
    trace = Trace(region=EAST).warm()

    assert trace.assessment.conclusion == f"no failover: {EAST} is not declared unhealthy"
    assert {each.name for each in trace.assessment.readiness} == {"heartbeat", "says it is ready", "follows"}


def test_every_rule_is_there_with_value_and_threshold() -> None:
    trace = Trace().warm()

    told = trace.assessment

    assert [each.name for each in told.evidence] == list(Signal)
    assert rule(told.evidence, Signal.SILENCE).value == "0.0 s (0 of the last 4 bad)"
    assert rule(told.evidence, Signal.SILENCE).threshold == "below 10 s"
    assert rule(told.evidence, Signal.REPLICATION).value == "not measured"
    assert all(each.threshold for each in (*told.readiness, *told.brakes))
    assert (told.at, told.region, told.epoch) == (trace.looks[-1][0], WEST, 2)


def test_the_record_of_a_suspicion_keeps_the_whole_assessment() -> None:
    trace = Trace().warm()
    trace.fail()
    trace.run(90)

    suspected, committed = trace.decisions[:2]
    for record in (suspected, committed):
        assert record.assessment is not None
        assert len(record.assessment.evidence) == len(Signal)
    assert committed.assessment is not None
    assert committed.assessment.conclusion == f"failing over to {WEST}"


# --- how often --------------------------------------------------------------------------------------------------------


def test_figures_that_change_are_no_new_reason() -> None:
    """The age in the sentence grows with every look; the record is written once."""
    trace = Trace().warm()
    trace.fail()
    trace.endpoints = Endpoints(2, 5)
    sentences: set[str] = set()
    for _ in range(200):
        trace.inside = None if len(trace.looks) % 2 else trace.inside
        trace.look()
        sentences.add(trace.assessment.conclusion)

    held = [each.summary for each in trace.decisions if each.kind is DecisionKind.HELD]
    assert len(held) == len({text.split(" (asked")[0] for text in held}) <= 3
    assert len(sentences) > len(held)


def test_a_reason_is_told_again_after_a_new_suspicion() -> None:
    trace = Trace(control=control_made(freeze=frozen(LATER))).warm()
    for _ in range(2):
        trace.fail()
        trace.run(120)
        trace.beats = trace.outside = True
        trace.run(600)

    assert trace.kinds == [DecisionKind.SUSPECTED, DecisionKind.HELD, DecisionKind.CLEARED] * 2


def test_no_two_records_share_an_id() -> None:
    trace = Trace().warm()
    trace.fail()
    trace.run(2_400)
    trace.order(CommandKind.ACK)

    ids = [each.id for each in trace.decisions]
    assert len(ids) == len(set(ids)) > 5
    assert all(each.startswith(f"{WEST}-1-") for each in ids)


def test_records_of_a_switch_name_it_and_its_command() -> None:
    trace = Trace().warm()
    trace.order(CommandKind.SWITCHOVER, target=WEST)
    trace.run(120)

    assert {each.transition_id for each in trace.decisions} == {"t8"}
    assert {each.command_id for each in trace.decisions} == {"c1"}
    assert trace.control.transition is not None
    assert trace.control.transition.kind is SwitchKind.SWITCHOVER


def test_a_cooldown_is_a_state_and_no_brake_is_forgotten() -> None:
    cooling = control_made(phase=Phase.COOLDOWN, cooldown_until=LATER, transition=under_way(ended=Ending.COMPLETED))
    trace = Trace(control=cooling).warm()

    assert trace.assessment.state is State.COOLDOWN
    assert [each.name for each in trace.assessment.brakes] == [
        "isolated",
        "freeze",
        "maintenance",
        "cooldown",
        "budget",
        "daily budget",
        "way",
        "drill",
    ]
