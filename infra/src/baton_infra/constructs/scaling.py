"""Scaling by backlog: as many tasks as the waiting messages need, the first one as soon as there is one message."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from baton.messages import LANES, Kind
from baton.topology import Topology
from baton_infra.config import Tasks

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
_PERIOD_SECONDS: Final = 60
_VISIBLE: Final = " + ".join(LANES)
"""Messages of all lanes. Each queue has data at all times: services poll it, or controllers send canaries by it."""

_Policy = scaling.CfnScalingPolicy
_Alarm = cloudwatch.CfnAlarm


def backlog_scaling(
    scope: Construct, service: ecs.CfnService, name: str, kind: Kind, tasks: Tasks, topology: Topology
) -> None:
    """Let the number of a service's tasks follow its queues, of all lanes."""
    label = name.title()
    target = scaling.CfnScalableTarget(
        scope,
        f"{label}Target",
        service_namespace="ecs",
        scalable_dimension="ecs:service:DesiredCount",
        resource_id=f"service/{topology.cluster}/{name}",
        min_capacity=tasks.tasks_min,
        max_capacity=tasks.tasks_max,
    )
    target.add_resource_dependency(service)  # which is named, so that CloudFormation cannot see it
    _Policy(
        scope,
        f"{label}Backlog",
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
    if tasks.tasks_min == 0:
        _first_task(scope, target, label, name, kind, topology)


def _metrics(service: str, kind: Kind, topology: Topology) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Return what to look at, by the name that expressions call it: namespace, metric, dimensions."""
    visible = "ApproximateNumberOfMessagesVisible"
    return {
        **{lane: ("AWS/SQS", visible, {"QueueName": topology.queue(kind, lane).name}) for lane in LANES},
        "running": (
            "ECS/ContainerInsights",
            "RunningTaskCount",
            {"ClusterName": topology.cluster, "ServiceName": service},
        ),
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
                stat="Average",
            ),
            return_data=False,
        )
        for label, (namespace, metric, dimensions) in _metrics(service, kind, topology).items()
    ]
    per_task = query(id="backlog", expression=f"({_VISIBLE}) / IF(running > 0, running, 1)", return_data=True)
    return _Policy.CustomizedMetricSpecificationProperty(metrics=[*found, per_task])


def _first_task(
    scope: Construct, target: scaling.CfnScalableTarget, label: str, service: str, kind: Kind, topology: Topology
) -> None:
    """Start the first task: of no tasks, no proportion makes one."""
    policy = _Policy(
        scope,
        f"{label}First",
        policy_name="first-task",
        policy_type="StepScaling",
        scaling_target_id=target.ref,
        step_scaling_policy_configuration=_Policy.StepScalingPolicyConfigurationProperty(
            adjustment_type="ChangeInCapacity",
            cooldown=180,  # until the first one has started and is counted
            step_adjustments=[_Policy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)],
        ),
    )
    # Only while none runs: as long as it fires, the policy adds one after the other. Twice in a row, since the newest
    # number of tasks may not be there yet, and what is missing counts as none.
    none_runs = _Alarm.MetricDataQueryProperty(
        id="unserved", expression=f"IF(FILL(running, 0) < 1, {_VISIBLE}, 0)", return_data=True
    )
    _Alarm(
        scope,
        f"{label}Unserved",
        alarm_name=topology.scaling_alarm(topology.queue(kind).name),
        alarm_description="Messages wait, and no task runs: starts the first one.",
        metrics=[*_alarm_metrics(service, kind, topology), none_runs],
        evaluation_periods=2,
        threshold=0,
        comparison_operator="GreaterThanThreshold",
        treat_missing_data="notBreaching",
        alarm_actions=[policy.ref],
    )


def _alarm_metrics(service: str, kind: Kind, topology: Topology) -> list[_Alarm.MetricDataQueryProperty]:
    dimension = _Alarm.DimensionProperty
    return [
        _Alarm.MetricDataQueryProperty(
            id=label,
            metric_stat=_Alarm.MetricStatProperty(
                metric=_Alarm.MetricProperty(
                    namespace=namespace,
                    metric_name=metric,
                    dimensions=[dimension(name=name, value=value) for name, value in dimensions.items()],
                ),
                period=_PERIOD_SECONDS,
                stat="Average",
            ),
            return_data=False,
        )
        for label, (namespace, metric, dimensions) in _metrics(service, kind, topology).items()
    ]
