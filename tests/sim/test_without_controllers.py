"""Both controllers are dead for minutes: an operator fails over himself, and a drain that they began still ends."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from baton.model.control import Phase
from baton.model.journal import CommandKind
from baton.model.states import BatchState
from baton_proof.simulation import simulate
from baton_proof.simulation.network import Odds
from baton_proof.simulation.schedule import AWAY, HOME, WARM_SECONDS, Fault, Order, Schedule, Trouble, leaderless
from baton_proof.simulation.simulate import Report
from baton_proof.simulation.world import World
from handover.settings import ControllerSettings

DEAD_AT, DEAD_SECONDS = WARM_SECONDS + 40.0, 400.0
BACK_AT = DEAD_AT + DEAD_SECONDS
SETTINGS = ControllerSettings()


@dataclass(slots=True)
class Played:
    """One story, as it ended."""

    report: Report
    world: World

    def seconds(self, what: str) -> list[float]:
        """Return when the row of the control came into that phase, or epochs moved, in seconds since the start."""
        start, found = self.world.watch.controls[0][0], list[float]()
        epoch = self.world.watch.controls[0][1].epoch
        for at, control in self.world.watch.controls:
            if what == control.phase or (what == "epoch" and control.epoch != epoch):
                found.append((at - start).total_seconds())
            epoch = control.epoch
        return found


def _played(schedule: Schedule) -> Played:
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(World(given))
        return worlds[0]

    return Played(simulate.run_schedule(schedule, made), worlds[0])


def _day(*troubles: Trouble, files_at: tuple[float, ...]) -> Schedule:
    dead = Trouble(Fault.NO_CONTROLLERS, DEAD_AT, DEAD_SECONDS)
    return Schedule(1, (dead, *troubles), files_at, (), SETTINGS, background=Odds(drag=0.1))


@pytest.mark.parametrize("fault", [None, Fault.DARK, Fault.CUT])
def test_an_operator_fails_over_and_work_continues_before_any_controller_is_back(fault: Fault | None) -> None:
    order = Order(DEAD_AT + 60, CommandKind.FAILOVER, AWAY)
    troubles = (Trouble(fault, DEAD_AT + 20, DEAD_SECONDS, HOME),) if fault else ()
    day = _day(*troubles, files_at=(DEAD_AT - 5, DEAD_AT + 10, DEAD_AT + 200))
    played = _played(replace(day, by_hand=(order,)))

    assert played.report.violations == ()
    (moved_at,) = played.seconds("epoch")
    assert order.at < moved_at < order.at + SETTINGS.probe_deadline_seconds * 2 + 20
    assert played.seconds(Phase.COOLDOWN)[0] < BACK_AT
    rows = played.world.watch.rows()
    start = played.world.watch.controls[0][0]
    ended = {rows[sent.batch_id].state: rows[sent.batch_id].entered_at for sent in played.world.sent}
    assert set(ended) == {BatchState.COMPLETED}
    assert max(ended.values()) < start + timedelta(seconds=BACK_AT)


def test_a_drain_that_nobody_ends_is_over_at_its_deadline() -> None:
    switchover = Order(DEAD_AT - 6, CommandKind.SWITCHOVER, AWAY)
    # A Region whose mail service takes nothing does not drain: its batches stay open until the controllers are dead.
    mail = Trouble(Fault.MAIL, WARM_SECONDS, DEAD_AT + 20 - WARM_SECONDS, HOME)
    late = DEAD_AT + SETTINGS.drain_seconds + 60
    played = _played(replace(_day(mail, files_at=(DEAD_AT - 20, late)), orders=(switchover,)))

    assert played.report.violations == ()
    assert played.seconds(Phase.DRAINING)
    assert played.seconds("epoch") == []
    sent = next(each for each in played.world.sent if each.number == 1)
    admitted_at = played.world.watch.written_at[sent.batch_id] - played.world.watch.controls[0][0]
    assert admitted_at.total_seconds() < BACK_AT - 120


@pytest.mark.parametrize("seed", range(1, 13))
def test_no_story_without_controllers_breaks_an_invariant(seed: int) -> None:
    assert simulate.run_schedule(leaderless(seed)).violations == ()
