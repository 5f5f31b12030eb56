"""Custom resource: configures two buckets to replicate to each other.

A bucket can only replicate to one that exists and is versioned; with two that replicate to each other, CloudFormation
alone has no order in which to create them. Create and Update write the same, so both may be repeated at any time.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from baton_functions.answer import Event, answered, client

type S3 = Callable[[str], Any]
"""Gives the S3 client of a Region."""


def apply(event: Event, s3: S3) -> Mapping[str, str]:
    """Do what the event asks for. A bucket that an update no longer names, or a delete, stops replicating."""
    deletes = event["RequestType"] == "Delete"
    wanted = {} if deletes else _buckets(event["ResourceProperties"])
    for bucket, (region, configuration) in wanted.items():
        s3(region).put_bucket_replication(Bucket=bucket, ReplicationConfiguration=json.loads(configuration))
    before = event["ResourceProperties"] if deletes else event.get("OldResourceProperties", {})
    for bucket, (region, _) in _buckets(before).items():
        if bucket not in wanted:
            _stop(s3(region), bucket)
    return {}


def _stop(s3: Any, bucket: str) -> None:
    try:
        s3.delete_bucket_replication(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        return  # it went before us


def _buckets(properties: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["Bucket"]: (each["Region"], each["Configuration"]) for each in properties.get("Buckets", ())}


def handler(event: Event, context: Any) -> None:
    """Lambda entry point."""
    answered(event, context, lambda asked: apply(asked, lambda region: client("s3", region)))
