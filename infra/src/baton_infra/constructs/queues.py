"""A work queue and its dead-letter queue."""

from aws_cdk import aws_sqs as sqs
from constructs import Construct

from baton.topology import MAX_RECEIVES, RETENTION_DAYS, Queue
from baton_infra.constructs.roles import deny_plain_http
from baton_infra.declared.names import Arns

_RETENTION_SECONDS = RETENTION_DAYS * 24 * 3_600


def dead_letter_queue(
    scope: Construct, name: str, queue_name: str, arns: Arns, *, of: str | None = None
) -> sqs.CfnQueue:
    """Make a dead-letter queue; `of` names the one queue that may use it, None leaves that to its policy."""
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [arns.queue(of)]} if of else None
    made = sqs.CfnQueue(
        scope,
        name,
        queue_name=queue_name,
        message_retention_period=_RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        redrive_allow_policy=allowed,
    )
    _tls_only(scope, name, made, arns.queue(queue_name))
    return made


def work_queue(scope: Construct, queue: Queue, arns: Arns) -> None:
    """Make a queue and its dead-letter queue.

    The rule that a message be hidden for six times its handler's limit is for Lambda, which cannot ask for more time.
    Our consumers do, at each third: so a dead one's messages are back within a minute, whatever a step may take.
    """
    name = queue.kind.title()
    dead = dead_letter_queue(scope, f"{name}Dead", queue.dead_letter_name, arns, of=queue.name)
    made = sqs.CfnQueue(
        scope,
        name,
        queue_name=queue.name,
        visibility_timeout=queue.visibility_seconds,
        message_retention_period=_RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        redrive_policy={"deadLetterTargetArn": arns.queue(queue.dead_letter_name), "maxReceiveCount": MAX_RECEIVES},
    )
    made.add_resource_dependency(dead)  # which is named, so that CloudFormation cannot see it
    _tls_only(scope, name, made, arns.queue(queue.name))


def _tls_only(scope: Construct, name: str, queue: sqs.CfnQueue, arn: str) -> None:
    sqs.CfnQueuePolicy(
        scope,
        f"{name}Policy",
        queues=[queue.ref],
        policy_document={"Version": "2012-10-17", "Statement": [deny_plain_http(arn, action="sqs:*")]},
    )
