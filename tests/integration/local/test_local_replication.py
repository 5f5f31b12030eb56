"""Replication keeps identity and order, waits for its lag, survives cuts, and never goes round in circles."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from baton.model.identity import ORIGIN_VERSION_METADATA
from baton_local.state import World
from baton_local.switches.admin import Admin
from local_worlds import bucket, client, do, eventually, status

EAST, WEST = "us-east-1", "us-west-2"


class _Bucket:
    """One Region's data bucket, seen from outside; every test has keys of its own."""

    def __init__(self, world: World, region: str) -> None:
        self.s3: Any = client("s3", world.region_endpoints[region], region)
        self.name = bucket(region)

    def put(self, key: str, body: bytes, **options: Any) -> str:
        return self.s3.put_object(Bucket=self.name, Key=key, Body=body, **options)["VersionId"]

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=key)

    def body(self, key: str) -> bytes | None:
        """Return what a reader gets; None for no object or a delete marker."""
        try:
            return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None

    def bodies(self, key: str) -> list[bytes]:
        """Return all versions, oldest first."""
        versions = self.s3.list_object_versions(Bucket=self.name, Prefix=key).get("Versions", [])
        ids = [version["VersionId"] for version in reversed(versions)]
        return [self.s3.get_object(Bucket=self.name, Key=key, VersionId=each)["Body"].read() for each in ids]

    def markers(self, key: str) -> int:
        return len(self.s3.list_object_versions(Bucket=self.name, Prefix=key).get("DeleteMarkers", []))

    def head(self, key: str) -> Any:
        return self.s3.head_object(Bucket=self.name, Key=key)


def _both(world: World) -> tuple[_Bucket, _Bucket]:
    return _Bucket(world, EAST), _Bucket(world, WEST)


def _key(prefix: str = "work/") -> str:
    return f"{prefix}{uuid4().hex} ü+&/part.csv"


def _settled(world: World) -> None:
    """Wait until both queues are read and nothing waits: two looks in a row, as an event may still be on its way."""
    for _ in range(2):
        eventually(lambda: not any(status(world).replication.backlog.values()))
        eventually(lambda: not any(_queued(world, region) for region in world.regions))


def _queued(world: World, region: str) -> int:
    sqs = client("sqs", world.region_endpoints[region], region)
    url = sqs.get_queue_url(QueueName="local-replication")["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


@pytest.mark.parametrize("prefix", ["input/", "work/", "output/", "archive/"])
def test_a_replica_carries_content_metadata_and_the_version_of_its_origin(world: World, prefix: str) -> None:
    east, west = _both(world)
    key = _key(prefix)

    version = east.put(key, b"a,b\n", Metadata={"sender": "x"}, ContentType="text/csv; charset=utf-8")

    assert eventually(lambda: west.body(key)) == b"a,b\n"
    head = west.head(key)
    assert head["Metadata"] == {"sender": "x", ORIGIN_VERSION_METADATA: version}
    assert head["ContentType"] == "text/csv; charset=utf-8"


def test_replication_goes_both_ways_and_not_in_circles(world: World) -> None:
    east, west = _both(world)
    key = _key()

    east.put(key, b"from east")
    eventually(lambda: west.body(key))
    west.put(key, b"from west")
    eventually(lambda: east.body(key) == b"from west")
    _settled(world)

    assert east.bodies(key) == west.bodies(key) == [b"from east", b"from west"]


def test_what_lies_outside_the_prefixes_stays_where_it_is(world: World) -> None:
    east, west = _both(world)
    key = _key("canary/")

    east.put(key, b"x")
    _settled(world)

    assert west.body(key) is None


def test_an_empty_object_and_one_of_many_parts_arrive_whole(world: World) -> None:
    east, west = _both(world)
    empty, large = _key(), _key()
    content = bytes(range(256)) * (160 * 1024) + b"end"

    east.put(empty, b"")
    version = east.put(large, content)

    assert eventually(lambda: west.body(empty) is not None)
    eventually(lambda: west.body(large) is not None)
    received = west.body(large) or b""
    assert (len(received), received == content) == (len(content), True)
    assert west.head(large)["Metadata"] == {ORIGIN_VERSION_METADATA: version}


def test_nothing_arrives_before_the_lag_and_versions_arrive_in_order(world: World) -> None:
    east, west = _both(world)
    key = _key()
    do(Admin(world.admin_endpoint).replication(lag_seconds=1.5))
    written = time.monotonic()

    for number in range(5):
        east.put(key, b"%d" % number)
    assert west.bodies(key) == []
    eventually(lambda: west.body(key) == b"4")

    assert time.monotonic() - written >= 1.5
    assert west.bodies(key) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_shorter_lag_frees_what_already_waits(world: World) -> None:
    east, west = _both(world)
    admin = Admin(world.admin_endpoint)
    key = _key()
    do(admin.replication(lag_seconds=600))
    east.put(key, b"x")
    eventually(lambda: status(world).replication.backlog[EAST] == 1)

    do(admin.replication(lag_seconds=0))

    assert eventually(lambda: west.body(key)) == b"x"


def test_a_cut_replication_keeps_its_backlog_and_then_copies_it(world: World) -> None:
    east, west = _both(world)
    admin = Admin(world.admin_endpoint)
    keys = [_key() for _ in range(12)]
    do(admin.replication(cut=True))

    for key in keys:
        east.put(key, key.encode())
    eventually(lambda: status(world).replication.backlog[EAST] == len(keys))
    assert [west.body(key) for key in keys] == [None] * len(keys)
    do(admin.replication(cut=False))

    eventually(lambda: [west.body(key) for key in keys] == [key.encode() for key in keys])


@pytest.mark.parametrize("region", [EAST, WEST])
def test_no_change_is_lost_when_a_region_is_cut_and_healed(
    world: World, environments_inside: dict[str, str], region: str
) -> None:
    _, west = _both(world)
    admin = Admin(world.admin_endpoint)
    inside = client("s3", environments_inside[EAST], EAST)
    key = _key()

    do(admin.cut(region))
    for number in range(3):
        inside.put_object(Bucket=bucket(EAST), Key=key, Body=b"%d" % number)
    do(admin.heal(region))

    eventually(lambda: west.bodies(key) == [b"0", b"1", b"2"])


def test_a_delete_marker_follows_its_version_and_does_not_come_back(world: World) -> None:
    east, west = _both(world)
    key = _key()
    east.put(key, b"x")
    eventually(lambda: west.body(key))

    east.delete(key)
    eventually(lambda: west.body(key) is None)
    _settled(world)

    assert (east.markers(key), west.markers(key)) == (1, 1)


def test_a_late_delete_marker_spares_a_newer_version(world: World) -> None:
    east, west = _both(world)
    admin = Admin(world.admin_endpoint)
    key = _key()
    east.put(key, b"old")
    eventually(lambda: west.body(key))
    do(admin.replication(cut=True))

    east.delete(key)
    west.put(key, b"new")
    do(admin.replication(cut=False))
    eventually(lambda: east.body(key) == b"new")
    _settled(world)

    assert west.body(key) == b"new"
    assert west.markers(key) == 0


def test_a_key_that_was_written_deleted_and_written_again_ends_alike(world: World) -> None:
    east, west = _both(world)
    admin = Admin(world.admin_endpoint)
    key = _key()
    do(admin.replication(cut=True))

    east.put(key, b"first")
    east.delete(key)
    east.put(key, b"second")
    do(admin.replication(cut=False))
    eventually(lambda: west.body(key) == b"second")
    _settled(world)

    assert west.bodies(key) == [b"first", b"second"]
    assert west.markers(key) == 1
    assert east.bodies(key) == [b"first", b"second"]


def test_a_region_whose_emulator_came_back_empty_is_filled_again(world: World) -> None:
    east, west = _both(world)
    from_east, from_west = _key(), _key("output/")
    east.put(from_east, b"from east")
    version = west.put(from_west, b"from west")
    assert eventually(lambda: west.body(from_east))
    assert eventually(lambda: east.body(from_west))
    _settled(world)

    log = Path(world.log_directory) / "supervisor.log"
    before, noticed = len(log.read_text()), f"replication_queue_unreachable region={WEST}"
    sqs = client("sqs", world.region_endpoints[WEST], WEST)
    queue = {"QueueName": "local-replication", "Attributes": {"VisibilityTimeout": "2"}}
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="local-replication")["QueueUrl"])
    for key in (from_east, from_west):
        for found in west.s3.list_object_versions(Bucket=west.name, Prefix=key)["Versions"]:
            west.s3.delete_object(Bucket=west.name, Key=key, VersionId=found["VersionId"])
    eventually(lambda: noticed in log.read_text()[before:])
    sqs.create_queue(**queue)

    assert eventually(lambda: west.body(from_east)) == b"from east"
    assert eventually(lambda: west.body(from_west)) == b"from west"
    assert west.head(from_west)["Metadata"][ORIGIN_VERSION_METADATA] == version, "it is who it was"
    _settled(world)
    assert east.bodies(from_west) == [b"from west"], "and does not go round"
