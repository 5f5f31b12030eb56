"""Experiments hit what is ours, may do no more than they must, and end when they hurt more than they should."""

from typing import Any, Final

import pytest

from baton.runner import backoff_seconds
from baton.topology import MAX_RECEIVES, REGIONS_DEFAULT
from baton_infra import config
from baton_infra.declared.names import Arns
from baton_infra.stacks.chaos import EXPERIMENTS
from synthesized import resources, templates
from template_reading import listed, statements

everywhere = pytest.mark.parametrize("environment", [name for name in config.names() if config.load(name).chaos])
in_each = pytest.mark.parametrize("region", REGIONS_DEFAULT)

MINUTE: Final = 60
OUTAGE_SECONDS: Final = 30
"""The runner's first wait after a failed call to a dependency."""
SUBNETS_MAX: Final = 5
"""Quota L-1F59732D of FIS, unless it was raised."""
STOPS_MAX: Final = 5
"""Quota L-872EC72B of FIS, which cannot be raised."""
NEEDS: Final = {
    # Source: "AWS FIS actions reference".
    "aws:network:disrupt-connectivity": {
        "ec2:CreateNetworkAcl",
        "ec2:CreateNetworkAclEntry",
        "ec2:CreateTags",
        "ec2:DeleteNetworkAcl",
        "ec2:DescribeManagedPrefixLists",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ec2:GetManagedPrefixListEntries",
        "ec2:ReplaceNetworkAclAssociation",
    },
    "aws:dynamodb:global-table-pause-replication": {
        "dynamodb:DeleteResourcePolicy",
        "dynamodb:DescribeTable",
        "dynamodb:GetResourcePolicy",
        "dynamodb:InjectError",
        "dynamodb:PutResourcePolicy",
        "tag:GetResources",
    },
    # `tag:GetResources` too if targets are named by tags: ours are named by cluster and service.
    "aws:ecs:stop-task": {"ecs:DescribeTasks", "ecs:ListTasks", "ecs:StopTask"},
}
TO_LOG: Final = {
    # Source: "Experiment logging for AWS FIS".
    "logs:CreateLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:PutResourcePolicy",
}


def _experiments(environment: str, region: str) -> dict[str, dict[str, Any]]:
    found = resources(templates(environment)[f"chaos-{region}"], "AWS::FIS::ExperimentTemplate").values()
    return {each["Properties"]["Tags"]["Name"]: each["Properties"] for each in found}


def _only(values: dict[str, Any]) -> Any:
    (value,) = values.values()
    return value


@everywhere
@in_each
def test_every_experiment_can_be_found_by_its_name(environment: str, region: str) -> None:
    topology = config.load(environment).topology

    assert set(_experiments(environment, region)) == {topology.experiment(each.name) for each in EXPERIMENTS}


@everywhere
@in_each
def test_an_experiment_ends_by_alarms_that_there_are_in_its_region(environment: str, region: str) -> None:
    arns = Arns(config.load(environment).topology, region)
    alarms = resources(templates(environment)[f"observability-{region}"], "AWS::CloudWatch::Alarm").values()
    there = {arns.alarm(alarm["Properties"]["AlarmName"]) for alarm in alarms}

    for name, experiment in _experiments(environment, region).items():
        stops = [each["Value"] for each in experiment["StopConditions"]]
        assert 0 < len(stops) <= STOPS_MAX, name
        assert set(stops) <= there, name


@everywhere
@in_each
def test_an_outage_of_an_experiments_length_makes_no_dead_letter(environment: str, region: str) -> None:
    patience = sum(backoff_seconds(OUTAGE_SECONDS, attempt) for attempt in range(1, MAX_RECEIVES + 1))

    for experiment in _experiments(environment, region).values():
        duration = _only(experiment["Actions"]).get("Parameters", {}).get("duration", "PT0M")
        assert int(duration.removeprefix("PT").removesuffix("M")) * MINUTE < patience


@everywhere
@in_each
def test_only_what_belongs_to_the_environment_is_hit(environment: str, region: str) -> None:
    found = config.load(environment)
    for experiment in _experiments(environment, region).values():
        action, target = _only(experiment["Actions"]), _only(experiment["Targets"])
        match action["ActionId"]:
            case "aws:network:disrupt-connectivity":
                assert list(action["Targets"]) == ["Subnets"]
                assert target["ResourceType"] == "aws:ec2:subnet"
                assert target["ResourceTags"] == {"baton:environment": environment}
            case "aws:dynamodb:global-table-pause-replication":
                assert list(action["Targets"]) == ["Tables"]
                assert target["ResourceType"] == "aws:dynamodb:global-table"
                assert target["ResourceArns"] == [Arns(found.topology, region).table(found.topology.ledger_table)]
            case "aws:ecs:stop-task":
                assert list(action["Targets"]) == ["Tasks"]
                assert target["ResourceType"] == "aws:ecs:task"
                assert target["Parameters"]["cluster"] == found.topology.cluster
                assert target["Parameters"].get("service", "worker") in found.services
            case other:
                pytest.fail(f"what does {other} hit?")


@everywhere
@in_each
def test_a_zone_is_cut_off_as_the_network_knows_it(environment: str, region: str) -> None:
    found = config.load(environment)
    experiment = _experiments(environment, region)[found.topology.experiment("zone")]
    # A name or an id of a zone. Source: "Targets for AWS FIS", resource parameters.
    zone = _only(experiment["Targets"])["Parameters"]["availabilityZoneIdentifier"]
    subnets = resources(templates(environment)[f"network-{region}"], "AWS::EC2::Subnet").values()

    hit = [each for each in subnets if each["Properties"]["AvailabilityZoneId"] == zone]
    assert 0 < len(hit) < len(subnets)


def test_experiments_are_declared_only_where_they_are_switched_on() -> None:
    for name in config.names():
        declared = any(stack.startswith("chaos-") for stack in templates(name))
        assert declared == config.load(name).chaos
    assert not config.load("prod").chaos


@everywhere
@in_each
def test_no_more_subnets_are_cut_than_fis_takes(environment: str, region: str) -> None:
    subnets = resources(templates(environment)[f"network-{region}"], "AWS::EC2::Subnet")

    assert 0 < len(subnets) <= SUBNETS_MAX


@everywhere
@in_each
def test_a_role_may_do_what_its_experiments_need_and_nothing_else(environment: str, region: str) -> None:
    template = templates(environment)[f"chaos-{region}"]
    needed: dict[str, set[str]] = {}
    for experiment in _experiments(environment, region).values():
        (role, _) = experiment["RoleArn"]["Fn::GetAtt"]
        needed.setdefault(role, set(TO_LOG)).update(NEEDS[_only(experiment["Actions"])["ActionId"]])

    roles = resources(template, "AWS::IAM::Role")
    assert needed.keys() == roles.keys()
    for name, role in roles.items():
        assert {action for each in statements(role) for action in listed(each["Action"])} == needed[name]


@everywhere
@in_each
def test_what_an_experiment_does_is_logged(environment: str, region: str) -> None:
    template = templates(environment)[f"chaos-{region}"]
    ((group, _),) = resources(template, "AWS::Logs::LogGroup").items()

    for experiment in _experiments(environment, region).values():
        # Its ARN ends with `:*`, which FIS asks for.
        written = experiment["LogConfiguration"]["CloudWatchLogsConfiguration"]
        assert written == {"LogGroupArn": {"Fn::GetAtt": [group, "Arn"]}}
