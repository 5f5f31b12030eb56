"""Every dashboard, as data: CloudWatch's own JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from baton.model.paths import REPLICATED_IN_TIME
from baton.outcome import Outcome
from baton.topology import STAGES, Topology, other_region
from baton_infra.config import EnvironmentConfig
from baton_infra.costs.prices import task_hour
from baton_infra.declared.alarms import LOGGED_ERRORS, dead_letter_queues, running_tasks, throttles
from handover import metrics

_WIDTH: Final = 24
"""CloudWatch's grid."""
_HEIGHT: Final = 6
_FIGURES: Final = frozenset({"Beats", "BatchesWaitingInput", "ClockOffSeconds", "EventsWaiting"})
STATES: Final = tuple(alarm.metric for alarm in metrics.ALARMS if alarm.metric not in _FIGURES)
"""What a controller finds, each a metric that is 1 or 0."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a graph."""

    label: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"

    def as_json(self, region: str, **options: Any) -> list[Any]:
        """Return it as CloudWatch writes it."""
        pairs = [part for pair in self.dimensions.items() for part in pair]
        shown = {"label": self.label, "stat": self.statistic, "region": region}
        return [self.namespace, self.metric, *pairs, {**shown, **options}]


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph."""

    title: str
    lines: Sequence[Line]
    expressions: Mapping[str, str] = field(default_factory=dict[str, str])
    """What to show instead of the lines, by label: metric math in which `m0` is the first line."""

    def as_json(self, region: str) -> list[list[Any]]:
        """Return its metrics as CloudWatch writes them."""
        if not self.expressions:
            return [line.as_json(region) for line in self.lines]
        hidden = [line.as_json(region, id=f"m{index}", visible=False) for index, line in enumerate(self.lines)]
        shown = [[{"expression": text, "label": label, "region": region}] for label, text in self.expressions.items()]
        return hidden + shown


def graphs(config: EnvironmentConfig, region: str) -> tuple[Graph, ...]:
    """Return a Region's graphs: first what users feel, then the stages, then what it stands on."""
    topology = config.topology
    return (
        *_flow(topology, region),
        *_queues(topology),
        *_stages(topology, region),
        *_control(topology, region),
        *_ground(config, region),
    )


def global_dashboard(config: EnvironmentConfig) -> str:
    """Return the body of the dashboard of both Regions, side by side: the same graph in the same row."""
    pairs = zip(*(graphs(config, region) for region in config.regions), strict=True)
    rows = [list(zip(pair, config.regions, strict=True)) for pair in pairs]
    return _body(rows)


def _body(rows: Sequence[Sequence[tuple[Graph, str]]]) -> str:
    columns = 2
    width = _WIDTH // columns
    cells = [cell for row in rows for cell in row]
    widgets = [
        {
            "type": "metric",
            "x": index % columns * width,
            "y": index // columns * _HEIGHT,
            "width": width,
            "height": _HEIGHT,
            "properties": {
                "title": f"{graph.title} · {region}",
                "region": region,
                "view": "timeSeries",
                "period": 60,
                "metrics": graph.as_json(region),
            },
        }
        for index, (graph, region) in enumerate(cells)
    ]
    return json.dumps({"start": "-PT3H", "widgets": widgets})


def _own(topology: Topology, region: str, service: str, **more: str) -> tuple[str, dict[str, str]]:
    return topology.metrics_namespace, {"Service": service, "Region": region, **more}


def _counted(topology: Topology, region: str, service: str, metric: str, label: str) -> Line:
    namespace, dimensions = _own(topology, region, service, Outcome="done")
    return Line(label, namespace, metric, dimensions)


def _flow(topology: Topology, region: str) -> list[Graph]:
    trigger = _own(topology, region, "trigger")
    records = [_counted(topology, region, "worker", metric, metric) for metric in ("Records", "Rejects")]
    time = _counted(topology, region, "notifier", "BatchTime", "")
    return [
        Graph(
            "Batches",
            [
                Line("admitted", trigger[0], "BatchesAdmitted", trigger[1]),
                _counted(topology, region, "splitter", "BatchesSplit", "split"),
                _counted(topology, region, "worker", "BatchesProcessed", "processed"),
                _counted(topology, region, "merger", "BatchesMerged", "merged"),
                _counted(topology, region, "notifier", "BatchesCompleted", "completed, mailed"),
                _counted(topology, region, "notifier", "BatchesFailed", "failed, mailed"),
            ],
        ),
        Graph(
            "Records a second",
            records,
            expressions={"records": "m0 / PERIOD(m0)", "rejects": "m1 / PERIOD(m1)"},
        ),
        Graph(
            "Bytes",
            [
                Line("admitted", trigger[0], "BytesAdmitted", trigger[1]),
                _counted(topology, region, "worker", "PartBytes", "parts made"),
            ],
        ),
        Graph("From admission to mail, s", [replace(time, label=each, statistic=each) for each in ("p50", "p95")]),
        *_waiting(topology, region),
    ]


def _waiting(topology: Topology, region: str) -> list[Graph]:
    sweeper = _own(topology, region, "splitter")
    return [
        Graph(
            "Open batches",
            [
                Line("open", sweeper[0], "OpenBatches", sweeper[1], "Maximum"),
                Line("waiting for their file", sweeper[0], "BatchesWaitingInput", sweeper[1], "Maximum"),
                Line("set aside", sweeper[0], "QuarantinedBatches", sweeper[1], "Maximum"),
            ],
        ),
        Graph(
            "Oldest batch, s",
            [
                Line("since it was admitted", sweeper[0], "OldestBatch", sweeper[1], "Maximum"),
                Line("waiting for its file", sweeper[0], "OldestWaitingInput", sweeper[1], "Maximum"),
            ],
        ),
    ]


def _queues(topology: Topology) -> list[Graph]:
    def lines(metric: str, names: Sequence[str]) -> list[Line]:
        return [Line(name, "AWS/SQS", metric, {"QueueName": name}, "Maximum") for name in names]

    work = [queue.name for queue in topology.queues]
    dead = dead_letter_queues(topology)
    return [
        Graph("Messages", lines("ApproximateNumberOfMessagesVisible", work)),
        Graph("Oldest message, s", lines("ApproximateAgeOfOldestMessage", work)),
        Graph("Dead letters", lines("ApproximateNumberOfMessagesVisible", dead)),
    ]


def _stages(topology: Topology, region: str) -> list[Graph]:
    def outcomes(service: str) -> list[Line]:
        return [
            Line(outcome, *_first(topology, "Messages"), _own(topology, region, service, Outcome=outcome)[1])
            for outcome in Outcome
        ]

    times = [
        Line(service, *_first(topology, "HandlingTime"), _own(topology, region, service, Outcome="done")[1], "p90")
        for service in STAGES
    ]
    return [
        *(Graph(f"What became of messages: {service}", outcomes(service)) for service in STAGES),
        Graph("Time of a message, p90, s", times),
    ]


def _first(topology: Topology, metric: str) -> tuple[str, str]:
    return topology.metrics_namespace, metric


def _control(topology: Topology, region: str) -> list[Graph]:
    namespace, dimensions = _own(topology, region, "failover-controller")
    return [
        Graph("Controller: state", [Line(name, namespace, name, dimensions, "Maximum") for name in STATES]),
        Graph(
            "Controller: epoch, and whether this Region is active",
            [Line(name, namespace, name, dimensions, "Maximum") for name in ("Epoch", "Active")],
        ),
        Graph(
            "Controller: batches taken over from the other Region",
            [Line("taken over", namespace, "BatchesTakenOver", dimensions)],
        ),
        Graph(
            "Controller: standby not ready, looks a minute",
            [
                Line("standby not ready", namespace, "StandbyNotReady", dimensions, "Maximum"),
                Line("looks", namespace, "Beats", dimensions),
            ],
        ),
    ]


def _ground(config: EnvironmentConfig, region: str) -> list[Graph]:
    return [*_ways(config, region), *_tasks(config), *_services_of_aws(config.topology)]


def _ways(config: EnvironmentConfig, region: str) -> list[Graph]:
    topology = config.topology
    into = {
        "SourceBucket": topology.data_bucket(other_region(region, config.regions)),
        "DestinationBucket": topology.data_bucket(region),
    }
    ways = {prefix: {**into, "RuleId": topology.replication_rule(prefix)} for prefix in REPLICATED_IN_TIME}
    return [
        Graph(
            "Replication into this Region: behind, s",
            [Line(prefix, "AWS/S3", "ReplicationLatency", way, "Maximum") for prefix, way in ways.items()],
        ),
        Graph(
            "Replication into this Region: pending",
            [Line(prefix, "AWS/S3", "OperationsPendingReplication", way, "Maximum") for prefix, way in ways.items()],
        ),
    ]


def _tasks(config: EnvironmentConfig) -> list[Graph]:
    topology = config.topology
    tasks = [Line(service, *running_tasks(topology, service), "SampleCount") for service in config.services]
    return [
        Graph("Tasks", tasks),
        # Of what grows with the work. What an idle world costs, and what a million records cost, says docs/cost.md.
        Graph("Tasks: $ a day, on demand", tasks, expressions={"$ a day": _usd_a_day(config)}),
    ]


def _services_of_aws(topology: Topology) -> list[Graph]:
    function = {"FunctionName": topology.trigger_function}
    return [
        Graph(
            "Trigger",
            [Line(metric, "AWS/Lambda", metric, function) for metric in ("Invocations", "Errors", "Throttles")],
        ),
        Graph(
            "DynamoDB: throttled",
            [
                Line(f"{table}: {metric}", "AWS/DynamoDB", metric, {"TableName": table})
                for table, metric in throttles(topology)
            ],
        ),
        Graph("Errors in our logs", [Line("errors", topology.metrics_namespace, LOGGED_ERRORS, {})]),
        Graph(
            "Mails of the whole account",
            [Line(metric, "AWS/SES", metric, {}) for metric in ("Send", "Bounce", "Complaint", "Reject")],
        ),
    ]


def _usd_a_day(config: EnvironmentConfig) -> str:
    sizes = [config.tasks_of(service) for service in config.services]
    return " + ".join(f"m{index} * {24 * task_hour(size.cpu, size.memory_mib):.4f}" for index, size in enumerate(sizes))
