"""The evaluator of alarms agrees with the examples of CloudWatch's own pages."""

from typing import Any, Final

import pytest

from alarm_states import ALARM, OK, Points, Samples, state_of, states, value_of

_BAD, _GOOD = 1.0, 0.0
_EXAMPLES: Final = [
    # "Configuring how CloudWatch alarms treat missing data", three of three periods: an X is 1 here.
    ([_GOOD, None, _BAD, None, _BAD], OK, OK, OK),
    ([None, None, None, None, _GOOD], OK, OK, OK),
    ([None, None, None, None, None], "before", ALARM, OK),
    ([_GOOD, _BAD, _BAD, None, _BAD], ALARM, ALARM, ALARM),
    ([None, None, _BAD, None, None], "before", ALARM, OK),
]


def _alarm(missing: str, periods: int = 3) -> dict[str, Any]:
    comparison = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0}
    return {"EvaluationPeriods": periods, "TreatMissingData": missing, **comparison}


@pytest.mark.parametrize(("points", "ignore", "breaching", "not_breaching"), _EXAMPLES)
def test_missing_data_count_as_the_user_guide_says(
    points: Points, ignore: str, breaching: str, not_breaching: str
) -> None:
    found = [state_of(_alarm(each), points, "before") for each in ("ignore", "breaching", "notBreaching")]

    assert found == [ignore, breaching, not_breaching]


def test_an_alarm_on_dynamodb_ignores_missing_data_whatever_it_says() -> None:
    # PutMetricAlarm, TreatMissingData.
    alarm = {**_alarm("notBreaching"), "Namespace": "AWS/DynamoDB"}

    assert state_of(alarm, [None] * 5, ALARM) == ALARM


def test_some_of_the_periods_may_be_enough() -> None:
    alarm = {**_alarm("notBreaching"), "DatapointsToAlarm": 2}

    assert state_of(alarm, [_GOOD, _GOOD, _BAD, _BAD, _GOOD], OK) == ALARM
    assert state_of(alarm, [_BAD, _BAD, _GOOD, _BAD, _GOOD], OK) == OK


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("FILL(a, 0)", [3, 0]),
        ("a + b", [5, None]),
        ("(a + b) / 2", [2.5, None]),
        ("SUM([a, b])", [5, 2]),
        ("IF(b > 0, b, 1)", [2, 2]),
    ],
)
def test_metric_math_has_no_value_where_it_lacks_one(expression: str, value: Points) -> None:
    assert value_of(expression, {"a": [3, None], "b": [2, 2]}, 2) == value


@pytest.mark.parametrize("expression", ["RATE(a)", "a ** 2", "FILL(a, REPEAT)", "a < 2"])
def test_what_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(NotImplementedError):
        value_of(expression, {"a": [1]}, 1)


def test_what_an_alarm_says_beyond_what_is_known_is_refused() -> None:
    with pytest.raises(AssertionError, match="ThresholdMetricId"):
        states({**_alarm("ignore"), "ThresholdMetricId": "band"}, Samples(), 1)
