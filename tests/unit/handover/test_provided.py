"""What a Region has ready for the day, and how long an answer stands."""

from dataclasses import replace
from datetime import timedelta

import pytest

from baton.model.journal import Verdict
from baton.ports import Headroom, MailProvision, TaskCounts
from controller_made import SETTINGS, START, Trace, rule, seconds
from handover import brakes, provided
from handover.metrics import metrics_of
from handover.provided import Provided, Provision

HEALTHY, UNHEALTHY, UNKNOWN = Verdict.HEALTHY, Verdict.UNHEALTHY, Verdict.UNKNOWN
MAIL = MailProvision(verified=True, sends=True, in_sandbox=False, per_day=50_000, sent=20_000)


def test_a_mail_service_that_would_send_is_ready() -> None:
    found = provided.of_mail(MAIL, SETTINGS, START)

    assert (found.verdict, found.value) == (HEALTHY, "30,000 of 50,000 left for 24 h")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"verified": False}, "the sender is not verified"),
        ({"sends": False}, "sending is paused"),
        ({"in_sandbox": True}, "it is in the sandbox"),
    ],
)
def test_one_that_would_refuse_every_mail_is_not(changes: dict[str, bool], told: str) -> None:
    found = provided.of_mail(replace(MAIL, **changes), SETTINGS, START)

    assert (found.verdict, found.value, found.warns) == (UNHEALTHY, told, False)


def test_few_mails_left_warn_and_none_are_counted_where_there_is_no_limit() -> None:
    few = provided.of_mail(replace(MAIL, sent=45_001), SETTINGS, START)
    free = provided.of_mail(replace(MAIL, per_day=None, sent=45_001), SETTINGS, START)

    assert (few.verdict, few.value, few.warns) == (UNHEALTHY, "4,999 of 50,000 left for 24 h", True)
    assert (free.verdict, free.warns) == (HEALTHY, False)


def test_a_right_that_is_missing_is_named() -> None:
    found = provided.of_rights(["s3:SubmitMultiRegionAccessPointRoutes"], START)

    assert (found.verdict, found.value) == (UNHEALTHY, "not allowed: s3:SubmitMultiRegionAccessPointRoutes")
    assert provided.of_rights([], START).verdict is HEALTHY


def test_a_service_without_any_task_is_named_unless_it_is_to_run_none() -> None:
    idle = provided.of_tasks({"merger": TaskCounts(0, 2), "worker": TaskCounts(0, 0)}, START)
    busy = provided.of_tasks({"merger": TaskCounts(1, 2), "worker": TaskCounts(0, 0)}, START)

    assert (idle.verdict, idle.value) == (UNHEALTHY, "none of merger runs")
    assert (busy.verdict, busy.value) == (HEALTHY, "merger 1 of 2, worker 0 of 0")


def test_too_little_room_warns_and_names_its_kind() -> None:
    found = provided.of_room({"fargate": Headroom(6, 5), "fargate-spot": Headroom(6, 99)}, START)

    assert (found.verdict, found.warns) == (UNHEALTHY, True)
    assert found.value == "fargate-spot: 6 vCPUs, and 99 may be needed"


def test_an_answer_stands_for_a_day_while_nobody_answers() -> None:
    good = Provided(Provision.MAIL, HEALTHY, "good", START)
    known = provided.absorbed({}, [good])
    known = provided.absorbed(known, [Provided(Provision.MAIL, UNKNOWN, "no answer", START + timedelta(hours=23))])

    def verdict(hours: float) -> Verdict:
        return rule(tuple(provided.rules(known, SETTINGS, START + timedelta(hours=hours))), "mail").verdict

    assert [verdict(hours) for hours in (0, 23, 25)] == [HEALTHY, HEALTHY, UNKNOWN]


def test_why_nothing_was_ever_answered_is_told() -> None:
    known = provided.absorbed({}, [Provided(Provision.RIGHTS, UNKNOWN, "Refused: AccessDenied", START)])
    known = provided.absorbed(known, [])  # a look at which nothing new is known

    found = rule(tuple(provided.rules(known, SETTINGS, START)), "rights")

    assert (found.verdict, found.value) == (UNKNOWN, "Refused: AccessDenied")


@pytest.mark.parametrize("provision", [each for each in Provision if each is not Provision.LINK])
def test_a_region_that_was_never_heard_on_one_of_them_is_not_left_for(provision: Provision) -> None:
    trace = Trace(provided=tuple(each for each in Provision if each is not provision)).warm()
    trace.fail()
    trace.run(120)

    assert trace.control.epoch == 2
    assert f"readiness is not proved: {provision}: not asked yet" in trace.decisions[-1].summary


def test_what_warns_forbids_no_failover_and_is_told_by_the_metric() -> None:
    trace = Trace().warm()
    small = Provided(Provision.ROOM, UNHEALTHY, "fargate: 6 vCPUs", trace.now, warns=True)
    trace.provided = ()
    trace.memory = replace(trace.memory, provided={**trace.memory.provided, Provision.ROOM: small})
    trace.look()
    metrics = metrics_of(trace.assessment, trace.control, waiting=0)
    trace.fail()
    trace.run(120)

    assert metrics["StandbyNotReady"] == (1.0, "Count")
    assert trace.control.epoch == 3


def test_an_operators_machine_is_not_asked_for_what_only_the_region_knows() -> None:
    memory = replace(Trace().memory, operator="ann")

    assert {each.name for each in brakes.own_readiness(memory, START + seconds(1))} == {
        "own canary",
        "ledger write",
        "switch endpoints",
    }
