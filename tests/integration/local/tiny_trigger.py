"""A trigger function for tests of the local world: leaves `seen/<key>` for each input, and fails on `poison`."""

import os
import urllib.request
from collections.abc import Mapping
from typing import Any


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Lambda entry point."""
    for record in event.get("Records", ()):  # S3's test event has none
        bucket, key = record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]
        if "poison" in key:
            raise ValueError(key)
        url = f"{os.environ['AWS_ENDPOINT_URL']}/{bucket}/seen/{key}"  # noqa: TID251 — what Lambda itself sets
        request = urllib.request.Request(url, data=b"seen", method="PUT")  # noqa: S310 — the emulator's own address
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 — the same
