"""Every alarm fires in the situation that it is for, and stays quiet on an ordinary day: as its template declares it.

Our own metrics come from the code that sends them. Those of AWS are sent as its pages say, with nothing where they say
that nothing is sent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import pytest

from alarm_states import ALARM, OK, Samples, metrics_of, states
from baton.model.control import StepName
from baton.model.journal import CommandKind
from baton.model.unreadable import UnreadableRow
from baton.telemetry import Metrics, Noteworthy, emf
from baton_infra import config
from baton_proof.logs import measured, recording_log
from controller_made import EAST, START, WEST, Trace, control_made, seconds
from handover import metrics
from splitter.batch_sweep import OpenReport
from synthesized import resources, templates

type Lines = list[dict[str, Any]]

_NAMES: Final = config.names()
_NONE: Final[frozenset[StepName]] = frozenset()


@cache
def _alarms(environment: str, region: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the alarms of a Region's templates, by the name without the environment's."""
    found = [
        each["Properties"]
        for stack, template in templates(environment).items()
        if stack.endswith(region)
        for each in resources(template, "AWS::CloudWatch::Alarm").values()
    ]
    return {each["AlarmName"].removeprefix(f"baton-{environment}-"): each for each in found}


def _sampled(lines: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Samples, int]:
    """Return what CloudWatch reads from lines, and how many minutes they take."""
    samples, minute = Samples(), 0
    for line in lines:
        for (name, dimensions), values in measured([line]).items():
            minute = int(line["_aws"]["Timestamp"] / 1000 - START.timestamp()) // 60
            samples.add((namespace, name, dimensions), minute, *values)
    return samples, minute + 1


# --- of the controllers


def _told(looks: Iterator[Trace], **more: int) -> Lines:
    """Return the lines of a controller at these looks: sent as often, and with as much left out, as its loop does."""
    lines: Lines = []
    noteworthy, at = Noteworthy("Active"), START - seconds(60)
    for trace in looks:
        now = trace.looks[-1][0]
        if now < at + seconds(trace.settings.vitals_seconds):
            continue
        at, found = now, metrics.metrics_of(trace.assessment, trace.control, **{"waiting": 0, **more})
        dimensions = {"Service": "failover-controller", "Region": trace.region}
        lines.append(emf(found, dimensions=dimensions, now=now, sent=noteworthy.of(found, now)))
    return lines


def _looks(trace: Trace, duration: float, every: float = 0) -> Iterator[Trace]:
    """Look for so many seconds, as often as a controller does, or each `every` seconds."""
    until = trace.now + seconds(duration)
    while trace.now < until:
        trace.look()
        yield trace
        trace.now += seconds(max(0, every - trace.settings.beat_seconds))


def _after(change: Callable[[Trace], object], duration: float = 900, every: float = 0) -> Lines:
    """Return the lines of an ordinary minute, of a change, and of what follows for so long."""
    trace = Trace()

    def looks() -> Iterator[Trace]:
        yield from _looks(trace, 60)
        change(trace)
        yield from _looks(trace, duration, every)

    return _told(looks())


def _set(**fields: Any) -> Callable[[Trace], object]:
    """Return the change that sets these of the trace."""
    return lambda trace: [setattr(trace, name, value) for name, value in fields.items()]


def _switchover(trace: Trace) -> None:
    trace.order(CommandKind.SWITCHOVER, target=WEST)


def _dead(**fields: Any) -> Callable[[Trace], object]:
    def change(trace: Trace) -> None:
        _set(**fields)(trace)
        trace.fail()

    return change


def _undrained(trace: Trace) -> None:
    trace.settings = trace.settings.model_copy(update={"drain_seconds": 300})
    trace.memory = replace(trace.memory, settings=trace.settings)
    trace.waiting = ("a file",)
    _switchover(trace)


def _stuck_in_cooldown(trace: Trace) -> None:
    trace.fail()
    trace.run(120)
    trace.loses = True


def _stuck_in_switching(trace: Trace) -> None:
    trace.steps = _NONE
    trace.fail()
    while not trace.control.in_transition:
        trace.look()
    trace.loses = True


def _frozen(trace: Trace) -> None:
    trace.order(CommandKind.FREEZE, until=trace.now + timedelta(days=3))


def _went_back(trace: Trace) -> None:
    trace.control = control_made(revision=trace.control.revision - 1)


def _ordinary() -> Lines:
    """Return an hour that holds a planned switch, and nothing that is wrong."""
    return _after(_switchover, 3_600, every=15)


CONTROLLERS: Final[Mapping[str, Callable[[], Lines]]] = {
    "suspect": lambda: _after(_dead()),
    "held": lambda: _after(_dead(inside=False)),
    "draining": lambda: _after(_undrained),
    "switching": lambda: _after(_stuck_in_switching),
    "degraded": lambda: _after(_dead(steps=_NONE)),
    "wentback": lambda: _after(_went_back),
    "drift": lambda: _after(_dead(steps=_NONE), 1_800),
    "cooldown": lambda: _after(_stuck_in_cooldown, 3 * 3_600, every=30),
    "isolated": lambda: _after(_set(reads=False, writes=False)),
    "frozen": lambda: _after(_frozen, 26 * 3_600, every=300),
    "bothunhealthy": lambda: _after(_dead(inside=False)),
    "budgetspent": lambda: _after(_dead()),
    "allunknown": lambda: _after(_set(reads=False, writes=False)),
    "standbynotready": lambda: _after(_set(beats=False, outside=None, inside=None), 1_200),
    "clockoffseconds": lambda: _after(_set(ahead=seconds(180))),
    "eventswaiting": lambda: _told(_looks(Trace(), 1_200), events_waiting=1),
    "batcheswaitinginput": lambda: _told(_looks(Trace(), 1_200), waiting=1),
}


# --- of the services


def _swept(*reports: OpenReport) -> Lines:
    """Return the lines of these reports of the sweeper, as it sends them."""
    noteworthy = Noteworthy()
    dimensions = {"Service": "splitter", "Region": EAST}
    return [
        emf(each.metrics, dimensions=dimensions, now=each.now, sent=noteworthy.of(each.metrics, each.now))
        for each in reports
    ]


def _reports(**fields: Any) -> Lines:
    """Return ten minutes of reports that all say this."""
    return _swept(*(OpenReport(START + seconds(30 * number), **fields) for number in range(20)))


_HOUR: Final = timedelta(hours=1)
_ROW: Final = UnreadableRow.__new__(UnreadableRow)
"""That there is one is all that is counted."""
SWEPT: Final[Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]] = {
    "quarantined-batches": ({"quarantined": 1}, {"batches": 3}),
    "unreadable-batches": ({"unreadable": {"b": _ROW}}, {"batches": 3}),
    "oldest-waiting-input": ({"oldest_waiting": _HOUR * 1.1}, {"oldest_waiting": _HOUR * 0.9}),
    "oldest-batch": ({"oldest": _HOUR * 1.1}, {"oldest": _HOUR * 0.9}),
}


# --- of AWS


@dataclass(frozen=True, slots=True)
class Day:
    """What AWS sends of one metric, minute by minute; None: nothing."""

    minutes: tuple[tuple[float, ...] | None, ...]


def _each_minute(*values: float | None) -> Day:
    return Day(tuple(None if value is None else (value,) for value in values))


_IDLE: Final = _each_minute(*[None] * 30)
_ZEROS: Final = _each_minute(*[0] * 30)
_TASKS_GONE: Final = Day((*[(12.0, 11.0)] * 10, *[None] * 10))
_DEPLOYED: Final = Day((*[(12.0,)] * 10, *[None] * 3, *[(12.0,)] * 10))
"""A task that is replaced leaves minutes without any."""

AWS: Final[Mapping[str, tuple[Day, Day]]] = {
    # "Types of metrics for Lambda functions": Errors is sent for each invocation, 0 if it succeeds; nothing while idle.
    "region-trigger-errors": (_each_minute(*[1] * 6), _each_minute(None, 1, 1, 0, None, None, 0, 1, 0, 0)),
    # "DynamoDB metrics and dimensions": SystemErrors and throttles are sent only for minutes that have some.
    "region-ledger-errors": (_each_minute(None, 4, 4, 4, None, None), _each_minute(None, 1, *[None] * 8, 1, None)),
    "-throttled": (_each_minute(*[9] * 5, None, None), _each_minute(9, 9, *[None] * 8, 9, None)),
    # "Amazon ECS service utilization metrics": one sample a task and minute, none while no task runs.
    "-missing": (_TASKS_GONE, _DEPLOYED),
    # "Available CloudWatch metrics for Amazon SQS": nothing once a queue was not used for six hours.
    "-dead": (_each_minute(None, None, 1, 1), _IDLE),
    "-waits": (_each_minute(*range(0, 1_200, 60)), _each_minute(*range(0, 840, 60), 0, 0)),
    # "Monitoring replication with metrics, event notifications, and statuses": nothing while nothing is replicated.
    "-late": (_each_minute(None, 30, 901, None), _each_minute(None, 30, 60, 5, None)),
    "-failed": (_each_minute(None, 0, 1, *[None] * 7), _each_minute(0, 0, *[None] * 8)),
    # SQS again: a queue that is polled has data in each minute.
    "notice-worker-more": (_each_minute(0, 400, 900), _ZEROS),
    "notice-worker-none": (_ZEROS, _each_minute(*[5] * 3, 0, 0, 0, *[2] * 8)),
}


def _row_of(name: str) -> str | None:
    """Return the row of this alarm."""
    short = name.removeprefix("notice-")
    rows = [each for each in (*CONTROLLERS, *SWEPT, *OWN) if each == short]
    rows += [each for each in AWS if name == each or (each.startswith("-") and name.endswith(each))]
    return rows[0] if len(rows) == 1 else None


def _lines_logged() -> Lines:
    lines: Lines = []
    recording_log(lines).error("sweep_failed")
    return lines


def _line(service: str, found: Metrics, at: datetime = START) -> Lines:
    return [emf(found, dimensions={"Service": service, "Region": EAST}, now=at)]


OWN: Final[Mapping[str, tuple[Lines, Lines]]] = {
    # The other alarms of a metric's name are held against the code that sends it by test_observability.
    "input-sweep": (
        _line("splitter", {"InputSweepAge": (3_700, "Seconds")}),
        _line("splitter", {"InputSweepAge": (40, "Seconds")}),
    ),
    "inputs-too-old": (_line("trigger", {"InputsTooOld": (1, "Count")}), []),
}


def _states(alarm: Mapping[str, Any], lines: Lines, environment: str) -> list[str]:
    samples, minutes = _sampled(lines, config.load(environment).topology.metrics_namespace)
    return states(alarm, samples, -(-minutes // 60) * 60)


def _states_of_aws(alarm: Mapping[str, Any], day: Day, before: str = OK) -> list[str]:
    samples = Samples()
    for name in metrics_of(alarm):
        for minute, values in enumerate(day.minutes):
            samples.add(name, minute, *values or ())
    return states(alarm, samples, len(day.minutes), before)


@pytest.mark.parametrize("environment", _NAMES)
def test_every_alarm_is_in_the_table(environment: str) -> None:
    for region in (EAST, WEST):
        lacking = {name for name in _alarms(environment, region) if _row_of(name) is None}
        assert lacking == {"notice-beats", "notice-log-errors"}  # which have tests of their own


@pytest.mark.parametrize("name", CONTROLLERS)
def test_an_alarm_of_a_controller_fires_when_it_must(name: str) -> None:
    alarm = _alarms("prod", WEST)[f"notice-{name}"]

    assert ALARM in _states(alarm, CONTROLLERS[name](), "prod")


def test_no_alarm_of_a_controller_fires_on_a_day_with_a_planned_switch() -> None:
    lines, alarms = _ordinary(), _alarms("prod", WEST)

    assert [name for name in CONTROLLERS if ALARM in _states(alarms[f"notice-{name}"], lines, "prod")] == []


def test_a_dead_controller_is_noticed_within_three_minutes_and_a_restart_is_not() -> None:
    alarm = _alarms("prod", WEST)["notice-beats"]
    namespace = config.load("prod").topology.metrics_namespace
    samples, minutes = _sampled(_told(_looks(Trace(), 600)), namespace)

    assert states(alarm, samples, minutes + 3)[-4:] == [OK, OK, OK, ALARM]
    (name,) = metrics_of(alarm)
    del samples.sent[name][5], samples.sent[name][6]
    assert ALARM not in states(alarm, samples, minutes)


@pytest.mark.parametrize("name", SWEPT)
def test_an_alarm_on_what_is_swept_fires_when_it_must_and_not_otherwise(name: str) -> None:
    alarm, (bad, good) = _alarms("prod", EAST)[f"notice-{name}"], SWEPT[name]

    assert ALARM in _states(alarm, _reports(**bad), "prod")
    assert ALARM not in _states(alarm, _reports(**good), "prod")


@pytest.mark.parametrize("name", OWN)
def test_an_alarm_on_inputs_fires_when_it_must_and_not_otherwise(name: str) -> None:
    alarm, (bad, good) = _alarms("prod", EAST)[f"notice-{name}"], OWN[name]

    assert ALARM in _states(alarm, bad, "prod")
    assert ALARM not in _states(alarm, good, "prod")


def test_one_logged_error_fires() -> None:
    alarm = _alarms("prod", EAST)["notice-log-errors"]
    (name,) = metrics_of(alarm)
    samples = Samples()
    samples.add(name, 2, *(1 for line in _lines_logged() if line["level"] in {"error", "critical"}))

    # CloudWatch looks two periods further back for data.
    assert states(alarm, samples, 20) == [ALARM, ALARM, ALARM, OK]


@pytest.mark.parametrize(
    ("environment", "name"),
    [(environment, name) for environment, names in (("prod", [*AWS][:-2]), ("dev", [*AWS][-2:])) for name in names],
)
def test_an_alarm_on_what_aws_measures_fires_when_it_must_and_not_otherwise(environment: str, name: str) -> None:
    found = [alarm for full, alarm in _alarms(environment, EAST).items() if _row_of(full) == name]
    bad, good = AWS[name]

    assert found
    for alarm in found:
        assert ALARM in _states_of_aws(alarm, bad), alarm["AlarmName"]
        assert ALARM not in _states_of_aws(alarm, good), alarm["AlarmName"]


@pytest.mark.parametrize("name", ["region-ledger-errors", "-throttled"])
def test_an_alarm_on_dynamodb_ends_although_nothing_more_is_sent(name: str) -> None:
    for full, alarm in _alarms("prod", EAST).items():
        if _row_of(full) == name:
            assert _states_of_aws(alarm, _IDLE, before=ALARM)[-1] == OK


def test_a_failed_replication_stays_until_another_succeeds() -> None:
    alarm = _alarms("prod", EAST)["notice-replication-input-failed"]

    assert _states_of_aws(alarm, _each_minute(1, *[None] * 14)) == [ALARM] * 3
    assert _states_of_aws(alarm, _each_minute(1, *[None] * 8, 0))[-1] == OK
