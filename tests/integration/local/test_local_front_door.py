"""The front door follows the dials, keeps what a client relies on, and checks links for real."""

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import botocore.exceptions
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from baton_local.stand_ins.front_door import CUT_SECONDS_MAX
from baton_local.state import World
from baton_local.switches.admin import Admin
from local_worlds import bucket, client, do, eventually

EAST, WEST = "us-east-1", "us-west-2"
ACCESS_POINT = "baton-local-data"


def _door(world: World, *, attempts: int = 3) -> Any:
    return client("s3", world.mrap_endpoint, EAST, attempts=attempts)


def _region(world: World, region: str) -> Any:
    return client("s3", world.region_endpoints[region], region)


def _control(world: World) -> Any:
    control = client("s3control", world.mrap_endpoint)

    def without_account(request: Any, **_: object) -> None:
        # It would ask `<account>.127.0.0.1`, which no resolver knows.
        request.url = request.url.replace(f"//{world.account_id}.", "//")

    control.meta.events.register("before-send.s3-control", without_account, unique_id="local")
    return control


def _turn(world: World, **dials: int) -> None:
    _control(world).submit_multi_region_access_point_routes(
        AccountId=world.account_id,
        Mrap=ACCESS_POINT,
        RouteUpdates=[
            {"Region": region.replace("_", "-"), "TrafficDialPercentage": dial} for region, dial in dials.items()
        ],
    )


def _fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=15) as answer:  # noqa: S310 — our own endpoint
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_upload_lands_in_the_active_region_under_the_version_the_client_is_told(world: World) -> None:
    key = "canary/odd name+ü/50%.csv"

    put = _door(world).put_object(Bucket=ACCESS_POINT, Key=key, Body=b"a,b\n", Metadata={"origin": "test"})

    head = _region(world, EAST).head_object(Bucket=bucket(EAST), Key=key)
    assert head["VersionId"] == put["VersionId"]
    assert head["Metadata"] == {"origin": "test"}
    got = _door(world).get_object(Bucket=ACCESS_POINT, Key=key, Range="bytes=2-3")
    assert (got["Body"].read(), got["ContentRange"]) == (b"b\n", "bytes 2-3/4")
    with pytest.raises(botocore.exceptions.ClientError, match="404"):
        _region(world, WEST).head_object(Bucket=bucket(WEST), Key=key)


def test_a_large_upload_in_parts_comes_through_byte_by_byte(world: World) -> None:
    part = bytes(range(256)) * (24 * 1024)
    door = _door(world)

    upload = {"Bucket": ACCESS_POINT, "Key": "canary/large"}
    upload["UploadId"] = door.create_multipart_upload(**upload)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": door.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
        for number in (1, 2)
    ]
    door.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    assert door.get_object(Bucket=ACCESS_POINT, Key="canary/large")["Body"].read() == part * 2


def test_requests_follow_the_dials(world: World) -> None:
    _turn(world, us_east_1=0, us_west_2=100)
    try:
        put = _door(world).put_object(Bucket=ACCESS_POINT, Key="canary/west", Body=b"x")

        assert _region(world, WEST).head_object(Bucket=bucket(WEST), Key="canary/west")["VersionId"] == put["VersionId"]
        routes = _control(world).get_multi_region_access_point_routes(AccountId=world.account_id, Mrap=ACCESS_POINT)[
            "Routes"
        ]
        assert {route["Region"]: route["TrafficDialPercentage"] for route in routes} == {EAST: 0, WEST: 100}
    finally:
        _turn(world, us_east_1=100, us_west_2=0)


def test_the_last_active_region_cannot_be_turned_off(world: World) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="at least one Region must stay active"):
        _turn(world, us_east_1=0)


def test_a_request_for_a_cut_region_is_answered_503_in_bounded_time(world: World) -> None:
    do(Admin(world.admin_endpoint).cut(EAST))
    began = time.monotonic()

    with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailable"):
        _door(world, attempts=1).put_object(Bucket=ACCESS_POINT, Key="canary/lost", Body=b"x" * 10_000_000)

    assert CUT_SECONDS_MAX - 1 < time.monotonic() - began < CUT_SECONDS_MAX + 15


def test_a_request_under_way_ends_when_its_region_heals(world: World) -> None:
    admin = Admin(world.admin_endpoint)
    do(admin.cut(EAST))

    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        request = pool.submit(_door(world, attempts=1).list_objects_v2, Bucket=ACCESS_POINT)
        do(admin.heal(EAST))
        # Either it came in time for the heal, or its frozen connection was closed.
        error = request.exception()

    assert time.monotonic() - began < CUT_SECONDS_MAX
    assert error is None or "ServiceUnavailable" in str(error)


def _link(world: World, key: str, *, expires_seconds: int = 3600, query: str = "") -> str:
    """Return a link as the notifier makes it: signed with the credentials of an assumed role."""
    role = f"arn:aws:iam::{world.account_id}:role/baton-local-link"
    issued = client("sts", world.global_endpoint).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    keys = Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    return _signed(world, key, keys, expires_seconds, query)


def _signed(world: World, key: str, keys: Credentials, expires_seconds: int, query: str = "") -> str:
    request = AWSRequest(method="GET", url=f"{world.mrap_endpoint}/{ACCESS_POINT}/{quote(key)}{query}")
    auth: Any = S3SigV4QueryAuth(keys, "s3", EAST, expires=expires_seconds)
    auth.add_auth(request)
    return str(request.url)


def test_a_link_is_served_to_a_plain_client(world: World) -> None:
    _door(world).put_object(Bucket=ACCESS_POINT, Key="canary/result ü.csv", Body=b"a,b\n1,2\n")

    answer = _fetch(_link(world, "canary/result ü.csv"))

    assert answer == (200, b"a,b\n1,2\n")


def test_a_link_that_one_region_signed_is_served_by_the_other(world: World) -> None:
    _region(world, WEST).put_object(Bucket=bucket(WEST), Key="canary/handed-over.csv", Body=b"a,b\n1,2\n")
    link = _link(world, "canary/handed-over.csv")

    _turn(world, us_east_1=0, us_west_2=100)
    try:
        assert _fetch(link) == (200, b"a,b\n1,2\n")
        anonymous = urllib.request.Request(f"{world.mrap_endpoint}/{ACCESS_POINT}?list-type=2")  # noqa: S310 - our own endpoint
        with urllib.request.urlopen(anonymous, timeout=15) as answer:  # noqa: S310 - the same
            assert answer.status == 200
    finally:
        _turn(world, us_east_1=100, us_west_2=0)


def test_a_link_says_under_which_name_to_save_the_file(world: World) -> None:
    _door(world).put_object(Bucket=ACCESS_POINT, Key="canary/result", Body=b"a,b\n")
    url = _link(world, "canary/result", query="?response-content-disposition=attachment%3B%20filename%3Dr.csv")

    with urllib.request.urlopen(url, timeout=15) as answer:  # noqa: S310 — our own endpoint
        assert answer.headers["Content-Disposition"] == "attachment; filename=r.csv"
        assert answer.read() == b"a,b\n"


def test_a_link_to_what_is_not_there_is_answered_404_by_the_region(world: World) -> None:
    status, body = _fetch(_link(world, "canary/never"))

    assert status == 404
    assert b"NoSuchKey" in body


def test_a_tampered_signature_is_refused(world: World) -> None:
    _door(world).put_object(Bucket=ACCESS_POINT, Key="canary/result", Body=b"secret")
    url = _link(world, "canary/result")
    last = "1" if url.endswith("0") else "0"

    status, body = _fetch(url[:-1] + last)

    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


def test_a_link_opens_no_other_key(world: World) -> None:
    for key in ("canary/result", "canary/other"):
        _door(world).put_object(Bucket=ACCESS_POINT, Key=key, Body=b"secret")

    status, body = _fetch(_link(world, "canary/result").replace("canary/result", "canary/other"))

    assert (status, b"secret" in body) == (403, False)


def test_an_expired_link_is_refused(world: World) -> None:
    _door(world).put_object(Bucket=ACCESS_POINT, Key="canary/result", Body=b"secret")
    url = _link(world, "canary/result", expires_seconds=1)

    eventually(lambda: _fetch(url)[0] != 200)

    status, body = _fetch(url)
    assert (status, b"expired" in body) == (403, True)


def test_an_unknown_key_pair_is_refused(world: World) -> None:
    url = _signed(world, "canary/result", Credentials("ASIAUNKNOWN000000000", "guess", "guess"), 60)

    assert _fetch(url)[0] == 403
