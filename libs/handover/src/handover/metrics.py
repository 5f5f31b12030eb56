"""The metrics that a controller publishes, and the alarms on them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from baton.model.control import Control, Phase
from baton.model.journal import Assessment, Overlay, Signal, State, Verdict
from baton.telemetry import Unit


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm on one metric of a controller: fires above `threshold` for `minutes`."""

    metric: str
    threshold: float
    minutes: int
    runbook: str
    """A heading of docs/runbooks.md."""


CLOCK_OFF_SECONDS_MAX: Final = 60.0
"""Far above what a slow ledger makes of two clocks that agree, and far below what a signature may be off."""

ALARMS: Final = (
    # The one alarm on missing data. Of three minutes one may be empty because the controller restarts, and another one
    # because its metrics arrive late.
    Alarm("Beats", 0, 3, "A controller is silent"),
    Alarm("Suspect", 0, 1, "The active Region is suspected"),
    Alarm("Held", 0, 1, "It should fail over and does not"),
    Alarm("Draining", 0, 2, "A planned switch does not end"),
    Alarm("Switching", 0, 5, "A switch does not end"),
    Alarm("Degraded", 0, 1, "A switch ended degraded"),
    Alarm("WentBack", 0, 1, "The ledger went back"),
    Alarm("Drift", 0, 5, "Switch, dials or owners are not as the ledger says"),
    Alarm("Cooldown", 0, 60, "The cooldown does not end"),
    Alarm("Isolated", 0, 2, "A controller is isolated"),
    Alarm("Frozen", 0, 24 * 60, "A freeze was not lifted"),
    Alarm("BothUnhealthy", 0, 1, "Both Regions are unhealthy"),
    Alarm("BudgetSpent", 0, 1, "The failover budget is spent"),
    Alarm("AllUnknown", 0, 5, "Nothing is known of the active Region"),
    Alarm("StandbyNotReady", 0, 10, "The standby is not ready"),
    Alarm("ClockOffSeconds", CLOCK_OFF_SECONDS_MAX, 5, "A clock is wrong"),
    Alarm("EventsWaiting", 0, 15, "Events are not sent"),
    Alarm("BatchesWaitingInput", 0, 15, "A batch waits for its file"),
)
"""One alarm for each state that an operator must know about."""


def is_due(told_at: datetime | None, now: datetime, every_seconds: float) -> bool:
    """Return whether metrics are to be sent: once in each period by the clock, at the first look in it.

    Sent so long after the last time instead, one look more would pass now and then, and a whole minute of CloudWatch
    would hold nothing: an alarm on each of sixty minutes would not fire, and one on silence would.
    """
    return told_at is None or told_at.timestamp() // every_seconds != now.timestamp() // every_seconds


def metrics_of(
    assessment: Assessment,
    control: Control | None,
    *,
    waiting: int | None,
    taken_over: int = 0,
    events_waiting: int = 0,
) -> dict[str, tuple[float, Unit]]:
    """Return the metrics of one look. What is not known is left out, so that no alarm reads it.

    `taken_over`: batches that changed their owner to this Region since the last time. `events_waiting`: those that the
    event bus did not take yet.
    """
    found = {**_of_state(assessment), "BatchesTakenOver": taken_over, "EventsWaiting": events_waiting}
    if control is not None:
        found |= _of_row(control, assessment.region)
    if waiting is not None:
        found["BatchesWaitingInput"] = waiting
    counts: dict[str, tuple[float, Unit]] = {name: (float(value), "Count") for name, value in found.items()}
    return {**counts, "ClockOffSeconds": (assessment.clock_off_seconds, "Seconds")}


def _of_row(control: Control, region: str) -> dict[str, float]:
    switch = control.transition
    degraded = control.phase is Phase.COOLDOWN and switch is not None and bool(switch.degraded)
    return {"Epoch": control.epoch, "Active": control.active_region == region, "Degraded": degraded}


def _of_state(assessment: Assessment) -> dict[str, float]:
    state, overlays = assessment.state, assessment.overlays
    # Silence is measured by the reader of the ledger, and it is no measurement of the Region.
    evidence = {rule.verdict for rule in assessment.evidence if rule.signal is not Signal.SILENCE}
    ready = {rule.verdict for rule in assessment.readiness if not rule.warns} == {Verdict.HEALTHY}
    lacking = any(rule.verdict is not Verdict.HEALTHY for rule in assessment.readiness)
    waits = Overlay.RECOMMENDS in overlays or any(rule.blocks for rule in assessment.brakes)
    held = state is State.SUSPECT and (not ready or waits)
    return {
        "Beats": 1,
        "Suspect": state is State.SUSPECT,
        "Held": held,
        "Draining": state is State.DRAINING,
        "Switching": state in {State.SWITCHING, State.VERIFYING},
        "WentBack": Overlay.WENT_BACK in overlays,
        "Drift": len(assessment.failing),
        "Cooldown": state is State.COOLDOWN,
        "Isolated": Overlay.ISOLATED in overlays,
        "Frozen": Overlay.FROZEN in overlays,
        "BothUnhealthy": Overlay.BOTH_UNHEALTHY in overlays,
        "BudgetSpent": Overlay.BUDGET_SPENT in overlays,
        "AllUnknown": evidence <= {Verdict.UNKNOWN},
        "StandbyNotReady": lacking,
    }
