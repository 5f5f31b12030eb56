"""A work queue and its dead-letter queue."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from baton.messages import ORDINARY
from baton.topology import MAX_RECEIVES, RETENTION_DAYS, VISIBILITY_SECONDS, Queue
from baton_infra.constructs.roles import deny_plain_http
from baton_infra.declared.names import Arns

_RETENTION_SECONDS = RETENTION_DAYS * 24 * 3_600
_REMOVAL = cdk.RemovalPolicy.DESTROY
"""Also where data are retained: whatever a message asks for is in the ledger, and is asked for again."""


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
    made.apply_removal_policy(_REMOVAL)
    _tls_only(scope, name, made, arns.queue(queue_name))
    return made


def work_queue(scope: Construct, queue: Queue, arns: Arns) -> None:
    """Make a work queue and its dead-letter queue."""
    name = queue.kind.title() + (queue.lane.title() if queue.lane != ORDINARY else "")
    queue_with_dead_letters(scope, name, queue.name, queue.dead_letter_name, arns)


def queue_with_dead_letters(
    scope: Construct,
    name: str,
    queue_name: str,
    dead_letter_name: str,
    arns: Arns,
    *,
    may_send: dict[str, Any] | None = None,
) -> sqs.CfnQueuePolicy:
    """Make a queue and its dead-letter queue; return its policy. `may_send`: what allows a service of AWS to send.

    The rule that a message be hidden for six times its handler's limit is for Lambda, which cannot ask for more time.
    Our consumers do, at each third: so a dead one's messages are back within a minute, whatever a step may take.
    """
    dead = dead_letter_queue(scope, f"{name}Dead", dead_letter_name, arns, of=queue_name)
    made = sqs.CfnQueue(
        scope,
        name,
        queue_name=queue_name,
        visibility_timeout=VISIBILITY_SECONDS,
        message_retention_period=_RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        redrive_policy={"deadLetterTargetArn": arns.queue(dead_letter_name), "maxReceiveCount": MAX_RECEIVES},
    )
    made.apply_removal_policy(_REMOVAL)
    made.add_resource_dependency(dead)  # which is named, so that CloudFormation cannot see it
    return _tls_only(scope, name, made, arns.queue(queue_name), *([may_send] if may_send else []))


def _tls_only(scope: Construct, name: str, queue: sqs.CfnQueue, arn: str, *also: dict[str, Any]) -> sqs.CfnQueuePolicy:
    statements = [deny_plain_http(arn, action="sqs:*"), *also]
    return sqs.CfnQueuePolicy(
        scope,
        f"{name}Policy",
        queues=[queue.ref],
        policy_document={"Version": "2012-10-17", "Statement": statements},
    )
