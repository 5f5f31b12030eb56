"""Alarms and dashboards speak of what there is: metrics that are emitted, runbooks and logs that exist."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, cast

import pytest

from baton.canary import INPUT, canary_key
from baton.catalog import load_jobs
from baton.memory import LoopClock
from baton.model.events import Event
from baton.outcome import Outcome
from baton.telemetry import Noteworthy
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT, RETENTION_DAYS, SERVICES, Topology
from baton_infra import config
from baton_infra.costs import counted
from baton_infra.stacks.compute import CONSUMES
from baton_proof.logs import measured, recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from controller_made import START, Trace
from handover.metrics import ALARMS, metrics_of
from splitter.batch_sweep import OpenReport
from splitter.settings import SplitterSettings
from synthesized import Template, assembly, resources, templates

type Metric = tuple[str, frozenset[tuple[str, str]]]
"""Name and dimensions."""

EAST: Final = REGIONS_DEFAULT[0]
HEADINGS: Final = [
    line.removeprefix("## ")
    for line in (Path(__file__).parents[2] / "docs/runbooks.md").read_text().splitlines()
    if line.startswith("## ")
]
everywhere = pytest.mark.parametrize("environment", config.names())
in_each = pytest.mark.parametrize("region", REGIONS_DEFAULT)


def _template(environment: str, region: str) -> Template:
    return templates(environment)[f"observability-{region}"]


def _alarms(environment: str, region: str) -> list[Mapping[str, Any]]:
    """Return all alarms, those of an expression with the metric that it reads."""
    found = resources(_template(environment, region), "AWS::CloudWatch::Alarm").values()
    return [_flat(alarm["Properties"]) for alarm in found]


def _flat(alarm: Mapping[str, Any]) -> Mapping[str, Any]:
    (measured, *_) = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each] or [None]
    if measured is None:
        return alarm
    return {**alarm, **measured["Metric"], "Period": measured["Period"], "Statistic": measured["Stat"]}


def _boards(environment: str, region: str) -> dict[str, Any]:
    found = resources(_template(environment, region), "AWS::CloudWatch::Dashboard").values()
    return {each["Properties"]["DashboardName"]: json.loads(each["Properties"]["DashboardBody"]) for each in found}


def _topology(environment: str) -> Topology:
    return config.load(environment).topology


# --- no dead graph, no dead alarm


@cache
def _emitted() -> frozenset[Metric]:
    """Return what the code measures in the home Region: by running it, but for outcomes that need an outage."""
    lines: list[dict[str, Any]] = []
    virtual_time.run(_a_day(lines))
    services = {str(kind): service for service, kind in CONSUMES.items()}
    found = {(name, _named(dimensions, services)) for name, dimensions in measured(lines)}
    found |= {
        (name, frozenset({("Service", service), ("Region", EAST), ("Outcome", str(outcome))}))
        for name in ("Messages", "HandlingTime")
        for service in services.values()
        for outcome in Outcome
    }
    found |= {(name, frozenset({("Service", "splitter"), ("Region", EAST)})) for name in OpenReport(START).metrics}
    trace = Trace().warm()
    own = frozenset({("Service", "failover-controller"), ("Region", EAST)})
    return frozenset(found | {(name, own) for name in metrics_of(trace.assessment, trace.control, waiting=0)})


async def _a_day(lines: list[dict[str, Any]]) -> None:
    """Send a file that completes, one that fails and a canary through; sweep; report a file that is too old."""
    pipeline = Pipeline(load_jobs("baton_jobs"), region=Region(clock=LoopClock()), log=recording_log(lines))
    files = {"input/passthrough/f.csv": b"a\n1\n", "input/nobody/f.csv": b"a\n", canary_key(EAST, "1"): INPUT}
    batch_ids = [await pipeline.upload(key, body) for key, body in files.items()]

    async def all_settled() -> bool:
        return all([(await pipeline.batch(batch_id)).is_settled for batch_id in batch_ids])

    await pipeline.serve(all_settled)
    await pipeline.process.sweeper.sweep()
    late = await pipeline.region.objects.put("input/passthrough/late.csv", b"a\n1\n")
    await asyncio.sleep(RETENTION_DAYS * 24 * 3_600)
    await pipeline.announce(late.key, late.version_id)


def _named(dimensions: frozenset[tuple[str, str]], services: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return them with the name that the service has in its container: tests name its queue."""
    return frozenset((name, services.get(value, value)) for name, value in dimensions)


def _filtered(environment: str, region: str) -> set[Metric]:
    """Return what metric filters make of logs."""
    return {
        (made["MetricName"], frozenset())
        for each in resources(_template(environment, region), "AWS::Logs::MetricFilter").values()
        for made in each["Properties"]["MetricTransformations"]
    }


def _watched(environment: str, region: str) -> Iterator[Metric]:
    """Yield our own metrics of alarms and dashboards, as if all were of the home Region."""
    own = _topology(environment).metrics_namespace
    for alarm in _alarms(environment, region):
        if alarm["Namespace"] == own:
            pairs = [(each["Name"], each["Value"]) for each in alarm["Dimensions"]]
            yield alarm["MetricName"], _home(pairs)
    for body in _boards(environment, region).values():
        for widget in body["widgets"]:
            for namespace, name, *rest in (line for line in widget["properties"]["metrics"] if len(line) > 1):
                if namespace == own:
                    yield name, _home(zip(rest[:-1:2], rest[1:-1:2], strict=True))


def _home(pairs: Any) -> frozenset[tuple[str, str]]:
    return frozenset((name, EAST if value in REGIONS_DEFAULT else value) for name, value in pairs)


@everywhere
@in_each
def test_everything_that_is_watched_is_measured(environment: str, region: str) -> None:
    watched = set(_watched(environment, region))

    assert len(watched) > 20
    assert watched - _emitted() - _filtered(environment, region) == set()


def test_an_idle_region_sends_the_metrics_that_are_charged_and_no_other() -> None:
    lines: list[dict[str, Any]] = []
    virtual_time.run(_an_idle_hour(lines))
    trace, noteworthy = Trace().warm(), Noteworthy("Active")
    found = metrics_of(trace.assessment, trace.control, waiting=0)
    sent = {name for name, _ in measured(lines)} | {*noteworthy.of(found, START), "ClockOffSeconds"}

    assert sent == {"InputSweepAge", "Beats", "Epoch", "Active", "ClockOffSeconds"}
    assert len(sent) == counted.METRICS_OF_AN_IDLE_REGION


async def _an_idle_hour(lines: list[dict[str, Any]]) -> None:
    """Send canaries through, and sweep."""
    pipeline = Pipeline(load_jobs("baton_jobs"), region=Region(clock=LoopClock()), log=recording_log(lines))
    for number in range(3):
        batch_id = await pipeline.upload(canary_key(EAST, str(number)), INPUT)
        await pipeline.serve(partial(_is_settled, pipeline, batch_id))
        await pipeline.process.sweeper.sweep()


async def _is_settled(pipeline: Pipeline, batch_id: str) -> bool:
    return (await pipeline.batch(batch_id)).is_settled


def test_a_metric_that_nobody_measures_would_be_found() -> None:
    # Of a canary nothing is counted as a batch, and a metric's dimensions belong to it.
    splitter = frozenset({("Service", "splitter"), ("Region", EAST)})

    assert ("OldestBatch", splitter) in _emitted()
    assert ("OldestBatch", frozenset({("Service", "splitter")})) not in _emitted()
    assert ("BatchesSplit", splitter) not in _emitted()  # it has an outcome


# --- alarms


@everywhere
@in_each
def test_whatever_a_controller_or_a_service_says_of_itself_is_no_evidence(environment: str, region: str) -> None:
    topology = _topology(environment)
    alarms = _alarms(environment, region)
    signs = [alarm for alarm in alarms if alarm["AlarmName"].startswith(topology.alarm_prefix)]
    notices = [alarm for alarm in alarms if alarm["AlarmName"].startswith(topology.notice_prefix)]

    assert len(signs) + len(notices) == len(alarms)
    assert {sign["Namespace"] for sign in signs} == {"AWS/Lambda", "AWS/DynamoDB", "AWS/ECS"}
    # Its own sign of life is a heartbeat: a Region whose controller is dead serves its users.
    assert "failover-controller" not in json.dumps(signs)


@everywhere
@in_each
def test_every_state_that_somebody_should_know_of_has_its_alarm(environment: str, region: str) -> None:
    dimensions = [{"Name": "Service", "Value": "failover-controller"}, {"Name": "Region", "Value": region}]
    found = {
        alarm["MetricName"]: (
            alarm["Threshold"],
            alarm["Period"] * alarm["EvaluationPeriods"] // 60,
            alarm["TreatMissingData"],
            alarm["ComparisonOperator"],
        )
        for alarm in _alarms(environment, region)
        if alarm.get("Dimensions") == dimensions
    }

    assert found.pop("Beats") == (1, 3, "breaching", "LessThanThreshold")
    assert found == {
        alarm.metric: (alarm.threshold, alarm.minutes, "notBreaching", "GreaterThanThreshold")
        for alarm in ALARMS
        if alarm.metric != "Beats"
    }


@everywhere
@in_each
def test_what_is_gone_fires_although_it_sends_nothing_any_more(environment: str, region: str) -> None:
    """A service without a task, and a controller that is dead, have no data: neither zeros nor anything else."""
    silent = {"CPUUtilization": 5, "Beats": 3}
    found = [alarm for alarm in _alarms(environment, region) if alarm["MetricName"] in silent]

    always = config.load(environment).always_run
    assert len(found) == len({*always, "failover-controller"})
    counted = {each["Value"] for alarm in found for each in alarm["Dimensions"] if each["Name"] == "ServiceName"}
    assert counted == {*always} - {"failover-controller"}  # who runs no task by design is missed by nobody
    for alarm in found:
        # Counted as 0, minute by minute; and if there never was any data, missing is as bad.
        assert alarm["Metrics"][-1] == {"Id": "filled", "Expression": "FILL(measured, 0)", "ReturnData": True}
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
        assert alarm["TreatMissingData"] == "breaching"
        assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, silent[alarm["MetricName"]])


@everywhere
@in_each
def test_an_idle_replication_ends_no_alarm_on_a_failed_one(environment: str, region: str) -> None:
    found = [alarm for alarm in _alarms(environment, region) if alarm["Namespace"] == "AWS/S3"]

    assert found
    assert {alarm["TreatMissingData"] for alarm in found} == {"ignore"}
    assert {alarm["Statistic"] for alarm in found if alarm["MetricName"].startswith("Operations")} == {"Sum"}


@everywhere
@in_each
def test_no_alarm_looks_back_further_than_cloudwatch_does(environment: str, region: str) -> None:
    # A day; a week if its period is an hour or longer. Source: PutMetricAlarm, EvaluationPeriods.
    for alarm in _alarms(environment, region):
        days = 7 if alarm["Period"] >= 3_600 else 1
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= days * 86_400, alarm["AlarmName"]


@everywhere
@in_each
def test_what_a_sweep_measures_is_there_in_every_period(environment: str, region: str) -> None:
    swept = [alarm for alarm in _alarms(environment, region) if alarm["MetricName"].startswith("Oldest")]

    assert len(swept) == 2
    assert all(alarm["Period"] >= 2 * SplitterSettings().sweep_seconds for alarm in swept)


@everywhere
@in_each
def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm(environment: str, region: str) -> None:
    # As the web page of a repository makes anchors of headings.
    anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in HEADINGS}
    linked = [alarm["AlarmDescription"].rpartition("docs/runbooks.md#")[2] for alarm in _alarms(environment, region)]

    assert set(linked) == anchors


@everywhere
@in_each
def test_people_are_called_by_the_topic_of_the_region(environment: str, region: str) -> None:
    found = config.load(environment)
    ((logical_id, topic),) = resources(_template(environment, region), "AWS::SNS::Topic").items()

    assert [each["Endpoint"] for each in topic["Properties"]["Subscription"]] == [each.spec for each in found.operators]
    assert {json.dumps(alarm["AlarmActions"]) for alarm in _alarms(environment, region)} == {
        json.dumps([{"Ref": logical_id}])
    }


@everywhere
@in_each
def test_operators_are_told_of_handovers_by_the_rule_that_the_page_shows(environment: str, region: str) -> None:
    found = _template(environment, region)
    rule = resources(found, "AWS::Events::Rule")["Handovers"]
    ((topic, _),) = resources(found, "AWS::SNS::Topic").items()
    shown = json.loads((Path(__file__).parents[2] / "docs/events.md").read_text().split("```json\n")[2].split("```")[0])
    shown["detail"]["environment"] = [environment]
    (target,) = rule["Properties"]["Targets"]

    assert rule["Properties"]["Name"] == _topology(environment).event_rule
    assert rule["Properties"]["EventPattern"] == shown
    assert target["Arn"] == {"Ref": topic}
    # Each name of the text is taken from a field that every event has.
    paths = target["InputTransformer"]["InputPathsMap"]
    assert set(re.findall("<([a-z]+)>", target["InputTransformer"]["InputTemplate"])) == paths.keys()
    of_event = {field.name for field in fields(Event) if field.name not in {"switch", "held"}}
    assert {path.removeprefix("$.detail.") for path in paths.values()} <= of_event | {"environment"}
    ((_, policy),) = resources(found, "AWS::SNS::TopicPolicy").items()
    allowed = [each for each in policy["Properties"]["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert "events.amazonaws.com" in [each["Principal"]["Service"] for each in allowed]


def _matches(pattern: Any, event: Any) -> bool:
    """Return whether an event is one of a pattern, by EventBridge's rules for names, lists and prefixes."""
    match pattern, event:
        case dict(), dict():
            rules, there = cast("dict[str, Any]", pattern), cast("dict[str, Any]", event)
            return all(name in there and _matches(rules[name], there[name]) for name in rules)
        case list(), list():
            return any(_matches(pattern, each) for each in cast("list[Any]", event))
        case list(), _:
            return any(_is(wanted, event) for wanted in cast("list[Any]", pattern))
        case _:
            return False


def _is(wanted: Any, value: Any) -> bool:
    match wanted:
        case {"prefix": str(prefix)}:
            return str(value).startswith(prefix)
        case _:
            return value == wanted


def _ecs(kind: str, resource: str, **detail: Any) -> dict[str, Any]:
    """Return an event as "Amazon ECS events" shows it."""
    return {
        "source": "aws.ecs",
        "detail-type": kind,
        "region": EAST,
        "resources": [f"arn:aws:ecs:{EAST}:222222222222:{resource}"],
        "detail": detail,
    }


_CLUSTER: Final = f"arn:aws:ecs:{EAST}:222222222222:cluster/baton-prod-services"


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        pytest.param(
            _ecs(
                "ECS Deployment State Change",
                "service/baton-prod-services/worker",
                eventName="SERVICE_DEPLOYMENT_FAILED",
            ),
            "Deployments",
            id="a deployment fails",
        ),
        pytest.param(
            _ecs(
                "ECS Deployment State Change",
                "service/baton-prod-services/worker",
                eventName="SERVICE_DEPLOYMENT_COMPLETED",
            ),
            None,
            id="a deployment ends",
        ),
        pytest.param(
            _ecs("ECS Deployment State Change", "service/another/worker", eventName="SERVICE_DEPLOYMENT_FAILED"),
            None,
            id="a deployment of somebody else",
        ),
        pytest.param(
            _ecs(
                "ECS Service Action", "service/baton-prod-services/worker", eventName="SERVICE_TASK_PLACEMENT_FAILURE"
            ),
            "Placements",
            id="no capacity",
        ),
        pytest.param(
            _ecs("ECS Service Action", "service/baton-prod-services/worker", eventName="SERVICE_STEADY_STATE"),
            None,
            id="steady",
        ),
        *(
            pytest.param(
                _ecs(
                    "ECS Task State Change",
                    "task/baton-prod-services/1",
                    clusterArn=_CLUSTER,
                    lastStatus="STOPPED",
                    stopCode=code,
                ),
                rule,
                id=code,
            )
            for code, rule in (
                ("SpotInterruption", "Tasks"),
                ("EssentialContainerExited", "Tasks"),
                ("TaskFailedToStart", "Tasks"),
                ("ServiceSchedulerInitiated", None),
                ("UserInitiated", None),
            )
        ),
        pytest.param(
            _ecs("ECS Task State Change", "task/baton-prod-services/1", clusterArn=_CLUSTER, lastStatus="RUNNING"),
            None,
            id="runs",
        ),
    ],
)
def test_operators_are_told_what_goes_wrong_in_ecs_and_nothing_else(event: dict[str, Any], rule: str | None) -> None:
    rules = resources(_template("prod", EAST), "AWS::Events::Rule")

    told = [name for name, each in rules.items() if _matches(each["Properties"]["EventPattern"], event)]

    assert told == ([rule] if rule else [])


@everywhere
@in_each
def test_each_name_of_a_notices_text_is_taken_from_its_event(environment: str, region: str) -> None:
    for rule in resources(_template(environment, region), "AWS::Events::Rule").values():
        (target,) = rule["Properties"]["Targets"]
        transformer = target["InputTransformer"]
        assert set(re.findall("<([a-z]+)>", transformer["InputTemplate"])) <= transformer["InputPathsMap"].keys()


# --- logs


@everywhere
@in_each
def test_errors_are_counted_in_the_log_of_every_service_and_of_the_trigger(environment: str, region: str) -> None:
    found = templates(environment)
    groups = {
        group["Properties"]["LogGroupName"]
        for stack in ("compute", "data")
        for group in resources(found[f"{stack}-{region}"], "AWS::Logs::LogGroup").values()
    }
    filters = [
        each["Properties"] for each in resources(_template(environment, region), "AWS::Logs::MetricFilter").values()
    ]

    assert len(filters) == len(SERVICES) + 1
    assert {each["LogGroupName"] for each in filters} == groups


@everywhere
@in_each
def test_what_names_another_stacks_resource_is_deployed_after_it(environment: str, region: str) -> None:
    artifacts = json.loads((assembly(environment) / "manifest.json").read_text())["artifacts"]

    assert f"compute-{region}" in artifacts[f"observability-{region}"]["dependencies"]
    if config.load(environment).chaos:
        assert f"observability-{region}" in artifacts[f"chaos-{region}"]["dependencies"]


# --- dashboards


@everywhere
def test_dashboards_which_belong_to_the_account_have_names_of_their_own(environment: str) -> None:
    names = [name for region in REGIONS_DEFAULT for name in _boards(environment, region)]

    assert len(set(names)) == len(names) == (1 if config.load(environment).is_lean else len(REGIONS_DEFAULT))


@everywhere
@in_each
def test_graphs_lie_side_by_side_and_none_on_another(environment: str, region: str) -> None:
    for body in _boards(environment, region).values():
        cells = [
            (x, y)
            for widget in body["widgets"]
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24


@everywhere
@in_each
def test_the_global_dashboard_shows_the_same_of_both_regions_in_one_row(environment: str, region: str) -> None:
    if config.load(environment).is_lean:
        region = EAST  # it has one
    body = _boards(environment, region)[_topology(environment).dashboard(region)]
    left, right = body["widgets"][::2], body["widgets"][1::2]

    assert [each["properties"]["region"] for each in left] == [REGIONS_DEFAULT[0]] * len(left)
    assert [each["properties"]["region"] for each in right] == [REGIONS_DEFAULT[1]] * len(right)
    for one, other in zip(left, right, strict=True):
        assert one["y"] == other["y"]
        titles = [each["properties"]["title"].partition(" · ")[0] for each in (one, other)]
        assert titles[0] == titles[1]


def test_metric_math_reads_lines_that_there_are() -> None:
    for body in _boards("prod", EAST).values():
        for widget in body["widgets"]:
            lines = widget["properties"]["metrics"]
            known = {line[-1]["id"] for line in lines if "id" in line[-1]}
            texts = [line[0]["expression"] for line in lines if isinstance(line[0], dict)]
            assert {name for text in texts for name in re.findall(r"\bm\d+\b", text)} == known
