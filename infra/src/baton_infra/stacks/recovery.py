"""Stack: the switch (ARC routing controls or a Region switch plan), and the DNS record that follows it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_arcregionswitch as region_switch
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53recoverycontrol as arc
from constructs import Construct

from baton.model.control import SwitchBackend
from baton.model.routing import GATE, AssertionRule, SafetyRule, failover_panel
from baton.topology import Topology
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs.custom import custom_resource
from baton_infra.constructs.functions import LogLife, function
from baton_infra.constructs.roles import service_role
from baton_infra.declared.statements import Statement
from baton_infra.stacks.base import BatonStack
from baton_infra.stacks.network import NetworkStack

WAIT: Final = timedelta(seconds=60)
"""After a change ARC refuses the next one for so long, from any caller: a last brake on flapping."""
_TTL_SECONDS: Final = 10
_PLAN_CONTROL_PLANE: Final = "us-east-1"
_ARC_CONTROL_PLANE: Final = "us-west-2"


class RecoveryStack(BatonStack):
    """The switch: ARC's controls or plan, and the record that follows them. With `switch = "ledger"` there is none."""

    purpose = "recovery"

    def __init__(
        self, scope: Construct, config: EnvironmentConfig, region: str, *, networks: Mapping[str, NetworkStack]
    ) -> None:
        super().__init__(scope, config, region)
        self.controls: tuple[str, ...] = ()
        """ARNs of the routing controls, the home Region's first."""
        self.gate = ""
        self.plan_arn = ""
        self.switch_environment: Mapping[str, str] = {"BATON_SWITCH_KIND": config.switch.value}
        """`BATON_SWITCH_*` of the controllers."""
        self._networks = networks
        match config.switch:
            case SwitchBackend.ARC:
                self._arc()
            case SwitchBackend.REGION_SWITCH:
                self._region_switch()
            case SwitchBackend.LEDGER:
                # CloudFormation wants a stack to hold something, and an output is no thing.
                cdk.CfnWaitConditionHandle(self, "NoSwitch")

    def _arc(self) -> None:
        cluster = arc.CfnCluster(self, "Cluster", name=self.topology.cluster)
        panel = arc.CfnControlPanel(self, "Panel", name=self.topology.cluster, cluster_arn=cluster.attr_cluster_arn)
        # The same rules as those of the stand-in that every test of a handover runs against.
        wanted = failover_panel(self.config.regions, wait=WAIT)
        arns = {name: self._control(name, cluster, panel) for name in wanted.states}
        earlier: arc.CfnSafetyRule | None = None
        for rule in wanted.rules:
            made = self._rule(rule, panel, arns)
            if earlier is not None:  # a panel is changed by one at a time
                made.add_resource_dependency(earlier)
            earlier = made
        self.controls = tuple(arns[region] for region in self.config.regions)
        self.gate = arns[GATE]
        asked = Statement("Ask", ("route53-recovery-control-config:DescribeCluster",), (cluster.attr_cluster_arn,))
        found = self._look_up(asked, {"Region": _ARC_CONTROL_PLANE, "ClusterArn": cluster.attr_cluster_arn})
        endpoints = cdk.Token.as_string(found.get_att("Endpoints"))
        pairs = [f"{region}={arn}" for region, arn in zip(self.config.regions, self.controls, strict=True)]
        self.switch_environment = {
            **self.switch_environment,
            "BATON_SWITCH_ENDPOINTS": endpoints,
            "BATON_SWITCH_CONTROLS": ",".join(pairs),
        }
        checks = [self._health_check(index, arn) for index, arn in enumerate(self.controls)]
        self._records(self._zone(), checks)
        cdk.CfnOutput(self, "ClusterEndpoints", value=endpoints)
        cdk.CfnOutput(self, "RoutingControls", value=",".join(pairs))
        cdk.CfnOutput(self, "GateControl", value=self.gate)

    def _control(self, name: str, cluster: arc.CfnCluster, panel: arc.CfnControlPanel) -> str:
        place = "Gate" if name == GATE else f"Control{self.config.regions.index(name)}"
        made = arc.CfnRoutingControl(
            self,
            place,
            name=name,
            cluster_arn=cluster.attr_cluster_arn,
            control_panel_arn=panel.attr_control_panel_arn,
        )
        return made.attr_routing_control_arn

    def _rule(self, rule: SafetyRule, panel: arc.CfnControlPanel, arns: Mapping[str, str]) -> arc.CfnSafetyRule:
        wait_ms = rule.wait.total_seconds() * 1_000
        targets = [arns[name] for name in rule.targets]
        kind: dict[str, Any]
        if isinstance(rule, AssertionRule):
            asserted = arc.CfnSafetyRule.AssertionRuleProperty(asserted_controls=targets, wait_period_ms=wait_ms)
            kind = {"assertion_rule": asserted}
        else:
            gating = arc.CfnSafetyRule.GatingRuleProperty(
                gating_controls=[arns[name] for name in rule.gates], target_controls=targets, wait_period_ms=wait_ms
            )
            kind = {"gating_rule": gating}
        return arc.CfnSafetyRule(
            self,
            "".join(word.title() for word in rule.name.split("-")),
            name=rule.name,
            control_panel_arn=panel.attr_control_panel_arn,
            rule_config=arc.CfnSafetyRule.RuleConfigProperty(
                type=rule.config.type.value, threshold=rule.config.threshold, inverted=rule.config.inverted
            ),
            **kind,
        )

    def _health_check(self, index: int, control_arn: str) -> str:
        made = route53.CfnHealthCheck(
            self,
            f"HealthCheck{index}",
            health_check_config=route53.CfnHealthCheck.HealthCheckConfigProperty(
                type="RECOVERY_CONTROL", routing_control_arn=control_arn
            ),
        )
        return made.attr_health_check_id

    def _zone(self) -> str:
        """Return the zone of the record: the one that the environment names, or a private one of Baton's networks."""
        record = self.config.record
        if record and record.zone_id:
            return record.zone_id
        own = [(network.vpc_id, network.region) for network in self._networks.values()]
        further = [(vpc.vpc_id, vpc.region) for vpc in record.vpcs] if record else []
        vpcs = [
            route53.CfnHostedZone.VPCProperty(vpc_id=vpc_id, vpc_region=region) for vpc_id, region in (*own, *further)
        ]
        name = self.topology.active_record.partition(".")[2]
        return route53.CfnHostedZone(self, "Zone", name=f"{name}.", vpcs=vpcs).attr_id

    def _records(self, zone: str, checks: Sequence[str]) -> None:
        """Declare the record that says which Region is active: for people and clients, never for permission."""
        for index, (region, role, check) in enumerate(
            zip(self.config.regions, ("PRIMARY", "SECONDARY"), checks, strict=True)
        ):
            route53.CfnRecordSet(
                self,
                f"Active{index}",
                hosted_zone_id=zone,
                name=f"{self.config.active_record}.",
                type="TXT",
                ttl=str(_TTL_SECONDS),
                resource_records=[f'"{region}"'],
                set_identifier=region,
                failover=role,
                health_check_id=check,
            )

    def _region_switch(self) -> None:
        zone = self._zone()
        role_name = self.topology.role("plan", self.region)
        role = service_role(
            self,
            "PlanRole",
            principal="arc-region-switch.amazonaws.com",
            statements=[_to_turn(zone), *_to_execute(self.arns.role(role_name), self.topology)],
            role_name=role_name,
            conditions={"StringEquals": {"aws:SourceAccount": self.config.account_id}},
        )
        plan = region_switch.CfnPlan(
            self,
            "Plan",
            name=self.topology.plan,
            description="Which Region is active, for the record that says so",
            execution_role=role.attr_arn,
            recovery_approach="activePassive",
            primary_region=self.config.home,
            regions=list(self.config.regions),
            workflows=[self._workflow(region, zone) for region in self.config.regions],
        )
        self.plan_arn = plan.attr_arn
        asked = Statement("Ask", ("arc-region-switch:ListRoute53HealthChecks",), (plan.attr_arn,))
        found = self._look_up(
            asked, {"Region": _PLAN_CONTROL_PLANE, "PlanArn": plan.attr_arn, "Regions": list(self.config.regions)}
        )
        self._records(zone, [cdk.Token.as_string(found.get_att(name)) for name in ("First", "Second")])
        self.switch_environment = {**self.switch_environment, "BATON_SWITCH_PLAN": self.plan_arn}
        cdk.CfnOutput(self, "SwitchPlan", value=self.plan_arn)

    def _workflow(self, region: str, zone: str) -> region_switch.CfnPlan.WorkflowProperty:
        """Return what makes a Region the active one: its health check becomes healthy, the other's unhealthy."""
        plan = region_switch.CfnPlan
        turn = plan.Route53HealthCheckConfigurationProperty(
            hosted_zone_id=zone,
            record_name=self.config.active_record,
            timeout_minutes=5,
            record_sets=[
                plan.Route53ResourceRecordSetProperty(record_set_identifier=each, region=each)
                for each in self.config.regions
            ],
        )
        step = plan.StepProperty(
            name="turn-the-record",
            execution_block_type="Route53HealthCheck",
            execution_block_configuration=plan.ExecutionBlockConfigurationProperty(route53_health_check_config=turn),
        )
        return plan.WorkflowProperty(workflow_target_action="activate", workflow_target_region=region, steps=[step])

    def _look_up(self, allowed: Statement, properties: dict[str, Any]) -> cdk.CfnResource:
        made = function(
            self,
            "Lookup",
            arns=self.arns,
            function_name=self.topology.lookup_function,
            handler="baton_functions.lookup.handler",
            statements=[allowed],
            log_life=LogLife(self.config.log_days),
            timeout_seconds=300,
        )
        return custom_resource(self, "Found", "Lookup", made, properties)


def _to_execute(role_arn: str, topology: Topology) -> list[Statement]:
    """Return what every plan's role needs: ARC checks with it that the role may do what the plan's steps do.

    Source: "IAM permissions" of Region switch, Amazon Application Recovery Controller Developer Guide.
    """
    plan = f"arn:aws:arc-region-switch::{topology.account_id}:plan/{topology.plan}:*"
    reads = ("GetPlan", "GetPlanExecution", "ListPlanExecutions")
    return [
        Statement("CheckItself", ("iam:SimulatePrincipalPolicy",), (role_arn,)),
        Statement("ReadPlan", tuple(f"arc-region-switch:{each}" for each in reads), (plan,)),
    ]


def _to_turn(zone: str) -> Statement:
    return Statement("ReadRecords", ("route53:ListResourceRecordSets",), (f"arn:aws:route53:::hostedzone/{zone}",))
