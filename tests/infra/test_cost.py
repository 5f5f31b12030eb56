"""What `make cost` says is what docs/cost.md says, and rests on what was measured."""

import json
import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from aws_calls import CANARY_CALLS, CANARY_SWEEP_CALLS, IDLE_SWEEP_CALLS, USD_PER_CALL, Shape, expected_calls
from baton.model.control import SwitchBackend
from baton.model.journal import Heartbeat, Verdict
from baton_infra.costs import cost, counted, prices
from baton_proof.simulation.schedule import Schedule
from baton_proof.simulation.simulate import run_schedule
from baton_proof.simulation.world import World
from controller_made import START, WEST, Trace
from handover.settings import ControllerSettings

DOCS = Path(__file__).parents[2] / "docs"
PRICED_AS = {
    "s3.PutObject": "s3_put",
    "s3.CopyObject": "s3_put",
    "s3.CreateMultipartUpload": "s3_put",
    "s3.UploadPartCopy": "s3_put",
    "s3.CompleteMultipartUpload": "s3_put",
    "s3.ListObjectsV2": "s3_put",
    "s3.ListObjectVersions": "s3_put",
    "s3.GetObject": "s3_get",
    "s3.HeadObject": "s3_get",
    "sqs.SendMessageBatch": "sqs_call",
    "sqs.ReceiveMessage": "sqs_call",
    "sqs.DeleteMessageBatch": "sqs_call",
    "ses.SendRawEmail": "mail",
}
"""Calls that are charged one by one. DynamoDB charges units."""


def _priced(calls: Counter[str]) -> Counter[str]:
    found = Counter[str]()
    for call, count in calls.items():
        if call in PRICED_AS:
            found[PRICED_AS[call]] += count
    return found


@cache
def _bills() -> cost.Bills:
    return cost.bills()


def test_the_page_holds_what_is_printed() -> None:
    printed = cost.report(_bills())

    assert printed in (DOCS / "cost.md").read_text(), f"put this into docs/cost.md:\n\n{printed}"


@pytest.mark.parametrize(("bill", "usd_max"), [(SwitchBackend.LEDGER.value, 420), (cost.LEAN, 100)])
def test_an_idle_month_costs_no_more_than_it_may(bill: str, usd_max: float) -> None:
    usd = sum(item.usd for item in _bills().idle[bill])

    assert usd <= usd_max
    # The page of the first steps says the same.
    assert f"${usd:,.0f}" in (DOCS / "deploy.md").read_text()


def test_calls_of_a_million_records_are_those_that_were_counted() -> None:
    # 81 MB, five chunks that all wrote rejects, 10,000 rejects of which the first thousand can be queried.
    calls = expected_calls(
        Shape(
            chunks=5,
            rejects_parts=5,
            reject_writes=40,
            indexed_parts=1,
            rejects=True,
            source_ranges=math.ceil(81e6 / 2**22),
            copied=True,
        )
    )

    priced = _priced(calls)
    assert priced == {name: counted.MILLION[name] for name in priced}
    assert calls["dynamodb.GetItem"] + 4 * calls["dynamodb.Query"] == counted.MILLION["dynamodb_read"]
    ledger, tally = calls["dynamodb.PutItem"] - 1, 1
    units = 12 * ledger + tally + 4 * calls["dynamodb.TransactWriteItems"] + 25 * calls["dynamodb.BatchWriteItem"]
    assert units == counted.MILLION["dynamodb_write"]


def test_calls_of_a_canary_are_those_that_were_counted() -> None:
    calls = CANARY_CALLS

    priced = _priced(calls)
    # S3 sends its event, which is received and deleted.
    assert priced + Counter({"sqs_call": 3}) == {name: counted.CANARY[name] for name in priced}
    assert priced["s3_put"] + priced["s3_get"] + calls["s3.DeleteObject"] == counted.CANARY_REQUESTS
    rows, tally = calls["dynamodb.PutItem"] - 1 + calls["dynamodb.DeleteItem"], 1
    units = 4 * rows + tally + 4 * calls["dynamodb.TransactWriteItems"] + calls["dynamodb.BatchWriteItem"]
    assert units == counted.CANARY["dynamodb_write"]
    # The bench asks once for a canary's state, a controller ten times.
    assert calls["dynamodb.GetItem"] - 1 + 10 + 4 * calls["dynamodb.Query"] == counted.CANARY["dynamodb_read"]


def test_calls_of_an_idle_sweep_are_those_that_were_counted() -> None:
    for calls, charged in ((IDLE_SWEEP_CALLS, counted.IDLE_SWEEP), (CANARY_SWEEP_CALLS, counted.CANARY_SWEEP)):
        reads = calls["dynamodb.GetItem"] + calls["dynamodb.Query"]
        assert +(_priced(calls) + Counter({"dynamodb_read": reads})) == charged


def test_an_idle_region_logs_what_is_charged() -> None:
    worlds: list[World] = []
    schedule = Schedule(1, troubles=(), files_at=(), orders=(), settings=ControllerSettings(), real_canary=True)

    def made(schedule: Schedule) -> World:
        worlds.append(World(schedule))
        return worlds[-1]

    run_schedule(schedule, made)

    lines = worlds[0].lines
    canaries, looks, sweeps = (
        sum(each["event"] == name for each in lines) for name in ("admitted", "assessed", "swept")
    )
    measured = {
        "canary": _logged(lines, "admitted", "message_handled") / canaries,
        "look": _logged(lines, "assessed") / looks,
        "sweep": _logged(lines, "swept", "inputs_swept") / sweeps,
    }
    assert measured == pytest.approx(counted.LOG_BYTES, rel=0.05)
    assert _logged(lines) == pytest.approx(_logged(lines, *_CHARGED), rel=0.02), (
        "other lines are none of an idle Region"
    )


_CHARGED = ("admitted", "message_handled", "assessed", "swept", "inputs_swept")


def _logged(lines: Sequence[Mapping[str, Any]], *events: str) -> int:
    """Return how many bytes CloudWatch charges for lines of these events (none: of all), with what every line has."""
    of_all = {"service": "failover-controller", "region": WEST, "timestamp": "2026-11-30T23:29:04.123456Z"}
    chosen = [line for line in lines if not events or line["event"] in events]
    return sum(26 + len(json.dumps({**of_all, **line}, default=str)) for line in chosen)


@pytest.mark.parametrize("call", PRICED_AS)
def test_the_bench_and_the_page_know_the_same_prices(call: str) -> None:
    assert USD_PER_CALL[call] == pytest.approx(prices.price(PRICED_AS[call]))


def test_measured_seconds_are_those_of_the_page_of_figures() -> None:
    figures = (DOCS / "performance.md").read_text()

    for service, seconds in counted.CPU_SECONDS.items():
        assert f"| {service} | {seconds:.2f} s |" in figures


def test_a_heartbeat_weighs_what_is_charged() -> None:
    trace = Trace().warm()
    heartbeat = Heartbeat(
        region=WEST,
        instance="0a1b2c3d",
        sequence=1_000_000,
        at=START,
        epoch_seen=2,
        canary=Verdict.HEALTHY,
        ready=Verdict.HEALTHY,
        assessment=trace.assessment,
        settings=trace.settings.model_dump_json(),
    )

    weight = len(TypeAdapter(Heartbeat).dump_json(heartbeat))

    assert math.ceil(weight / 1_024) == counted.HEARTBEAT_KB


def test_a_price_from_memory_is_called_one() -> None:
    page = (DOCS / "cost.md").read_text()
    listed = tomllib.loads(Path(prices.__file__).with_suffix(".toml").read_text())
    from_memory = [name for name, entry in listed.items() if isinstance(entry, dict) and "read" not in entry]

    assert from_memory
    assert [name for name in from_memory if f"`{name}`" not in page] == []


def test_an_alarm_is_charged_for_each_metric_that_it_reads() -> None:
    stated: dict[str, Any] = {"MetricStat": {}}
    templates: cost.Templates = {
        "any": {
            "Resources": {
                "Plain": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}},
                "Sum": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [stated, stated, {"Id": "sum"}]}},
            }
        }
    }

    assert cost.alarm_metrics(templates) == 3
