"""`make destroy` of an environment that keeps nothing: every version goes, however many pages of them there are."""

import asyncio

from baton_infra.deployment import emptying, sdk
from odd_keys import odd_keys

REGION = "us-east-1"
PAGE = 1_000
"""Versions that S3 lists at once."""


def test_every_version_and_marker_of_a_bucket_is_removed_page_by_page(ministack: str, environment: str) -> None:
    bucket = f"baton-{environment}-data"

    async def scenario() -> tuple[int, int]:
        async with sdk.client("s3", REGION, ministack) as s3:
            await s3.create_bucket(Bucket=bucket)
            await s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            # One file of many versions over the end of a page, and others on either side of it.
            for number in range(PAGE + 3):
                await s3.put_object(Bucket=bucket, Key="input/many.csv", Body=str(number).encode())
            for key in ("archive/one.csv", "output/one.csv"):
                await s3.put_object(Bucket=bucket, Key=key, Body=b"")
                await s3.delete_object(Bucket=bucket, Key=key)  # leaves a marker
            removed = await emptying.empty(s3, bucket)
            again = await emptying.empty(s3, bucket)
            await s3.delete_bucket(Bucket=bucket)  # which is refused while there is a version
            return removed, again

    assert asyncio.run(scenario()) == (PAGE + 3 + 4, 0)


def test_objects_whose_keys_xml_cannot_hold_are_removed_too(ministack: str, environment: str) -> None:
    bucket, keys = f"baton-{environment}-data", odd_keys("sales")

    async def scenario() -> int:
        async with sdk.client("s3", REGION, ministack) as s3:
            await s3.create_bucket(Bucket=bucket)
            await s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            for key in keys:
                await s3.put_object(Bucket=bucket, Key=key, Body=b"")
            async with asyncio.timeout(30):
                removed = await emptying.empty(s3, bucket)
            await s3.delete_bucket(Bucket=bucket)
            return removed

    assert asyncio.run(scenario()) == len(keys)


def test_a_bucket_that_is_gone_is_empty(ministack: str, environment: str) -> None:
    async def scenario() -> int:
        async with sdk.client("s3", REGION, ministack) as s3:
            return await emptying.empty(s3, f"baton-{environment}-never-made")

    assert asyncio.run(scenario()) == 0


def test_a_bucket_that_is_to_go_logs_no_more_and_one_that_is_gone_is_no_error(ministack: str, environment: str) -> None:
    bucket, log_bucket = f"baton-{environment}-data", f"baton-{environment}-logs"

    async def scenario() -> bool:
        async with sdk.client("s3", REGION, ministack) as s3:
            for name in (bucket, log_bucket):
                await s3.create_bucket(Bucket=name)
            enabled = {"LoggingEnabled": {"TargetBucket": log_bucket, "TargetPrefix": ""}}
            await s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=enabled)
            assert "LoggingEnabled" in await s3.get_bucket_logging(Bucket=bucket)
            await emptying.end_logging(s3, bucket)
            await emptying.end_logging(s3, f"baton-{environment}-never-made")
            return "LoggingEnabled" in await s3.get_bucket_logging(Bucket=bucket)

    assert asyncio.run(scenario()) is False
