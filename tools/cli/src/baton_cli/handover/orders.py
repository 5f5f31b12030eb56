"""Writes an operator's order as one row of the journal, then follows it until it and its switch have ended.

Over ports only. A command never changes the control row itself: a controller carries it out, or refuses it with a
reason.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from baton.errors import Unavailable
from baton.model.control import Control, Ending, Phase, StepName, StepOutcome, Transition
from baton.model.journal import Command, CommandState
from baton_cli.hints import baton
from baton_cli.reach import asking
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, NO_ANSWER
from baton_cli.reach.connection import Connection
from handover import commands

_POLL_SECONDS: Final = 0.5
_SUBMITTED_TIMES_MAX: Final = 3
"""The same row written again changes nothing, so an answer that got lost costs one more attempt."""
_DECISIONS_READ: Final = 200
"""Far more than are made while somebody waits for one switch."""


class OrderOutcome(StrEnum):
    """How an order stands when the command ends."""

    PENDING = "pending"
    """No controller settled it so far."""
    REFUSED = "refused"
    DONE = "done"
    """Of an order that changes no Region: a controller took it."""
    UNDER_WAY = "under way"
    COMPLETED = "completed"
    DEGRADED = "degraded"
    """Completed, but a step was not done in time. The controllers keep trying."""
    ROLLED_BACK = "rolled back"
    SUPERSEDED = "superseded"
    """Another switch took its place before it was over."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an order stands at one moment. What did not answer is as it was before; `problem` says what that is."""

    command: Command
    at: datetime
    control: Control | None = None
    transition: Transition | None = None
    """The switch that carries the order out."""
    problem: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a controller took it. The control row knows that a moment before the command's own row does."""
        in_row = self.control is not None and self.command.id in self.control.commands
        return in_row or self.command.state is CommandState.ACCEPTED

    @property
    def is_over(self) -> bool:
        """Whether it is over."""
        return self.outcome not in {OrderOutcome.PENDING, OrderOutcome.UNDER_WAY}

    @property
    def outcome(self) -> OrderOutcome:
        """Its outcome so far."""
        if self.command.state is CommandState.REFUSED:
            return OrderOutcome.REFUSED
        if not self.is_taken:
            return OrderOutcome.PENDING
        if self.command.kind not in commands.SWITCHES:
            return OrderOutcome.DONE if self.command.state is CommandState.ACCEPTED else OrderOutcome.UNDER_WAY
        if self.transition is None:
            return OrderOutcome.UNDER_WAY
        return outcome_of(self.transition.ended, self.transition.degraded)


def outcome_of(ended: Ending | None, degraded: Sequence[StepName]) -> OrderOutcome:
    """Return what the end of a switch comes to."""
    match ended:
        case None:
            return OrderOutcome.UNDER_WAY
        case Ending.COMPLETED:
            return OrderOutcome.DEGRADED if degraded else OrderOutcome.COMPLETED
        case Ending.ROLLED_BACK:
            return OrderOutcome.ROLLED_BACK
        case _:
            return OrderOutcome.SUPERSEDED


async def submit(connection: Connection, command: Command) -> None:
    """Write the order. Raises `Unavailable` if it is not known whether it was written."""
    for attempt in range(_SUBMITTED_TIMES_MAX):
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await connection.journal.submit(command)
        except NO_ANSWER as error:
            if attempt == _SUBMITTED_TIMES_MAX - 1:
                why = str(error) or "no answer in time"
                raise Unavailable(
                    f"the ledger did not confirm the order ({why}). Is it in force: {baton()} explain {command.id}"
                ) from error
            await asyncio.sleep(_POLL_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def follow(connection: Connection, command: Command, *, poll_seconds: float = _POLL_SECONDS) -> AsyncIterator[Standing]:
    """Yield how the order stands again and again until it is over, through any outage of the ledger."""
    seen = Standing(command, connection.clock.now())
    return asking.follow(seen, partial(look, connection), every_seconds=poll_seconds)


async def look(connection: Connection, before: Standing) -> Standing:
    """Return how the order stands now."""
    now = connection.clock.now()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            # In this order: a controller writes the control row before it settles the command, so a row that is read
            # after an accepted command shows its switch.
            command = await connection.journal.command(before.command.id) or before.command
            control = await connection.ledger.control()
            standing = Standing(command, now, control, before.transition)
            return replace(standing, transition=await _transition_of(connection, standing))
    except NO_ANSWER:
        return replace(before, at=now, problem="the ledger does not answer")


async def followed(
    connection: Connection, command: Command, show: Callable[[Standing], None], *, seconds_max: float
) -> Standing:
    """Show how the order stands until it is over or the time is; return the last of it."""
    last = Standing(command, connection.clock.now())
    try:
        async with asyncio.timeout(seconds_max):
            async for standing in follow(connection, command):
                last = standing
                show(last)
    except TimeoutError:
        pass  # the outcome says that it is not over
    return last


async def _transition_of(connection: Connection, seen: Standing) -> Transition | None:
    """Return the switch of this order: from the control row while it is there, else from its row in the journal."""
    if seen.command.kind not in commands.SWITCHES or seen.control is None:
        return None
    known, in_row = seen.transition, seen.control.transition
    if in_row is not None:
        # The first one seen is kept: the way back of a practice run carries the same command.
        ours = in_row.command_id == seen.command.id if known is None else in_row.id == known.id
        if ours:
            return in_row
    if known is None and not seen.is_taken:
        return None
    if known is not None and known.ended is not None:
        return known
    name = known.id if known else await _carried_by(connection, seen.command)
    return (await connection.journal.switch(name) if name else None) or known


async def _carried_by(connection: Connection, command: Command) -> str | None:
    """Return the first switch that was decided for a command."""
    decisions = await connection.journal.decisions(limit=_DECISIONS_READ)
    carrying = (each.transition_id for each in reversed(decisions) if each.command_id == command.id)
    return next(filter(None, carrying), None)


# --- what there is to tell --------------------------------------------------------------------------------------------


class Tone(StrEnum):
    """How a milestone is to be taken."""

    NEUTRAL = "neutral"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Milestone:
    """One thing that happened to an order. `name` is the same whenever it is read again."""

    name: str
    text: str
    tone: Tone = Tone.NEUTRAL


def milestones(standing: Standing) -> tuple[Milestone, ...]:
    """Return everything that has happened so far, in order."""
    return (*_of_command(standing), *_of_switch(standing))


def settler(command: Command) -> str:
    """Return who answered a settled command."""
    return command.settled_operator or f"the controller of {command.settled_by}"


def _of_command(standing: Standing) -> list[Milestone]:
    command = standing.command
    by = f" by {settler(command)}" if command.settled_by else ""
    if command.state is CommandState.REFUSED:
        return [Milestone("settled", f"refused{by}: {command.answer}", Tone.BAD)]
    if not standing.is_taken:
        return []
    answer = f": {command.answer}" if command.answer else ""
    return [Milestone("settled", f"accepted{by}{answer}", Tone.GOOD)]


def _of_switch(standing: Standing) -> list[Milestone]:
    transition, control = standing.transition, standing.control
    if transition is None or control is None:
        return []
    found: list[Milestone] = []
    outcome = outcome_of(transition.ended, transition.degraded)
    if outcome is OrderOutcome.UNDER_WAY and control.phase is Phase.DRAINING:
        found.append(Milestone("draining", f"admission pauses: {transition.source} drains"))
    in_row = control.transition is not None and control.transition.id == transition.id
    has_moved = outcome is not OrderOutcome.ROLLED_BACK and control.phase is not Phase.DRAINING
    if in_row and has_moved and control.active_region == transition.target:
        text = f"the epoch moved to {control.epoch}: {transition.target} is active"
        found.append(Milestone("epoch", text, Tone.GOOD))
    for step in transition.steps:
        verb = "verified" if step.step is StepName.VERIFY else f"{step.step} {step.outcome}"
        if step.step is StepName.VERIFY and step.outcome is StepOutcome.DEGRADED:
            verb = "not verified"
        note = f": {step.note}" if step.note else ""
        tone = Tone.GOOD if step.outcome is StepOutcome.DONE else Tone.BAD
        found.append(Milestone(f"step {step.step}", f"{verb}{note}", tone))
    if transition.ended is not None:
        tone = Tone.GOOD if outcome is OrderOutcome.COMPLETED else Tone.BAD
        found.append(Milestone("outcome", f"{transition.kind} {transition.id} {transition.outcome}", tone))
    return found


def since(standing: Standing) -> timedelta:
    """Return how long ago it was ordered, by the operator's own clock alone: the controllers' may differ by minutes."""
    return standing.at - standing.command.at
