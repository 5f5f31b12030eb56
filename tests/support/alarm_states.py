"""What a CloudWatch alarm would say, computed from its template and a series of samples. Refuses what it does not know.

Source: "Configuring how CloudWatch alarms treat missing data" and "Using metric math", Amazon CloudWatch User Guide;
PutMetricAlarm, CloudWatch API Reference.
"""

import ast
import operator
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

type Name = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, dimensions."""
type Points = list[float | None]
"""One value for each period, the oldest first; None: nothing was sent."""

OK: Final = "OK"
ALARM: Final = "ALARM"
_EXTRA_PERIODS: Final = 2
"""CloudWatch looks so much further back for data: its examples show five periods for an alarm of three."""
_STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "Maximum": max,
    "Minimum": min,
    "Sum": sum,
    "SampleCount": len,
    "Average": lambda values: sum(values) / len(values),
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
}
_KNOWN: Final = frozenset(
    {
        *("AlarmName", "AlarmDescription", "AlarmActions", "OKActions", "ComparisonOperator", "Threshold"),
        *("EvaluationPeriods", "TreatMissingData", "Metrics", "Namespace", "MetricName", "Dimensions"),
        *("Statistic", "Period", "Tags", "DatapointsToAlarm"),
    }
)


@dataclass
class Samples:
    """Everything that was sent, by metric and minute."""

    sent: dict[Name, dict[int, list[float]]] = field(
        default_factory=lambda: defaultdict[Name, dict[int, list[float]]](lambda: defaultdict(list))
    )

    def add(self, name: Name, minute: int, *values: float) -> None:
        """Add samples of one minute, counted from the series' begin."""
        self.sent[name][minute].extend(values)

    def points(self, name: Name, statistic: str, period_seconds: int, end: int, count: int) -> Points:
        """Return so many periods, the last of which ends before minute `end`."""
        minutes, sent = period_seconds // 60, self.sent.get(name, {})
        assert minutes * 60 == period_seconds, "periods are whole minutes"
        assert end % minutes == 0, "periods begin at multiples of themselves"
        starts = range(end - count * minutes, end, minutes)
        found = [[value for at in range(start, start + minutes) for value in sent.get(at, ())] for start in starts]
        return [_STATISTICS[statistic](values) if values else None for values in found]


def states(alarm: Mapping[str, Any], samples: Samples, minutes: int, before: str = OK) -> list[str]:
    """Return the alarm's state after each of its periods in so many minutes, which begin in the state `before`."""
    assert not alarm.keys() - _KNOWN, alarm.keys() - _KNOWN
    step, state = period_of(alarm) // 60, before
    found: list[str] = []
    for end in range(step, minutes + 1, step):
        points = _returned(alarm, samples, end, alarm["EvaluationPeriods"] + _EXTRA_PERIODS)
        state = state_of(alarm, points, state)
        found.append(state)
    return found


def period_of(alarm: Mapping[str, Any]) -> int:
    """Return the seconds of one period."""
    if "Metrics" not in alarm:
        return alarm["Period"]
    (period,) = {each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each}
    return period


def metrics_of(alarm: Mapping[str, Any]) -> list[Name]:
    """Return every metric that the alarm reads."""
    if "Metrics" not in alarm:
        return [_name(alarm)]
    return [_name(each["MetricStat"]["Metric"]) for each in alarm["Metrics"] if "MetricStat" in each]


def _name(metric: Mapping[str, Any]) -> Name:
    dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions", ()))
    return metric["Namespace"], metric["MetricName"], dimensions


def state_of(alarm: Mapping[str, Any], points: Points, state: str) -> str:
    """Return the state after these periods: the alarm's own ones, and those before in which CloudWatch looks for data.

    Real data are used first, also older ones; only what is lacking is filled in.
    """
    periods, compare = alarm["EvaluationPeriods"], _COMPARISONS[alarm["ComparisonOperator"]]
    wanted = alarm.get("DatapointsToAlarm", periods)
    real = [compare(each, alarm["Threshold"]) for each in points if each is not None][-periods:]
    lacking, breaching = periods - len(real), sum(real)
    match _missing(alarm) if lacking else "notBreaching":
        case "breaching":
            return ALARM if breaching + lacking >= wanted else OK
        case "notBreaching":
            return ALARM if breaching >= wanted else OK
        case "ignore" if wanted == periods:
            return state if all(real) else OK
        case other:
            raise NotImplementedError(f"missing data treated as {other}, {wanted} of {periods} periods")


def _missing(alarm: Mapping[str, Any]) -> str:
    """Return how missing data are treated: an alarm on a metric of DynamoDB ignores them, whatever it says."""
    return "ignore" if alarm.get("Namespace") == "AWS/DynamoDB" else alarm["TreatMissingData"]


def _returned(alarm: Mapping[str, Any], samples: Samples, end: int, count: int) -> Points:
    if "Metrics" not in alarm:
        return samples.points(_name(alarm), alarm["Statistic"], alarm["Period"], end, count)
    known: dict[str, Points] = {}
    for each in alarm["Metrics"]:
        if found := each.get("MetricStat"):
            known[each["Id"]] = samples.points(_name(found["Metric"]), found["Stat"], found["Period"], end, count)
    (returned,) = [each for each in alarm["Metrics"] if each["ReturnData"]]
    return value_of(returned["Expression"], known, count)


def value_of(expression: str, known: Mapping[str, Points], count: int) -> Points:
    """Return the series of an expression of metric math. Raises `NotImplementedError` for what is not known here."""
    return _math(ast.parse(expression, mode="eval").body, known, count)


def _math(node: ast.expr, known: Mapping[str, Points], count: int) -> Points:
    match node:
        case ast.Name(id=label):
            return known[label]
        case ast.Constant(value=int(value) | float(value)):
            return [value] * count
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _each(_ARITHMETIC[type(op)], _math(left, known, count), _math(right, known, count))
        case ast.Compare(left=left, ops=[ast.Gt()], comparators=[right]):
            return _each(operator.gt, _math(left, known, count), _math(right, known, count))
        case ast.Call(func=ast.Name(id="FILL"), args=[series, ast.Constant(value=int(value) | float(value))]):
            return [value if each is None else each for each in _math(series, known, count)]
        case ast.Call(func=ast.Name(id="IF"), args=[test, then, other]):
            of = [_math(each, known, count) for each in (test, then, other)]
            return [None if a is None else b if a else c for a, b, c in zip(*of, strict=True)]
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.List(elts=series)]):
            found = [_math(each, known, count) for each in series]
            return [None if all(v is None for v in at) else sum(v or 0 for v in at) for at in zip(*found, strict=True)]
        case _:
            raise NotImplementedError(f"metric math {ast.unparse(node)}")


def _each(of: Callable[[float, float], float], left: Points, right: Points) -> Points:
    """Return the result where both have data: metric math has none where one lacks it."""
    return [None if a is None or b is None else of(a, b) for a, b in zip(left, right, strict=True)]
