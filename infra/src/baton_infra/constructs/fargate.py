"""A service on ECS Fargate: hardened, and stopped with the grace period that `baton.runner` needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import aws_ecs as ecs
from constructs import Construct

from baton_infra.constructs.roles import service_role
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement
from baton_infra.sizes import Tasks

STOP_SECONDS: Final = 120
"""Fargate's maximum, above the runner's grace of 90 s: a stopped task hands back what it holds."""
USER: Final = "10001:10001"
_HEALTH: Final = ["CMD", "python", "-I", "-S", "/app/src/baton/probe.py"]
"""The image's own check: ECS does not read it from the image."""
_RESTART_SECONDS_MIN: Final = 60
"""Of ECS. A container that ends sooner is not started again: its task ends, and the deployment's circuit breaker
counts it."""
_EXEC_WRITES: Final = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")
"""Where the agent of ECS Exec writes: the one thing that a read-only root keeps from working.
Source: aws/containers-roadmap#1359."""


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """Where a service's tasks run, and under whose guard."""

    cluster: str
    subnets: Sequence[str]
    group: str
    public: bool = False
    """With a public address: egress for a service that needs it."""


@dataclass(frozen=True, slots=True)
class Container:
    """One service's part of a task."""

    service: str
    digest: str
    environment: Mapping[str, str]
    memory_mib: int | None = None
    """Where it shares its task: what it may take of the memory."""
    health_port: int | None = None
    """Where it shares its task; otherwise the image's own."""


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """What an ECS service runs."""

    service: str
    """Name of the ECS service."""
    role: str
    """Whose role the task has, by which others know it."""
    tasks: Tasks
    containers: Sequence[Container]
    statements: Sequence[Statement]
    """What the task itself may do."""
    exec: bool = False
    """Allow a shell in it (ECS Exec)."""


def fargate_service(scope: Construct, arns: Arns, plan: TaskPlan, place: TaskPlace) -> ecs.CfnService:
    """Make a service, its task definition and its roles. Its log groups are made before, with the data."""
    name = plan.service.title().replace("-", "")
    definition = _task_definition(scope, name, arns, plan)
    network = ecs.CfnService.AwsVpcConfigurationProperty(
        subnets=list(place.subnets),
        security_groups=[place.group],
        assign_public_ip="ENABLED" if place.public else "DISABLED",
    )
    return ecs.CfnService(
        scope,
        name,
        service_name=plan.service,
        cluster=place.cluster,
        task_definition=definition.ref,
        platform_version="1.4.0",
        capacity_provider_strategy=_capacity(plan.tasks),
        network_configuration=ecs.CfnService.NetworkConfigurationProperty(awsvpc_configuration=network),
        deployment_configuration=ecs.CfnService.DeploymentConfigurationProperty(
            deployment_circuit_breaker=ecs.CfnService.DeploymentCircuitBreakerProperty(enable=True, rollback=True),
            # The new tasks are healthy before the old ones are stopped.
            minimum_healthy_percent=100,
            maximum_percent=200,
        ),
        availability_zone_rebalancing="ENABLED",
        enable_execute_command=plan.exec,
        propagate_tags="SERVICE",
        **_count(plan.tasks),
    )


def _count(tasks: Tasks) -> dict[str, Any]:
    """Return how many tasks to run; where scaling decides, nothing: a deployment shall not undo that."""
    return {} if tasks.tasks_max > tasks.tasks_min else {"desired_count": tasks.tasks_min}


def _capacity(tasks: Tasks) -> list[ecs.CfnService.CapacityProviderStrategyItemProperty]:
    item = ecs.CfnService.CapacityProviderStrategyItemProperty
    if not tasks.spot:
        return [item(capacity_provider="FARGATE", weight=1)]
    on_demand = item(capacity_provider="FARGATE", base=tasks.on_demand_base, weight=0)
    return [*([on_demand] if tasks.on_demand_base else []), item(capacity_provider="FARGATE_SPOT", weight=1)]


def _task_definition(scope: Construct, name: str, arns: Arns, plan: TaskPlan) -> ecs.CfnTaskDefinition:
    topology, region = arns.topology, arns.region
    task_role = service_role(
        scope,
        f"{name}Role",
        principal="ecs-tasks.amazonaws.com",
        statements=plan.statements,
        role_name=topology.role(plan.role, region),
        conditions={"StringEquals": {"aws:SourceAccount": topology.account_id}},
    )
    start_role = service_role(
        scope, f"{name}StartRole", principal="ecs-tasks.amazonaws.com", statements=_to_start(arns, plan)
    )
    return ecs.CfnTaskDefinition(
        scope,
        f"{name}Task",
        family=f"{topology.cluster}-{plan.service}",
        cpu=str(plan.tasks.cpu),
        memory=str(plan.tasks.memory_mib),
        network_mode="awsvpc",
        requires_compatibilities=["FARGATE"],
        runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
            cpu_architecture="ARM64", operating_system_family="LINUX"
        ),
        task_role_arn=task_role.attr_arn,
        execution_role_arn=start_role.attr_arn,
        container_definitions=[_container(arns, container, shell=plan.exec) for container in plan.containers],
        volumes=[ecs.CfnTaskDefinition.VolumeProperty(name=_volume(path)) for path in _writable(shell=plan.exec)],
    )


def _container(arns: Arns, container: Container, *, shell: bool) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
    topology, define = arns.topology, ecs.CfnTaskDefinition
    registry = f"{topology.account_id}.dkr.ecr.{arns.region}.amazonaws.com"
    pairs = define.KeyValuePairProperty
    return define.ContainerDefinitionProperty(
        name=container.service,
        image=f"{registry}/{topology.repository(container.service)}@{container.digest}",
        essential=True,
        # In place within seconds, once it ran for this long: a new task takes a minute, in which canaries fail.
        restart_policy=define.RestartPolicyProperty(enabled=True, restart_attempt_period=_RESTART_SECONDS_MIN),
        user=USER,
        readonly_root_filesystem=True,
        mount_points=[
            define.MountPointProperty(container_path=path, source_volume=_volume(path), read_only=False)
            for path in _writable(shell=shell)
        ],
        privileged=False,
        linux_parameters=define.LinuxParametersProperty(
            init_process_enabled=True, capabilities=define.KernelCapabilitiesProperty(drop=["ALL"])
        ),
        stop_timeout=STOP_SECONDS,
        memory=container.memory_mib,
        health_check=define.HealthCheckProperty(
            command=_health(container), interval=15, timeout=5, retries=3, start_period=60
        ),
        environment=[pairs(name=name, value=value) for name, value in sorted(container.environment.items())],
        log_configuration=define.LogConfigurationProperty(
            log_driver="awslogs",
            options={
                "awslogs-group": topology.log_group(container.service),
                "awslogs-region": arns.region,
                "awslogs-stream-prefix": "task",
                # Rather a lost line than a service that waits for the one that stores lines.
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },
        ),
    )


def _writable(*, shell: bool) -> tuple[str, ...]:
    return _EXEC_WRITES if shell else ()


def _volume(path: str) -> str:
    return path.strip("/").replace("/", "-")


def _health(container: Container) -> list[str]:
    return [*_HEALTH, *([str(container.health_port)] if container.health_port else [])]


def _to_start(arns: Arns, plan: TaskPlan) -> list[Statement]:
    """Return what Fargate itself does before a container runs."""
    topology = arns.topology
    pull = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    log = ("logs:CreateLogStream", "logs:PutLogEvents")
    return [
        Statement("Login", ("ecr:GetAuthorizationToken",), ("*",)),  # it has no resources
        Statement("Pull", pull, tuple(arns.repository(topology.repository(each.service)) for each in plan.containers)),
        Statement(
            "Log", log, tuple(f"{arns.log_group(topology.log_group(each.service))}:*" for each in plan.containers)
        ),
    ]
