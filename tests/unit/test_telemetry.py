"""Log lines as they leave a process."""

import json
from datetime import UTC, datetime

import pytest

from baton.telemetry import configure, emf

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
