"""Scaling by backlog: as many tasks as the waiting messages need, and never fewer than always run."""

from collections.abc import Mapping
from typing import Final

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from baton.messages import OF_USERS, Kind
from baton.topology import Topology
from baton_infra.config import Tasks
from baton_infra.declared import alarms

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
