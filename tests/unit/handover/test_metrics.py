"""Every state that an operator must know about has a metric, and an alarm with a runbook."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from baton.model.control import Phase
from baton.model.journal import CommandKind, Overlay, Signal, State, Verdict
from controller_made import START, WEST, Trace, control_made, frozen, under_way
from handover.metrics import ALARMS, is_due, metrics_of
from handover.settings import ControllerSettings, Mode

RUNBOOKS = Path(__file__).parents[3] / "docs/runbooks.md"
LATER = START + timedelta(days=1)


def _metrics(trace: Trace, waiting: int | None = 0) -> dict[str, float]:
    control = trace.control if trace.seen.control else None
    return {name: value for name, (value, _) in metrics_of(trace.assessment, control, waiting=waiting).items()}


def _on(trace: Trace) -> set[str]:
    """Return the metrics that make an alarm fire."""
    found = _metrics(trace)
    return {
        alarm.metric for alarm in ALARMS if alarm.metric != "Beats" and found.get(alarm.metric, 0) > alarm.threshold
    }


def _dead(trace: Trace) -> None:
    trace.run(60)
    trace.fail()
    trace.run(120)


def _both_unhealthy(trace: Trace) -> None:
    trace.inside = True
    trace.run(60)
    trace.fail()
    trace.inside = False
    trace.run(120)


def _unproved(trace: Trace) -> None:
    trace.inside = None
    _dead(trace)


def _well(trace: Trace) -> None:
    trace.run(60)


def _degraded(trace: Trace) -> None:
    trace.run(60)
    trace.order(CommandKind.FAILOVER, target=WEST)
    trace.steps = frozenset()
    trace.run(300)


def _drains(trace: Trace) -> None:
    trace.run(60)
    trace.waiting = ("a file",)
    trace.order(CommandKind.SWITCHOVER, target=WEST)


def _unknown(trace: Trace) -> None:
    trace.run(60)
    trace.memory = type(trace.memory)(WEST, trace.memory.regions, "x", trace.settings, written_at=trace.now)


def _blind(trace: Trace) -> None:
    """Read the ledger, and measure nothing else of the active Region."""
    trace.run(60)
    trace.says_canary, trace.outside = Verdict.UNKNOWN, None
    trace.run(60)
    known = {key: each for key, each in trace.memory.series.items() if key[1] is not Signal.ALARMS}
    trace.memory = replace(trace.memory, series=known)


def _cut_off(trace: Trace) -> None:
    trace.run(60)
    trace.writes = False
    trace.run(30)


def _restored(trace: Trace) -> None:
    trace.run(60)
    trace.control = control_made(revision=trace.control.revision - 1)
    trace.run(30)


STORIES: list[tuple[Callable[[Trace], None], Trace, set[str]]] = [
    (_well, Trace(), set()),
    (_dead, Trace(control=control_made(freeze=frozen(LATER))), {"Suspect", "Held", "Frozen"}),
    (_both_unhealthy, Trace(), {"Suspect", "Held", "BothUnhealthy", "StandbyNotReady"}),
    (_unproved, Trace(), {"Suspect", "Held", "StandbyNotReady"}),
    (_dead, Trace(settings=ControllerSettings(mode=Mode.RECOMMEND)), {"Suspect", "Held"}),
    (_dead, Trace(control=control_made(failovers=(START,))), {"Suspect", "Held", "BudgetSpent"}),
    (_drains, Trace(), {"Draining"}),
    (_degraded, Trace(), {"Cooldown", "Degraded", "Drift"}),
    (_well, Trace(control=control_made(phase=Phase.VERIFYING, transition=under_way(), epoch=4)), set()),
    (_unknown, Trace(), {"AllUnknown", "StandbyNotReady"}),
    (_blind, Trace(), {"AllUnknown"}),
    (_restored, Trace(), {"WentBack"}),
    (_cut_off, Trace(), {"Isolated", "StandbyNotReady"}),
]


@pytest.mark.parametrize(("story", "trace", "metrics"), STORIES, ids=range(len(STORIES)))
def test_each_state_shows_in_its_metric(story: Callable[[Trace], None], trace: Trace, metrics: set[str]) -> None:
    story(trace)

    if trace.control.phase is Phase.COOLDOWN:
        metrics = metrics | {"Cooldown"}
    assert _on(trace) == metrics


def test_who_cannot_read_the_ledger_says_that_it_lives_and_no_more_than_it_knows() -> None:
    trace = Trace().warm()
    trace.reads = False
    trace.run(60)

    found = _metrics(trace, waiting=None)

    assert found["Beats"] == found["Isolated"] == found["AllUnknown"] == 1
    assert not {"Epoch", "Active", "Degraded", "BatchesWaitingInput"} & found.keys()


def test_every_alarm_has_a_metric() -> None:
    assert {alarm.metric for alarm in ALARMS} <= _metrics(Trace().warm()).keys()


def test_every_state_and_overlay_has_an_alarm_but_rest_and_dry_run() -> None:
    names = {alarm.metric.casefold() for alarm in ALARMS}
    expected = {state.value for state in State} | {overlay.value for overlay in Overlay}
    # A verification is part of switching, and who waits for an order is held.
    without = {State.STEADY, State.VERIFYING, Overlay.DRY_RUN, Overlay.RECOMMENDS}

    assert {name.replace("_", "").casefold() for name in expected - without} <= names


def test_every_alarm_has_its_runbook() -> None:
    headings = [line.removeprefix("## ") for line in RUNBOOKS.read_text().splitlines() if line.startswith("## ")]

    assert [alarm.runbook for alarm in ALARMS] == headings[: len(ALARMS)]


@pytest.mark.parametrize("look_seconds", [14.97, 15, 15.03])
def test_no_minute_is_without_metrics_of_a_controller_that_looks_four_times_in_it(look_seconds: float) -> None:
    told_at: datetime | None = None
    minutes: list[int] = []
    for look in range(2_000):
        now = START + timedelta(seconds=look * look_seconds)
        if is_due(told_at, now, 60):
            told_at = now
            minutes.append(int((now - START).total_seconds() // 60))

    assert minutes == list(range(len(minutes)))
