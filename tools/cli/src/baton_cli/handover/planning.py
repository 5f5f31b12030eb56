"""Plans a switch as if it were ordered now: its calls, whether it would be refused, its worst-case duration.

Nothing is changed: the rules are those of the controllers, their verdicts are taken from the heartbeats.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from baton.model.control import SwitchBackend, SwitchKind
from baton.model.journal import Command, CommandKind, Rule, Verdict
from baton.topology import Topology
from baton_cli.handover.queries import ControllerView, Situation, memory_of, situation
from baton_cli.reach.connection import Connection, Declined
from handover import brakes, commands
from handover.plan import PlannedCall, plan_steps
from handover.timeline import TimedStep, timing

_DRILL: Final = timedelta(hours=1)
"""A practice run needs an end to be planned; any will do."""


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """A switch as it would be if it were ordered at that moment."""

    situation: Situation
    kind: SwitchKind
    target: str
    driver: ControllerView | None
    """Whose controller would carry it out. None: none runs."""
    readiness: tuple[Rule, ...]
    """Of the target, as the driver tells it."""
    refusal: str | None
    """Why it would be refused. None: it would not, as far as can be seen from here."""
    calls: tuple[PlannedCall, ...]
    """None if the order itself is wrong."""
    timeline: tuple[TimedStep, ...]
    """Of an automatic failover at worst, under the settings of the standby's controller."""

    @property
    def is_carried_out(self) -> bool:
        """Whether a controller would take it now."""
        return self.refusal is None and self.driver is not None


async def plan(connection: Connection, *, target: str, kind: SwitchKind) -> SwitchPlan:
    """Return the plan. Raises `Declined` if there is no such Region."""
    if target not in connection.regions:
        raise Declined(f"there is no Region {target}; there are {' and '.join(connection.regions)}")
    now = await situation(connection)
    driver = _driver(now, target)
    readiness = _readiness(now, target, driver)
    wrong = _wrong(connection, now, target, kind)
    calls = ()
    if wrong is None:
        topology = Topology(connection.environment, "<account>", connection.regions)
        calls = plan_steps(now.control, target, kind, connection.regions, _switch(now), topology=topology)
    settings = next((view.settings for view in now.controllers if view.heartbeat), now.of(target).settings)
    return SwitchPlan(
        situation=now,
        kind=kind,
        target=target,
        driver=driver,
        readiness=readiness,
        refusal=wrong or _not_ready(target, kind, readiness),
        calls=calls,
        timeline=timing(settings),
    )


def _driver(situation: Situation, target: str) -> ControllerView | None:
    """Return the controller of the target, or the other one if that is silent."""
    there = situation.of(target)
    other = next(view for view in situation.controllers if view is not there)
    return next((view for view in (there, other) if not view.is_silent), None)


def _readiness(situation: Situation, target: str, driver: ControllerView | None) -> tuple[Rule, ...]:
    """Return the rules by which the driver would judge the target; it keeps them for the Region that is not active."""
    heartbeat = driver.heartbeat if driver else None
    if heartbeat is None or target == situation.control.active_region:
        return ()
    follows = Rule(
        "follows",
        Verdict.HEALTHY if driver and driver.follows else Verdict.UNHEALTHY,
        f"epoch {heartbeat.epoch_seen}",
        f"epoch {situation.control.epoch}",
    )
    return (*heartbeat.assessment.readiness, *([] if driver and driver.follows else [follows]))


def _wrong(connection: Connection, situation: Situation, target: str, kind: SwitchKind) -> str | None:
    """Return what is wrong with the order itself, by the controllers' own rule."""
    until = situation.at + _DRILL if kind is SwitchKind.DRILL else None
    command = Command("", CommandKind(kind.value), "", situation.at, target=target, until=until)
    memory = memory_of(target, connection.regions, situation.of(target).settings)
    return commands.refusal(memory, situation.control, command, situation.at)


def _not_ready(target: str, kind: SwitchKind, readiness: tuple[Rule, ...]) -> str | None:
    return brakes.unproved(target, readiness, CommandKind(kind.value)) if readiness else None


def _switch(situation: Situation) -> SwitchBackend:
    """Return the kind of switch that the controllers report; if none does, no call is left out."""
    said = (view.heartbeat.switch for view in situation.controllers if view.heartbeat)
    return next(filter(None, said), SwitchBackend.ARC)
