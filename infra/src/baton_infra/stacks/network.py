"""Stack: one Region's network: private subnets, the services' endpoints, and egress for the controller alone."""

import ipaddress
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from baton_infra.config import EnvironmentConfig
from baton_infra.constructs import endpoints
from baton_infra.stacks.base import BatonStack

_HTTPS: Final = 443


class NetworkStack(BatonStack):
    """One Region's network: private subnets, the endpoints that services need, and egress for the controller alone.

    In a lean environment all services have egress, and there are no endpoints to pay for but gateways, which are free.
    """

    purpose = "network"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        cidr = config.networks[region].cidr
        self._zones = config.networks[region].availability_zones
        self.vpc_id = ec2.CfnVPC(
            self,
            "Vpc",
            cidr_block=cidr,
            # The endpoints and the record of the active Region are names of this network.
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=[self._called()],
        ).ref
        first, second, _, last = ipaddress.ip_network(cidr).subnets(prefixlen_diff=2)
        egress_table = self._egress_table()
        self.private_subnets: list[ec2.CfnSubnet] = []
        """Where services run: without a way out but the endpoints. None in a lean environment."""
        self.egress_subnets = self._subnets("Egress", list(last.subnets(prefixlen_diff=2))[:2], egress_table)
        """Where the controller runs: it must reach the other Region, ARC and S3 Control, and no endpoint leads there
        (docs/adr/0012-egress-by-public-address.md)."""
        self.service_group: ec2.CfnSecurityGroup | None = None
        self.controller_group = self._group(
            "Controller", "All services" if config.is_lean else "The failover controller"
        )
        tables = [egress_table.ref]
        if not config.is_lean:
            tables = [self._private([first, second]).ref, *tables]
            self._interfaces(cidr)
        endpoints.gateways(self, self.arns, self.vpc_id, tables)

    def _private(self, cidrs: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> ec2.CfnRouteTable:
        table = ec2.CfnRouteTable(self, "PrivateRoutes", vpc_id=self.vpc_id, tags=[self._called("private")])
        self.private_subnets = self._subnets("Private", cidrs, table)
        self.service_group = self._group("Services", "Splitter, worker, merger, notifier")
        return table

    def _interfaces(self, cidr: str) -> None:
        endpoints.interfaces(
            self,
            (*endpoints.INTERFACES, *([endpoints.EXEC] if self.config.exec else [])),
            self.arns,
            vpc_id=self.vpc_id,
            subnets=[subnet.ref for subnet in self.private_subnets],
            group=self._endpoint_group(cidr).attr_group_id,
        )

    def _called(self, *parts: str) -> cdk.CfnTag:
        return cdk.CfnTag(key="Name", value="-".join((self.topology.stack(self.purpose), *parts)))

    def _subnets(
        self, name: str, cidrs: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network], table: ec2.CfnRouteTable
    ) -> list[ec2.CfnSubnet]:
        made: list[ec2.CfnSubnet] = []
        for letter, cidr, zone in zip("AB", cidrs, self._zones, strict=True):
            subnet = ec2.CfnSubnet(
                self,
                f"{name}{letter}",
                vpc_id=self.vpc_id,
                cidr_block=str(cidr),
                availability_zone_id=zone,
                map_public_ip_on_launch=False,  # the controller's service asks for its address itself
                tags=[self._called(name.lower(), letter.lower())],
            )
            ec2.CfnSubnetRouteTableAssociation(
                self, f"{name}{letter}Routes", subnet_id=subnet.ref, route_table_id=table.ref
            )
            made.append(subnet)
        return made

    def _egress_table(self) -> ec2.CfnRouteTable:
        gateway = ec2.CfnInternetGateway(self, "Gateway", tags=[self._called()])
        attached = ec2.CfnVPCGatewayAttachment(
            self, "GatewayAttachment", vpc_id=self.vpc_id, internet_gateway_id=gateway.ref
        )
        table = ec2.CfnRouteTable(self, "EgressRoutes", vpc_id=self.vpc_id, tags=[self._called("egress")])
        ec2.CfnRoute(
            self, "EgressRoute", route_table_id=table.ref, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.ref
        ).add_resource_dependency(attached)
        return table

    def _group(self, name: str, description: str) -> ec2.CfnSecurityGroup:
        """Make a group that nobody may call, and which may call HTTPS.

        Anywhere: S3 and DynamoDB have public addresses behind their gateways, and a list of them has another id in each
        Region, to be looked up. What there is to reach, the routes say: from the private subnets the endpoints alone.
        """
        return ec2.CfnSecurityGroup(
            self,
            f"{name}Group",
            vpc_id=self.vpc_id,
            group_description=description,
            security_group_ingress=[],
            security_group_egress=[_out("0.0.0.0/0", "HTTPS to AWS")],
            tags=[self._called(name.lower())],
        )

    def _endpoint_group(self, cidr: str) -> ec2.CfnSecurityGroup:
        return ec2.CfnSecurityGroup(
            self,
            "EndpointGroup",
            vpc_id=self.vpc_id,
            group_description="Interface endpoints",
            security_group_ingress=[
                ec2.CfnSecurityGroup.IngressProperty(
                    ip_protocol="tcp",
                    from_port=_HTTPS,
                    to_port=_HTTPS,
                    source_security_group_id=each.attr_group_id,
                    description="HTTPS from our tasks",
                )
                for each in (self.service_group, self.controller_group)
                if each is not None
            ],
            # They call nobody; but without any rule, EC2 would allow everything.
            security_group_egress=[_out(cidr, "Nothing beyond this network")],
            tags=[self._called("endpoints")],
        )


def _out(cidr: str, description: str) -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="tcp", from_port=_HTTPS, to_port=_HTTPS, cidr_ip=cidr, description=description
    )
