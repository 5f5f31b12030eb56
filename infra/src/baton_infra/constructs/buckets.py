"""Buckets that cannot become public by accident: private, owned by us alone, TLS only."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from baton_infra.constructs.roles import deny_plain_http

PRIVATE = s3.CfnBucket.PublicAccessBlockConfigurationProperty(
    block_public_acls=True, block_public_policy=True, ignore_public_acls=True, restrict_public_buckets=True
)


def bucket(
    scope: Construct,
    name: str,
    bucket_name: str,
    *,
    removal: cdk.RemovalPolicy,
    statements: list[dict[str, Any]] | None = None,
    key_arn: str | None = None,
    **options: Any,
) -> s3.CfnBucket:
    """Make a bucket and its policy; with `key_arn` (a KMS key) its objects are encrypted with that key."""
    ownership = s3.CfnBucket.OwnershipControlsRuleProperty(object_ownership="BucketOwnerEnforced")
    made = s3.CfnBucket(
        scope,
        name,
        bucket_name=bucket_name,
        bucket_encryption=_encryption(key_arn),
        ownership_controls=s3.CfnBucket.OwnershipControlsProperty(rules=[ownership]),
        public_access_block_configuration=PRIVATE,
        **options,
    )
    made.apply_removal_policy(removal)
    policy = [deny_plain_http(made.attr_arn, f"{made.attr_arn}/*", action="s3:*"), *(statements or [])]
    kept = s3.CfnBucketPolicy(
        scope,
        f"{name}Policy",
        bucket=made.ref,
        policy_document={"Version": "2012-10-17", "Statement": policy},
    )
    kept.apply_removal_policy(removal)  # a bucket that stays is guarded as before
    return made


def _encryption(key_arn: str | None) -> s3.CfnBucket.BucketEncryptionProperty:
    if key_arn:
        encryption = s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
            sse_algorithm="aws:kms", kms_master_key_id=key_arn
        )
    else:
        encryption = s3.CfnBucket.ServerSideEncryptionByDefaultProperty(sse_algorithm="AES256")
    # One data key for many objects: else each request to S3 is one to KMS.
    rule = s3.CfnBucket.ServerSideEncryptionRuleProperty(
        server_side_encryption_by_default=encryption, bucket_key_enabled=bool(key_arn)
    )
    return s3.CfnBucket.BucketEncryptionProperty(server_side_encryption_configuration=[rule])


def deny_foreign_encryption(arn: str, key_arn: str | None) -> list[dict[str, Any]]:
    """Return the statements that refuse objects under another key than the bucket's own: nobody here could read them.

    An upload that says nothing of encryption gets the bucket's. One that asks for it must ask for the same.
    """
    put = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{arn}/*"}
    asked, named = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
    senders_own = {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}
    if key_arn is None:
        others = [{"Null": {asked: "false"}, "StringNotEquals": {asked: "AES256"}}]
    else:
        # Without a key's name, `aws:kms` means the key that AWS manages for S3.
        others = [
            {"Null": {asked: "false", named: "true"}},
            {"Null": {named: "false"}, "StringNotEquals": {named: key_arn}},
        ]
    return [
        {"Sid": f"OurEncryption{number}", **put, "Condition": condition}
        for number, condition in enumerate([senders_own, *others])
    ]


def expiry(name: str, days: int, prefix: str, *, hidden_days: int | None = None) -> s3.CfnBucket.RuleProperty:
    """Return the rule that hides what is below a prefix after so many days.

    `cleaning` removes what is hidden; `hidden_days` has it go sooner.
    """
    old = s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=hidden_days) if hidden_days else None
    return s3.CfnBucket.RuleProperty(
        id=name, status="Enabled", prefix=prefix, expiration_in_days=days, noncurrent_version_expiration=old
    )


def hidden_expiry(name: str, days: int, prefix: str) -> s3.CfnBucket.RuleProperty:
    """Return the rule that removes what was hidden below a prefix so many days ago; what is current stays."""
    old = s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=days)
    return s3.CfnBucket.RuleProperty(id=name, status="Enabled", prefix=prefix, noncurrent_version_expiration=old)


def cleaning(days: int) -> list[s3.CfnBucket.RuleProperty]:
    """Return the rules that remove hidden versions after so many days, then their markers, and abandoned uploads."""
    rule = s3.CfnBucket.RuleProperty
    return [
        rule(
            id="old-versions",
            status="Enabled",
            noncurrent_version_expiration=s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=days),
            expired_object_delete_marker=True,
        ),
        rule(
            id="abandoned-uploads",
            status="Enabled",
            abort_incomplete_multipart_upload=s3.CfnBucket.AbortIncompleteMultipartUploadProperty(
                days_after_initiation=7
            ),
        ),
    ]
