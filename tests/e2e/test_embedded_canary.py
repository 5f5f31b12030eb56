"""A canary through the standby Region of the embedded world: real trigger, real services, nothing left for anybody."""

import pytest

from baton.canary import EXPECTED_RESULT, INPUT, canary_key
from baton.model.identity import batch_id_of
from baton.topology import REGIONS_DEFAULT
from embedded import Embedded
from local_worlds import bucket, client, eventually

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

EAST, WEST = REGIONS_DEFAULT


def test_a_canary_goes_through_the_standby_region_and_stays_there(embedded: Embedded) -> None:
    s3 = client("s3", embedded.world.region_endpoints[WEST], WEST)
    key = canary_key(WEST, "e2e")
    version = s3.put_object(Bucket=bucket(WEST), Key=key, Body=INPUT)["VersionId"]
    batch_id = batch_id_of(key, version)

    # It is deleted last of all. The controllers send canaries of their own all the time: only this one is looked for.
    eventually(lambda: s3.list_objects_v2(Bucket=bucket(WEST), Prefix=key)["KeyCount"] == 0, seconds=60)

    shown = embedded.json("show", batch_id)
    assert shown["state"] == "COMPLETED"
    folder = f"canary-work/{batch_id}/"
    there = {found["Key"] for found in s3.list_objects_v2(Bucket=bucket(WEST), Prefix=folder)["Contents"]}
    (result,) = (found for found in there if found.endswith("/result.csv"))
    assert shown["owner_region"] == WEST
    assert s3.get_object(Bucket=bucket(WEST), Key=result)["Body"].read() == EXPECTED_RESULT
    east = client("s3", embedded.world.region_endpoints[EAST], EAST)
    assert [east.list_objects_v2(Bucket=bucket(EAST), Prefix=prefix)["KeyCount"] for prefix in (key, folder)] == [0, 0]
    assert embedded.mails(batch_id) == []
    assert batch_id not in [batch["batch_id"] for batch in embedded.json("batches")]
    assert batch_id in [batch["batch_id"] for batch in embedded.json("batches", "--all")]
