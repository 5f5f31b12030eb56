"""Custom resources: small functions of ours that CloudFormation calls."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct


def custom_resource(
    scope: Construct, name: str, kind: str, function: lambda_.CfnFunction, properties: dict[str, Any]
) -> cdk.CfnResource:
    """Make a resource whose state is what `function` does of `properties`."""
    return cdk.CfnResource(
        scope,
        name,
        type=f"Custom::{kind}",
        properties={"ServiceToken": function.attr_arn, "ServiceTimeout": "300", **properties},
    )
