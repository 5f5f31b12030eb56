"""Stack: one Region's services on ECS Fargate."""

from typing import Final

from aws_cdk import aws_ecs as ecs
from constructs import Construct

from baton.messages import Kind
from baton.topology import CONTROLLER
from baton_infra.config import UNBUILT, EnvironmentConfig
from baton_infra.constructs.fargate import Container, TaskPlace, TaskPlan, fargate_service
from baton_infra.constructs.scaling import backlog_scaling, scaling_from_none
from baton_infra.declared import environment, policies, union
from baton_infra.sizes import HEALTH_PORTS, SHARED, SHARED_MEMORY_MIB
from baton_infra.stacks.base import BatonStack
from baton_infra.stacks.network import NetworkStack
from baton_infra.stacks.recovery import RecoveryStack
from baton_infra.stacks.routing import RoutingStack

CONSUMES: Final[dict[str, Kind]] = {"splitter": "split", "worker": "chunk", "merger": "merge", "notifier": "notify"}


class ComputeStack(BatonStack):
    """One Region's services on ECS Fargate. The standby's run as well: taking over needs no control plane.

    A lean environment has one task for all of them, and workers beside it while chunks wait.
    """

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
        for service in config.services:
            plan = self._plan(service, routing, recovery)
            made = fargate_service(self, self.arns, plan, self._place(service, cluster, network))
            made.add_resource_dependency(providers)
            if not plan.tasks.tasks_min:
                scaling_from_none(self, made, service, CONSUMES[service], plan.tasks, self.topology)
            elif service in CONSUMES:
                backlog_scaling(self, made, service, CONSUMES[service], plan.tasks, self.topology)

    def _place(self, service: str, cluster: str, network: NetworkStack) -> TaskPlace:
        """Return where a service runs: the controller, and in a lean environment all, where there is a way out."""
        if service == CONTROLLER or self.config.is_lean:
            subnets = [each.ref for each in network.egress_subnets]
            return TaskPlace(cluster, subnets, network.controller_group.attr_group_id, public=True)
        assert network.service_group is not None
        return TaskPlace(cluster, [each.ref for each in network.private_subnets], network.service_group.attr_group_id)

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

    def _plan(self, service: str, routing: RoutingStack, recovery: RecoveryStack) -> TaskPlan:
        config, shares = self.config, service == SHARED
        reach = self._reach(routing, recovery)
        names = config.services[service]
        return TaskPlan(
            service=service,
            # The controller's: by it, it asks for its rights, and signs links.
            role=CONTROLLER if shares else service,
            tasks=config.tasks_of(service),
            containers=[self._container(name, routing, recovery, shares=shares) for name in names],
            statements=union.of_services(names, reach) if shares else policies.of_service(service, reach),
            exec=config.exec,
        )

    def _reach(self, routing: RoutingStack, recovery: RecoveryStack) -> policies.RoleScope:
        config = self.config
        return policies.RoleScope(
            self.topology,
            self.region,
            sender=config.sender.spec,
            customer_keys=config.customer_keys,
            exec=config.exec,
            mrap_arn=routing.mrap_arn,
            switch=config.switch,
            controls=recovery.controls,
            plan_arn=recovery.plan_arn,
            always_run=config.always_run,
        )

    def _container(self, service: str, routing: RoutingStack, recovery: RecoveryStack, *, shares: bool) -> Container:
        config = self.config
        own = environment.of_service(service, config, mrap_arn=routing.mrap_arn, switch=recovery.switch_environment)
        return Container(
            service=service,
            digest=config.images.get(service, UNBUILT),
            environment={**self.world_environment, **own, **(environment.of_shared(service) if shares else {})},
            memory_mib=SHARED_MEMORY_MIB[service] if shares else None,
            health_port=HEALTH_PORTS[service] if shares else None,
        )
