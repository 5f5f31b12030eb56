"""The real client of ARC when endpoints hang, refuse, throttle, conflict, or lose their answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from aio import run
from arc_cluster import HASTY, PATIENT, Arc, arc_cluster, offline_session
from baton.aws.switch.hedged import Answers, first_answers
from baton.errors import NotFound, Refused, SwitchRefused, Unavailable
from baton.ports.switch import Endpoints
from baton.topology import REGIONS_DEFAULT
from baton_local.stand_ins.arc import Outage

EAST, WEST = REGIONS_DEFAULT
IN_EAST: Mapping[str, bool] = {EAST: True, WEST: False}
IN_WEST: Mapping[str, bool] = {EAST: False, WEST: True}
SEEDS = range(4)
"""Each begins at other endpoints."""

type Test = Callable[[Arc], Awaitable[None]]


@pytest.fixture(scope="module")
def session() -> AioSession:
    """Give a session that has read its service models already."""
    return offline_session()


def with_arc(*, wait: timedelta = timedelta(0)) -> Callable[[Test], Callable[[AioSession], None]]:
    """Make a test out of `async def test(arc)`."""

    def decorated(test: Test) -> Callable[[AioSession], None]:
        def runs(session: AioSession) -> None:
            async def main() -> None:
                async with arc_cluster(session, wait=wait) as arc:
                    await test(arc)

            run(main())

        runs.__name__, runs.__module__ = test.__name__, test.__module__
        return runs

    return decorated


def _down(arc: Arc, outage: Outage, *numbers: int) -> None:
    for endpoint in arc.cluster.endpoints:
        if endpoint.number in numbers:
            endpoint.take_down(outage)


# --- endpoints that are down -----------------------------------------------------------------------------------------


@with_arc()
async def test_black_holes_cost_a_hedge_and_not_the_operation(arc: Arc) -> None:
    _down(arc, Outage.SILENT, 1, 2)
    for seed in SEEDS:
        async with arc.switch(replace(PATIENT, hedge_seconds=0.05), seed=seed) as switch:
            began = time.monotonic()

            assert await switch.states() == IN_EAST

            assert time.monotonic() - began < PATIENT.read_seconds


@pytest.mark.parametrize("outage", Outage)
def test_two_endpoints_of_five_may_be_down_in_any_way(session: AioSession, outage: Outage) -> None:
    async def main() -> None:
        async with arc_cluster(session) as arc:
            _down(arc, outage, 1, 2)
            for seed, states in zip(SEEDS, (IN_WEST, IN_EAST, IN_WEST, IN_EAST), strict=True):
                async with arc.switch(HASTY, seed=seed) as switch:
                    await switch.set_states(states)
                    assert await switch.states() == states
            async with arc.switch(HASTY) as switch:
                assert await switch.endpoints() == Endpoints(3, 5)

    run(main())


@pytest.mark.parametrize("outage", Outage)
def test_nothing_answers_and_that_is_told_in_time(session: AioSession, outage: Outage) -> None:
    # A refusal is an answer: it needs no deadline, but the time of a call.
    times = PATIENT if outage is Outage.DENIED else replace(PATIENT, operation_seconds=0.4)

    async def main() -> None:
        async with arc_cluster(session) as arc, arc.switch(times) as switch:
            _down(arc, outage, 1, 2, 3, 4, 5)
            told = Refused if outage is Outage.DENIED else Unavailable
            for ask in (switch.states, lambda: switch.set_states(IN_WEST)):
                began = time.monotonic()
                with pytest.raises(told):
                    await ask()
                assert time.monotonic() - began < PATIENT.read_seconds
            assert await switch.endpoints() == Endpoints(0, 5)

    run(main())


@with_arc()
async def test_a_slow_endpoint_delays_nobody(arc: Arc) -> None:
    for endpoint in arc.cluster.endpoints[:2]:
        endpoint.slow_down(30)
    async with arc.switch(HASTY) as switch:
        await switch.set_states(IN_WEST)

        assert await switch.states() == IN_WEST


@with_arc()
async def test_endpoints_that_come_back_are_used_again(arc: Arc) -> None:
    async with arc.switch(HASTY) as switch:
        _down(arc, Outage.SILENT, 1, 2, 3)
        with pytest.raises(Unavailable):
            await switch.states()

        for endpoint in arc.cluster.endpoints:
            endpoint.bring_up()

        await switch.set_states(IN_WEST)
        assert await switch.endpoints() == Endpoints(5, 5)


# --- answers that get lost -------------------------------------------------------------------------------------------


def _lose_answers(arc: Arc, each: int) -> None:
    for endpoint in arc.cluster.endpoints:
        endpoint.answers_to_lose = each


@with_arc()
async def test_after_a_lost_answer_the_same_states_go_to_another_endpoint(arc: Arc) -> None:
    async with arc.switch() as switch:
        arc.cluster.endpoints[0].answers_to_lose = arc.cluster.endpoints[1].answers_to_lose = 1
        arc.cluster.endpoints[2].answers_to_lose = arc.cluster.endpoints[3].answers_to_lose = 1

        await switch.set_states(IN_WEST)

    asked = list(arc.cluster.asked)
    assert [states for _, states in asked] == [IN_WEST] * len(asked), "never toggled, never computed anew"
    assert len({number for number, _ in asked}) == len(asked)
    assert arc.cluster.active_region == WEST


@with_arc(wait=timedelta(seconds=60))
async def test_the_wait_period_refuses_the_repetition_and_the_change_is_seen_to_be_made(arc: Arc) -> None:
    async with arc.switch() as switch:
        _lose_answers(arc, 1)

        await switch.set_states(IN_WEST)

    assert [states for _, states in arc.cluster.asked] == [IN_WEST, IN_WEST]
    assert arc.cluster.active_region == WEST


@with_arc()
async def test_if_every_answer_is_lost_the_states_are_read(arc: Arc) -> None:
    async with arc.switch() as switch:
        _lose_answers(arc, 1)

        await switch.set_states(IN_WEST)

    assert len(arc.cluster.asked) == 5
    assert arc.cluster.active_region == WEST


@with_arc()
async def test_what_only_one_endpoint_reads_back_is_not_confirmed(arc: Arc) -> None:
    arc.cluster.commit_seconds = 0.2
    async with arc.switch(replace(HASTY, operation_seconds=6)) as switch, asyncio.TaskGroup() as side_by_side:
        side_by_side.create_task(_slow_down_once_asked(arc, 1, 2, 3, 4))

        with pytest.raises(Unavailable, match="were set, but two endpoints did not read them back"):
            await switch.set_states(IN_WEST)

    assert arc.cluster.active_region == WEST


async def _slow_down_once_asked(arc: Arc, *numbers: int) -> None:
    async with asyncio.timeout(10):
        while not arc.cluster.asked:  # noqa: ASYNC110 - it has no event for that: nobody but a test waits for it
            await asyncio.sleep(0.01)
    for endpoint in arc.cluster.endpoints:
        if endpoint.number in numbers:
            endpoint.slow_down(30)


# --- refusals and conflicts ------------------------------------------------------------------------------------------


@with_arc()
async def test_a_conflict_is_tried_again(arc: Arc) -> None:
    arc.cluster.commit_seconds = 0.2
    async with arc.switch() as one, arc.switch(seed=1) as other:
        await asyncio.gather(one.set_states(IN_WEST), other.set_states(IN_WEST))

    assert arc.cluster.active_region == WEST


@with_arc()
async def test_a_conflict_that_stays_is_a_refusal_in_its_own_words(arc: Arc) -> None:
    arc.cluster.is_committing = True
    async with arc.switch(replace(HASTY, operation_seconds=6)) as switch:
        with pytest.raises(SwitchRefused, match=r"Another change is under way\. Try again"):
            await switch.set_states(IN_WEST)

    assert arc.cluster.active_region == EAST


@with_arc(wait=timedelta(seconds=60))
async def test_a_refusal_by_a_rule_is_not_tried_again(arc: Arc) -> None:
    async with arc.switch() as switch:
        await switch.set_states(IN_WEST)
        with pytest.raises(SwitchRefused, match="wait period"):
            await switch.set_states(IN_EAST)
        with pytest.raises(SwitchRefused, match="at-most-one-active is not met"):
            await switch.set_states({EAST: True, WEST: True})

    assert len(arc.cluster.asked) == 3


@with_arc()
async def test_throttled_endpoints_are_passed_by_and_all_of_them_are_waited_for(arc: Arc) -> None:
    for endpoint in arc.cluster.endpoints:
        while not endpoint.is_too_fast():
            pass
    async with arc.switch() as switch:
        await switch.set_states(IN_WEST)

    assert len(arc.cluster.asked) == 1
    assert arc.cluster.active_region == WEST


@with_arc()
async def test_what_can_never_succeed_is_raised_as_it_is(arc: Arc) -> None:
    renamed = {region: f"{arn}-gone" for region, arn in arc.settings.controls.items()}
    async with arc.aws() as aws:
        switch = aws.switch(arc.settings.model_copy(update={"controls": renamed}), times=PATIENT)

        with pytest.raises(NotFound, match="ResourceNotFoundException"):
            await switch.states()
        with pytest.raises(NotFound, match="ResourceNotFoundException"):
            await switch.set_states(IN_WEST)
        assert await switch.endpoints() == Endpoints(0, 5)


@with_arc()
async def test_controls_of_other_regions_are_refused_at_once(arc: Arc) -> None:
    foreign = arc.settings.model_copy(update={"controls": {"eu-west-1": "arn:a", "eu-west-2": "arn:b"}})
    async with arc.aws() as aws:
        with pytest.raises(ValueError, match="the Regions are us-east-1, us-west-2"):
            aws.switch(foreign)


@with_arc()
async def test_what_one_endpoint_refuses_another_one_does(arc: Arc) -> None:
    for denied in range(1, 5):
        _down(arc, Outage.DENIED, denied)  # in the end only the fifth is left, and nobody reads back what it sets
        for seed, states in enumerate((IN_WEST, IN_EAST)):
            async with arc.switch(replace(HASTY, operation_seconds=6), seed=seed) as switch:
                if denied < 4:
                    await switch.set_states(states)
                    assert await switch.endpoints() == Endpoints(5 - denied, 5)
                assert await switch.states() == (states if denied < 4 else IN_EAST)


@with_arc()
async def test_what_every_endpoint_refuses_is_told_at_once(arc: Arc) -> None:
    async with arc.switch() as switch:
        began = time.monotonic()
        _down(arc, Outage.DENIED, 1, 2, 3, 4, 5)

        with pytest.raises(Refused, match="AccessDenied"):
            await switch.set_states(IN_WEST)

        assert time.monotonic() - began < PATIENT.read_seconds


# --- the stand-in itself ---------------------------------------------------------------------------------------------


async def _refusal(call: Awaitable[Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        await call
    return {**caught.value.response}


@with_arc()
async def test_the_stand_in_refuses_as_the_service_model_says(arc: Arc) -> None:
    async with arc.raw() as client:
        on = [{"RoutingControlArn": arn, "RoutingControlState": "On"} for arn in arc.cluster.controls.values()]

        both = await _refusal(client.update_routing_control_states(UpdateRoutingControlStateEntries=on))
        assert both["Error"]["Code"] == "ConflictException"
        assert both["resourceType"] == "safety rule"
        twice = await _refusal(client.update_routing_control_states(UpdateRoutingControlStateEntries=[on[0], on[0]]))
        assert (twice["Error"]["Code"], twice["reason"]) == ("ValidationException", "fieldValidationFailed")
        many = await _refusal(client.update_routing_control_states(UpdateRoutingControlStateEntries=on[:1] * 11))
        assert many["Error"]["Code"] == "ServiceLimitExceededException"
        fourth = await _refusal(client.update_routing_control_state(**on[0]))
        assert (fourth["Error"]["Code"], fourth["retryAfterSeconds"]) == ("ThrottlingException", 1)
        missing = await _refusal(client.get_routing_control_state(RoutingControlArn="arn:none"))
        assert (missing["Error"]["Code"], missing["resourceId"]) == ("ResourceNotFoundException", "arn:none")


@with_arc()
async def test_the_stand_in_lists_its_controls_page_by_page(arc: Arc) -> None:
    async with arc.raw() as client:
        pages = client.get_paginator("list_routing_controls").paginate(
            ControlPanelArn=arc.cluster.panel_arn, PaginationConfig={"PageSize": 2}
        )
        listed = [control async for page in pages for control in page["RoutingControls"]]

    states = {control["RoutingControlName"]: control["RoutingControlState"] for control in listed}
    assert states == {EAST: "On", WEST: "Off", "gate": "On"}


@with_arc()
async def test_a_person_can_break_the_glass_and_the_switch_cannot(arc: Arc) -> None:
    arc.cluster.open_gate(is_open=False)
    async with arc.switch() as switch, arc.raw() as client:
        with pytest.raises(SwitchRefused, match="not-frozen"):
            await switch.set_states(IN_WEST)
        await client.update_routing_control_state(
            RoutingControlArn=arc.cluster.arns[EAST],
            RoutingControlState="Off",
            SafetyRulesToOverride=[f"{arc.cluster.panel_arn}/safetyrule/not-frozen"],
        )
        assert await switch.states() == {EAST: False, WEST: False}


# --- hedging ---------------------------------------------------------------------------------------------------------


def test_an_error_or_a_silence_asks_the_next_one_and_the_rest_is_called_off() -> None:
    called_off: list[str] = []

    async def broken() -> str:
        raise Unavailable("broken")

    async def hanging() -> str:
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            called_off.append("hanging")
            raise

    async def good() -> str:
        return "good"

    async def main() -> Answers[str]:
        return await first_answers([hanging, broken, good, good], wanted=2, hedge_seconds=0.05)

    answers = run(main(), timeout_seconds=5)

    assert answers.found == ["good", "good"]
    assert [str(error) for error in answers.errors] == ["broken"]
    assert called_off == ["hanging"]


def test_fewer_answers_than_wanted_come_back_if_the_rest_is_unavailable() -> None:
    async def broken() -> str:
        raise Unavailable("broken")

    async def good() -> str:
        return "good"

    async def main() -> Answers[str]:
        return await first_answers([broken, good, broken], wanted=2, hedge_seconds=60)

    answers = run(main(), timeout_seconds=5)

    assert answers.found == ["good"]
    assert answers.why_not == "broken; broken"


# --- endpoints that learn late ---------------------------------------------------------------------------------------


@with_arc(wait=timedelta(seconds=60))
async def test_a_change_that_two_endpoints_do_not_read_yet_is_not_taken_for_done(arc: Arc) -> None:
    for endpoint in arc.cluster.endpoints[1:]:
        endpoint.lag_seconds = 10
    async with arc.switch(replace(PATIENT, operation_seconds=1)) as switch:
        with pytest.raises(Unavailable, match="did not read them back"):
            await switch.set_states(IN_WEST)
        # Asked again within the wait period: it is refused, and nothing turns back.
        with pytest.raises((SwitchRefused, Unavailable)):
            await switch.set_states(IN_WEST)

        arc.clock.advance(10)
        await switch.set_states(IN_WEST)
        assert await switch.states() == IN_WEST
    assert sum(states == IN_WEST for _, states in arc.cluster.asked) > 0
    assert arc.cluster.active_region == WEST


@with_arc(wait=timedelta(seconds=60))
async def test_two_endpoints_that_know_are_enough(arc: Arc) -> None:
    for endpoint in arc.cluster.endpoints[2:]:
        endpoint.lag_seconds = 10
    for seed in SEEDS:
        async with arc.switch(seed=seed) as switch:
            await switch.set_states(IN_WEST)
            assert arc.cluster.active_region == WEST
        arc.clock.advance(70)
        async with arc.switch(seed=seed) as switch:
            await switch.set_states(IN_EAST)
        arc.clock.advance(70)


# --- dials as slow and as strict as S3's ------------------------------------------------------------------------------


@with_arc()
async def test_dials_that_turn_late_are_read_as_they_are(arc: Arc) -> None:
    arc.front_door.turn_seconds = 0.5
    async with arc.aws() as aws, asyncio.timeout(30):
        routes = aws.routes(times=PATIENT)
        await routes.set_dials({EAST: 0, WEST: 100})

        read = [await routes.dials()]
        while read[-1] != {EAST: 0, WEST: 100}:
            await asyncio.sleep(0.05)
            read.append(await routes.dials())

    assert {EAST: 100, WEST: 0} in read


@with_arc()
async def test_dials_that_nobody_may_turn_are_refused(arc: Arc) -> None:
    arc.front_door.refuses_control = True
    async with arc.aws() as aws:
        routes = aws.routes(times=PATIENT)
        for ask in (routes.dials, lambda: routes.set_dials({EAST: 0, WEST: 100})):
            with pytest.raises(Refused, match="AccessDenied"):
                await ask()
