"""Deletes every version of every object of an environment's buckets: S3 deletes only empty buckets.

Their access logs are switched off first, or emptying would fill the bucket of logs.

Only for environments with `retain_data = false`.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from baton_infra import config as environments
from baton_infra.deployment import sdk

_NOT_IN_XML: Final = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters of keys that S3 cannot be told in a list of objects to delete, or that change on their way."""


async def empty(s3: Any, bucket: str) -> int:
    """Remove every version and every delete marker, page by page; return how many. A bucket that is gone is empty."""
    removed = 0
    try:
        # Always the first page: a later one would be asked for by a version that is gone by then.
        while found := _named(await s3.list_object_versions(Bucket=bucket)):
            together = [each for each in found if not _NOT_IN_XML.search(each["Key"])]
            if together:
                answer = await s3.delete_objects(Bucket=bucket, Delete={"Objects": together, "Quiet": True})
                if errors := answer.get("Errors"):
                    raise RuntimeError(f"{bucket}: {errors[0]['Key']}: {errors[0]['Message']}")
            for each in found:
                if _NOT_IN_XML.search(each["Key"]):
                    await s3.delete_object(Bucket=bucket, **each)
            removed += len(found)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
            raise
    return removed


async def end_logging(s3: Any, bucket: str) -> None:
    """Switch off the access logs of a bucket. One that is gone writes none."""
    try:
        await s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
            raise


def _named(page: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"Key": each["Key"], "VersionId": each["VersionId"]}
        for kind in ("Versions", "DeleteMarkers")
        for each in page.get(kind, ())
    ]


async def _main(name: str, tell: Callable[[str], object]) -> None:
    config = environments.load(name)
    if config.retain_data:
        raise SystemExit(f"{name} retains its data: set retain_data = false and deploy that first")
    for region in config.regions:
        async with sdk.client("s3", region) as s3:
            await end_logging(s3, config.topology.data_bucket(region))
            for bucket in (config.topology.data_bucket(region), config.topology.log_bucket(region)):
                tell(f"{bucket}: {await empty(s3, bucket)} versions removed\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.stdout.write))
