"""What every switch does, and all dials: in memory, and by the real clients against the stand-ins of AWS."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from aiobotocore.session import AioSession

from aio import run
from arc_cluster import PATIENT, arc_cluster, offline_session
from baton.errors import SwitchRefused, Unavailable
from baton.ledger_switch import LedgerSwitch
from baton.memory import MemoryClock, MemoryRoutes, MemorySwitch, Refusal
from baton.ports.switch import Endpoints, Routes, Switch
from baton.topology import REGIONS_DEFAULT
from baton_local.stand_ins.arc import Outage

EAST, WEST = REGIONS_DEFAULT
IN_EAST: Mapping[str, bool] = {EAST: True, WEST: False}
IN_WEST: Mapping[str, bool] = {EAST: False, WEST: True}
WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Turned:
    """A switch, dials, and the hand that disturbs them."""

    switch: Switch
    routes: Routes
    clock: MemoryClock
    open_gate: Callable[[], None]
    close_gate: Callable[[], None]
    take_down: Callable[[int], None]
    """Endpoints with these numbers, and all below."""
    lose_answers: Callable[[], None]
    lose_control_of_dials: Callable[[], None]


type World = Callable[[], AbstractAsyncContextManager[Turned]]


@asynccontextmanager
async def _memory() -> AsyncGenerator[Turned]:
    clock = MemoryClock()
    switch, routes = MemorySwitch(clock=clock, wait=timedelta(seconds=WAIT_SECONDS)), MemoryRoutes()

    def lose_answers() -> None:
        switch.answers_to_lose = 1

    def lose_control_of_dials() -> None:
        routes.refusals.refuse("dials", "set_dials", by=Refusal.THROTTLED)

    yield Turned(
        switch=switch,
        routes=routes,
        clock=clock,
        open_gate=lambda: switch.open_gate(is_open=True),
        close_gate=lambda: switch.open_gate(is_open=False),
        take_down=lambda last: switch.down.update(range(1, last + 1)),
        lose_answers=lose_answers,
        lose_control_of_dials=lose_control_of_dials,
    )


@pytest.fixture(scope="module")
def session() -> AioSession:
    """Give a session that has read its service models already."""
    return offline_session()


@pytest.fixture(params=["memory", "arc"])
def world(request: pytest.FixtureRequest, session: AioSession) -> World:
    """Give the adapters in memory, then those of AWS."""
    if request.param == "memory":
        return _memory

    @asynccontextmanager
    async def arc() -> AsyncGenerator[Turned]:
        async with arc_cluster(session, wait=timedelta(seconds=WAIT_SECONDS)) as arc, arc.aws() as aws:

            def lose_answers() -> None:
                for endpoint in arc.cluster.endpoints:
                    endpoint.answers_to_lose = 1

            def take_down(last: int) -> None:
                for endpoint in arc.cluster.endpoints[:last]:
                    endpoint.take_down(Outage.REFUSING)

            yield Turned(
                switch=aws.switch(arc.settings, times=PATIENT),
                routes=aws.routes(times=replace(PATIENT, read_seconds=4, operation_seconds=6)),
                clock=arc.clock,
                open_gate=lambda: arc.cluster.open_gate(is_open=True),
                close_gate=lambda: arc.cluster.open_gate(is_open=False),
                take_down=take_down,
                lose_answers=lose_answers,
                lose_control_of_dials=arc.way_to_front_door.cut,
            )

    return arc


def in_world(test: Callable[[Turned], Awaitable[None]]) -> Callable[[World], None]:
    """Make a test out of `async def test(turned)`."""

    def runs(world: World) -> None:
        async def main() -> None:
            async with world() as turned:
                await test(turned)

        run(main())

    runs.__name__, runs.__module__ = test.__name__, test.__module__
    return runs


@in_world
async def test_the_first_region_begins(turned: Turned) -> None:
    assert await turned.switch.states() == IN_EAST
    assert await turned.routes.dials() == {EAST: 100, WEST: 0}


@in_world
async def test_both_controls_turn_in_one_transaction(turned: Turned) -> None:
    await turned.switch.set_states(IN_WEST)

    assert await turned.switch.states() == IN_WEST


@in_world
async def test_both_on_is_refused_and_both_off_is_not(turned: Turned) -> None:
    for states in ({EAST: True, WEST: True}, {WEST: True}):
        with pytest.raises(SwitchRefused, match="at-most-one-active"):
            await turned.switch.set_states(states)
    assert await turned.switch.states() == IN_EAST

    await turned.switch.set_states({EAST: False})
    assert await turned.switch.states() == {EAST: False, WEST: False}


@in_world
async def test_the_wait_period_refuses_a_change_and_not_what_is_so_already(turned: Turned) -> None:
    await turned.switch.set_states(IN_WEST)

    with pytest.raises(SwitchRefused, match="wait period"):
        await turned.switch.set_states(IN_EAST)
    await turned.switch.set_states(IN_WEST)

    turned.clock.advance(WAIT_SECONDS)
    await turned.switch.set_states(IN_EAST)
    assert await turned.switch.states() == IN_EAST


@in_world
async def test_a_closed_gate_refuses_every_change(turned: Turned) -> None:
    turned.close_gate()

    with pytest.raises(SwitchRefused, match="not-frozen"):
        await turned.switch.set_states(IN_WEST)
    await turned.switch.set_states(IN_EAST)

    turned.open_gate()
    await turned.switch.set_states(IN_WEST)
    assert await turned.switch.states() == IN_WEST


@in_world
async def test_three_endpoints_of_five_are_enough(turned: Turned) -> None:
    assert await turned.switch.endpoints() == Endpoints(5, 5)

    turned.take_down(2)
    await turned.switch.set_states(IN_WEST)

    assert await turned.switch.states() == IN_WEST
    assert await turned.switch.endpoints() == Endpoints(3, 5)


@in_world
async def test_two_endpoints_of_five_know_nothing(turned: Turned) -> None:
    turned.take_down(3)

    with pytest.raises(Unavailable):
        await turned.switch.states()
    with pytest.raises(Unavailable):
        await turned.switch.set_states(IN_WEST)
    assert await turned.switch.endpoints() == Endpoints(0, 5)


@in_world
async def test_a_change_whose_answer_got_lost_is_made_and_may_be_made_again(turned: Turned) -> None:
    turned.lose_answers()

    try:
        await turned.switch.set_states(IN_WEST)
    except Unavailable:
        await turned.switch.set_states(IN_WEST)

    assert await turned.switch.states() == IN_WEST


@in_world
async def test_a_region_without_a_control_is_our_mistake(turned: Turned) -> None:
    with pytest.raises(KeyError, match="eu-west-1"):
        await turned.switch.set_states({"eu-west-1": True})


@in_world
async def test_dials_turn_together(turned: Turned) -> None:
    await turned.routes.set_dials({EAST: 0, WEST: 100})

    assert await turned.routes.dials() == {EAST: 0, WEST: 100}


@in_world
async def test_the_last_dial_cannot_be_turned_off(turned: Turned) -> None:
    with pytest.raises(SwitchRefused, match="at least one Region must stay active"):
        await turned.routes.set_dials({EAST: 0, WEST: 0})

    assert await turned.routes.dials() == {EAST: 100, WEST: 0}


@in_world
async def test_dials_out_of_reach_are_unavailable(turned: Turned) -> None:
    turned.lose_control_of_dials()

    with pytest.raises(Unavailable):
        await turned.routes.dials()
    with pytest.raises(Unavailable):
        await turned.routes.set_dials({EAST: 0, WEST: 100})


def test_no_switch_has_no_states_and_refuses_nothing() -> None:
    async def main() -> None:
        switch: Switch = LedgerSwitch()
        await switch.set_states(IN_WEST)
        assert await switch.states() == {}
        assert await switch.endpoints() == Endpoints(0, 0)

    run(main())
