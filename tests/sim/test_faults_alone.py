"""Each fault that AWS or a deployment brings, alone and for long: it bites, and a failover in it is carried out."""

from dataclasses import dataclass, replace

import pytest

from baton.model.journal import CommandKind
from baton_proof.simulation import simulate
from baton_proof.simulation.schedule import AWAY, AWS_FAULTS, HOME, Fault, Order, Schedule, Trouble
from baton_proof.simulation.simulate import Report
from baton_proof.simulation.world import World
from handover.settings import ControllerSettings

FILES = (30.0, 100.0, 130.0, 200.0)
AN_ORDER = (Order(150, CommandKind.FAILOVER, AWAY, force=True), Order(330, CommandKind.FAILOVER, HOME, force=True))
QUIET = Schedule(1, (), FILES, AN_ORDER, ControllerSettings())


@dataclass(slots=True)
class Played:
    """One story, as it ended."""

    report: Report
    world: World


def _played(schedule: Schedule) -> Played:
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(World(given))
        return worlds[0]

    return Played(simulate.run_schedule(schedule, made), worlds[0])


@pytest.mark.parametrize("amount", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("region", [HOME, AWAY])
@pytest.mark.parametrize("fault", AWS_FAULTS)
def test_two_orders_in_the_middle_of_it_are_carried_out_in_the_end(fault: Fault, region: str, amount: float) -> None:
    report = _played(replace(QUIET, troubles=(Trouble(fault, 90, 400, region, amount),))).report

    assert report.violations == ()


@pytest.mark.parametrize("seconds", [-280, 280])
def test_a_clock_that_is_set_in_the_middle_of_a_failover_delays_it_by_nothing_to_speak_of(seconds: float) -> None:
    amount = seconds / 600 + 0.5
    for at in (10, 30, 50, 65):
        dark, jump = Trouble(Fault.DARK, 100, 400), Trouble(Fault.CLOCK, 100 + at, 400, AWAY, amount)
        played = _played(Schedule(1, (dark, jump), FILES, (), ControllerSettings()))

        moved = next(at for at, control in played.world.watch.controls if control.epoch != 2)
        assert played.report.violations == ()
        assert (moved - played.world.watch.controls[0][0]).total_seconds() - 100 <= simulate.SWITCH_SECONDS_MAX


def test_a_field_of_a_newer_version_outlives_every_write() -> None:
    world = _played(replace(QUIET, troubles=(Trouble(Fault.NEWER, 90, 400, amount=0.3),))).world

    assert len({control.epoch for _, control in world.watch.controls}) > 1
    assert world.watch.controls[-1][1].more == {"later": {"since": "4.0"}}


def test_nothing_is_switched_while_a_newer_version_has_something_under_way() -> None:
    world = _played(replace(QUIET, troubles=(Trouble(Fault.NEWER, 140, 60, amount=0.6),))).world

    started = world.watch.controls[0][0].timestamp()
    parked = [at.timestamp() - started for at, control in world.watch.controls if control.unknown]
    moved = [at.timestamp() - started for at, control in world.watch.controls if control.epoch > 2]
    assert parked
    assert min(moved) > 200


def test_what_s3_gave_up_on_waits_for_batch_replication() -> None:
    trouble = Trouble(Fault.UNREPLICATED, 0, 600, HOME, amount=0.999)
    world = _played(replace(QUIET, troubles=(trouble,), files_at=(149.0,), orders=AN_ORDER[:1])).world

    (sent,) = world.sent
    done_at = world.ledger.rows[sent.batch_id].updated_at - world.watch.controls[0][0]
    assert done_at.total_seconds() > simulate.HEALED_AT
    assert world.watch.violations == []
