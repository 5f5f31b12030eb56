"""Two days that others had, played with both: GitHub's of 21 October 2018, and AWS's of 20 October 2025.

On the first, a partition of 43 seconds moved GitHub's primaries across the country, and it took a day to come back. On
the second, a slow updater saw that its plan was the newest, was kept waiting, and wrote it when it no longer was.
"""

import asyncio
from collections.abc import Mapping
from typing import override

import pytest

from baton.model.journal import DecisionKind, Rule, Verdict
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.simulation import rivals
from baton_proof.simulation.network import Odds
from baton_proof.simulation.rival import RivalWorld
from baton_proof.simulation.rivals import LOST, MAILS, NO_RESULT, STUCK, TWICE, UNTAKEN, UNTOLD, RivalOutcome
from baton_proof.simulation.schedule import AWAY, HOME, Fault, Schedule, Trouble
from baton_proof.simulation.simulate import Report
from baton_proof.simulation.world import SWITCH_WAIT, World
from handover import witnesses
from handover.settings import ControllerSettings, Mode

CUT_AT, CUT_SECONDS = 100.0, 43.0
HARM = (UNTAKEN, LOST, STUCK, TWICE, MAILS, NO_RESULT, UNTOLD)
A_SECOND_MAIL = {MAILS: 1}
"""Nothing prevents a second copy of a mail that is between its send and its mark when a cut begins or a switch comes.
S4 allows one only after the lease of the first claim; which days meet that moment is chance."""
K = DecisionKind


def _day(
    *troubles: Trouble,
    files_at: tuple[float, ...] = tuple(range(60, 180, 5)),
    settings: ControllerSettings | None = None,
) -> Schedule:
    """Return a day on which nothing else ails the world, and batches take a minute or two."""
    return Schedule(
        1, troubles, files_at, (), settings or ControllerSettings(), lag_seconds=2, background=Odds(drag=0.15)
    )


def _played(schedule: Schedule, make: type[World] = World) -> tuple[Report, RivalOutcome, World]:
    worlds: list[World] = []

    def made(given: Schedule) -> World:
        worlds.append(make(given))
        return worlds[-1]

    report, ours, _ = rivals.compare(schedule, made)
    return report, ours, worlds[0]


def _harm(outcome: RivalOutcome) -> Mapping[str, int]:
    counted = outcome.count()
    return {row: counted[row] for row in HARM if counted[row]}


# --- 43 seconds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.APART, Fault.CUT])
@pytest.mark.parametrize("phase", [0.0, 4.0, 9.0, 14.0])
def test_a_partition_of_43_seconds_moves_nothing(fault: Fault, phase: float) -> None:
    report, ours, world = _played(_day(Trouble(fault, CUT_AT + phase, CUT_SECONDS)))

    assert report.violations == ()
    assert {control.epoch for _, control in world.watch.controls} == {INITIAL_EPOCH}
    assert {each.kind for each in world.watch.decisions} <= {K.SUSPECTED, K.CLEARED}
    assert _harm(ours) in ({}, A_SECOND_MAIL)


def test_it_says_what_it_suspected_and_why_it_let_it_be() -> None:
    # Whether a cut meets three looks or four depends on when it begins.
    days = (_played(_day(Trouble(Fault.CUT, CUT_AT + phase, CUT_SECONDS))) for phase in range(0, 30, 3))

    suspected, cleared = next(world.watch.decisions for _, _, world in days if world.watch.decisions)

    assert (suspected.kind, cleared.kind) == (K.SUSPECTED, K.CLEARED)
    assert "outside canary" in suspected.summary
    assert "silence" in suspected.summary
    assert cleared.summary == "the signals recovered"


NAIVE = ControllerSettings().model_copy(
    update={
        "trip_bad": 1,
        "trip_of": 1,
        "hold_seconds": 0,
        "failback": Mode.AUTOMATIC,
        "failovers_short_max": 9,
        "clean_seconds": 120,
        "cooldown_seconds": 120,
    }
)


def _unhealthy_by_one(rules: tuple[Rule, ...]) -> bool:
    return any(rule.verdict is Verdict.UNHEALTHY for rule in rules)


@pytest.mark.parametrize("fault", [Fault.APART, Fault.CUT])
def test_a_naive_one_goes_and_comes_back_and_only_the_fence_saves_it(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad sample of one kind is enough, nothing is held: the same machinery without its patience."""
    monkeypatch.setattr(witnesses, "declares_unhealthy", _unhealthy_by_one)

    report, ours, world = _played(_day(Trouble(fault, CUT_AT, CUT_SECONDS), settings=NAIVE))
    went_at, back_at = (at for at, _ in rivals.moves(world))

    assert report.failovers == 2
    assert went_at < CUT_AT + CUT_SECONDS
    assert back_at > CUT_AT + CUT_SECONDS + 60
    assert world.watch.takeovers.total() > 0
    # Nothing but the fence holds: what went away from a Region that served its users is noticed.
    assert {each.split(" ")[0] for each in report.violations} == ({"S13"} if fault is Fault.APART else set())
    assert _harm(ours) in ({}, A_SECOND_MAIL)


def test_the_sample_would_lose_a_file_to_the_same_haste() -> None:
    """Uploaded near the standby, skipped there; skipped where its replica arrived as well, for by then it was B's."""
    theirs = rivals.rivals(_day(Trouble(Fault.CUT, CUT_AT, CUT_SECONDS)), [(CUT_AT + 30, AWAY), (CUT_AT + 200, HOME)])

    assert _harm(theirs)[LOST] > 0


# --- a slow, stale updater --------------------------------------------------------------------------------------------

STALE_AT, STALE_SECONDS = 40.0, 560.0
"""From when on it is about to write, and how long it stops then."""
CUT_OFF = Trouble(Fault.CUT, 90, 420)
LATE_FILES = tuple(float(at) for at in range(60, 660, 12))


class StaleWorld(World):
    """Here a PAUSE stops the controller right before it writes, once it has read the row and compared."""

    call = "switch.set_states"
    wrong_at: list[float]

    @override
    async def trouble(self, trouble: Trouble) -> None:
        if trouble.fault is not Fault.PAUSE:
            return await super().trouble(trouble)
        await asyncio.sleep(trouble.at)
        await self._by_hand(AWAY)
        life = next(each for each in self.lives if each.name == "controller" and each.region == trouble.region)
        life.stalls[self.call] = trouble.seconds
        self.wrong_at = []
        for _ in range(int(trouble.seconds) + 180):
            await asyncio.sleep(1)
            control = await self.ledger.control()
            states, dials = await self.switch.states(), await self.routes.dials()
            if (states, dials) != (control.switch_states(REGIONS_DEFAULT), control.dials(REGIONS_DEFAULT)):
                self.wrong_at.append(asyncio.get_running_loop().time())
        return None

    async def _by_hand(self, region: str) -> None:
        """Turn both to the other Region, so that there is something to set right."""
        await self.switch.set_states({name: name == region for name in REGIONS_DEFAULT})
        await self.routes.set_dials({name: 100 * (name == region) for name in REGIONS_DEFAULT})


class StaleDials(StaleWorld):
    call = "routes.set_dials"


@pytest.mark.parametrize("make", [StaleWorld, StaleDials])
def test_a_stale_write_is_repaired_and_harms_nobody(make: type[StaleWorld]) -> None:
    report, ours, world = _played(
        _day(Trouble(Fault.PAUSE, STALE_AT, STALE_SECONDS), CUT_OFF, files_at=LATE_FILES), make
    )
    assert isinstance(world, StaleWorld)
    stale = [at for at in world.wrong_at if at > STALE_AT + STALE_SECONDS]
    settings = world.schedule.settings

    assert [region for _, region in rivals.moves(world)] == [AWAY]
    assert world.watch.controls[-1][1].active_region == AWAY
    assert stale, "the old plan was never written"
    # The panel refuses what comes sooner after a change than its rule allows, the stale one among them.
    refused_seconds = SWITCH_WAIT.total_seconds() if make.call == "switch.set_states" else 0
    assert stale[-1] - stale[0] <= refused_seconds + settings.reconcile_seconds + settings.beat_seconds
    assert report.violations == ()
    assert _harm(ours) == {}


def test_a_stale_toggle_of_the_sample_wins_and_stays() -> None:
    """Its step hung, so the operator ran it again, which worked; then the first one woke up and toggled, too."""
    worlds: list[RivalWorld] = []

    def made(given: Schedule) -> RivalWorld:
        worlds.append(RivalWorld(given))
        worlds[-1].stall_seconds = 400
        return worlds[-1]

    theirs = rivals.rivals(_day(CUT_OFF, files_at=LATE_FILES), [(165, AWAY), (285, AWAY)], made)

    assert worlds[0].control.is_on, "home again, which nobody ordered"
    assert _harm(theirs)
