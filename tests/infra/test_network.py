"""Who can reach what: stage services only their endpoints, the controller the internet, and no one any of them."""

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

import pytest

from baton.topology import REGIONS_DEFAULT, SERVICES
from baton_infra import config
from baton_infra.declared.names import Arns
from baton_infra.sizes import SHARED
from synthesized import resources, templates
from template_reading import Templates, covers, listed, logical_id, planted, statements

CONTROLLER: Final = "failover-controller"
ENDPOINT_OF: Final = {"ecr": {"ecr.api", "ecr.dkr"}, "ses": {"email"}}
"""Endpoints whose name is not that of the actions."""
NEED_NONE: Final = {
    "ecs": "a task asks the agent beside it, at a link-local address",
    "kms": "S3 asks it for us",
}

everywhere = pytest.mark.parametrize("environment", config.names())
in_each = pytest.mark.parametrize("region", REGIONS_DEFAULT)


def _services(found: Templates, region: str) -> Mapping[str, Any]:
    """Return each service's network configuration by the service's name."""
    services = resources(found[f"compute-{region}"], "AWS::ECS::Service").values()
    properties = [each["Properties"] for each in services]
    return {each["ServiceName"]: each["NetworkConfiguration"]["AwsvpcConfiguration"] for each in properties}


def _with_a_way_out(found: Templates, region: str) -> set[str]:
    """Return the services that could reach the internet: a public address, or any route that is not the network's."""
    network = found[f"network-{region}"]
    routes = resources(network, "AWS::EC2::Route").values()
    routed = {logical_id(found, route["Properties"]["RouteTableId"]) for route in routes}
    tables = {
        logical_id(found, each["Properties"]["SubnetId"]): logical_id(found, each["Properties"]["RouteTableId"])
        for each in resources(network, "AWS::EC2::SubnetRouteTableAssociation").values()
    }
    return {
        name
        for name, place in _services(found, region).items()
        if place["AssignPublicIp"] != "DISABLED"
        # A subnet without a table of its own has the network's main one, which is empty: nobody adds to that.
        or any(tables.get(logical_id(found, subnet)) in routed for subnet in place["Subnets"])
    }


@everywhere
@in_each
def test_only_the_controller_has_a_way_out(environment: str, region: str) -> None:
    lean = config.load(environment).is_lean
    expected = {SHARED, "worker"} if lean else {CONTROLLER}

    assert _with_a_way_out(templates(environment), region) == expected


def test_a_route_from_the_private_subnets_would_be_found() -> None:
    found = planted(
        templates("prod"),
        "network-us-east-1",
        "Leak",
        Type="AWS::EC2::Route",
        RouteTableId={"Ref": "PrivateRoutes"},
        NatGatewayId="nat-1",
    )

    assert _with_a_way_out(found, "us-east-1") == set(SERVICES)


@everywhere
@in_each
def test_the_controller_needs_no_nat_gateway(environment: str, region: str) -> None:
    network = templates(environment)[f"network-{region}"]

    (route,) = resources(network, "AWS::EC2::Route").values()
    (gateway,) = resources(network, "AWS::EC2::InternetGateway")

    assert logical_id(templates(environment), route["Properties"]["GatewayId"]) == gateway
    assert not resources(network, "AWS::EC2::NatGateway")
    services = _services(templates(environment), region)
    assert services[SHARED if SHARED in services else CONTROLLER]["AssignPublicIp"] == "ENABLED"


def _open_doors(found: Templates, region: str) -> Iterator[str]:
    """Yield what is wrong with the security groups of a Region's network."""
    groups = resources(found[f"network-{region}"], "AWS::EC2::SecurityGroup")
    for name, group in groups.items():
        properties = group["Properties"]
        if not properties["SecurityGroupEgress"]:
            yield f"{name}: no egress rule, which EC2 takes for all of them"
        for rule in (*properties["SecurityGroupIngress"], *properties["SecurityGroupEgress"]):
            if (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) != ("tcp", 443, 443):
                yield f"{name}: more than HTTPS"
        for rule in properties["SecurityGroupIngress"]:
            if "SourceSecurityGroupId" not in rule:
                yield f"{name}: open to addresses, not to a group"


def _without_a_group(found: Templates, region: str) -> Iterator[str]:
    """Yield who is in no group of ours, and so in the network's default one."""
    groups = resources(found[f"network-{region}"], "AWS::EC2::SecurityGroup")
    users = [(name, place["SecurityGroups"]) for name, place in _services(found, region).items()]
    endpoints = _endpoints(found, region, "Interface").items()
    users += [(name, endpoint.get("SecurityGroupIds", [])) for name, endpoint in endpoints]
    for name, used in users:
        if not used or any(logical_id(found, group) not in groups for group in used):
            yield name


@everywhere
@in_each
def test_nobody_may_call_a_service_and_only_services_may_call_endpoints(environment: str, region: str) -> None:
    groups = resources(templates(environment)[f"network-{region}"], "AWS::EC2::SecurityGroup")
    called_by = {
        name: {
            logical_id(templates(environment), rule["SourceSecurityGroupId"])
            for rule in group["Properties"]["SecurityGroupIngress"]
        }
        for name, group in groups.items()
    }

    assert not list(_open_doors(templates(environment), region))
    assert not list(_without_a_group(templates(environment), region))
    private = {"ServicesGroup": set[str](), "EndpointGroup": {"ServicesGroup", "ControllerGroup"}}
    assert called_by == {"ControllerGroup": set(), **({} if config.load(environment).is_lean else private)}


@pytest.mark.parametrize(
    ("resource", "properties", "finding"),
    [
        (
            "ServicesGroup",
            {"SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}]},
            "ServicesGroup: open to addresses, not to a group",
        ),
        (
            "EndpointGroup",
            {"SecurityGroupEgress": []},
            "EndpointGroup: no egress rule, which EC2 takes for all of them",
        ),
        (
            "ControllerGroup",
            {"SecurityGroupEgress": [{"IpProtocol": "-1", "FromPort": 0, "ToPort": 65535, "CidrIp": "0.0.0.0/0"}]},
            "ControllerGroup: more than HTTPS",
        ),
    ],
)
def test_an_open_door_would_be_found(resource: str, properties: dict[str, Any], finding: str) -> None:
    found = planted(templates("prod"), "network-us-east-1", resource, **properties)

    assert list(_open_doors(found, "us-east-1")) == [finding]


def test_an_endpoint_in_the_default_group_would_be_found() -> None:
    found = planted(templates("prod"), "network-us-east-1", "Sqs", SecurityGroupIds=[])

    assert list(_without_a_group(found, "us-east-1")) == ["sqs"]


def _roles(found: Templates, region: str) -> list[Mapping[str, Any]]:
    """Return the roles of the stage services, and those by which ECS starts them."""
    roles = resources(found[f"compute-{region}"], "AWS::IAM::Role")
    return [role for name, role in roles.items() if not name.startswith("FailoverController")]


def _endpoints(found: Templates, region: str, kind: str) -> dict[str, Mapping[str, Any]]:
    """Return the endpoints of one kind by the name of the service in which they end."""
    prefix = f"com.amazonaws.{region}."
    return {
        each["Properties"]["ServiceName"].removeprefix(prefix): each["Properties"]
        for each in resources(found[f"network-{region}"], "AWS::EC2::VPCEndpoint").values()
        if each["Properties"]["VpcEndpointType"] == kind
    }


@everywhere
@in_each
def test_there_is_an_endpoint_for_each_service_that_a_role_may_call_and_no_other(environment: str, region: str) -> None:
    found = templates(environment)
    called = {
        action.partition(":")[0]
        for role in _roles(found, region)
        for statement in statements(role)
        for action in listed(statement["Action"])
    }
    needed = set[str]().union(*(ENDPOINT_OF.get(name, {name}) for name in called - NEED_NONE.keys()))

    gateways, interfaces = (_endpoints(found, region, kind) for kind in ("Gateway", "Interface"))

    assert gateways.keys() == {"s3", "dynamodb"}
    if config.load(environment).is_lean:
        assert not interfaces
        return
    assert gateways.keys() | interfaces.keys() == needed
    assert ("ssmmessages" in interfaces) is config.load(environment).exec


@everywhere
@in_each
def test_endpoints_are_in_both_zones_under_their_usual_names(environment: str, region: str) -> None:
    found = templates(environment)
    for name, endpoint in _endpoints(found, region, "Interface").items():
        subnets = [logical_id(found, subnet) for subnet in endpoint["SubnetIds"]]

        assert (subnets, endpoint["PrivateDnsEnabled"]) == (["PrivateA", "PrivateB"], True), name
    for name, endpoint in _endpoints(found, region, "Gateway").items():
        tables = [logical_id(found, table) for table in endpoint["RouteTableIds"]]

        lean = config.load(environment).is_lean
        assert tables == ([] if lean else ["PrivateRoutes"]) + ["EgressRoutes"], name


@everywhere
@in_each
def test_no_endpoint_lets_a_stranger_out(environment: str, region: str) -> None:
    """Who takes over a task that reads strangers' files has keys of his own, and queues and logs to send files to."""
    found, account_id = templates(environment), config.load(environment).account_id
    for name, endpoint in _endpoints(found, region, "Interface").items():
        if name in {"ecr.dkr", "ssmmessages"}:  # callers show a token of ours there, and no keys
            continue
        (statement,) = endpoint["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": account_id}}, name


def _shut_out(found: Templates, region: str) -> set[str]:
    """Return the resources in this Region that a role may use and a gateway's policy does not let through."""
    stopped: set[str] = set()
    here = {"s3": f"-{region}", "dynamodb": f":{region}:"}
    roles = resources(found[f"compute-{region}"], "AWS::IAM::Role").values()
    for service, endpoint in _endpoints(found, region, "Gateway").items():
        let_through = [
            pattern for statement in endpoint["PolicyDocument"]["Statement"] for pattern in statement["Resource"]
        ]
        wanted = {
            resource
            for role in roles
            for statement in statements(role)
            if any(action.startswith(f"{service}:") for action in listed(statement["Action"]))
            for resource in listed(statement["Resource"])
            # Another Region's resources are behind no gateway of this one; the access point's name is known later.
            if isinstance(resource, str) and here[service] in resource
        }
        stopped |= {each for each in wanted if not covers(let_through, each)}
    return stopped


@everywhere
@in_each
def test_gateways_lead_to_all_that_a_role_may_use(environment: str, region: str) -> None:
    assert not _shut_out(templates(environment), region)


def test_a_table_that_no_gateway_leads_to_would_be_found() -> None:
    arns = Arns(config.load("prod").topology, "us-east-1")
    policy = {"Statement": [{"Resource": [arns.table(arns.topology.ledger_table)]}]}
    found = planted(templates("prod"), "network-us-east-1", "Dynamodb", PolicyDocument=policy)

    assert arns.table(arns.topology.progress_table) in _shut_out(found, "us-east-1")


@everywhere
@in_each
def test_gateways_lead_to_nothing_of_others(environment: str, region: str) -> None:
    topology = config.load(environment).topology
    for service, endpoint in _endpoints(templates(environment), region, "Gateway").items():
        for statement in endpoint["PolicyDocument"]["Statement"]:
            let_through = listed(statement["Resource"])

            for foreign in (
                "arn:aws:s3:::somebody-elses-bucket/stolen",
                f"arn:aws:s3:::{topology.log_bucket(region)}/x",
                f"arn:aws:dynamodb:{region}:999999999999:table/{topology.ledger_table}",
                f"arn:aws:dynamodb:{region}:{topology.account_id}:table/another",
            ):
                assert not covers(let_through, foreign), (service, foreign)


@everywhere
def test_addresses_never_overlap(environment: str) -> None:
    networks: list[ipaddress.IPv4Network] = []
    for region in REGIONS_DEFAULT:
        template = templates(environment)[f"network-{region}"]
        (vpc,) = resources(template, "AWS::EC2::VPC").values()
        whole = ipaddress.IPv4Network(vpc["Properties"]["CidrBlock"])
        subnets = [each["Properties"] for each in resources(template, "AWS::EC2::Subnet").values()]
        parts = [ipaddress.IPv4Network(each["CidrBlock"]) for each in subnets]

        assert all(part.subnet_of(whole) for part in parts)
        assert len({each["AvailabilityZoneId"] for each in subnets}) == 2
        assert not any(each["MapPublicIpOnLaunch"] for each in subnets)
        networks += parts

    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
