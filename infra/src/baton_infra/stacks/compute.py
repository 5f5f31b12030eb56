"""Stack: one Region's services on ECS Fargate."""

from typing import Final

from aws_cdk import aws_ecs as ecs
from constructs import Construct

from baton.messages import Kind
from baton.topology import SERVICES
from baton_infra.config import UNBUILT, EnvironmentConfig
from baton_infra.constructs.fargate import Container, TaskPlace, fargate_service
from baton_infra.constructs.scaling import backlog_scaling
from baton_infra.declared import environment, policies
from baton_infra.stacks.base import BatonStack
from baton_infra.stacks.network import NetworkStack
from baton_infra.stacks.recovery import RecoveryStack
from baton_infra.stacks.routing import RoutingStack

CONSUMES: Final[dict[str, Kind]] = {"splitter": "split", "worker": "chunk", "merger": "merge", "notifier": "notify"}
_CONTROLLER: Final = "failover-controller"


class ComputeStack(BatonStack):
    """One Region's services on ECS Fargate. The standby's run as well: taking over needs no control plane."""

    purpose = "compute"

    def __init__(
        self,
        scope: Construct,
        config: EnvironmentConfig,
        region: str,
        *,
        network: NetworkStack,
        routing: RoutingStack,
        recovery: RecoveryStack,
    ) -> None:
        super().__init__(scope, config, region)
        cluster, providers = self._cluster()
        private = TaskPlace(
            cluster, [each.ref for each in network.private_subnets], network.service_group.attr_group_id
        )
        egress = TaskPlace(
            cluster,
            [each.ref for each in network.egress_subnets],
            network.controller_group.attr_group_id,
            public=True,
        )
        for service in SERVICES:
            container = self._container(service, routing, recovery)
            place = egress if service == _CONTROLLER else private
            made = fargate_service(self, self.arns, container, place)
            made.add_resource_dependency(providers)
            if service in CONSUMES:
                backlog_scaling(self, made, service, CONSUMES[service], container.tasks, self.topology)

    def _cluster(self) -> tuple[str, ecs.CfnClusterCapacityProviderAssociations]:
        cluster = ecs.CfnCluster(
            self,
            "Cluster",
            cluster_name=self.topology.cluster,
            # ECS counts running tasks for nothing. Said here, or an account's own default could switch it on.
            cluster_settings=[ecs.CfnCluster.ClusterSettingsProperty(name="containerInsights", value="disabled")],
        )
        providers = ecs.CfnClusterCapacityProviderAssociations(
            self,
            "Capacity",
            cluster=cluster.ref,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            default_capacity_provider_strategy=[],
        )
        return cluster.ref, providers

    def _container(self, service: str, routing: RoutingStack, recovery: RecoveryStack) -> Container:
        config = self.config
        reach = policies.RoleScope(
            self.topology,
            self.region,
            sender=config.sender.spec,
            customer_keys=config.customer_keys,
            exec=config.exec,
            mrap_arn=routing.mrap_arn,
            switch=config.switch,
            controls=recovery.controls,
            plan_arn=recovery.plan_arn,
        )
        own = environment.of_service(service, config, mrap_arn=routing.mrap_arn, switch=recovery.switch_environment)
        return Container(
            service=service,
            digest=config.images.get(service, UNBUILT),
            tasks=config.tasks_of(service),
            environment={**self.world_environment, **own},
            statements=policies.of_service(service, reach),
            exec=config.exec,
        )
