"""VPC endpoints: what the services call from a private network, and nothing else."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from baton_infra.declared.names import Arns

INTERFACES: Final = ("ecr.api", "ecr.dkr", "email", "logs", "sqs", "sts")
"""What the services call besides S3 and DynamoDB: images, SES, logs, queues, credentials of links.

Not here: ECS, which reaches its tasks without one since Fargate's platform 1.4, and the access point, whose links are
signed by us and followed by others.
"""
EXEC: Final = "ssmmessages"
BY_TOKEN: Final = frozenset({"ecr.dkr", EXEC})
"""Where a caller shows a token of an earlier call, and no role that a policy could ask for."""


def gateways(scope: Construct, arns: Arns, vpc_id: str, route_tables: Sequence[str]) -> None:
    """Lead to this environment's bucket and tables, for nothing: gateways have no price."""
    topology = arns.topology
    tables = (topology.ledger_table, topology.progress_table, topology.rejects_table, topology.reference_table)
    found = [arns.table(name) for name in tables]
    # Layers of images lie in a bucket of AWS.
    layers = f"arn:aws:s3:::prod-{arns.region}-starport-layer-bucket/*"
    # S3 Control has S3's addresses, so the dials of this Region are asked for through here.
    dials = f"arn:aws:s3::{topology.account_id}:accesspoint/*"
    objects = _allow("s3:*", arns.bucket(), arns.objects(""), dials)
    for service, statements in (
        ("s3", [objects, _allow("s3:GetObject", layers)]),
        ("dynamodb", [_allow("dynamodb:*", *found, *(f"{table}/index/*" for table in found))]),
    ):
        ec2.CfnVPCEndpoint(
            scope,
            service.title(),
            vpc_id=vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{arns.region}.{service}",
            route_table_ids=list(route_tables),
            policy_document={"Version": "2012-10-17", "Statement": statements},
        )


def interfaces(
    scope: Construct, services: Iterable[str], arns: Arns, *, vpc_id: str, subnets: Sequence[str], group: str
) -> None:
    """Lead to services by addresses inside the network: under their usual names, so that no SDK need know.

    Only callers of this account pass: who takes over a task could otherwise send files, with keys of his own, to queues
    and logs of his own.
    """
    ours = {**_allow("*", "*"), "Condition": {"StringEquals": {"aws:PrincipalAccount": arns.topology.account_id}}}
    for service in services:
        ec2.CfnVPCEndpoint(
            scope,
            service.title().replace(".", ""),
            vpc_id=vpc_id,
            vpc_endpoint_type="Interface",
            service_name=f"com.amazonaws.{arns.region}.{service}",
            private_dns_enabled=True,
            subnet_ids=list(subnets),
            security_group_ids=[group],
            policy_document=None if service in BY_TOKEN else {"Version": "2012-10-17", "Statement": [ours]},
        )


def _allow(action: str, *resources: str) -> dict[str, Any]:
    """Let every allowed caller pass to these resources: what each may do, its role says."""
    return {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": list(resources)}
