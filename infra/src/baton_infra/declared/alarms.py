"""Every alarm of a Region, as data.

Two kinds: alarms that count as evidence against a Region, which the controllers read, and notices for people. Alarms on
the controllers' own metrics are always notices: otherwise a conclusion from a canary would count as a second kind of
evidence.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from baton.messages import OF_USERS
from baton.model.paths import REPLICATED_IN_TIME
from baton.topology import CONTROLLER, Topology, other_region
from baton_infra.config import EnvironmentConfig
from handover import metrics
from handover.settings import ControllerSettings

RUNBOOKS: Final = "docs/runbooks.md"
_MISSING_IS_FINE: Final = "notBreaching"
_MISSING_IS_ALARMING: Final = "breaching"
_MISSING_CHANGES_NOTHING: Final = "ignore"
_LATE_MINUTES: Final = 2
"""How late a metric of DynamoDB may be. It has data only for minutes in which something failed."""
_BEATS: Final = "Beats"
_SWEEPS_SECONDS: Final = 300
"""Ten sweeps, of which some take long: without one in each period the alarm would go and come."""
LOGGED_ERRORS: Final = "LoggedErrors"
"""Metric of the filters on the services' logs."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Fires when the metric is above the threshold (below it, if `below`) in each of so many periods."""

    name: str
    says: str
    runbook: str
    """A heading of docs/runbooks.md."""
    namespace: str
    metric: str
    dimensions: Mapping[str, str] = field(default_factory=dict[str, str])
    statistic: str = "Maximum"
    period_seconds: int = 60
    periods: int = 1
    threshold: float = 0
    below: bool = False
    missing: str = _MISSING_IS_FINE
    zero_if_missing: bool = False
    """Count a period without data as 0: what is only emitted while something runs says nothing once it is gone.

    An alarm with `missing` = breaching alone would fire minutes later, since CloudWatch looks further back for data.
    One on a metric of DynamoDB would never end: CloudWatch ignores its missing data, whatever the alarm says. Source:
    PutMetricAlarm, TreatMissingData.
    """
    late_periods: int = 0
    """So many more periods are looked at: the last ones count as 0 as long as their data are on the way."""

    @property
    def description(self) -> str:
        """What happened, and the runbook's address."""
        anchor = re.sub(r"[^a-z0-9 -]", "", self.runbook.lower()).replace(" ", "-")
        return f"{self.says} {RUNBOOKS}#{anchor}"


def of_region(config: EnvironmentConfig, region: str) -> tuple[Alarm, ...]:
    """Return all alarms of a Region."""
    topology = config.topology
    notices = (*_queues(config), *_batches(topology, region), *_replication(config, region), *_faults(topology))
    return (*_evidence(config), *_missing(config), *_controllers(topology, region), *notices)


def _evidence(config: EnvironmentConfig) -> list[Alarm]:
    """Return the alarms that count as evidence against this Region."""
    topology = config.topology
    prefix = topology.alarm_prefix
    return [
        Alarm(
            name=f"{prefix}trigger-errors",
            says="The trigger failed in each of five minutes.",
            runbook="The trigger fails",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": topology.trigger_function},
            statistic="Sum",
            periods=5,
        ),
        Alarm(
            name=f"{prefix}ledger-errors",
            says="DynamoDB failed to answer for the ledger in three of five minutes.",
            runbook="DynamoDB fails or throttles",
            namespace="AWS/DynamoDB",
            metric="SystemErrors",
            dimensions={"TableName": topology.ledger_table, "Operation": "PutItem"},
            statistic="Sum",
            periods=3,
            zero_if_missing=True,
            late_periods=_LATE_MINUTES,
        ),
    ]


def _missing(config: EnvironmentConfig) -> list[Alarm]:
    """Return alarms on services that do not run. Not the controller: that is no evidence, its own notice is enough."""
    topology = config.topology
    return [
        Alarm(
            name=f"{topology.alarm_prefix}{service}-missing",
            says=f"No task of {service} has run for five minutes.",
            runbook="A service does not run",
            namespace=namespace,
            metric=metric,
            dimensions=dimensions,
            statistic="SampleCount",
            periods=5,
            threshold=1,
            below=True,
            missing=_MISSING_IS_ALARMING,
            zero_if_missing=True,
        )
        for service in config.always_run
        if service != CONTROLLER
        for namespace, metric, dimensions in [running_tasks(topology, service)]
    ]


def running_tasks(topology: Topology, service: str) -> tuple[str, str, dict[str, str]]:
    """Return namespace, name and dimensions of the metric whose number of samples in a minute is that of running tasks.

    Source: "Amazon ECS service utilization metrics", Amazon ECS Developer Guide: Service RUNNING task count. There is
    no data while no task runs.
    """
    return "AWS/ECS", "CPUUtilization", {"ClusterName": topology.cluster, "ServiceName": service}


def _controllers(topology: Topology, region: str) -> list[Alarm]:
    """Return the alarms on the metrics of this Region's controller."""
    return [
        Alarm(
            name=f"{topology.notice_prefix}{alarm.metric.lower()}",
            says=f"{alarm.runbook}.",
            runbook=alarm.runbook,
            namespace=topology.metrics_namespace,
            metric=alarm.metric,
            dimensions={"Service": CONTROLLER, "Region": region},
            # Of one minute any moment counts, of more every moment: a drain of 30 s lies in two minutes as well.
            statistic="Maximum" if alarm.minutes == 1 or alarm.metric == _BEATS else "Minimum",
            period_seconds=_period_seconds(alarm.minutes),
            periods=alarm.minutes * 60 // _period_seconds(alarm.minutes),
            # Missing data matters only for the metric that is 1 at every look.
            missing=_MISSING_IS_FINE if alarm.metric != _BEATS else _MISSING_IS_ALARMING,
            zero_if_missing=alarm.metric == _BEATS,
            threshold=alarm.threshold if alarm.metric != _BEATS else 1,
            below=alarm.metric == _BEATS,
        )
        for alarm in metrics.ALARMS
    ]


def _period_seconds(minutes: int) -> int:
    """Return a period with which an alarm looks back no further than CloudWatch lets it: a day, in all its periods."""
    return 60 if minutes <= 60 else 3_600  # noqa: PLR2004 - an hour


def _queues(config: EnvironmentConfig) -> list[Alarm]:
    """Return the alarms on users' messages that wait too long, and on their dead letters.

    Whatever happens to a canary's message, the canary shows it within a minute. In a lean environment only ordinary
    chunks that wait raise an alarm: the alarm on the oldest batch covers the rest.
    """
    topology = config.topology
    prefix = topology.notice_prefix
    work = [queue for queue in topology.queues if queue.lane in OF_USERS]
    dead = [*(queue.dead_letter_name for queue in work), topology.trigger_dead_letter_queue]
    return [
        *(
            Alarm(
                name=f"{prefix}{name.removeprefix(f'baton-{topology.environment}-')}",
                says=f"There are dead letters in {name}.",
                runbook="There are dead letters",
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": name},
            )
            for name in dead
        ),
        *(
            Alarm(
                name=f"{prefix}{queue.name.removeprefix(f'baton-{topology.environment}-')}-waits",
                says=f"A message of {queue.name} has waited for 15 minutes.",
                runbook="Messages wait",
                namespace="AWS/SQS",
                metric="ApproximateAgeOfOldestMessage",
                dimensions={"QueueName": queue.name},
                threshold=900,
            )
            for queue in ([topology.queue("chunk")] if config.is_lean else work)
        ),
    ]


def dead_letter_queues(topology: Topology) -> tuple[str, ...]:
    """Return the names of all dead-letter queues."""
    of_work = (queue.dead_letter_name for queue in topology.queues)
    return (*of_work, topology.trigger_dead_letter_queue, topology.canary_events_dead_letter_queue)


def _swept(
    topology: Topology,
    region: str,
    name: str,
    metric: str,
    *,
    says: str,
    runbook: str,
    service: str = "splitter",
    threshold: float = 0,
) -> Alarm:
    """Return an alarm on what the sweeper of this Region finds."""
    return Alarm(
        name=f"{topology.notice_prefix}{name}",
        says=says,
        runbook=runbook,
        namespace=topology.metrics_namespace,
        metric=metric,
        dimensions={"Service": service, "Region": region},
        period_seconds=_SWEEPS_SECONDS,
        threshold=threshold,
    )


def _batches(topology: Topology, region: str) -> list[Alarm]:
    """Return the alarms on batches that are late, set aside or unreadable, and on files that were never admitted."""
    swept = partial(_swept, topology, region)
    return [
        *_standing_still(swept),
        swept(
            "oldest-waiting-input",
            "OldestWaitingInput",
            says="A batch has waited for its file for an hour.",
            runbook="A batch waits for its file",
            threshold=3_600,
        ),
        swept(
            "oldest-batch",
            "OldestBatch",
            says="A batch is not done an hour after it was admitted or retried.",
            runbook="A batch is late",
            threshold=ControllerSettings.model_fields["oldest_batch_seconds"].default,
        ),
        swept(
            "input-sweep",
            "InputSweepAge",
            says="No page of inputs was processed for an hour.",
            runbook="Inputs are not swept",
            threshold=3_600,  # whatever number of inputs there is: a pass may take hours, a page takes none
        ),
        swept(
            "inputs-too-old",
            "InputsTooOld",
            says="A file that never became a batch is too old to be admitted.",
            runbook="A file is too old to be admitted",
            service="trigger",
        ),
    ]


def _standing_still(swept: Callable[..., Alarm]) -> list[Alarm]:
    """Return the alarms on batches that wait for an operator."""
    return [
        swept(
            "quarantined-batches",
            "QuarantinedBatches",
            says="A batch was set aside: it may be what made a Region unhealthy.",
            runbook="A batch is set aside",
        ),
        swept(
            "unreadable-batches",
            "UnreadableBatches",
            says="Rows of batches in the ledger cannot be read.",
            runbook="Rows of batches cannot be read",
        ),
    ]


def _faults(topology: Topology) -> list[Alarm]:
    """Return the alarms on throttled tables and on logged errors."""
    prefix = topology.notice_prefix
    return [
        *(
            Alarm(
                name=f"{prefix}{table.removeprefix(f'baton-{topology.environment}-')}-throttled",
                says=f"DynamoDB throttled {table} in five of seven minutes.",
                runbook="DynamoDB fails or throttles",
                namespace="AWS/DynamoDB",
                metric=metric,
                dimensions={"TableName": table},
                statistic="Sum",
                periods=5,
                zero_if_missing=True,
                late_periods=_LATE_MINUTES,
            )
            for table, metric in throttles(topology)
        ),
        Alarm(
            name=f"{prefix}log-errors",
            says="A service logged an error: a bug of ours, or a queue that refuses it.",
            runbook="A service logs errors",
            namespace=topology.metrics_namespace,
            metric=LOGGED_ERRORS,
            statistic="Sum",
            period_seconds=300,
        ),
    ]


def throttles(topology: Topology) -> tuple[tuple[str, str], ...]:
    """Return the tables that a single large batch can bring to their limit, with the metric that would tell."""
    return (
        (topology.ledger_table, "WriteThrottleEvents"),
        (topology.progress_table, "WriteThrottleEvents"),
        (topology.reference_table, "ReadThrottleEvents"),
    )


def _replication(config: EnvironmentConfig, region: str) -> list[Alarm]:
    # Of the way into this Region, measured here: it can be read while the other Region is away.
    topology = config.topology
    source = other_region(region, config.regions)
    return [
        Alarm(
            name=f"{topology.notice_prefix}replication-{prefix.strip('/')}-{what}",
            says=f"Replication of {prefix} into this Region {says}.",
            runbook="Replication is behind",
            namespace="AWS/S3",
            metric=metric,
            dimensions={
                "SourceBucket": topology.data_bucket(source),
                "DestinationBucket": topology.data_bucket(region),
                "RuleId": topology.replication_rule(prefix),
            },
            statistic=statistic,
            period_seconds=period_seconds,
            threshold=threshold,
            # The metrics stop when there is nothing to replicate: that is no sign that what failed is there now.
            missing=_MISSING_CHANGES_NOTHING,
        )
        for prefix in REPLICATED_IN_TIME
        for what, says, metric, statistic, period_seconds, threshold in (
            ("late", "is 15 minutes behind", "ReplicationLatency", "Maximum", 60, 900),
            ("failed", "has failed for objects", "OperationsFailedReplication", "Sum", 300, 0),
        )
    ]
