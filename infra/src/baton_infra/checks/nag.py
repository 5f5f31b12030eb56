"""Every finding of cdk-nag and of CDK's own validation that we accept, each with its reason."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from baton_infra.app import build
from baton_infra.config import EnvironmentConfig

ACKNOWLEDGED: Final[Mapping[str, str]] = {
    r"AwsSolutions-DDB3": "progress and rejects can be made again from the parts: no backup would ever be read",
    r"AwsSolutions-ECS2": "environment variables hold names and numbers; there is no secret to keep elsewhere",
    r"AwsSolutions-IAM5\[Resource::\*\]": "actions without resources, see `rules.WITHOUT_RESOURCE`",
    r"AwsSolutions-IAM5\[Resource::arn:aws:s3:::[^/]+/[a-z-]+/\*\]": "objects below one prefix of one bucket",
    r"AwsSolutions-IAM5\[Resource::arn:aws:s3::\d+:accesspoint/.*/object/(output|canary-work)/\*\]": (
        "results, and those of canaries, by the access point"
    ),
    r"AwsSolutions-IAM5\[Resource::arn:aws:kms:[^/]+:key/\*\]": "narrowed by condition to one alias",
    r"AwsSolutions-IAM5\[Resource::arn:aws:logs:.*log-group:/[^*]+:\*\]": "streams of one log group",
    r"AwsSolutions-IAM5\[Resource::arn:aws:ecs:.*:task/[^/*]+/\*\]": "tasks of one cluster: they have no names before",
    r"AwsSolutions-IAM5\[Resource::arn:aws:ec2:.*(prefix-list|network-acl|subnet|vpc)/\*\]": (
        "FIS lends subnets an access list of its own: it may touch no other, by condition"
    ),
    r"AwsSolutions-IAM5\[Resource::arn:aws:arc-region-switch::\d+:plan/[^:*]+:\*\]": "one plan: ARC adds to its name",
    r"AwsSolutions-IAM5\[Resource::arn:aws:sqs:.*:baton-[a-z0-9-]+-(split|chunk|merge|notify|canary-events)\*\]": (
        "lean: queues of one kind, since all their names are more than IAM takes in a role"
    ),
    r"AwsSolutions-L1": "Python 3.13 is what all of Baton runs on; Lambda's next one comes with the images' next one",
    r"AwsSolutions-SQS3": "the trigger's dead-letter queue: Lambda fills it, so no queue names it",
    r"AwsSolutions-VPC7": "flow logs cost more than the network; switch them on for an investigation",
    r"AwsSolutions-ECS4": "running tasks are counted by a metric of ECS that costs nothing; a bug shows in the logs",
}
"""Reason by the pattern of a finding's id. A test fails for a finding without a pattern, and the other way round."""

type FindingId = tuple[str, str]
"""Plugin's rule, with what it is about, and the construct's path."""


def findings(config: EnvironmentConfig, outdir: Path) -> set[FindingId]:
    """Synthesize an environment under AwsSolutions and CDK's own rules; return everything they find."""
    told = outdir / "validation-report.json"
    app = build(config, outdir=outdir)
    Validations.of(app).add_plugins(AwsSolutionsChecks())
    try:
        app.synth()
    except RuntimeError:
        # What is found ends synthesis. The report is written before.
        if not told.exists():
            raise
    report = json.loads(told.read_text())
    return {
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def reason(rule: str) -> str | None:
    """Return why a finding is kept; None if nobody has said so."""
    return next((why for pattern, why in ACKNOWLEDGED.items() if re.fullmatch(pattern, rule)), None)
