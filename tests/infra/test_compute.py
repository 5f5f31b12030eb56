"""The services on Fargate: what ECS declares for each, compared with the image, the runner and the queues."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from baton.messages import OF_USERS
from baton.settings import RunnerSettings
from baton.topology import CONTROLLER, REGIONS_DEFAULT
from baton_infra import config
from baton_infra.constructs.scaling import MESSAGE_SECONDS, WAIT_SECONDS
from baton_infra.declared.names import Arns
from baton_infra.sizes import HEALTH_PORTS, SHARED, SHARED_MEMORY_MIB, SHARED_TASK
from baton_infra.stacks.compute import CONSUMES
from synthesized import resources, templates
from template_reading import Templates, listed, logical_id, planted, statements

DOCKERFILE: Final = (Path(__file__).parents[2] / "Dockerfile").read_text()
GRACE_SECONDS: Final[float] = RunnerSettings.model_fields["grace_seconds"].default
HOME: Final = "compute-us-east-1"

everywhere = pytest.mark.parametrize("environment", config.names())
in_each = pytest.mark.parametrize("region", REGIONS_DEFAULT)


def _services(found: Templates, region: str) -> dict[str, Mapping[str, Any]]:
    each = resources(found[f"compute-{region}"], "AWS::ECS::Service").values()
    return {service["Properties"]["ServiceName"]: service["Properties"] for service in each}


def _tasks(found: Templates, region: str) -> dict[str, Mapping[str, Any]]:
    """Return the task definition that each service runs."""
    defined = resources(found[f"compute-{region}"], "AWS::ECS::TaskDefinition")
    services = _services(found, region).items()
    return {name: defined[logical_id(found, each["TaskDefinition"])]["Properties"] for name, each in services}


def _containers(found: Templates, region: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each container of each service's task with the service's name."""
    for name, task in _tasks(found, region).items():
        yield from ((name, container) for container in task["ContainerDefinitions"])


def _check(container: Mapping[str, Any], command: list[str]) -> list[str]:
    """Return how a container has to be asked: by the image's command, and by its own port if it has one."""
    ports = [each["Value"] for each in container["Environment"] if each["Name"] == "BATON_RUNNER_HEALTH_PORT"]
    return ["CMD", *command, *ports]


def _soft(found: Templates, region: str) -> Iterator[str]:
    """Yield how a container is less closed, or less gently stopped, than all should be."""
    user = re.search(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    check = re.search(r"^HEALTHCHECK .*\\\n  CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert user
    assert check
    wanted = {
        "User": user[1],
        "ReadonlyRootFilesystem": True,
        "Privileged": False,
        "LinuxParameters": {"Capabilities": {"Drop": ["ALL"]}, "InitProcessEnabled": True},
        "Essential": True,
        "RestartPolicy": {"Enabled": True, "RestartAttemptPeriod": 60},
    }
    for name, container in _containers(found, region):
        yield from (f"{name}: {key}" for key, value in wanted.items() if container.get(key) != value)
        if container["HealthCheck"]["Command"] != _check(container, json.loads(check[1])):
            yield f"{name}: not the image's own health check"
        # Fargate gives two minutes at most; the runner must be through before, its logs and its init process too.
        if not GRACE_SECONDS + 10 <= container["StopTimeout"] <= 120:
            yield f"{name}: StopTimeout"
    for name, task in _tasks(found, region).items():
        if task["RuntimePlatform"] != {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}:
            yield f"{name}: RuntimePlatform"


@everywhere
@in_each
def test_containers_are_closed_and_gently_stopped(environment: str, region: str) -> None:
    assert _tasks(templates(environment), region).keys() == config.load(environment).services.keys()
    assert not list(_soft(templates(environment), region))


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("User", "0", "User"),
        ("ReadonlyRootFilesystem", False, "ReadonlyRootFilesystem"),
        ("LinuxParameters", {"InitProcessEnabled": True}, "LinuxParameters"),
        ("RestartPolicy", {"Enabled": True}, "RestartPolicy"),
        ("StopTimeout", 90, "StopTimeout"),
        ("StopTimeout", 500, "StopTimeout"),
        ("HealthCheck", {"Command": ["CMD", "true"]}, "not the image's own health check"),
    ],
)
def test_a_soft_container_would_be_found(key: str, value: object, finding: str) -> None:
    (container,) = _tasks(templates("prod"), "us-east-1")["merger"]["ContainerDefinitions"]
    found = planted(templates("prod"), HOME, "MergerTask", ContainerDefinitions=[{**container, key: value}])

    assert list(_soft(found, "us-east-1")) == [f"merger: {finding}"]


@everywhere
@in_each
def test_images_are_of_this_region_and_by_digest(environment: str, region: str) -> None:
    """A Region starts tasks while the other one is gone."""
    found, account_id = templates(environment), config.load(environment).account_id
    images = resources(found[f"images-{region}"], "AWS::ECR::Repository").values()
    repositories = {each["Properties"]["RepositoryName"] for each in images}

    for _, container in _containers(found, region):
        address, _, digest = container["Image"].partition("@")
        registry, _, repository = address.partition("/")

        assert registry == f"{account_id}.dkr.ecr.{region}.amazonaws.com"
        assert repository in repositories
        assert repository.endswith(f"/{container['Name']}")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)


@everywhere
@in_each
def test_lines_go_to_the_services_own_group_and_never_hold_it_up(environment: str, region: str) -> None:
    found, settings = templates(environment), config.load(environment)
    groups = {
        each["Properties"]["LogGroupName"]: each["Properties"]["RetentionInDays"]
        for each in resources(found[f"data-{region}"], "AWS::Logs::LogGroup").values()
    }

    for _, container in _containers(found, region):
        logs = container["LogConfiguration"]

        assert logs["Options"]["awslogs-group"] == settings.topology.log_group(container["Name"])
        assert groups[logs["Options"]["awslogs-group"]] == settings.log_days
        assert (logs["Options"]["mode"], logs["Options"]["awslogs-region"]) == ("non-blocking", region)


@everywhere
@in_each
def test_a_deployment_that_fails_is_taken_back_and_starts_new_tasks_before_it_stops_old_ones(
    environment: str, region: str
) -> None:
    for service in _services(templates(environment), region).values():
        assert service["DeploymentConfiguration"] == {
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
            "MinimumHealthyPercent": 100,
            "MaximumPercent": 200,
        }
        assert service["AvailabilityZoneRebalancing"] == "ENABLED"


@everywhere
@in_each
def test_a_shell_needs_the_setting_and_something_to_write_to(environment: str, region: str) -> None:
    found, wanted = templates(environment), config.load(environment).exec
    for name, service in _services(found, region).items():
        task = _tasks(found, region)[name]
        assert service["EnableExecuteCommand"] is wanted
        for container in task["ContainerDefinitions"]:
            mounts = {each["SourceVolume"]: each for each in container["MountPoints"]}
            assert bool(mounts) is wanted
            assert mounts.keys() == {each["Name"] for each in task["Volumes"]}
            assert not any(each["ReadOnly"] for each in mounts.values())


@everywhere
@in_each
def test_only_workers_run_on_spot_above_their_base(environment: str, region: str) -> None:
    base = config.load(environment).tasks_of("worker").on_demand_base
    on_demand = [{"CapacityProvider": "FARGATE", "Weight": 1}]
    spot = [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]
    first = [{"CapacityProvider": "FARGATE", "Base": base, "Weight": 0}] if base else []

    for name, service in _services(templates(environment), region).items():
        assert service["CapacityProviderStrategy"] == ([*first, *spot] if name == "worker" else on_demand), name
    (offered,) = resources(
        templates(environment)[f"compute-{region}"], "AWS::ECS::ClusterCapacityProviderAssociations"
    ).values()
    assert set(offered["Properties"]["CapacityProviders"]) == {"FARGATE", "FARGATE_SPOT"}


@everywhere
@in_each
def test_tasks_run_under_the_services_own_role_and_are_started_by_one_that_can_do_no_more(
    environment: str, region: str
) -> None:
    found, settings = templates(environment), config.load(environment)
    topology = settings.topology
    arns = Arns(topology, region)
    roles = resources(found[f"compute-{region}"], "AWS::IAM::Role")

    for name, task in _tasks(found, region).items():
        own, starts = (roles[logical_id(found, task[key])] for key in ("TaskRoleArn", "ExecutionRoleArn"))
        allowed = {each["Sid"]: set(listed(each["Resource"])) for each in statements(starts)}

        assert own["Properties"]["RoleName"] == topology.role(CONTROLLER if name == SHARED else name, region)
        assert allowed == {
            "Login": {"*"},
            "Pull": {arns.repository(topology.repository(each)) for each in settings.services[name]},
            "Log": {f"{arns.log_group(topology.log_group(each))}:*" for each in settings.services[name]},
        }
        for role in (own, starts):
            (trusted,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}


# --- how many


def _policies(found: Templates, region: str, kind: str) -> dict[str, Mapping[str, Any]]:
    """Return the scaling policies of one type by the service that they scale."""
    template = found[f"compute-{region}"]
    targets = resources(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    policies = [
        each["Properties"] for each in resources(template, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
    ]
    return {
        targets[logical_id(found, each["ScalingTargetId"])]["Properties"]["ResourceId"].split("/")[-1]: each
        for each in policies
        if each["PolicyType"] == kind
    }


def _targets(found: Templates, region: str) -> dict[str, Mapping[str, Any]]:
    targets = resources(found[f"compute-{region}"], "AWS::ApplicationAutoScaling::ScalableTarget").values()
    return {each["Properties"]["ResourceId"]: each["Properties"] for each in targets}


@everywhere
@in_each
def test_each_service_with_a_queue_is_scaled_within_its_bounds(environment: str, region: str) -> None:
    settings = config.load(environment)
    bounds = {
        f"service/{settings.topology.cluster}/{name}": (
            settings.tasks_of(name).tasks_min,
            settings.tasks_of(name).tasks_max,
        )
        for name in CONSUMES.keys() & settings.services.keys()
    }

    found = _targets(templates(environment), region)

    assert {name: (each["MinCapacity"], each["MaxCapacity"]) for name, each in found.items()} == bounds


@everywhere
@in_each
def test_a_deployment_does_not_undo_what_scaling_did(environment: str, region: str) -> None:
    counts = {name: each.get("DesiredCount") for name, each in _services(templates(environment), region).items()}

    scaled = dict.fromkeys(config.load(environment).services)
    assert counts == {**scaled, (SHARED if SHARED in scaled else CONTROLLER): 1}


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_the_standby_is_warm(environment: str) -> None:
    """Both Regions' tasks run before anything happens: in an incident nobody asks a control plane to start some."""
    for region in REGIONS_DEFAULT:
        assert all(each["MinCapacity"] >= 1 for each in _targets(templates(environment), region).values())


def _lost(found: Templates, region: str, environment: str) -> Iterator[str]:
    """Yield what a policy looks at that nobody measures."""
    topology = config.load(environment).topology
    for service, policy in _policies(found, region, "TargetTrackingScaling").items():
        specification = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
        *metrics, backlog = specification["Metrics"]
        seen = {each["Id"]: each["MetricStat"]["Metric"] for each in metrics}
        dimensions = {
            label: {each["Name"]: each["Value"] for each in metric["Dimensions"]} for label, metric in seen.items()
        }
        wanted = {
            **{lane: {"QueueName": topology.queue(CONSUMES[service], lane).name} for lane in OF_USERS},
            "running": {"ClusterName": topology.cluster, "ServiceName": service},
        }
        # Of CPUUtilization, as many samples a minute as tasks run: what Container Insights would count, for nothing.
        running = next(each["MetricStat"] for each in metrics if each["Id"] == "running")
        if (running["Metric"]["MetricName"], running["Stat"]) != ("CPUUtilization", "SampleCount"):
            yield f"{service}: counts no tasks"
        if dimensions != wanted:
            yield f"{service}: looks at {dimensions}"
        if set(re.findall(r"[a-z]\w*", backlog["Expression"])) != seen.keys():
            yield f"{service}: {backlog['Expression']}"
        if [each["ReturnData"] for each in specification["Metrics"]] != [*(False for _ in metrics), True]:
            yield f"{service}: returns more than its backlog"


@everywhere
@in_each
def test_backlogs_are_of_the_services_own_queue_and_tasks(environment: str, region: str) -> None:
    found = templates(environment)
    tracked = _policies(found, region, "TargetTrackingScaling")

    services = config.load(environment).services
    assert tracked.keys() == (set() if SHARED in services else CONSUMES.keys())
    assert not list(_lost(found, region, environment))
    for service, policy in tracked.items():
        wanted = policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        assert wanted * MESSAGE_SECONDS[CONSUMES[service]] == WAIT_SECONDS


def test_a_policy_that_looks_at_nothing_would_be_found() -> None:
    found = templates("prod")
    policy = _policies(found, "us-east-1", "TargetTrackingScaling")["splitter"]
    text = json.dumps(policy["TargetTrackingScalingPolicyConfiguration"]).replace("SampleCount", "Average")
    found = planted(found, HOME, "SplitterBacklog", TargetTrackingScalingPolicyConfiguration=json.loads(text))
    policy = _policies(found, "us-east-1", "TargetTrackingScaling")["worker"]
    text = json.dumps(policy["TargetTrackingScalingPolicyConfiguration"]).replace(
        "baton-prod-chunk", "baton-prod-split"
    )
    found = planted(found, HOME, "WorkerBacklog", TargetTrackingScalingPolicyConfiguration=json.loads(text))
    policy = _policies(found, "us-east-1", "TargetTrackingScaling")["merger"]
    text = json.dumps(policy["TargetTrackingScalingPolicyConfiguration"]).replace("(ordinary", "(seen")
    found = planted(found, HOME, "MergerBacklog", TargetTrackingScalingPolicyConfiguration=json.loads(text))

    reasons = list(_lost(found, "us-east-1", "prod"))

    assert [each.partition(":")[0] for each in reasons] == [
        "splitter",
        "worker",
        "merger",
    ]


# --- lean


@in_each
def test_containers_of_one_task_divide_its_memory_and_ask_each_other_for_nothing(region: str) -> None:
    task = _tasks(templates("dev"), region)[SHARED]
    containers = {each["Name"]: each for each in task["ContainerDefinitions"]}

    assert containers.keys() == SHARED_MEMORY_MIB.keys() == HEALTH_PORTS.keys()
    assert {name: each["Memory"] for name, each in containers.items()} == SHARED_MEMORY_MIB
    assert sum(SHARED_MEMORY_MIB.values()) <= SHARED_TASK.memory_mib == int(task["Memory"])
    assert len(set(HEALTH_PORTS.values())) == len(containers)  # they have one address
    assert not any("DependsOn" in each for each in containers.values())


def _step_policies(region: str) -> Mapping[str, Mapping[str, Any]]:
    found = resources(templates("dev")[f"compute-{region}"], "AWS::ApplicationAutoScaling::ScalingPolicy")
    return {name: each["Properties"]["StepScalingPolicyConfiguration"] for name, each in found.items()}


@in_each
def test_workers_beside_the_shared_task_start_at_a_minutes_work_and_stop_when_there_is_none(region: str) -> None:
    found, topology = templates("dev"), config.load("dev").topology
    alarms = resources(found[f"compute-{region}"], "AWS::CloudWatch::Alarm")
    policies = _step_policies(region)

    for alarm in (each["Properties"] for each in alarms.values()):
        *queues, waiting = alarm["Metrics"]
        names = {each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for each in queues}
        assert names == {topology.queue("chunk", lane).name for lane in OF_USERS}
        assert waiting["Expression"] == " + ".join(each["Id"] for each in queues)
    more, none = alarms["WaitingMore"]["Properties"], alarms["WaitingNone"]["Properties"]
    assert (more["Threshold"], more["EvaluationPeriods"]) == (WAIT_SECONDS / MESSAGE_SECONDS["chunk"], 1)
    assert (none["Threshold"], none["ComparisonOperator"]) == (0, "LessThanOrEqualToThreshold")
    # From none too: a share of none, as target tracking computes it, would be none.
    assert policies[logical_id(found, more["AlarmActions"][0])]["AdjustmentType"] == "ChangeInCapacity"
    assert policies[logical_id(found, none["AlarmActions"][0])]["AdjustmentType"] == "ExactCapacity"
    assert [
        each["ScalingAdjustment"] for each in policies[logical_id(found, none["AlarmActions"][0])]["StepAdjustments"]
    ] == [0]
