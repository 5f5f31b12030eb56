"""A Region dies at any moment of the cycle, while calls are slow or lost: it is left, in time unless luck is bad."""

import asyncio
import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, override

import pytest

from baton.model.journal import DecisionKind
from baton.ports import Clock
from baton_proof.simulation.network import Life, Odds
from baton_proof.simulation.schedule import AWAY, HOME, WARM_SECONDS, Schedule
from baton_proof.simulation.simulate import SWITCH_SECONDS_MAX, Report, run_schedule
from baton_proof.simulation.world import World
from failover_controller.controller import Controller
from handover.settings import ControllerSettings

ORDINARY = Odds(slow=0.003, drag=0.03, lost=0.003, late=0.002, again=0.15)
"""Of the calls of everybody: what a good day has."""
STORM = Odds(slow=0.02, drag=0.03, lost=0.03, late=0.02, again=0.15)
LEFT_SECONDS_MAX = 180
"""In a storm: no bound is promised, but it is left."""


def _death(moment: float, seed: int, odds: Odds) -> Schedule:
    """Return the story of a Region that dies so many seconds after the warm-up."""
    at = WARM_SECONDS + moment
    dice = random.Random(seed)
    skews = {region: dice.uniform(-300, 300) for region in (HOME, AWAY)}
    settings = ControllerSettings()
    story = Schedule(seed, troubles=(), files_at=(at - 30, at - 3, at + 10), orders=(), settings=settings, skews=skews)
    return replace(story, dies=HOME, dies_at=at, background=odds)


@pytest.mark.parametrize("moment", range(0, 15, 2))
def test_under_ordinary_luck_the_bound_holds_at_every_moment_of_the_cycle(moment: int) -> None:
    report = run_schedule(_death(moment, 900_000 + moment, ORDINARY))

    assert report.violations == ()
    assert report.switch_seconds is not None
    assert report.switch_seconds <= SWITCH_SECONDS_MAX


@pytest.mark.parametrize("seed", range(3))
def test_where_three_calls_of_a_hundred_are_lost_it_is_left_all_the_same(seed: int) -> None:
    report = run_schedule(_death(5 * seed, 910_000 + seed, STORM))

    assert report.switch_seconds is not None
    assert report.switch_seconds <= LEFT_SECONDS_MAX


class _Slow:
    """A port whose calls take longer, on their way there or on their way back."""

    def __init__(self, port: Any, *, there: float, back: float) -> None:
        self._port, self._there, self._back = port, there, back

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._port, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            late = asyncio.get_running_loop().time() >= WARM_SECONDS
            await asyncio.sleep(self._there if late else 0)
            answer = await method(*args, **kwargs)
            await asyncio.sleep(self._back if late else 0)
            return answer

        return call


class _SlowLedger(World):
    """Every call of the survivor's controller to the ledger takes 3.5 s from the death on."""

    there = back = 0.0

    @override
    def _controller(self, region: str, life: Life) -> Controller:
        controller = super()._controller(region, life)
        if region == AWAY:
            reach = controller._reach  # pyright: ignore[reportPrivateUsage] - what it reaches is made slow
            ports: dict[str, Any] = {"ledger": reach.ledger, "journal": reach.journal}
            slow: dict[str, Any] = {name: _Slow(port, there=self.there, back=self.back) for name, port in ports.items()}
            for each in (controller, controller.lookout):
                each._reach = replace(reach, **slow)  # pyright: ignore[reportPrivateUsage] - as above
            performer = controller._performer  # pyright: ignore[reportPrivateUsage] - as above
            performer._ledger, performer._journal = slow["ledger"], slow["journal"]  # pyright: ignore[reportPrivateUsage] - as above
            performer._records._journal = slow["journal"]  # pyright: ignore[reportPrivateUsage] - as above
        return controller


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_ledger_that_takes_seconds_for_each_call_forbids_no_failover(way: str) -> None:
    worlds: list[World] = []

    def made(schedule: Schedule) -> World:
        world = _SlowLedger(schedule)
        setattr(world, way, 3.5)
        worlds.append(world)
        return world

    report: Report = run_schedule(_death(0, 5, Odds()), made)

    assert report.switch_seconds is not None
    assert report.switch_seconds <= SWITCH_SECONDS_MAX
    committed = [each for each in worlds[0].watch.decisions if each.kind is DecisionKind.COMMITTED]
    assert len(committed) == 1, "history claims what did not happen"


@dataclass
class _Stepped:
    """A machine's clock that is set a while after the Region died."""

    clock: Clock
    by: timedelta

    def now(self) -> datetime:
        late = asyncio.get_running_loop().time() >= WARM_SECONDS + 20
        return self.clock.now() + (self.by if late else timedelta())


@pytest.mark.parametrize("minutes", [-10, -5, 5, 10])
def test_a_clock_that_is_set_meanwhile_changes_nothing(minutes: int) -> None:
    class Set(World):
        @override
        def machine_clock(self, region: str) -> Clock:
            return _Stepped(super().machine_clock(region), timedelta(minutes=minutes))

    report = run_schedule(_death(0, 7, Odds()), Set)

    assert report.violations == ()
    assert report.switch_seconds is not None
    assert report.switch_seconds <= SWITCH_SECONDS_MAX
