"""A ledger that goes back in the middle of a story: nobody acts on it, until an operator has raised the epoch."""

import pytest

from baton.model.control import Control
from baton.model.journal import CommandKind, DecisionKind
from baton_proof.simulation import simulate
from baton_proof.simulation.schedule import AWAY, HOME, Fault, Order, Schedule, Trouble
from baton_proof.simulation.simulate import Report
from baton_proof.simulation.world import World
from handover import restored
from handover.facts import Memory, Seen
from handover.settings import ControllerSettings

THERE_AND_BACK = (
    Order(150, CommandKind.FAILOVER, AWAY, force=True),
    Order(330, CommandKind.FAILOVER, HOME, force=True),
)


def _played(*more: Trouble, at: float = 260) -> tuple[Report, World]:
    """Fail over, then let the first row come back for 150 s, in which somebody orders the switch back."""
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(World(given))
        return worlds[0]

    troubles = (Trouble(Fault.RESTORED, at, 150), *more)
    schedule = Schedule(1, troubles, (30.0, 100.0, 200.0, 300.0), THERE_AND_BACK, ControllerSettings())
    return simulate.run_schedule(schedule, made), worlds[0]


def _row(world: World) -> Control:
    return world.watch.controls[-1][1]


def test_both_controllers_refuse_until_the_epoch_is_raised_and_all_ends_where_it_was() -> None:
    report, world = _played()

    assert report.violations == ()
    assert (_row(world).epoch, _row(world).active_region) == (5, AWAY)
    assert {each.region for each in world.watch.decisions if each.kind is DecisionKind.WENT_BACK} == {HOME, AWAY}


def test_the_order_that_was_given_meanwhile_is_refused() -> None:
    _, world = _played()

    refused = {each.region: each.summary for each in world.watch.decisions if each.kind is DecisionKind.REFUSED}
    assert refused  # by both, if both look before the other's answer is there
    assert all("the ledger went back from epoch 3" in summary for summary in refused.values())


@pytest.mark.parametrize("region", [HOME, AWAY])
def test_controllers_that_die_and_start_on_it_refuse_as_well(region: str) -> None:
    report, world = _played(Trouble(Fault.KILL, 280, 30, region, amount=0.9))

    assert report.violations == ()
    assert _row(world).active_region == AWAY


def test_one_that_trusts_whatever_it_reads_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusts(memory: Memory, seen: Seen, control: Control) -> Memory:
        del seen, control
        return memory

    monkeypatch.setattr(restored, "absorbed", trusts)

    report, _ = _played()

    assert any(violation.startswith("S17") for violation in report.violations)
