"""The emulator of plain processes gives a part of a named version, as S3 does."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_worlds import client


def test_a_range_of_a_version_that_is_not_the_current_one_comes_alone(ministack: str) -> None:
    s3 = client("s3", ministack)
    s3.create_bucket(Bucket="ranges")
    s3.put_bucket_versioning(Bucket="ranges", VersioningConfiguration={"Status": "Enabled"})
    older = s3.put_object(Bucket="ranges", Key="x", Body=b"0123456789")["VersionId"]
    s3.put_object(Bucket="ranges", Key="x", Body=b"abc")

    def get(span: str) -> Any:
        return s3.get_object(Bucket="ranges", Key="x", VersionId=older, Range=f"bytes={span}")

    answer = get("2-4")
    assert (answer["ContentRange"], answer["ContentLength"], answer["VersionId"]) == ("bytes 2-4/10", 3, older)
    assert answer["Body"].read() == b"234"
    assert get("8-99")["Body"].read() == b"89"
    with pytest.raises(ClientError, match="InvalidRange"):
        get("10-12")
