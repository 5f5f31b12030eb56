"""Readiness of the standby, and each brake on its own."""

from dataclasses import replace
from datetime import timedelta

import pytest

from baton.model.control import Control, Ending, Phase
from baton.model.journal import Rule, Verdict
from baton.ports import Endpoints
from controller_made import (
    EAST,
    SETTINGS,
    START,
    WEST,
    Trace,
    control_made,
    frozen,
    memory_made,
    practice,
    rule,
    seconds,
    under_way,
)
from handover import brakes
from handover.settings import ControllerSettings

HEALTHY, UNHEALTHY, UNKNOWN = Verdict.HEALTHY, Verdict.UNHEALTHY, Verdict.UNKNOWN

# --- our own Region ---------------------------------------------------------------------------------------------------


def _own(trace: Trace) -> dict[str, Verdict]:
    at = trace.looks[-1][0]
    return {each.name: each.verdict for each in brakes.own_readiness(trace.memory, at)}


def test_a_region_is_ready_if_canary_ledger_and_switch_say_so() -> None:
    trace = Trace().warm()

    names = ("own canary", "ledger write", "switch endpoints", "mail", "rights", "tasks", "room", "link")
    assert _own(trace) == dict.fromkeys(names, HEALTHY)


def test_it_is_not_known_to_be_ready_when_it_has_just_started() -> None:
    trace = Trace(endpoints=None, provided=())
    trace.writes = False
    trace.look()

    assert set(_own(trace).values()) == {UNKNOWN}


def test_a_failed_canary_of_its_own_makes_it_unready() -> None:
    trace = Trace().warm()
    trace.inside = False
    trace.run(45)

    assert _own(trace)["own canary"] is UNHEALTHY


def test_a_canary_that_did_not_come_makes_it_unknown() -> None:
    trace = Trace().warm()
    trace.inside = None
    trace.run(60)

    assert _own(trace)["own canary"] is UNKNOWN


@pytest.mark.parametrize(
    ("endpoints", "verdict"),
    [
        (Endpoints(5, 5), HEALTHY),
        (Endpoints(3, 5), HEALTHY),
        (Endpoints(2, 5), UNHEALTHY),
        (Endpoints(0, 5), UNHEALTHY),
        (Endpoints(2, 2), HEALTHY),
        (Endpoints(1, 2), HEALTHY),
        (Endpoints(0, 2), UNHEALTHY),
        (Endpoints(0, 0), HEALTHY),
    ],
)
def test_three_endpoints_of_five_are_needed_or_one_of_two(endpoints: Endpoints, verdict: Verdict) -> None:
    trace = Trace(endpoints=endpoints).warm()

    assert _own(trace)["switch endpoints"] is verdict


def test_old_news_of_the_switch_is_no_news() -> None:
    trace = Trace().warm()
    trace.endpoints = None
    trace.run(55)

    assert _own(trace)["switch endpoints"] is UNKNOWN


def test_a_heartbeat_that_does_not_reach_the_ledger_makes_it_unready() -> None:
    trace = Trace().warm()
    trace.writes = False
    trace.run(15)
    assert _own(trace)["ledger write"] is HEALTHY
    trace.run(10)

    assert _own(trace)["ledger write"] is UNHEALTHY


# --- the other Region -------------------------------------------------------------------------------------------------


def _other(trace: Trace) -> dict[str, Verdict]:
    """Return the readiness of the standby as the active Region's controller sees it."""
    return {each.name: each.verdict for each in trace.assessment.readiness}


def test_the_other_region_is_ready_if_it_says_so_lately_and_follows() -> None:
    trace = Trace(region=EAST).warm()

    assert _other(trace) == {"heartbeat": HEALTHY, "says it is ready": HEALTHY, "follows": HEALTHY}


def test_one_that_was_never_heard_is_unknown() -> None:
    trace = Trace(region=EAST, beats=False)
    trace.look()

    assert _other(trace) == {"heartbeat": UNKNOWN}


def test_one_that_fell_silent_is_not_ready_whatever_it_said_last() -> None:
    trace = Trace(region=EAST).warm()
    trace.beats = False
    trace.run(25)

    assert _other(trace) == {"heartbeat": UNHEALTHY, "says it is ready": UNKNOWN, "follows": HEALTHY}


@pytest.mark.parametrize("said", [UNHEALTHY, UNKNOWN])
def test_one_that_says_it_is_not_is_not(said: Verdict) -> None:
    trace = Trace(region=EAST, says_ready=said).warm()

    assert brakes.verdict_of(trace.assessment.readiness) is said


def test_one_that_comes_back_under_an_old_epoch_is_not_ready_until_it_follows() -> None:
    trace = Trace(region=EAST, control=control_made(epoch=4), follows=3).warm()
    assert _other(trace)["follows"] is UNHEALTHY

    trace.follows = None
    trace.look()

    assert _other(trace)["follows"] is HEALTHY


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([HEALTHY, HEALTHY], HEALTHY),
        ([HEALTHY, UNKNOWN], UNKNOWN),
        ([UNKNOWN, UNHEALTHY], UNHEALTHY),
        ([], UNKNOWN),
    ],
)
def test_every_rule_must_be_good(verdicts: list[Verdict], whole: Verdict) -> None:
    assert brakes.verdict_of([Rule("r", verdict, "", "") for verdict in verdicts]) is whole


# --- brakes -----------------------------------------------------------------------------------------------------------

NOW = START + timedelta(days=2)
AGO = timedelta(hours=1)
DAYTIME = ControllerSettings(maintenance="Sun 02:00-04:00, Fri 11:30-12:30")
BRAKES = {
    "freeze": control_made(freeze=frozen(NOW + AGO)),
    "cooldown": control_made(phase=Phase.COOLDOWN, cooldown_until=NOW + AGO),
    "budget": control_made(failovers=(NOW - AGO,)),
    "way": control_made(phase=Phase.VERIFYING, transition=under_way()),
    "drill": control_made(active_region=WEST, epoch=3, drill=practice(NOW + AGO)),
    "daily budget": control_made(failovers=(NOW - 20 * AGO, NOW - 10 * AGO)),
}


def _on(control: Control, settings: ControllerSettings = SETTINGS, *, written_ago: float = 1) -> set[str]:
    memory = replace(memory_made(WEST, settings), written_at=NOW - seconds(written_ago))
    found = brakes.brakes(memory, control, NOW)
    assert all(each.blocks is (each.verdict is UNHEALTHY) for each in found)
    return {each.name for each in found if each.blocks}


def test_no_brake_is_on_in_quiet_times() -> None:
    assert _on(control_made()) == set()


@pytest.mark.parametrize("name", BRAKES)
def test_each_brake_holds_by_itself(name: str) -> None:
    assert _on(BRAKES[name]) == {name}


def test_the_brake_of_one_who_cannot_write() -> None:
    assert _on(control_made(), written_ago=SETTINGS.written_seconds + 1) == {"isolated"}


def test_the_brake_of_maintenance() -> None:
    assert _on(control_made(), DAYTIME) == {"maintenance"}


@pytest.mark.parametrize(
    "control",
    [
        control_made(freeze=frozen(NOW)),
        control_made(cooldown_until=NOW),
        control_made(failovers=(NOW - timedelta(hours=6),)),
        control_made(failovers=(NOW - timedelta(hours=25), NOW - timedelta(hours=24))),
        control_made(transition=under_way(ended=Ending.COMPLETED)),
    ],
)
def test_what_is_over_holds_no_more(control: Control) -> None:
    assert _on(control) == set()


def test_a_human_that_looked_clears_both_budgets() -> None:
    spent = control_made(failovers=(NOW - 3 * AGO, NOW - 2 * AGO))
    assert _on(spent) == {"budget", "daily budget"}

    assert _on(control_made(failovers=spent.failovers, acknowledged_at=NOW - AGO)) == set()
    assert _on(control_made(failovers=(*spent.failovers, NOW - AGO / 2), acknowledged_at=NOW - AGO)) == {"budget"}


def test_a_budget_of_none_forbids_every_automatic_failover() -> None:
    assert _on(control_made(), ControllerSettings(failovers_short_max=0)) == {"budget"}


def test_brakes_say_who_and_why() -> None:
    found = brakes.brakes(memory_made(), BRAKES["freeze"], NOW)

    assert rule(found, "freeze").value == "by bob until 2026-07-03 13:00 UTC: works"
    assert rule(found, "budget").value == "0 of 1 automatic failovers in 6:00:00"
