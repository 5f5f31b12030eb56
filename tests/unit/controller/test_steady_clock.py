"""A clock that steps or is wrong by minutes: it is told, and no span and no verdict changes."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from baton.memory import LoopClock
from baton.model.journal import CommandKind
from baton.testing import virtual_time
from controller_made import EAST, WEST, Trace, seconds
from handover.metrics import ALARMS, metrics_of
from handover_shell.steady import SteadyClock


class Stepped:
    """The machine's clock, and by how much somebody set it forward."""

    def __init__(self) -> None:
        self.by = timedelta()
        self._true = LoopClock()

    def now(self) -> datetime:
        return self._true.now() + self.by


async def _spans(by: float) -> tuple[list[float], list[float]]:
    """Return how long 25 s last on the steady clock, and how far it is off, every 25 s for four hours."""
    machine = Stepped()
    steady = SteadyClock(machine)
    spans, off = list[float](), list[float]()
    for number in range(4 * 144):
        if number == 3:
            machine.by = timedelta(seconds=by)
        began = steady.now()
        await asyncio.sleep(25)
        spans.append((steady.now() - began).total_seconds())
        off.append(steady.off_seconds())
    return spans, off


@pytest.mark.parametrize("by", [-600, -300, 300, 600])
def test_a_step_is_told_and_followed_so_slowly_that_no_span_shows_it(by: float) -> None:
    spans, off = virtual_time.run(_spans(by))

    assert spans[:3] == pytest.approx([25, 25, 25])
    assert all(abs(span - 25) <= 1.26 for span in spans)
    assert off[3] == pytest.approx(by, abs=2)
    assert off[-1] == pytest.approx(0, abs=0.001)


def test_without_a_step_it_is_the_machines_clock() -> None:
    async def story() -> list[float]:
        clock, found = LoopClock(), list[float]()
        steady = SteadyClock(clock)
        for pause in (0.1, 3, 700, 0, 0.25):
            await asyncio.sleep(pause)
            found.append((steady.now() - clock.now()).total_seconds())
        return found

    assert virtual_time.run(story()) == [0] * 5


def _off(trace: Trace) -> float:
    return metrics_of(trace.assessment, trace.control, waiting=0)["ClockOffSeconds"][0]


ALARM = next(alarm for alarm in ALARMS if alarm.metric == "ClockOffSeconds")


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=-5)])
@pytest.mark.parametrize("region", [EAST, WEST])
def test_a_clock_that_is_minutes_from_the_other_ones_is_told_and_changes_nothing(region: str, ahead: timedelta) -> None:
    trace = Trace(region=region, ahead=ahead).warm()
    trace.run(600)

    assert _off(trace) == pytest.approx(300, abs=10)
    assert _off(trace) > ALARM.threshold
    assert trace.decisions == []


def _when_committed(trace: Trace) -> float:
    trace.warm()
    trace.fail()
    died = trace.now
    while trace.control.active_region == EAST:
        trace.look()
    return (trace.looks[-1][0] - died).total_seconds()


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_dead_region_is_left_as_soon_with_clocks_apart(ahead: timedelta) -> None:
    assert _when_committed(Trace(ahead=ahead)) == _when_committed(Trace())


def _restarted(trace: Trace) -> None:
    """See a first heartbeat, which may be of any age."""
    trace.beats, trace.sequence = False, 7
    trace.ahead = timedelta(hours=-3)
    trace.look()


def _unread_for_long(trace: Trace) -> None:
    trace.warm()
    trace.reads = False
    trace.run(300)
    trace.reads = True
    trace.beats, trace.sequence = False, trace.sequence + 1
    trace.ahead = timedelta(minutes=-4)
    trace.look()


@pytest.mark.parametrize("story", [_restarted, _unread_for_long])
def test_a_heartbeat_of_which_nobody_knows_when_it_came_accuses_no_clock(story: Callable[[Trace], None]) -> None:
    trace = Trace()

    story(trace)

    assert _off(trace) <= 1


def test_an_ack_counts_for_a_failover_that_a_faster_clock_decided() -> None:
    trace = Trace(region=WEST).warm()
    trace.control = trace.control.changed(failovers=(trace.now + seconds(300),))
    trace.order(CommandKind.ACK)
    trace.look()

    assert trace.control.acknowledged_at is not None
    assert trace.control.acknowledged_at >= trace.control.failovers[-1]
