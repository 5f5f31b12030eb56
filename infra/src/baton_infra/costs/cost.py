"""Computes what Baton costs: `make cost` prints it for each switch, from the templates and list prices.

Without free tiers, storage and taxes. docs/cost.md holds the output; a test compares the two.
"""

import json
import math
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from baton.messages import LANES
from baton.model.control import SwitchBackend
from baton.topology import SERVICES, SWEEP_SECONDS
from baton_infra import assemblies
from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.costs.prices import price, task_hour
from handover.settings import ControllerSettings

_HOURS: Final = 730
"""Of a month, as AWS counts it."""
_SECONDS: Final = _HOURS * 3_600
_GB: Final = 1e9
_ENVIRONMENT: Final = "prod"
"""Whose sizes are counted; only its switch is exchanged."""
_LEAN_ENVIRONMENT: Final = "dev"
LEAN: Final = "lean (ledger)"
_FIRST: Final = ("ARC", "Region switch", "private zone", "interface", "NAT", "public", "tasks")
"""Lines of a bill that come first, since one bill alone has some of them."""

type Template = Mapping[str, Any]
type Templates = Mapping[str, Template]


class CostGroup(StrEnum):
    """What a line of a bill is compared with, in the seed's bill."""

    SWITCH = "switch"
    ENDPOINTS = "interface endpoints"
    EGRESS = "way out"
    TASKS = "tasks"
    OTHER = "everything else"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill."""

    what: str
    of: str
    """What it is computed from."""
    usd: float
    group: CostGroup = CostGroup.OTHER


# --- what does not come from a template, each with its reason

CANARY: Final[Mapping[str, float]] = {
    # Its file, then plan, part, rejects, both joined, and the manifest; what services and controller read of it.
    "s3_put": 7,
    "s3_get": 12,
    # Three of them are of S3's event.
    "sqs_call": 15,
    # Seven writes of its row and one that deletes it, of 1 kB, in two Regions, in the table and in its index; its tally
    # and its one chunk.
    "dynamodb_write": 8 * 2 * 2 + 1 + 4,
    # The services' looks, and the controller's, which asks twice a second until it is through.
    "dynamodb_read": 20,
}
"""Calls of one canary: those of a small batch (docs/performance.md) without mail, archive and link."""
HEARTBEAT_KB: Final = 8
"""With the controller's whole assessment. A test weighs one."""
_METRICS_OF_A_LOOK: Final = 8
"""Ages of four queues, latency and backlog of two replication rules (`baton.aws.vitals`)."""
_QUEUE_CALLS_OF_A_LOOK: Final = 24
METRICS_OF_AN_IDLE_REGION: Final = 5
"""Whether a controller is there, its epoch, whether it is active, how far its clock is off; and the age of the sweep.
All else is sent only while it is not 0 (`baton.telemetry.Noteworthy`)."""
_LOG_KB_OF_A_CANARY: Final = 6
_LOG_KB_OF_A_LOOK: Final = 1.2
_EMPTY_RECEIVE_SECONDS: Final = 20
_LISTS_OF_A_SWEEP: Final = 3
"""Inputs, canaries, and what canaries left; of at most a thousand objects each."""

MILLION: Final[Mapping[str, float]] = {
    # A file of a million sales records, 81 MB in five chunks, 1 % rejected: `bench/aws_calls.py`, which a test holds
    # this against. Writes to the ledger are of 3 kB, in two Regions, in the table and in its index.
    "s3_put": 21,
    "s3_get": 41,
    "sqs_call": 20,
    "dynamodb_write": 7 * 3 * 2 * 2 + 1 + 5 * 4 + 40 * 25,
    "dynamodb_read": 15 + 8,
    "mail": 1,
    "lambda_call": 1,
}
_FILE_GB: Final = 0.081
CPU_SECONDS: Final[Mapping[str, float]] = {"splitter": 0.54, "worker": 3.00, "merger": 0.46, "notifier": 0.22}
"""Measured end to end: docs/performance.md."""
_COPIES: Final = 4
"""Input, parts, result and archive: each about the size of the file, each replicated."""
_COPIES_IN_TIME: Final = 2

SEED: Final[Mapping[CostGroup, float]] = {
    # The AWS sample that Baton replaces, with its three zones and twelve endpoints a Region, by the same prices.
    CostGroup.SWITCH: 1_825,
    CostGroup.ENDPOINTS: 526,
    CostGroup.EGRESS: 66,
    CostGroup.TASKS: 43,
    CostGroup.OTHER: 60,
}
SEED_MILLION: Final = 55.6
"""Two state transitions, an API call and two Lambda invocations for each record."""


def of_calls(calls: Mapping[str, float]) -> float:
    """Return the price of so many of each."""
    return sum(count * price(name) for name, count in calls.items())


# --- idle


def idle(config: EnvironmentConfig, templates: Templates) -> tuple[Item, ...]:
    """Return what a month costs in which nobody sends a file."""
    return (
        *_switch(templates),
        *_network(config, templates),
        *_tasks(config, templates),
        *_watching(config, templates),
        *_controllers(config),
    )


def _of_type(templates: Templates, kind: str) -> list[Mapping[str, Any]]:
    return [
        resource.get("Properties", {})
        for template in templates.values()
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == kind
    ]


def _switch(templates: Templates) -> list[Item]:
    clusters = len(_of_type(templates, "AWS::Route53RecoveryControl::Cluster"))
    plans = len(_of_type(templates, "AWS::ARCRegionSwitch::Plan"))
    zones = len(_of_type(templates, "AWS::Route53::HostedZone"))
    checks = len(_of_type(templates, "AWS::Route53::HealthCheck"))
    return [
        Item("ARC cluster", f"{clusters}", clusters * _HOURS * price("arc_cluster_hour"), CostGroup.SWITCH),
        Item("Region switch plan", f"{plans}", plans * price("region_switch_plan_month"), CostGroup.SWITCH),
        Item(
            "private zone, health checks",
            f"{zones}, {checks}",
            zones * price("hosted_zone_month") + checks * price("health_check_month"),
        ),
    ]


def _network(config: EnvironmentConfig, templates: Templates) -> list[Item]:
    endpoints = [
        each for each in _of_type(templates, "AWS::EC2::VPCEndpoint") if each["VpcEndpointType"] == "Interface"
    ]
    places = sum(len(each["SubnetIds"]) for each in endpoints)
    gateways = len(_of_type(templates, "AWS::EC2::NatGateway"))
    services = [each for each in _of_type(templates, "AWS::ECS::Service") if _has_address(each)]
    addresses = sum(config.tasks_of(each["ServiceName"]).tasks_min for each in services)
    return [
        Item(
            "interface endpoints",
            f"{len(endpoints)}, in {places} zones in all",
            places * _HOURS * price("endpoint_az_hour"),
            CostGroup.ENDPOINTS,
        ),
        Item("NAT gateways", f"{gateways}", gateways * _HOURS * price("nat_gateway_hour"), CostGroup.EGRESS),
        Item("public IPv4 addresses", f"{addresses}", addresses * _HOURS * price("public_ipv4_hour"), CostGroup.EGRESS),
    ]


def _has_address(service: Mapping[str, Any]) -> bool:
    return service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "ENABLED"


def _tasks(config: EnvironmentConfig, templates: Templates) -> list[Item]:
    """Return the tasks that always run, in both Regions. On demand: what stands by is never Spot."""
    services = {each["ServiceName"] for each in _of_type(templates, "AWS::ECS::Service")}
    assert services == set(config.services), services
    items: list[Item] = []
    for service in config.services:
        tasks = config.tasks_of(service)
        count = 2 * tasks.tasks_min
        of = f"{count} x {tasks.cpu / 1_024:g} vCPU, {tasks.memory_mib / 1_024:g} GB"
        usd = count * _HOURS * task_hour(tasks.cpu, tasks.memory_mib)
        items.append(Item(f"tasks: {service}", of, usd, CostGroup.TASKS))
    return items


def _watching(config: EnvironmentConfig, templates: Templates) -> list[Item]:
    keys = len(_of_type(templates, "AWS::KMS::Key"))
    alarms = alarm_metrics(templates)
    boards = [each["DashboardBody"] for each in _of_type(templates, "AWS::CloudWatch::Dashboard")]
    namespace = config.topology.metrics_namespace
    alarmed = _own_metrics_of_alarms(_of_type(templates, "AWS::CloudWatch::Alarm"), namespace)
    metrics = len(_own_metrics(boards, namespace) | alarmed)
    idle_metrics = METRICS_OF_AN_IDLE_REGION * len(config.regions)
    return [
        Item("KMS keys", f"{keys}", keys * price("kms_key_month")),
        Item("alarms, of scaling too", f"{alarms} metrics", alarms * price("alarm_metric_month")),
        Item("dashboards", f"{len(boards)}", len(boards) * price("dashboard_month")),
        Item("our own metrics", f"{idle_metrics}; {metrics} if all occur", idle_metrics * price("metric_month")),
    ]


def alarm_metrics(templates: Templates) -> int:
    """Return how many metrics all alarms read, those of scaling included: each is charged."""
    policies = _of_type(templates, "AWS::ApplicationAutoScaling::ScalingPolicy")
    alarms = _of_type(templates, "AWS::CloudWatch::Alarm")
    return sum(map(_metrics_of, alarms)) + sum(map(_metrics_of_policy, policies))


def _metrics_of(alarm: Mapping[str, Any]) -> int:
    """Return how many metrics an alarm is charged for: each one that its expression reads."""
    return sum("MetricStat" in each for each in alarm.get("Metrics", ())) or 1


def _metrics_of_policy(policy: Mapping[str, Any]) -> int:
    """Return the same of target tracking, which makes two alarms of its own: one to grow, one to shrink."""
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration")
    return 2 * _metrics_of(tracking["CustomizedMetricSpecification"]) if tracking else 0


type _Metric = tuple[str, frozenset[tuple[str, str]]]
"""Its name and its dimensions."""


def _own_metrics(boards: Iterable[str], namespace: str) -> set[_Metric]:
    lines = [
        line
        for board in boards
        for widget in json.loads(board)["widgets"]
        for line in widget["properties"].get("metrics", ())
    ]
    named = [[part for part in line if isinstance(part, str)] for line in lines if line[0] == namespace]
    return {(name, frozenset(zip(rest[::2], rest[1::2], strict=True))) for _, name, *rest in named}


def _own_metrics_of_alarms(alarms: Iterable[Mapping[str, Any]], namespace: str) -> set[_Metric]:
    """Return those that alarms watch, directly or in an expression; not each of them is on a dashboard."""
    queries = [each for alarm in alarms for each in (alarm, *alarm.get("Metrics", ()))]
    watched = [each["MetricStat"]["Metric"] if "MetricStat" in each else each for each in queries]
    return {
        (each["MetricName"], frozenset((one["Name"], one["Value"]) for one in each.get("Dimensions", ())))
        for each in watched
        if each.get("Namespace") == namespace
    }


def _controllers(config: EnvironmentConfig) -> list[Item]:
    """Return what the controllers' calls cost, which look all the time."""
    settings = ControllerSettings.model_validate(config.controller_settings)
    beats = 2 * _SECONDS / settings.beat_seconds
    # Both look at their own Region, and the standby's at the active one as well.
    canaries, looks = (3 * _SECONDS / seconds for seconds in (settings.probe_seconds, settings.vitals_seconds))
    beat = {"dynamodb_write": HEARTBEAT_KB * 2, "dynamodb_read": math.ceil(2 * HEARTBEAT_KB / 4) + 2}
    # What CloudWatch said is used again, as long as it has no new value.
    asked = looks / math.ceil(settings.metrics_seconds / settings.vitals_seconds)
    vitals = looks * of_calls({"sqs_call": _QUEUE_CALLS_OF_A_LOOK})
    vitals += asked * of_calls({"metric_read": _METRICS_OF_A_LOOK, "cloudwatch_call": 1})
    polls = {service: len(LANES) + (service == "splitter") for service in SERVICES[:-1]}
    running = {name: config.tasks_of(place).tasks_min for place in config.always_run for name in config.services[place]}
    receives = 2 * sum(running[service] * each for service, each in polls.items()) * _SECONDS
    sweeps = 2 * _SECONDS / SWEEP_SECONDS
    log_gb = (canaries * _LOG_KB_OF_A_CANARY + looks * _LOG_KB_OF_A_LOOK) * 1_000 / _GB
    return [
        Item("canaries", f"{canaries:,.0f}", canaries * of_calls(CANARY)),
        Item("heartbeats", f"{beats:,.0f}", beats * of_calls(beat)),
        Item("vitals, of CloudWatch and SQS", f"{asked:,.0f} and {looks:,.0f} looks", vitals),
        Item("sweeps", f"{sweeps:,.0f}", sweeps * _LISTS_OF_A_SWEEP * price("s3_put")),
        Item("empty receives", "one in 20 s, of each lane", receives / _EMPTY_RECEIVE_SECONDS * price("sqs_call")),
        Item("logs", f"{log_gb:.1f} GB", log_gb * price("log_gb")),
    ]


# --- per million records


def of_million(config: EnvironmentConfig) -> tuple[Item, ...]:
    """Return what a million records cost on top, in one file."""
    tasks = sum(
        cpu_seconds / 3_600 * task_hour(size.cpu, size.memory_mib) / (size.cpu / 1_024)
        for service, cpu_seconds in CPU_SECONDS.items()
        for size in [config.tasks_of(service)]
    )
    copied, in_time = _COPIES * _FILE_GB, _COPIES_IN_TIME * _FILE_GB
    return (
        Item("tasks", f"{sum(CPU_SECONDS.values()):.2f} CPU-seconds, on demand", tasks),
        Item("calls", f"{sum(MILLION.values()):,.0f} requests and units", of_calls(MILLION)),
        Item(
            "replication",
            f"{copied * 1_000:.0f} MB, {in_time * 1_000:.0f} MB of them in 15 minutes",
            copied * price("replication_gb") + in_time * price("replication_in_time_gb"),
        ),
        Item("access point", "upload and download", 2 * _FILE_GB * price("access_point_gb")),
    )


# --- the report


def bills() -> dict[str, Sequence[Item]]:
    """Return what an idle month costs: of the environment under each switch, and of the lean one."""
    prod = environments.load(_ENVIRONMENT)
    worlds = {switch.value: prod.model_copy(update={"switch": switch}) for switch in SwitchBackend}
    found = dict[str, Sequence[Item]]()
    for label, config in {**worlds, LEAN: environments.load(_LEAN_ENVIRONMENT)}.items():
        with tempfile.TemporaryDirectory() as folder:
            found[label] = idle(config, assemblies.synthesize(config, Path(folder)))
    return found


def report(bills: Mapping[str, Sequence[Item]]) -> str:
    """Return the tables, as Markdown."""
    million = of_million(environments.load(_ENVIRONMENT))
    return "\n".join([*_idle_table(bills), "", *_seed_table(bills), "", *_million_table(million)])


def _idle_table(bills: Mapping[str, Sequence[Item]]) -> list[str]:
    lines = [f"| idle, a month | of | {' | '.join(bills)} |", f"|---|---|{'---:|' * len(bills)}"]
    names = dict.fromkeys(item.what for items in bills.values() for item in items)
    for name in sorted(names, key=lambda name: not name.startswith(_FIRST)):
        row = [next((item for item in items if item.what == name), None) for items in bills.values()]
        of = " / ".join(dict.fromkeys(item.of for item in row if item))
        lines.append(f"| {name} | {of} | {' | '.join(_usd(item.usd if item else 0) for item in row)} |")
    totals = (sum(item.usd for item in items) for items in bills.values())
    return [*lines, f"| **total** | | {' | '.join(f'**{_usd(total)}**' for total in totals)} |"]


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount else "none"


def _seed_table(bills: Mapping[str, Sequence[Item]]) -> list[str]:
    lines = [f"| beside the seed, a month | seed | {' | '.join(bills)} |", f"|---|{'---:|' * (1 + len(bills))}"]
    sums = {switch: _by_group(items) for switch, items in bills.items()}
    for group, seed in SEED.items():
        lines.append(f"| {group} | {seed:,.0f} | {' | '.join(f'{found[group]:,.0f}' for found in sums.values())} |")
    totals = (f"**{sum(found.values()):,.0f}**" for found in sums.values())
    return [*lines, f"| **total** | **{sum(SEED.values()):,.0f}** | {' | '.join(totals)} |"]


def _by_group(items: Sequence[Item]) -> dict[CostGroup, float]:
    return {group: sum(item.usd for item in items if item.group is group) for group in CostGroup}


def _million_table(items: Sequence[Item]) -> list[str]:
    return [
        "| a million records, in one file | of | $ |",
        "|---|---|---:|",
        *(f"| {item.what} | {item.of} | {item.usd:.5f} |" for item in items),
        f"| **total** | the seed: {SEED_MILLION:g} | **{sum(item.usd for item in items):.5f}** |",
    ]


def main() -> None:
    """Print the tables."""
    sys.stdout.write(f"{report(bills())}\n")


if __name__ == "__main__":
    main()
