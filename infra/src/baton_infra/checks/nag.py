"""Every finding of cdk-nag and of CDK's own validation that we accept, each with its reason."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

from baton_infra.app import build
from baton_infra.checks.accepted import Accepted, Violation
from baton_infra.config import EnvironmentConfig

_FUNCTIONS: Final = ("data/Trigger", "recovery/Lookup", "routing/Setter")
_OF_REGION: Final = ("data/Progress", "data/Rejects")
_STAGES: Final = ("compute/MergerRole", "compute/NotifierRole", "compute/SplitterRole")
_TASKS: Final = (*_STAGES, "compute/FailoverControllerRole", "compute/SharedRole", "compute/WorkerRole")
_REPLICATION: Final = ("routing/Replicate0", "routing/Replicate1")

ACCEPTED: Final[Sequence[Accepted]] = (
    Accepted(
        "AwsSolutions-DDB3|NIST.800.53.R5-DynamoDB(InBackupPlan|PITREnabled)",
        _OF_REGION,
        "progress and rejects can be made again from the parts: no backup would ever be read",
    ),
    Accepted(
        "AwsSolutions-ECS2",
        ("compute/*Task",),
        "environment variables hold names and numbers; there is no secret to keep elsewhere",
    ),
    Accepted(
        "AwsSolutions-ECS4",
        ("compute/Cluster",),
        "running tasks are counted by a metric of ECS that costs nothing; a bug shows in the logs",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::\*\]",
        ("chaos/*Role", "compute/*StartRole", "compute/FailoverControllerRole", "compute/SharedRole"),
        "actions without resources, see `rules.WITHOUT_RESOURCE`",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::\*\]",
        (*_STAGES, "compute/WorkerRole", "data/TriggerRole"),
        "channels of ECS Exec and traces of X-Ray have no resources; only with `exec`, `traces`",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:s3:::[^/]+/[a-z-]+/\*\]",
        (*_TASKS, *_REPLICATION, "data/TriggerRole", "routing/LinkRole"),
        "objects below one prefix of one bucket",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:s3::\d+:accesspoint/.*/object/(output|canary-work)/\*\]",
        ("routing/LinkRole",),
        "results, and those of canaries, by the access point",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:kms:[^/]+:key/\*\]",
        (*_TASKS, *_REPLICATION, "routing/LinkRole"),
        "narrowed by condition to one alias",
        customer_keys=True,
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:logs:.*log-group:/[^*]+:\*\]",
        ("compute/*StartRole", "data/TriggerRole", "recovery/LookupRole", "routing/SetterRole"),
        "streams of one log group",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:ecs:.*:task/[^/*]+/\*\]",
        (*_STAGES, "chaos/StopRole", "compute/SharedRole", "compute/WorkerRole"),
        "tasks of one cluster: they have no names before",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:ec2:.*(prefix-list|network-acl|subnet|vpc)/\*\]",
        ("chaos/CutRole",),
        "FIS lends subnets an access list of its own: it may touch no other, by condition",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:arc-region-switch::\d+:plan/[^:*]+:\*\]",
        ("recovery/PlanRole",),
        "one plan: ARC adds to its name",
    ),
    Accepted(
        r"AwsSolutions-IAM5\[Resource::arn:aws:sqs:.*:baton-[a-z0-9-]+-(split|chunk|merge|notify|canary-events)\*\]",
        ("compute/SharedRole",),
        "lean: queues of one kind, since all their names are more than IAM takes in a role",
    ),
    Accepted(
        "AwsSolutions-L1",
        _FUNCTIONS,
        "Python 3.13 is what all of Baton runs on; Lambda's next one comes with the images' next one",
    ),
    Accepted(
        "AwsSolutions-SQS3",
        ("data/TriggerDead",),
        "the trigger's dead-letter queue: Lambda fills it, so no queue names it",
    ),
    Accepted(
        "AwsSolutions-VPC7|NIST.800.53.R5-VPCFlowLogsEnabled",
        ("network/Vpc",),
        "flow logs cost more than the network; switch them on for an investigation",
    ),
    Accepted(
        "NIST.800.53.R5-CloudWatchLogGroupEncrypted",
        ("data/*Logs",),
        "CloudWatch encrypts them with its own key: the environment has none",
        customer_keys=False,
    ),
    Accepted(
        "NIST.800.53.R5-CloudWatchLogGroupEncrypted",
        ("chaos/Logs", "recovery/LookupLogs", "routing/SetterLogs"),
        "CloudWatch encrypts them with its own key; they name experiments and resources, no file",
    ),
    Accepted(
        "NIST.800.53.R5-IAMNoInlinePolicy",
        ("*/*Role", *_REPLICATION),
        "a role and what it may do are one declaration: nothing else can be attached to it, or it to anything else",
    ),
    Accepted(
        "NIST.800.53.R5-LambdaConcurrency",
        ("data/Trigger",),
        "a new account has no concurrency to reserve, and a throttled event waits for hours",
    ),
    Accepted(
        "NIST.800.53.R5-LambdaConcurrency",
        ("recovery/Lookup", "routing/Setter"),
        "only CloudFormation calls it, once per deployment",
    ),
    Accepted(
        "NIST.800.53.R5-LambdaDLQ",
        ("data/Trigger",),
        "what fails goes to its dead-letter queue by EventInvokeConfig, which the rule does not read",
    ),
    Accepted(
        "NIST.800.53.R5-LambdaDLQ",
        ("recovery/Lookup", "routing/Setter"),
        "CloudFormation waits for its answer, and fails the deployment without one",
    ),
    Accepted(
        "NIST.800.53.R5-LambdaInsideVPC",
        _FUNCTIONS,
        "it calls AWS alone: a network would only add addresses, and minutes to a deployment",
    ),
    Accepted(
        "NIST.800.53.R5-S3BucketReplicationEnabled",
        ("data/Bucket",),
        "both buckets replicate to each other: a custom resource sets it once both are there",
    ),
    Accepted(
        "NIST.800.53.R5-S3Bucket(Replication|Versioning)Enabled",
        ("data/AccessLogs",),
        "S3 writes an access log once, and nobody may change it; each Region has its own",
    ),
    Accepted(
        "NIST.800.53.R5-S3DefaultEncryptionKMS",
        ("data/AccessLogs",),
        "it says who asked for what, and holds no file: S3's own key does",
    ),
    Accepted(
        "NIST.800.53.R5-S3DefaultEncryptionKMS",
        ("data/Bucket",),
        "S3's own key: the environment has none",
        customer_keys=False,
    ),
    Accepted(
        "NIST.800.53.R5-SNSEncryptedKMS",
        ("observability/Topic",),
        "it carries what an alarm says: names and numbers, no record of a file",
    ),
    Accepted(
        "NIST.800.53.R5-VPCDefaultSecurityGroupClosed",
        ("network/Vpc",),
        "CloudFormation cannot change it: `make deploy` takes its rules away (baton_infra.deployment.default_group)",
    ),
    Accepted(
        "NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW",
        ("network/EgressRoute",),
        "the way out of who must reach the other Region (docs/adr/0012-egress-by-public-address.md)",
    ),
)


def findings(config: EnvironmentConfig, environment: str, outdir: Path) -> set[Violation]:
    """Synthesize an environment under AwsSolutions, NIST 800-53 R5 and CDK's own rules; return what they find."""
    told = outdir / "validation-report.json"
    app = build(config, outdir=outdir)
    Validations.of(app).add_plugins(AwsSolutionsChecks(), NIST80053R5Checks())
    try:
        app.synth()
    except RuntimeError:
        # What is found ends synthesis. The report is written before.
        if not told.exists():
            raise
    return {
        Violation(violation["ruleName"], _place(construct["constructPath"]), environment, config.customer_keys)
        for plugin in json.loads(told.read_text())["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def _place(path: str) -> str:
    """Return `data/Trigger` of `data-us-east-1/Trigger`."""
    stack, _, resource = path.partition("/")
    return f"{stack.rsplit('-', maxsplit=3)[0]}/{resource}"
