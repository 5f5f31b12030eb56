"""S3's error for an archived object is distinguished from any other refusal."""

import pytest
from botocore.exceptions import ClientError

from baton.aws.sdk.failures import in_our_words
from baton.errors import Archived, BatonError, Refused


@pytest.mark.parametrize(("code", "kind"), [("InvalidObjectState", Archived), ("AccessDenied", Refused)])
def test_an_archived_object_is_told_from_a_forbidden_one(code: str, kind: type[BatonError]) -> None:
    assert type(in_our_words(ClientError({"Error": {"Code": code}}, "GetObject"))) is kind
