"""Lambda functions, with all their resources declared here instead of by CDK's helper functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from baton_infra.constructs.roles import service_role
from baton_infra.declared.names import Arns
from baton_infra.declared.statements import Statement

_SOURCES: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class LogLife:
    """How long a function's logs are kept, under which key, and what happens to them when their stack is deleted."""

    days: int
    key_arn: str | None = None
    removal: cdk.RemovalPolicy = cdk.RemovalPolicy.DESTROY


def function(
    scope: Construct,
    name: str,
    *,
    arns: Arns,
    function_name: str,
    code: Path | None = None,
    handler: str,
    statements: Iterable[Statement],
    log_life: LogLife,
    timeout_seconds: int,
    environment: Mapping[str, str] | None = None,
    role_name: str | None = None,
    **options: Any,
) -> lambda_.CfnFunction:
    """Make a function, its role and its log group. It may do what `statements` say, and log.

    Its code is a directory; None: `baton_functions`.
    """
    group_name = f"/aws/lambda/{function_name}"
    group = _log_group(scope, name, group_name, log_life)
    log = Statement("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{arns.log_group(group_name)}:*",))
    role = service_role(
        scope, f"{name}Role", principal="lambda.amazonaws.com", statements=[*statements, log], role_name=role_name
    )
    made = lambda_.CfnFunction(
        scope,
        name,
        function_name=function_name,
        runtime="python3.13",
        architectures=["arm64"],
        handler=handler,
        code=_code(scope, f"{name}Code", code),
        role=role.attr_arn,
        timeout=timeout_seconds,
        environment=lambda_.CfnFunction.EnvironmentProperty(variables=dict(environment)) if environment else None,
        **options,
    )
    made.add_resource_dependency(group)
    return made


def _log_group(scope: Construct, name: str, group_name: str, life: LogLife) -> logs.CfnLogGroup:
    group = logs.CfnLogGroup(
        scope, f"{name}Logs", log_group_name=group_name, retention_in_days=life.days, kms_key_id=life.key_arn
    )
    group.apply_removal_policy(life.removal)
    return group


def _code(scope: Construct, name: str, directory: Path | None) -> lambda_.CfnFunction.CodeProperty:
    # Python keeps bytecode beside what it imported: the code is the same without it.
    others = ["**/__pycache__", *([] if directory else ["baton_infra"])]
    asset = assets.Asset(scope, name, path=str(directory or _SOURCES), exclude=others)
    return lambda_.CfnFunction.CodeProperty(s3_bucket=asset.s3_bucket_name, s3_key=asset.s3_object_key)
