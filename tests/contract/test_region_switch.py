"""ARC Region switch as the switch: the real client, against a stand-in of a plan's data plane in both Regions."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError

from aio import run
from arc_cluster import HASTY, PATIENT, offline_session
from baton.aws.switch.region_switch import RegionSwitch
from baton.errors import Refused, SwitchRefused, Unavailable
from baton.ports.switch import Endpoints
from baton.topology import REGIONS_DEFAULT
from region_switch_plan import PLAN_ARN, Plan, region_switch

EAST, WEST = REGIONS_DEFAULT
IN_EAST: Mapping[str, bool] = {EAST: True, WEST: False}
IN_WEST: Mapping[str, bool] = {EAST: False, WEST: True}
BRIEF = replace(HASTY, operation_seconds=6)


@pytest.fixture(scope="module")
def session() -> AioSession:
    """Give a session that has read its service models already."""
    return offline_session()


type Story = Callable[[Plan, RegionSwitch], Awaitable[None]]


@pytest.fixture
def play(session: AioSession) -> Callable[[Story], None]:
    def played(story: Story, *, brief: bool = False) -> None:
        async def main() -> None:
            async with region_switch(session, times=BRIEF if brief else PATIENT) as (plan, switch):
                await switch.states()  # the clients are made: that is not what a time-out is about
                await story(plan, switch)

        run(main())

    return played


type Play = Callable[..., None]


def test_before_the_first_execution_nobody_is_on(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        assert await switch.states() == {EAST: False, WEST: False}

        await switch.set_states(IN_EAST)

        assert await switch.states() == IN_EAST
        assert plan.started == [(EAST, EAST)]

    play(story)


def test_a_region_is_activated_from_within_itself(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        await switch.set_states(IN_WEST)

        assert plan.started == [(WEST, WEST)]

    play(story)


def test_what_is_so_already_is_not_executed_again(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        await switch.set_states(IN_WEST)
        await switch.set_states(IN_WEST)

        assert len(plan.started) == 1

    play(story)


def test_a_region_whose_data_plane_is_gone_is_left_by_the_other_ones(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        await switch.set_states(IN_EAST)
        plan.down.add(EAST)

        await switch.set_states(IN_WEST)

        assert await switch.states() == IN_WEST
        assert await switch.endpoints() == Endpoints(1, 2)

    play(story)


def test_a_region_that_cannot_be_asked_itself_is_activated_by_the_other(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.down.add(WEST)

        await switch.set_states(IN_WEST)

        assert plan.started == [(EAST, WEST)]

    play(story)


def test_a_region_that_refuses_us_is_activated_by_the_other(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.denied.add(WEST)

        await switch.set_states(IN_WEST)

        assert plan.started == [(EAST, WEST)]
        assert await switch.endpoints() == Endpoints(1, 2)

    play(story)


def test_what_both_regions_refuse_is_refused(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.denied.update(REGIONS_DEFAULT)

        for asked in (switch.states(), switch.set_states(IN_WEST)):
            with pytest.raises(Refused, match="AccessDenied"):
                await asked

    play(story)


def test_a_lost_answer_starts_no_second_execution(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.answers_to_lose = 1

        await switch.set_states(IN_WEST)

        assert await switch.states() == IN_WEST
        assert plan.started == [(WEST, WEST)]

    play(story)


def test_an_execution_under_way_is_waited_for(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.answers_to_lose = 1
        plan.runs_until = asyncio.Event()
        turning = asyncio.create_task(switch.set_states(IN_WEST))
        await plan.has_refused.wait()
        plan.runs_until.set()
        await turning

        assert plan.started == [(WEST, WEST)]

    play(story)


def test_an_execution_that_goes_on_for_long_is_not_called_done(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.runs_until = asyncio.Event()
        with pytest.raises(Unavailable, match="did not turn in time"):
            await switch.set_states(IN_WEST)
        # The reconciler comes again: the same execution is still under way.
        plan.is_state = "pendingManualApproval"
        with pytest.raises(Unavailable) as named:
            await switch.set_states(IN_WEST)
        assert str(named.value) == (
            "the plan's execution e1 (activate us-west-2) is pendingManualApproval since 2027-01-15 08:00 UTC: "
            "while it is under way no other starts"
        )
        assert len(plan.started) == 1

        plan.runs_until.set()
        await switch.set_states(IN_WEST)

    play(story, brief=True)


def test_an_execution_that_may_not_be_listed_is_in_the_way_without_a_name(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.runs_until = asyncio.Event()
        plan.lists_to_refuse = 1_000
        with pytest.raises(Unavailable, match="did not turn in time"):
            await switch.set_states(IN_WEST)

        with pytest.raises(Unavailable, match=r"^another execution of the plan is under way$"):
            await switch.set_states(IN_WEST)

    play(story, brief=True)


def test_an_execution_says_whether_the_region_that_is_left_is_healthy(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        await switch.set_states(IN_WEST)
        await switch.set_states(IN_EAST, planned=True)

        assert plan.modes == ["ungraceful", "graceful"]

    play(story)


def test_nobody_answers(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        plan.down.update(REGIONS_DEFAULT)

        for asked in (switch.states(), switch.set_states(IN_WEST)):
            with pytest.raises(Unavailable, match="neither Region"):
                await asked
        assert await switch.endpoints() == Endpoints(0, 2)

    play(story)


def test_endpoints_are_counted_even_without_credentials() -> None:
    async def refused() -> Any:
        raise NoCredentialsError

    switch = RegionSwitch(dict.fromkeys(REGIONS_DEFAULT, refused), PLAN_ARN, dice=random.Random(1))

    assert run(switch.endpoints()) == Endpoints(0, 2)


@pytest.mark.parametrize("states", [{EAST: True, WEST: True}, {EAST: False, WEST: False}], ids=["both", "neither"])
def test_both_on_and_both_off_are_refused(play: Play, states: Mapping[str, bool]) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        del plan
        await switch.set_states(IN_EAST)

        with pytest.raises(SwitchRefused, match="a plan activates"):
            await switch.set_states(states)
        assert await switch.states() == IN_EAST

    play(story)


def test_a_region_that_is_none_of_the_plans_is_a_mistake(play: Play) -> None:
    async def story(plan: Plan, switch: RegionSwitch) -> None:
        del plan
        with pytest.raises(KeyError, match="eu-west-1"):
            await switch.set_states({"eu-west-1": True})

    play(story)
