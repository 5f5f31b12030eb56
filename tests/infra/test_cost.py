"""What `make cost` says is what docs/cost.md says, and rests on what was measured."""

import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from aws_calls import USD_PER_CALL, Shape, expected_calls
from baton.model.control import SwitchBackend
from baton.model.journal import Heartbeat, Verdict
from baton_infra.costs import cost, prices
from controller_made import START, WEST, Trace

DOCS = Path(__file__).parents[2] / "docs"
PRICED_AS = {
    "s3.PutObject": "s3_put",
    "s3.CopyObject": "s3_put",
    "s3.CreateMultipartUpload": "s3_put",
    "s3.UploadPartCopy": "s3_put",
    "s3.CompleteMultipartUpload": "s3_put",
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
def _bills() -> Mapping[str, Sequence[cost.Item]]:
    return cost.bills()


def test_the_page_holds_what_is_printed() -> None:
    printed = cost.report(_bills())

    assert printed in (DOCS / "cost.md").read_text(), f"put this into docs/cost.md:\n\n{printed}"


@pytest.mark.parametrize(("bill", "usd_max"), [(SwitchBackend.LEDGER.value, 420), (cost.LEAN, 100)])
def test_an_idle_month_costs_no_more_than_it_may(bill: str, usd_max: float) -> None:
    usd = sum(item.usd for item in _bills()[bill])

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

    counted = _priced(calls)
    assert counted == {name: cost.MILLION[name] for name in counted}
    assert calls["dynamodb.GetItem"] + 4 * calls["dynamodb.Query"] == cost.MILLION["dynamodb_read"]
    ledger, tally = calls["dynamodb.PutItem"] - 1, 1
    units = 12 * ledger + tally + 4 * calls["dynamodb.TransactWriteItems"] + 25 * calls["dynamodb.BatchWriteItem"]
    assert units == cost.MILLION["dynamodb_write"]


def test_a_canary_calls_what_a_small_batch_calls_without_mail_link_and_archive() -> None:
    calls = expected_calls(
        Shape(chunks=1, rejects_parts=1, reject_writes=0, indexed_parts=0, rejects=False, source_ranges=1, copied=False)
    )

    counted = _priced(calls - Counter({"ses.SendRawEmail": 1, "s3.HeadObject": 1, "s3.CopyObject": 1}))
    # The controller writes its file, and reads its result; S3 sends its event, which is received and deleted.
    also = Counter({"s3_put": 1, "s3_get": 1, "sqs_call": 3})
    assert counted + also == {name: cost.CANARY[name] for name in counted}


@pytest.mark.parametrize("call", PRICED_AS)
def test_the_bench_and_the_page_know_the_same_prices(call: str) -> None:
    assert USD_PER_CALL[call] == pytest.approx(prices.price(PRICED_AS[call]))


def test_measured_seconds_are_those_of_the_page_of_figures() -> None:
    figures = (DOCS / "performance.md").read_text()

    for service, seconds in cost.CPU_SECONDS.items():
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

    assert math.ceil(weight / 1_024) == cost.HEARTBEAT_KB


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
