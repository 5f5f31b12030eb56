"""Scaling by backlog: as many tasks as the waiting messages need, and never fewer than always run."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from baton.messages import OF_USERS, Kind
from baton.topology import Topology
from baton_infra.declared import alarms
from baton_infra.sizes import Tasks

WAIT_SECONDS: Final = 60
"""How long a message may wait for a task that runs. A new task needs about as long to start: to want less would start
tasks for what is done before they are there."""
MESSAGE_SECONDS: Final[Mapping[Kind, float]] = {
    # What one message takes a task with all its slots at work. CPU by docs/performance.md; most is waiting for S3,
    # which is estimated. Half a gigabyte at 80 MB/s takes 6 s, and a splitter reads four files at once.
    "split": 1.5,
    # 0.2 CPU-seconds of rules and joins, 2.6 if every record is rejected; 16 MiB to read, and about as much to write.
    "chunk": 1.0,
    # Server-side copies of two seconds, eight at once.
    "merge": 0.25,
    # Some ten calls of 80 ms, eight mails at once. Most new accounts may send 14 a second: more tasks are no faster.
    "notify": 0.1,
}
_VISIBLE: Final = " + ".join(OF_USERS)
"""Messages of users' lanes: canaries are few, and their number does not grow. Each queue has data at all times, since
services poll it."""

_Policy = scaling.CfnScalingPolicy
type _Metric = tuple[str, str, dict[str, str], str]
"""Namespace, name, dimensions, statistic."""


def backlog_scaling(
    scope: Construct, service: ecs.CfnService, name: str, kind: Kind, tasks: Tasks, topology: Topology
) -> None:
    """Let the number of a service's tasks follow its queues, of all users' lanes."""
    target = _target(scope, service, name, tasks, topology)
    _Policy(
        scope,
        f"{name.title()}Backlog",
        policy_name="backlog-per-task",
        policy_type="TargetTrackingScaling",
        scaling_target_id=target.ref,
        target_tracking_scaling_policy_configuration=_Policy.TargetTrackingScalingPolicyConfigurationProperty(
            target_value=WAIT_SECONDS / MESSAGE_SECONDS[kind],
            scale_out_cooldown=60,
            # A task that is stopped too early costs the minute in which the next one starts: rather late than often.
            # A task that works is not stopped, however few messages wait: it protects itself (`baton.health`).
            scale_in_cooldown=300,
            customized_metric_specification=_backlog(name, kind, topology),
        ),
    )


def _target(
    scope: Construct, service: ecs.CfnService, name: str, tasks: Tasks, topology: Topology
) -> scaling.CfnScalableTarget:
    target = scaling.CfnScalableTarget(
        scope,
        f"{name.title()}Target",
        service_namespace="ecs",
        scalable_dimension="ecs:service:DesiredCount",
        resource_id=f"service/{topology.cluster}/{name}",
        min_capacity=tasks.tasks_min,
        max_capacity=tasks.tasks_max,
    )
    target.add_resource_dependency(service)  # which is named, so that CloudFormation cannot see it
    return target


_IDLE_MINUTES: Final = 10
"""Without a message for so long, no worker beside the shared task is needed. One that works protects itself."""


def scaling_from_none(
    scope: Construct, service: ecs.CfnService, name: str, kind: Kind, tasks: Tasks, topology: Topology
) -> None:
    """Start tasks beside the shared one while more waits than it does in a minute, and stop them when nothing does.

    By steps, since a share of no task is none: target tracking multiplies.
    """
    target = _target(scope, service, name, tasks, topology)
    minute = WAIT_SECONDS / MESSAGE_SECONDS[kind]
    step = _Policy.StepAdjustmentProperty
    more = _step_policy(
        scope,
        f"{name.title()}More",
        target,
        "ChangeInCapacity",
        [
            step(metric_interval_lower_bound=0, metric_interval_upper_bound=9 * minute, scaling_adjustment=1),
            step(metric_interval_lower_bound=9 * minute, scaling_adjustment=max(1, tasks.tasks_max // 4)),
        ],
    )
    none = _step_policy(
        scope,
        f"{name.title()}None",
        target,
        "ExactCapacity",
        [step(metric_interval_upper_bound=0, scaling_adjustment=0)],
    )
    backlog = _Waiting(scope, f"{topology.notice_prefix}{name}", kind, topology)
    backlog.alarm("more", more, "GreaterThanOrEqualToThreshold", minute, minutes=1)
    backlog.alarm("none", none, "LessThanOrEqualToThreshold", 0, minutes=_IDLE_MINUTES)


def _step_policy(
    scope: Construct,
    name: str,
    target: scaling.CfnScalableTarget,
    adjustment: str,
    steps: list[_Policy.StepAdjustmentProperty],
) -> _Policy:
    return _Policy(
        scope,
        name,
        policy_name=name,
        policy_type="StepScaling",
        scaling_target_id=target.ref,
        step_scaling_policy_configuration=_Policy.StepScalingPolicyConfigurationProperty(
            adjustment_type=adjustment, cooldown=120, metric_aggregation_type="Maximum", step_adjustments=steps
        ),
    )


class _Waiting:
    """Alarms on the messages that wait for a service in all users' lanes together."""

    def __init__(self, scope: Construct, prefix: str, kind: Kind, topology: Topology) -> None:
        self._scope = scope
        self._prefix = prefix
        self._queues = {lane: topology.queue(kind, lane).name for lane in OF_USERS}

    def alarm(self, name: str, policy: _Policy, comparison: str, threshold: float, *, minutes: int) -> None:
        """Carry a policy out while the alarm fires."""
        query, stat = cloudwatch.CfnAlarm.MetricDataQueryProperty, cloudwatch.CfnAlarm.MetricStatProperty
        found = [
            query(
                id=lane,
                return_data=False,
                metric_stat=stat(
                    period=60,
                    stat="Maximum",
                    metric=cloudwatch.CfnAlarm.MetricProperty(
                        namespace="AWS/SQS",
                        metric_name="ApproximateNumberOfMessagesVisible",
                        dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="QueueName", value=queue)],
                    ),
                ),
            )
            for lane, queue in self._queues.items()
        ]
        cloudwatch.CfnAlarm(
            self._scope,
            f"Waiting{name.title()}",
            alarm_name=f"{self._prefix}-{name}",
            alarm_description=f"Starts and stops workers beside the shared task. {alarms.RUNBOOKS}#messages-wait",
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=minutes,
            treat_missing_data="ignore",
            alarm_actions=[policy.ref],
            metrics=[*found, query(id="waiting", expression=_VISIBLE, return_data=True)],
        )


def _metrics(service: str, kind: Kind, topology: Topology) -> dict[str, _Metric]:
    """Return what to look at, by the name that expressions call it."""
    visible = "ApproximateNumberOfMessagesVisible"
    return {
        **{lane: ("AWS/SQS", visible, {"QueueName": topology.queue(kind, lane).name}, "Average") for lane in OF_USERS},
        "running": (*alarms.running_tasks(topology, service), "SampleCount"),
    }


def _backlog(service: str, kind: Kind, topology: Topology) -> _Policy.CustomizedMetricSpecificationProperty:
    query = _Policy.TargetTrackingMetricDataQueryProperty
    dimension = _Policy.TargetTrackingMetricDimensionProperty
    found = [
        query(
            id=label,
            metric_stat=_Policy.TargetTrackingMetricStatProperty(
                metric=_Policy.TargetTrackingMetricProperty(
                    namespace=namespace,
                    metric_name=metric,
                    dimensions=[dimension(name=name, value=value) for name, value in dimensions.items()],
                ),
                stat=statistic,
            ),
            return_data=False,
        )
        for label, (namespace, metric, dimensions, statistic) in _metrics(service, kind, topology).items()
    ]
    per_task = query(id="backlog", expression=f"({_VISIBLE}) / IF(running > 0, running, 1)", return_data=True)
    return _Policy.CustomizedMetricSpecificationProperty(metrics=[*found, per_task])
