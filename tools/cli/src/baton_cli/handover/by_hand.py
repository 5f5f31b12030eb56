"""Fails over from this machine, without a controller: builds the shell, and reports the outcome.

The rules are the controllers' (`handover.by_hand`), and so are acts and records.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from baton.model.control import Control, StepName
from baton.model.journal import Command, Verdict
from baton.telemetry import Log
from baton.topology import other_region
from baton_cli.batches.render import moment, span
from baton_cli.handover import epoch, orders, queries
from baton_cli.handover.orders import Standing
from baton_cli.handover.queries import Situation
from baton_cli.hints import baton
from baton_cli.reach.asking import ANSWER_SECONDS_MAX, NOT_HERE
from baton_cli.reach.connection import Connection, Declined
from handover.by_hand import wrong_place
from handover.facts import StepResult
from handover.settings import ControllerSettings
from handover.switching import STEPS
from handover_shell.acts import Actor
from handover_shell.by_hand import ByHand, Hand
from handover_shell.canary import BatchCanary
from handover_shell.steady import SteadyClock

type Tell = Callable[[str], None]
"""Says something beside the answer."""


@dataclass(frozen=True, slots=True)
class Realigned:
    """The outcome of bringing switch, dials and owners in line with a row that names the Region already."""

    control: Control
    results: tuple[StepResult, ...]

    @property
    def missing(self) -> tuple[StepName, ...]:
        """What is not as the ledger says."""
        done = {each.step for each in self.results if each.done}
        return tuple(step for step in STEPS if step not in done)


async def fail_over(
    connection: Connection, command: Command, *, show: Callable[[Standing], None], tell: Tell, seconds_max: float
) -> Standing | Realigned:
    """Do everything that the order asks for; return its outcome within `seconds_max`.

    Raises `Declined` if this machine is not set up as the controllers are, or the ledger went back. What the rules
    refuse is an outcome.
    """
    now = await queries.situation(connection)
    switch = connection.switch()
    heartbeats = {view.region: view.heartbeat for view in now.controllers if view.heartbeat}
    if wrong := wrong_place(now.control, connection.regions, heartbeats, switch.backend):
        raise Declined(wrong)
    await epoch.refuse_restored(connection)
    for line in _told_before(now):
        tell(line)
    hand = _by_hand(connection, command, now, tell)
    target = command.target or ""
    if now.control.active_region == target and not now.control.in_transition:
        return await _kept(now, hand, seconds_max=seconds_max)
    if now.control.active_region != target and not command.force:
        await _proved(hand, target, tell)
    async with hand.acting(command):
        return await orders.followed(connection, command, show, seconds_max=seconds_max)


def _told_before(now: Situation) -> Iterator[str]:
    """Yield which controllers still run."""
    for view in now.controllers:
        if not view.is_silent and view.age is not None:
            yield (
                f"The controller of {view.region} was heard {span(view.age)} ago. It may carry this out as well: "
                "both do no harm"
            )


def _by_hand(connection: Connection, command: Command, now: Situation, tell: Tell) -> ByHand:
    settings, clock = _settings_of(now), SteadyClock(connection.clock)
    actor = Actor(
        regions=connection.regions,
        ledger=connection.ledger,
        switch=connection.switch(),
        routes=connection.routes(),
        places=connection.by_region,
        clock=clock,
        at_once=settings.takeovers_at_once,
        dials_seconds=settings.dials_seconds,
    )
    target = command.target or ""
    canary = BatchCanary(
        sender=target,
        ledger=connection.ledger,
        objects={region: ports.objects for region, ports in connection.by_region.items()},
        clock=clock,
        instance=command.id,
    )
    hand = Hand(connection.ledger, connection.journal, connection.switch(), actor, canary, connection.events())
    return ByHand(
        target=target,
        regions=connection.regions,
        operator=command.by,
        instance=command.id,
        hand=hand,
        settings=settings,
        clock=clock,
        log=_telling(tell),
    )


def _settings_of(now: Situation) -> ControllerSettings:
    """Return what the controllers ran under, the newest one first."""
    heard = sorted((view for view in now.controllers if view.age is not None), key=lambda view: view.age or timedelta())
    return (heard[0] if heard else now.controllers[0]).settings


async def _proved(hand: ByHand, target: str, tell: Tell) -> None:
    tell(f"Whether {target} is ready: canaries go through it")
    for probe in await hand.prove():
        tell(f"{'a canary' if probe.verdict is Verdict.HEALTHY else 'a canary failed'}: {probe.value}")


async def _kept(now: Situation, hand: ByHand, *, seconds_max: float) -> Realigned:
    """Bring everything in line with the row; there is no order in it, since nothing is to be decided."""
    control = now.control
    if control.frozen(now.at) and control.freeze:
        freeze = control.freeze
        raise Declined(
            f"{control.active_region} is active already, and what differs from the ledger is left as it is: "
            f"frozen by {freeze.by} until {moment(freeze.until)}: {freeze.reason}"
        )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds_max), hand.acting(None):
            await hand.in_line.wait()
    return Realigned(control, tuple(hand.results[step] for step in STEPS if step in hand.results))


def _telling(tell: Tell) -> Log:
    """Return a logger that says what went wrong, each thing once, and leaves out what the order's milestones say."""
    said: set[str] = set()

    def once(_: object, level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        text = _wording(fields) if level != "info" else None
        if text and text not in said:
            said.add(text)
            tell(text)
        raise structlog.DropEvent

    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    log: Log = structlog.wrap_logger(None, processors=[once], wrapper_class=wrapper)
    return log


def _wording(fields: MutableMapping[str, Any]) -> str:
    match fields["event"]:
        case "step_failed":
            return f"{fields['step']} is not done, and is tried again: {fields['note']}"
        case "record_waits":
            return f"a record waits for the ledger: {fields['error']}"
        case "event_waits":
            return f"an event waits for EventBridge: {fields['error']}"
        case "intent_failed":
            return f"the ledger did not confirm a write, which is tried again: {fields['error']}"
        case event:
            return f"{event}: {fields.get('exc_info') or fields.get('error', '')}"


async def running(connection: Connection) -> tuple[str, ...]:
    """Return the Regions whose controllers run; none, if the ledger does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return tuple(beat.region for beat in (await queries.situation(connection)).heard)
    except NOT_HERE:
        return ()


def still_to_do(
    now: Control, *, missing: tuple[StepName, ...], regions: tuple[str, str], running: Sequence[str]
) -> list[str]:
    """Return what is left for people once the Region is active; `running`: where controllers run."""
    other, home = other_region(now.active_region, regions), regions[0]
    lines: list[str] = []
    if missing:
        lines.append(f"{', '.join(missing)}: not done. The same command once more tries it, and so do controllers")
    if not running:
        lines.append("start the controllers: until one runs there is no automatic failover")
    elif stopped := [region for region in regions if region not in running]:
        lines.append(f"start the controller of {', '.join(stopped)}: the one of {', '.join(running)} runs")
    if now.failovers:
        lines.append(f"{baton()} ack, once the cause is found: automatic failovers so far no longer count")
    back = "failback" if other == home else f"switchover --to {other}"
    lines.append(f"{baton()} {back}, once {other} is ready again: {baton()} status")
    return lines
