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
from baton.topology import CANARY_SWEEP_SECONDS, EPOCH_POLL_SECONDS, SERVICES, SWEEP_SECONDS
from baton_infra import assemblies
from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.costs import counted
from baton_infra.costs.prices import price, task_hour
from handover.settings import ControllerSettings

_HOURS: Final = 730
"""Of a month, as AWS counts it."""
_SECONDS: Final = _HOURS * 3_600
_GB: Final = 1e9
_TIB: Final = 2**40
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
    alarms = alarm_metrics(templates)
    boards = [each["DashboardBody"] for each in _of_type(templates, "AWS::CloudWatch::Dashboard")]
    namespace = config.topology.metrics_namespace
    alarmed = _own_metrics_of_alarms(_of_type(templates, "AWS::CloudWatch::Alarm"), namespace)
    metrics = len(_own_metrics(boards, namespace) | alarmed)
    idle_metrics = counted.METRICS_OF_AN_IDLE_REGION * len(config.regions)
    return [
        Item(*_keys(templates)),
        Item("alarms, of scaling too", f"{alarms} metrics", alarms * price("alarm_metric_month")),
        Item("dashboards", f"{len(boards)}", len(boards) * price("dashboard_month")),
        Item("our own metrics", f"{idle_metrics}; {metrics} if all occur", idle_metrics * price("metric_month")),
    ]


def _keys(templates: Templates) -> tuple[str, str, float]:
    keys = _of_type(templates, "AWS::KMS::Key")
    # The first and the second rotation add a dollar a month to a key, later ones nothing.
    rotated = sum(bool(key.get("EnableKeyRotation")) for key in keys)
    of = f"{len(keys)}; {len(keys) + rotated} after a year, {len(keys) + 2 * rotated} after two" if keys else "0"
    return "KMS keys", of, len(keys) * price("kms_key_month")


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
    """Return what the controllers' and the sweepers' calls cost, which look all the time."""
    settings = ControllerSettings.model_validate(config.controller_settings)
    beats = 2 * _SECONDS / settings.beat_seconds
    # Both look at their own Region, and the standby's at the active one as well.
    canaries, looks = (3 * _SECONDS / seconds for seconds in (settings.probe_seconds, settings.vitals_seconds))
    beat = {"dynamodb_write": counted.HEARTBEAT_KB * 2, "dynamodb_read": math.ceil(2 * counted.HEARTBEAT_KB / 4) + 2}
    # What CloudWatch said is used again, as long as it has no new value; so are dead letters.
    asked = looks / math.ceil(settings.metrics_seconds / settings.vitals_seconds)
    answer = {"metric_read": counted.METRICS_OF_A_LOOK, "cloudwatch_call": 1, "sqs_call": counted.QUEUES}
    vitals = looks * of_calls({"sqs_call": counted.QUEUES}) + asked * of_calls(answer)
    sweeps, canary_sweeps, epochs = (
        2 * _SECONDS / seconds for seconds in (SWEEP_SECONDS, CANARY_SWEEP_SECONDS, EPOCH_POLL_SECONDS)
    )
    swept = sweeps * of_calls(counted.IDLE_SWEEP) + canary_sweeps * of_calls(counted.CANARY_SWEEP)
    requests = canaries * counted.CANARY_REQUESTS + sweeps + canary_sweeps * counted.CANARY_SWEEP["s3_put"]
    return [
        Item("canaries", f"{canaries:,.0f}", canaries * of_calls(counted.CANARY)),
        Item("heartbeats", f"{beats:,.0f}", beats * of_calls(beat)),
        Item("vitals, of CloudWatch and SQS", f"{asked:,.0f} and {looks:,.0f} looks", vitals),
        Item("sweeps", f"{sweeps:,.0f}", swept + epochs * price("dynamodb_read")),
        _receives(config),
        *_kept(config, {"canary": canaries, "look": 2 * _SECONDS / settings.vitals_seconds, "sweep": sweeps}, requests),
    ]


def _receives(config: EnvironmentConfig) -> Item:
    polls = {service: len(LANES) + (service == "splitter") for service in SERVICES[:-1]}
    running = {name: config.tasks_of(place).tasks_min for place in config.always_run for name in config.services[place]}
    receives = 2 * sum(running[service] * each for service, each in polls.items()) * _SECONDS
    usd = receives / counted.EMPTY_RECEIVE_SECONDS * price("sqs_call")
    return Item("empty receives", "one in 20 s, of each lane", usd)


def _kept(config: EnvironmentConfig, told: Mapping[str, float], requests: float) -> list[Item]:
    """Return what is written beside data: log lines, by their cause; records of so many requests; images."""
    log_gb = sum(counted.LOG_BYTES[what] * times for what, times in told.items()) / _GB
    access_gb = requests * counted.ACCESS_LOG_BYTES / _GB * config.log_days / (_HOURS / 24)
    return [
        Item("logs", f"{log_gb:.1f} GB", log_gb * price("log_gb")),
        Item("access logs kept", f"{access_gb:.1f} GB", access_gb * price("s3_gb_month")),
        Item("images kept", "one set; each deployment adds one", 2 * counted.IMAGES_GB * price("image_gb_month")),
    ]


# --- per million records


def of_million(config: EnvironmentConfig, templates: Templates) -> tuple[Item, ...]:
    """Return what a million records cost on top, in one file."""
    tasks = sum(
        cpu_seconds / 3_600 * task_hour(size.cpu, size.memory_mib) / (size.cpu / 1_024)
        for service, cpu_seconds in counted.CPU_SECONDS.items()
        for size in [config.tasks_of(service)]
    )
    return (
        Item("tasks", f"{sum(counted.CPU_SECONDS.values()):.2f} CPU-seconds, on demand", tasks),
        Item("calls", f"{sum(counted.MILLION.values()):,.0f} requests and units", of_calls(counted.MILLION)),
        *(_replicated(prefix, in_time=in_time) for prefix, in_time in _rules(templates).items()),
        Item("access point", "upload and download", (counted.FILE_GB + counted.RESULT_GB) * price("access_point_gb")),
        Item("download", "of the result, out of AWS", counted.RESULT_GB * price("transfer_out_gb")),
    )


def _rules(templates: Templates) -> Mapping[str, bool]:
    """Return the prefixes that are replicated out of a Region, and whether within 15 minutes."""
    (made,) = _of_type(templates, "Custom::BucketReplication")
    rules = json.loads(made["Buckets"][0]["Configuration"])["Rules"]
    return {rule["Filter"]["Prefix"]: "ReplicationTime" in rule["Destination"] for rule in rules}


def _replicated(prefix: str, *, in_time: bool) -> Item:
    gb, objects = counted.STORED[prefix]
    usd = gb * price("replication_gb") + objects * price("s3_put") + in_time * gb * price("replication_in_time_gb")
    of = f"{gb * 1_000:.0f} MB, objects: {objects}{'; within 15 minutes' if in_time else ''}"
    return Item(f"replication of {prefix}", of, usd)


# --- the report


@dataclass(frozen=True, slots=True)
class Bills:
    """What an idle month costs, of the environment under each switch and of the lean one; and a million records."""

    idle: Mapping[str, Sequence[Item]]
    million: Sequence[Item]


def bills() -> Bills:
    """Compute all bills."""
    prod = environments.load(_ENVIRONMENT)
    worlds = {switch.value: prod.model_copy(update={"switch": switch}) for switch in SwitchBackend}
    found, million = dict[str, Sequence[Item]](), tuple[Item, ...]()
    for label, config in {**worlds, LEAN: environments.load(_LEAN_ENVIRONMENT)}.items():
        with tempfile.TemporaryDirectory() as folder:
            templates = assemblies.synthesize(config, Path(folder))
        found[label] = idle(config, templates)
        if config.name == prod.name:
            million = of_million(config, templates)
    return Bills(found, million)


def report(bills: Bills) -> str:
    """Return the tables, as Markdown."""
    return "\n".join([*_idle_table(bills.idle), "", *_seed_table(bills.idle), "", *_million_table(bills.million)])


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
    total, files = sum(item.usd for item in items), _TIB / (counted.FILE_GB * _GB)
    return [
        "| a million records, in one file | of | $ | $ per TiB of such files |",
        "|---|---|---:|---:|",
        *(f"| {item.what} | {item.of} | {item.usd:.5f} | {item.usd * files:,.2f} |" for item in items),
        f"| **total** | the seed: {SEED_MILLION:g} | **{total:.5f}** | **{total * files:,.2f}** |",
    ]


def main() -> None:
    """Print the tables."""
    sys.stdout.write(f"{report(bills())}\n")


if __name__ == "__main__":
    main()
