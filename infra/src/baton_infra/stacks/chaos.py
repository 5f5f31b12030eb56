"""Stack: experiments of the Fault Injection Service, which do to a Region what the tests do to containers."""

from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_fis as fis
from aws_cdk import aws_logs as logs
from constructs import Construct

from baton.messages import KINDS
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs.roles import service_role
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement
from baton_infra.stacks.base import BatonStack

_MINUTES: Final = 10
"""Long enough for a failover to be over, and for what comes after it to be seen."""
STOPS: Final = ("held", *(f"{kind}-dead" for kind in KINDS))
"""Notices at which an experiment ends at once; FIS takes five, and starts nothing while one of them fires.

The first is for experiments on the standby, whose controller judges the active Region: that fails, and nobody takes
over. The active Region's own controller judges nobody, and another Region's alarm cannot end anything here: there it is
dead letters of the ordinary lane. No outage of these minutes uses up a message's attempts, or we thought wrong.
"""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is done, and to what."""

    name: str
    description: str
    scope: str = ""
    """Of a cut: what the subnets no longer reach."""
    one_zone: bool = False
    """Of a cut: only the subnets of the Region's first zone."""
    pauses: bool = False
    """Whether the ledger's replication is paused."""
    service: str = ""
    """Of stopped tasks: whose; empty: anybody's."""
    selection: str = "ALL"

    @property
    def cuts(self) -> bool:
        return bool(self.scope)


EXPERIMENTS: Final = (
    Experiment("deny-s3", "S3 is out of reach of every subnet", scope="s3"),
    Experiment(
        "deny-dynamodb", "DynamoDB is out of reach of every subnet: ledger, progress, rejects", scope="dynamodb"
    ),
    Experiment("cut", "Every subnet of this Region is cut off", scope="all"),
    Experiment("zone", "The subnets of one zone are cut off", scope="all", one_zone=True),
    Experiment(
        "no-quorum", "This Region's ledger is apart from the two others: it can neither write nor read", pauses=True
    ),
    Experiment("stop-tasks", "Half of all tasks are stopped", selection="PERCENT(50)"),
    # FIS knows interruptions of EC2's Spot only. Of Fargate's, a task sees the same: SIGTERM, and two minutes.
    Experiment("spot", "Every worker is stopped at once, as when Spot has no more capacity", service="worker"),
)


class ChaosStack(BatonStack):
    """Experiments of the Fault Injection Service: what the tests do to containers, done to a Region."""

    purpose = "chaos"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        group = logs.CfnLogGroup(
            self,
            "Logs",
            log_group_name=self.topology.log_group("experiments"),
            retention_in_days=config.log_days,
        )
        group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        self._logs_arn = group.attr_arn
        self._cutter = service_role(
            self, "CutRole", principal="fis.amazonaws.com", statements=[*_may_cut(self.arns), *_may_log()]
        ).attr_arn
        self._pauser = service_role(
            self,
            "PauseRole",
            principal="fis.amazonaws.com",
            statements=[*_may_pause(self.arns.table(self.topology.ledger_table)), *_may_log()],
        ).attr_arn
        self._stopper = service_role(
            self, "StopRole", principal="fis.amazonaws.com", statements=[*_may_stop(self.arns), *_may_log()]
        ).attr_arn
        for experiment in EXPERIMENTS:
            self._template(experiment)

    def _template(self, experiment: Experiment) -> None:
        template = fis.CfnExperimentTemplate
        fis.CfnExperimentTemplate(
            self,
            experiment.name.title().replace("-", ""),
            description=experiment.description,
            role_arn=self._role(experiment),
            actions={experiment.name: self._action(experiment)},
            targets={"where": self._target(experiment)},
            stop_conditions=[
                template.ExperimentTemplateStopConditionProperty(
                    source="aws:cloudwatch:alarm",
                    value=self.arns.alarm(f"{self.topology.notice_prefix}{alarm}"),
                )
                for alarm in STOPS
            ],
            log_configuration=template.ExperimentTemplateLogConfigurationProperty(
                log_schema_version=2, cloud_watch_logs_configuration={"LogGroupArn": self._logs_arn}
            ),
            tags={"Name": self.topology.experiment(experiment.name), "baton:environment": self.config.name},
        )

    def _role(self, experiment: Experiment) -> str:
        return self._cutter if experiment.cuts else self._pauser if experiment.pauses else self._stopper

    def _action(self, experiment: Experiment) -> fis.CfnExperimentTemplate.ExperimentTemplateActionProperty:
        action = fis.CfnExperimentTemplate.ExperimentTemplateActionProperty
        if experiment.cuts:
            return action(
                action_id="aws:network:disrupt-connectivity",
                parameters={"duration": f"PT{_MINUTES}M", "scope": experiment.scope},
                targets={"Subnets": "where"},
            )
        if experiment.pauses:
            return action(
                action_id="aws:dynamodb:global-table-pause-replication",
                parameters={"duration": f"PT{_MINUTES}M"},
                targets={"Tables": "where"},
            )
        return action(action_id="aws:ecs:stop-task", targets={"Tasks": "where"})

    def _target(self, experiment: Experiment) -> fis.CfnExperimentTemplate.ExperimentTemplateTargetProperty:
        target = fis.CfnExperimentTemplate.ExperimentTemplateTargetProperty
        if experiment.cuts:
            zone = self.config.networks[self.region].availability_zones[0]
            return target(
                resource_type="aws:ec2:subnet",
                resource_tags={"baton:environment": self.config.name},
                parameters={"availabilityZoneIdentifier": zone} if experiment.one_zone else None,
                selection_mode=experiment.selection,
            )
        if experiment.pauses:
            ledger = self.arns.table(self.topology.ledger_table)
            return target(
                resource_type="aws:dynamodb:global-table", resource_arns=[ledger], selection_mode=experiment.selection
            )
        service = {"service": experiment.service} if experiment.service else {}
        return target(
            resource_type="aws:ecs:task",
            parameters={"cluster": self.topology.cluster, **service},
            selection_mode=experiment.selection,
        )


def _may_cut(arns: Arns) -> list[Statement]:
    """Return what FIS does to cut subnets off: it lends them an access list of its own.

    Source: "AWS FIS actions reference", `aws:network:disrupt-connectivity`.
    """
    reads = ("ec2:DescribeManagedPrefixLists", "ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ec2:DescribeVpcs")
    account = f"arn:aws:ec2:{arns.region}:{arns.topology.account_id}"
    acl = f"{account}:network-acl/*"
    made = {"StringEquals": {"aws:RequestTag/managedByFIS": "true"}}
    creates = {"StringEquals": {"ec2:CreateAction": "CreateNetworkAcl"}}
    own = {"StringEquals": {"ec2:ResourceTag/managedByFIS": "true"}}
    return [
        Statement("Look", reads, ("*",)),  # these have no resources
        Statement(
            "ReadPrefixes", ("ec2:GetManagedPrefixListEntries",), (f"arn:aws:ec2:{arns.region}:*:prefix-list/*",)
        ),
        Statement("MakeList", ("ec2:CreateNetworkAcl",), (acl,), made),
        Statement("MakeListIn", ("ec2:CreateNetworkAcl",), (f"{account}:vpc/*",)),
        Statement("TagList", ("ec2:CreateTags",), (acl,), creates),
        Statement("UseList", ("ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAcl"), (acl,), own),
        Statement("Swap", ("ec2:ReplaceNetworkAclAssociation",), (acl, f"{account}:subnet/*")),
    ]


def _may_stop(arns: Arns) -> list[Statement]:
    topology = arns.topology
    tasks = f"arn:aws:ecs:{arns.region}:{topology.account_id}:task/{topology.cluster}/*"
    return [
        Statement("Find", ("ecs:ListTasks",), ("*",), {"ArnEquals": {"ecs:cluster": arns.cluster()}}),
        Statement("Stop", ("ecs:DescribeTasks", "ecs:StopTask"), (tasks,)),
    ]


def _may_pause(ledger: str) -> list[Statement]:
    """Return what FIS needs to pause a table's replication; of a strongly consistent one it injects errors instead.

    Source: "AWS FIS actions reference", `aws:dynamodb:global-table-pause-replication`.
    """
    policy = ("dynamodb:DeleteResourcePolicy", "dynamodb:GetResourcePolicy", "dynamodb:PutResourcePolicy")
    return [
        Statement("Pause", ("dynamodb:DescribeTable", *policy), (ledger,)),
        Statement("Find", ("tag:GetResources",), ("*",)),  # it has no resources
        Statement("Inject", ("dynamodb:InjectError",), ("*",)),  # FIS names the table, not the policy
    ]


def _may_log() -> list[Statement]:
    actions = (
        "logs:CreateLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:PutResourcePolicy",
    )
    return [Statement("Log", actions, ("*",))]  # deliveries have no resources
