"""Makes heartbeats, commands and decisions for tests of the journal: no field has its default."""

from dataclasses import replace
from datetime import datetime, timedelta

from baton.model.control import Ending, StepDone, StepName, StepOutcome, SwitchBackend, SwitchKind, Transition
from baton.model.journal import (
    Assessment,
    Command,
    CommandKind,
    CommandState,
    Decision,
    DecisionKind,
    Heartbeat,
    Overlay,
    Rule,
    Signal,
    State,
    Verdict,
)
from baton.topology import REGIONS_DEFAULT

EAST, WEST = REGIONS_DEFAULT


def assessed(region: str, at: datetime) -> Assessment:
    """Return an assessment with a rule of each verdict."""
    seen = Rule("canary", Verdict.UNHEALTHY, "no answer for 40 s", "30 s", age_seconds=40.25, blocks=True)
    return Assessment(
        at=at,
        region=region,
        epoch=2,
        state=State.SUSPECT,
        overlays=(Overlay.FROZEN, Overlay.DRY_RUN),
        conclusion="The budget „one a day“ is used up: nothing is done.",
        evidence=(seen, Rule("lag", Verdict.UNKNOWN, "none", "900 s", signal=Signal.REPLICATION)),
        readiness=(Rule("canary", Verdict.HEALTHY, "3 s", "60 s", age_seconds=3.0),),
        brakes=(replace(seen, name="budget"),),
    )


def beaten(region: str, at: datetime, *, sequence: int = 1) -> Heartbeat:
    """Return a heartbeat."""
    return Heartbeat(
        region=region,
        instance=f"{region}-7f",
        sequence=sequence,
        at=at,
        epoch_seen=2,
        canary=Verdict.UNKNOWN,
        ready=Verdict.HEALTHY,
        assessment=assessed(region, at),
        settings='{"mode": "auto"}',
        switch=SwitchBackend.REGION_SWITCH,
    )


def asked(command_id: str, at: datetime) -> Command:
    """Return a command that nobody settled yet."""
    return Command(
        id=command_id,
        kind=CommandKind.DRILL,
        by="ann",
        at=at,
        reason="practice",
        target=WEST,
        force=True,
        until=at + timedelta(hours=1),
        blocking_alarm="baton-prod-rejects",
    )


def settled(command: Command, *, state: CommandState = CommandState.ACCEPTED) -> Command:
    """Return the command with its answer."""
    at = command.at + timedelta(microseconds=1)
    return replace(command, state=state, answer=f"{state} by rule 7", settled_at=at, settled_by=EAST)


def decided(decision_id: str, at: datetime) -> Decision:
    """Return a decision with the grounds that it rests on."""
    return Decision(
        id=decision_id,
        at=at,
        region=WEST,
        kind=DecisionKind.COMMITTED,
        epoch=3,
        summary=f"{WEST} is active",
        transition_id="t1",
        command_id="c1",
        assessment=assessed(WEST, at),
        ended=Ending.COMPLETED,
        degraded=(StepName.ROUTES, StepName.VERIFY),
    )


def left(transition_id: str, at: datetime, ended: Ending = Ending.COMPLETED) -> Transition:
    """Return a switch that has left the control row."""
    step = StepDone(StepName.ROUTES, StepOutcome.DEGRADED, at, WEST, "„langsam“")
    return Transition(
        transition_id, SwitchKind.FAILOVER, EAST, WEST, "because", at, automatic=True, command_id="c1", steps=(step,),
        ended=ended, note="t9", ended_at=at,
    )  # fmt: skip
