"""Log lines as they leave a process."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from baton.telemetry import Metrics, Noteworthy, configure, emf

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_what_is_measured_goes_to_the_environments_own_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    log = configure(log_format="json", service="worker", region="us-east-1", namespace="Baton/prod")

    log.info("message_handled", **emf({"Records": (7, "Count")}, dimensions={"Service": "worker"}, now=NOW))
    log.info("service_started")

    measured, plain = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert measured["_aws"] == {
        "Timestamp": 1_795_564_800_000,
        "CloudWatchMetrics": [
            {
                "Dimensions": [["Service"]],
                "Metrics": [{"Name": "Records", "Unit": "Count"}],
                "Namespace": "Baton/prod",
            }
        ],
    }
    assert measured["Records"] == 7
    assert "_aws" not in plain


def _sent(noteworthy: Noteworthy, hours: float, **values: float) -> set[str]:
    metrics: Metrics = {name: (value, "Count") for name, value in values.items()}
    return set(noteworthy.of(metrics, NOW + timedelta(hours=hours)))


def test_what_is_always_zero_is_never_sent_and_an_end_is_for_an_hour() -> None:
    noteworthy = Noteworthy("Active")

    assert _sent(noteworthy, 0, Active=0, Drift=0) == {"Active"}
    assert _sent(noteworthy, 1, Active=0, Drift=2) == {"Active", "Drift"}
    assert _sent(noteworthy, 2, Active=0, Drift=0) == {"Active", "Drift"}
    assert _sent(noteworthy, 2.1, Active=0, Drift=0) == {"Active"}


def test_a_line_says_what_it_does_not_send() -> None:
    metrics: Metrics = {"Drift": (0, "Count"), "Beats": (1, "Count")}
    dimensions = {"Service": "x"}

    some = emf(metrics, dimensions=dimensions, now=NOW, sent={"Beats", "Other"})
    none = emf(metrics, dimensions=dimensions, now=NOW, sent=())

    assert some["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "Beats", "Unit": "Count"}]
    assert none == {"Service": "x", "Drift": 0, "Beats": 1}
    assert some.items() >= none.items()
