"""Reads what operators ask about a handover: the state of each controller, its decisions, the plan of a switch.

Read-only, over ports. Ages are the difference of two clocks, the controller's and the local one: whether a controller
is silent is decided by the controllers, each by its own clock; here it is only reported.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from pydantic import ValidationError

from baton.model.control import Control, Transition
from baton.model.journal import Command, Decision, Heartbeat, Rule, WentBack
from baton.topology import other_region
from baton_cli.hints import baton
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, LAST, NO_ANSWER
from baton_cli.reach.connection import Connection, Declined
from handover import brakes
from handover.facts import Memory
from handover.settings import ControllerSettings

_PREFIX_MIN: Final = 3
_SEARCHED: Final = 1_000
"""Decisions that a beginning of an id is looked for in. A whole id is found however old it is."""
_NEWS_READ: Final = 100
_POLL_SECONDS: Final = 0.5
_TRANSITION: Final = re.compile(r"t\d+")


@dataclass(frozen=True, slots=True)
class ControllerView:
    """One Region's controller as its last heartbeat tells."""

    region: str
    heartbeat: Heartbeat | None
    """None: none was ever heard."""
    age: timedelta | None
    settings: ControllerSettings
    """Those it runs under, or the defaults."""
    follows: bool
    """Whether it knows the present epoch."""

    @property
    def is_silent(self) -> bool:
        """Whether it has not been heard for so long that the other one takes its work over."""
        return self.age is None or self.age > timedelta(seconds=self.settings.driver_seconds)


@dataclass(frozen=True, slots=True)
class Situation:
    """What can be known of both controllers at one moment."""

    at: datetime
    control: Control
    controllers: tuple[ControllerView, ControllerView]
    """The standby's first: it is the one that decides about a failover."""
    regions: tuple[str, str]
    budgets: tuple[Rule, ...]
    """What is left of the automatic failovers."""
    last: Decision | None = None

    @property
    def went_back(self) -> WentBack | None:
        """What a controller says of a ledger that was restored, as long as no epoch above it is in force."""
        said = (view.heartbeat.assessment.went_back for view in self.controllers if view.heartbeat)
        return next((each for each in said if each and self.control.epoch < each.at_least), None)

    @property
    def heard(self) -> tuple[Heartbeat, ...]:
        """Return the newest heartbeats of the controllers that are not silent."""
        return tuple(view.heartbeat for view in self.controllers if view.heartbeat and not view.is_silent)

    def of(self, region: str) -> ControllerView:
        """Return the controller of a Region."""
        return next(each for each in self.controllers if each.region == region)


async def situation(connection: Connection) -> Situation:
    """Return what both controllers say now, with the newest decision."""
    control, heartbeats, newest = await asyncio.gather(
        connection.ledger.control(), connection.journal.heartbeats(), connection.journal.decisions(limit=1)
    )
    return situation_of(connection, control, heartbeats, newest[0] if newest else None)


def situation_of(
    connection: Connection, control: Control, heartbeats: Mapping[str, Heartbeat], last: Decision | None = None
) -> Situation:
    """Return the situation that was read."""
    now, active = connection.clock.now(), control.active_region
    standby = other_region(active, connection.regions)
    views = (_view(standby, heartbeats, control, now), _view(active, heartbeats, control, now))
    settings = next((view.settings for view in views if view.heartbeat), views[0].settings)
    memory = memory_of(standby, connection.regions, settings)
    budgets = tuple(brakes.budget(memory, control, now, short=short) for short in (True, False))
    return Situation(now, control, views, connection.regions, budgets, last)


def memory_of(region: str, regions: tuple[str, str], settings: ControllerSettings) -> Memory:
    """Return a controller's memory as it starts: enough for rules that rest on the control row alone."""
    return Memory(region=region, regions=regions, instance="", settings=settings)


def _view(region: str, heartbeats: Mapping[str, Heartbeat], control: Control, now: datetime) -> ControllerView:
    heartbeat = heartbeats.get(region)
    return ControllerView(
        region=region,
        heartbeat=heartbeat,
        age=now - heartbeat.at if heartbeat else None,
        settings=_settings_of(heartbeat),
        follows=heartbeat is not None and heartbeat.epoch_seen == control.epoch,
    )


def _settings_of(heartbeat: Heartbeat | None) -> ControllerSettings:
    try:
        return ControllerSettings.model_validate_json(heartbeat.settings if heartbeat else "{}")
    except ValidationError:
        return ControllerSettings()  # another version's, or none


# --- decisions --------------------------------------------------------------------------------------------------------


class OutageListener(Protocol):
    """Told when the ledger stops to answer, and when it answers again."""

    def __call__(self, *, down: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class News:
    """One decision of a timeline."""

    decision: Decision
    is_past: bool
    """Whether it was made before the timeline was asked for."""


async def news(
    connection: Connection,
    *,
    past: int,
    outage: OutageListener,
    poll_seconds: float = _POLL_SECONDS,
) -> AsyncIterator[News]:
    """Yield the newest `past` decisions and then every further one as it is made, endlessly, through any outage."""
    seen: set[str] | None = None
    down = False
    while True:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                newest = await connection.journal.decisions(limit=max(past, _NEWS_READ))
        except NO_ANSWER:
            if not down:
                outage(down=True)
            down = True
        else:
            if down:
                outage(down=False)
            down = False
            known = {each.id for each in newest[past:]} if seen is None else seen
            # The list is eventually consistent: an older one may turn up after a newer one.
            for decision in reversed([each for each in newest if each.id not in known]):
                yield News(decision, is_past=seen is None)
            seen = known | {each.id for each in newest}
        await asyncio.sleep(poll_seconds)


@dataclass(frozen=True, slots=True)
class Explained:
    """What an id names, and what belongs to it."""

    decision: Decision | None = None
    command: Command | None = None
    transition_id: str | None = None
    transition: Transition | None = None
    """As the control row holds it, or its own row once it has left that."""
    related: tuple[Decision, ...] = ()
    """The oldest first, without the decision itself."""


async def find(connection: Connection, text: str) -> Explained:
    """Return what `text` names: a decision, a command or a switch, by its id or a unique beginning, or `last`.

    Raises `Declined` if there is none, or more than one.
    """
    decisions, control = await asyncio.gather(
        connection.journal.decisions(limit=_SEARCHED), connection.ledger.control()
    )
    if text == LAST:
        if not decisions:
            raise Declined("nothing was decided yet")
        text = decisions[0].id
    text = text.lower()
    transitions = {each.transition_id for each in decisions if each.transition_id}
    if control.transition:
        transitions.add(control.transition.id)
    if text in transitions:
        return await _with_related(connection, Explained(transition_id=text), decisions, control)
    if _TRANSITION.fullmatch(text):
        raise Declined(f"there is no switch {text} among the newest {_SEARCHED:,} decisions")
    found = await _exactly(connection, text)
    if found is None:
        pending = await connection.journal.pending()
        names = {each.id for each in (*decisions, *pending)} | {c.command_id for c in decisions if c.command_id}
        found = await _exactly(connection, _only(text, names))
    if found is None:
        raise Declined(f"there is no decision and no command {text}")
    return await _with_related(connection, found, decisions, control)


async def switch(connection: Connection, text: str) -> Transition:
    """Return the switch of this id, or the last one. Raises `Declined` if there is none."""
    control = await connection.ledger.control()
    last, wanted = control.transition, text.lower()
    if last is not None and wanted in {LAST, last.id}:
        return last
    found = None if wanted == LAST else await connection.journal.switch(wanted)
    if found is None:
        raise Declined("nothing was switched yet" if wanted == LAST else f"there is no switch {text}")
    return found


async def _exactly(connection: Connection, name: str) -> Explained | None:
    decision, command = await asyncio.gather(connection.journal.decision(name), connection.journal.command(name))
    if decision is not None:
        return Explained(decision=decision, transition_id=decision.transition_id)
    return Explained(command=command) if command is not None else None


def _only(prefix: str, names: Iterable[str]) -> str:
    if len(prefix) < _PREFIX_MIN:
        raise Declined(f"{prefix!r} is too short: give at least {_PREFIX_MIN} letters of the id, or `{LAST}`")
    matching = sorted(name for name in names if name.startswith(prefix))
    if not matching:
        raise Declined(f"no decision, no command and no switch starts with {prefix}: see `{baton()} history`")
    if len(matching) > 1:
        raise Declined(f"{len(matching)} ids start with {prefix}: {', '.join(matching[:5])}")
    return matching[0]


async def _with_related(
    connection: Connection, found: Explained, decisions: Iterable[Decision], control: Control
) -> Explained:
    """Add what was decided for the same switch or the same command."""
    me = found.decision
    command_id = found.command.id if found.command else me.command_id if me else None
    ours = [each for each in decisions if command_id is not None and each.command_id == command_id]
    switches = {found.transition_id, *(each.transition_id for each in ours)} - {None}
    related = [each for each in decisions if each in ours or each.transition_id in switches]
    in_row = control.transition
    carries = in_row is not None and command_id is not None and in_row.command_id == command_id
    belongs = carries or (in_row is not None and in_row.id in switches)
    name = found.transition_id or next(iter(sorted(filter(None, switches))), None)
    return Explained(
        decision=me,
        command=found.command,
        transition_id=name,
        transition=in_row if belongs else await connection.journal.switch(name) if name else None,
        related=tuple(sorted((each for each in related if each != me), key=lambda each: (each.at, each.id))),
    )
