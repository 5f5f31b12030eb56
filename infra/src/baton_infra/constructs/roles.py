"""Roles with exactly the statements that `policies` declares."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from baton_infra.declared.statements import Statement, document


def service_role(
    scope: Construct,
    name: str,
    *,
    principal: str,
    statements: Iterable[Statement],
    role_name: str | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> iam.CfnRole:
    """Make a role that one AWS service (such as `lambda.amazonaws.com`) takes on."""
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        trust["Condition"] = dict(conditions)
    policy = iam.CfnRole.PolicyProperty(policy_name="allowed", policy_document=document(statements))
    return iam.CfnRole(
        scope,
        name,
        role_name=role_name,
        assume_role_policy_document={"Version": "2012-10-17", "Statement": [trust]},
        policies=[policy],
    )


def deny_plain_http(arn: str, *more: str, action: str) -> dict[str, Any]:
    """Return the statement of a resource's policy that refuses whatever comes without TLS."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": [arn, *more],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
