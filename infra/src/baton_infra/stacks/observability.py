"""Stack: a dashboard, one Region's alarms and rules of events, and the topic that notifies people."""

from typing import Any, Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from baton.topology import SERVICES
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs.roles import deny_plain_http
from baton_infra.declared import alarms, dashboards
from baton_infra.declared import events as notices
from baton_infra.declared.alarms import LOGGED_ERRORS, Alarm
from baton_infra.stacks.base import BatonStack

_ERRORS: Final = '{ ($.level = "error") || ($.level = "critical") }'


class ObservabilityStack(BatonStack):
    """A dashboard of both Regions, one Region's alarms and rules of events, and the topic by which it calls people."""

    purpose = "observability"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        topic = self._topic()
        self._tell(topic)
        self._count_errors()
        for alarm in alarms.of_region(config, region):
            self._alarm(alarm, topic)
        if config.is_lean and region != config.home:
            return
        # Dashboards belong to the account. This one is made in each Region under its own name: it outlives a Region.
        cloudwatch.CfnDashboard(
            self,
            "Both",
            dashboard_name=self.topology.dashboard(region),
            dashboard_body=dashboards.global_dashboard(config),
        )

    def _topic(self) -> sns.CfnTopic:
        topic = sns.CfnTopic(
            self,
            "Topic",
            topic_name=self.topology.alarm_topic,
            # Not encrypted: CloudWatch may not use SNS's own key, and what an alarm says is no secret.
            subscription=[
                sns.CfnTopic.SubscriptionProperty(protocol="email", endpoint=address.spec)
                for address in self.config.operators
            ],
        )
        arn = self.arns.topic(self.topology.alarm_topic)
        alarms_may = {
            "Sid": "Alarms",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": arn,
            "Condition": {"StringEquals": {"aws:SourceAccount": self.config.account_id}},
        }
        # Without a condition, as CDK's own target has it: EventBridge does not promise to meet one here.
        events_may = {
            "Sid": "Events",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": arn,
        }
        sns.CfnTopicPolicy(
            self,
            "TopicPolicy",
            topics=[topic.ref],
            policy_document={
                "Version": "2012-10-17",
                "Statement": [deny_plain_http(arn, action="sns:Publish"), alarms_may, events_may],
            },
        )
        return topic

    def _tell(self, topic: sns.CfnTopic) -> None:
        """Tell the operators of switches, of failovers that are held back, and of what goes wrong in ECS."""
        for notice in notices.of_region(self.arns):
            text = events.CfnRule.InputTransformerProperty(
                input_paths_map=dict(notice.paths), input_template=notice.text
            )
            events.CfnRule(
                self,
                notice.name,
                name=notice.rule_name,
                description=notice.description,
                event_pattern=notice.pattern,
                targets=[events.CfnRule.TargetProperty(arn=topic.ref, id="Operators", input_transformer=text)],
            )

    def _count_errors(self) -> None:
        """Count what the services log as errors: what is not an outage is a bug of ours, and somebody should look."""
        groups = {service: self.topology.log_group(service) for service in SERVICES}
        groups["trigger"] = f"/aws/lambda/{self.topology.trigger_function}"
        for service, group in groups.items():
            logs.CfnMetricFilter(
                self,
                f"{service.title().replace('-', '')}Errors",
                log_group_name=group,
                filter_pattern=_ERRORS,
                metric_transformations=[
                    logs.CfnMetricFilter.MetricTransformationProperty(
                        metric_namespace=self.topology.metrics_namespace, metric_name=LOGGED_ERRORS, metric_value="1"
                    )
                ],
            )

    def _alarm(self, alarm: Alarm, topic: sns.CfnTopic) -> None:
        name = alarm.name.removeprefix(f"baton-{self.config.name}-")
        cloudwatch.CfnAlarm(
            self,
            "".join(word.title() for word in name.split("-")),
            alarm_name=alarm.name,
            alarm_description=alarm.description,
            evaluation_periods=alarm.periods + alarm.late_periods,
            datapoints_to_alarm=alarm.periods if alarm.late_periods else None,
            threshold=alarm.threshold,
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            treat_missing_data=alarm.missing,
            alarm_actions=[topic.ref],
            ok_actions=[topic.ref],
            **(_filled(alarm) if alarm.zero_if_missing else _measured(alarm)),
        )


def _measured(alarm: Alarm) -> dict[str, Any]:
    return {
        "namespace": alarm.namespace,
        "metric_name": alarm.metric,
        "dimensions": _dimensions(alarm),
        "statistic": alarm.statistic,
        "period": alarm.period_seconds,
    }


def _filled(alarm: Alarm) -> dict[str, Any]:
    """Return the alarm's metric with 0 for each period that has no data."""
    query = cloudwatch.CfnAlarm.MetricDataQueryProperty
    metric = cloudwatch.CfnAlarm.MetricProperty(
        namespace=alarm.namespace, metric_name=alarm.metric, dimensions=_dimensions(alarm)
    )
    measured = cloudwatch.CfnAlarm.MetricStatProperty(metric=metric, period=alarm.period_seconds, stat=alarm.statistic)
    return {
        "metrics": [
            query(id="measured", metric_stat=measured, return_data=False),
            query(id="filled", expression="FILL(measured, 0)", return_data=True),
        ]
    }


def _dimensions(alarm: Alarm) -> list[cloudwatch.CfnAlarm.DimensionProperty]:
    return [cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value) for key, value in alarm.dimensions.items()]
