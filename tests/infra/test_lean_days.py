"""Two controllers under the settings of a lean environment, played: they fail over when they should, and only then."""

import pytest

from baton.topology import REGIONS_DEFAULT
from baton_infra.sizes import LEAN_CONTROLLER
from baton_proof.simulation import rivals, simulate
from baton_proof.simulation.network import Odds
from baton_proof.simulation.schedule import Fault, Schedule, Trouble
from baton_proof.simulation.world import World
from handover import timeline
from handover.settings import ControllerSettings

SETTINGS = ControllerSettings.model_validate(LEAN_CONTROLLER)
WITHIN_SECONDS = next(each.at_seconds for each in timeline.timing(SETTINGS) if each.name == timeline.COMMITTED)


def _played(*troubles: Trouble) -> tuple[simulate.Report, World]:
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(World(given))
        return worlds[-1]

    files_at = tuple(float(at) for at in range(60, 600, 60))
    day = Schedule(1, troubles, files_at, (), SETTINGS, lag_seconds=2, background=Odds(drag=0.15))
    return simulate.run_schedule(day, made), worlds[0]


def test_a_quiet_day_moves_nothing_and_loses_nothing() -> None:
    report, world = _played()

    assert report.violations == ()
    assert rivals.moves(world) == []


@pytest.mark.parametrize("phase", [0.0, 20.0, 40.0])
def test_a_dead_region_is_left_in_the_time_that_is_computed(phase: float) -> None:
    died_at = 250 + phase
    report, world = _played(*(Trouble(fault, died_at, 350) for fault in (Fault.DARK, Fault.CUT)))
    (first, *_) = rivals.moves(world)

    assert report.violations == ()
    assert first[1] == REGIONS_DEFAULT[1]
    assert first[0] - died_at <= WITHIN_SECONDS + 5


@pytest.mark.parametrize("seconds", [43.0, 100.0])
def test_a_partition_that_heals_moves_nothing(seconds: float) -> None:
    report, world = _played(Trouble(Fault.CUT, 300, seconds))

    assert report.violations == ()
    assert rivals.moves(world) == []
