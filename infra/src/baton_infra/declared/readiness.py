"""The checks that a controller makes before its Region counts as ready, and the rights for them. All are read-only."""

from collections.abc import Iterable, Mapping

from baton.aws.provisions import QUOTAS
from baton_infra.config import EnvironmentConfig
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement


def statements(here: Arns, asked: Iterable[str]) -> tuple[Statement, ...]:
    """Allow to ask for mail, links, tasks, room for more of them, and for the rights of the controller's own role.

    `asked`: the ECS services that always run.
    """
    role = here.role(here.topology.role("failover-controller", here.region))
    services = tuple(here.ecs_service(service) for service in asked)
    quotas = tuple(here.quota("fargate", code) for code in QUOTAS.values())
    return (
        # Neither has resources.
        Statement("AskMail", ("ses:GetAccount", "ses:GetIdentityVerificationAttributes"), ("*",)),
        Statement("SignLinks", ("sts:AssumeRole",), (here.role(here.topology.link_role),)),
        Statement("AskTasks", ("ecs:DescribeServices",), services),
        Statement("AskRoom", ("servicequotas:GetServiceQuota",), quotas),
        Statement("AskRights", ("iam:SimulatePrincipalPolicy",), (role,)),
    )


def environment(config: EnvironmentConfig) -> Mapping[str, str]:
    """Return `BATON_READINESS_*` of the controllers."""
    return {
        "BATON_READINESS_SENDER": config.sender.spec,
        "BATON_READINESS_RIGHTS": "true",
        "BATON_READINESS_LINK": "true",
        "BATON_READINESS_SERVICES": ",".join(config.always_run),  # others start when there is something to do
        "BATON_READINESS_VCPUS": ",".join(f"{kind}={vcpus:g}" for kind, vcpus in vcpus_of(config).items()),
    }


def vcpus_of(config: EnvironmentConfig) -> Mapping[str, float]:
    """Return what all services may grow to, by the kind of Fargate whose quota counts it."""
    found = dict.fromkeys(QUOTAS, 0.0)
    for service in config.services:
        tasks = config.tasks_of(service)
        firm = min(tasks.on_demand_base, tasks.tasks_max) if tasks.spot else tasks.tasks_max
        found["fargate"] += firm * tasks.cpu / 1024
        found["fargate-spot"] += (tasks.tasks_max - firm) * tasks.cpu / 1024
    return {kind: vcpus for kind, vcpus in found.items() if vcpus}
