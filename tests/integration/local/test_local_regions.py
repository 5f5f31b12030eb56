"""A cut Region lives on inside and is unreachable from outside, and its services reach nothing outside."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import botocore.exceptions
import pytest

from baton_local.state import World
from baton_local.switches.admin import Admin
from local_worlds import bucket, client, do, environment_for

EAST, WEST = "us-east-1", "us-west-2"


def _inside(environments: Path, region: str) -> dict[str, str]:
    return json.loads((environments / f"{region}.json").read_text())


def test_a_cut_region_hangs_for_those_outside_and_works_inside(world: World, environments: Path) -> None:
    outside = client("s3", world.region_endpoints[EAST], EAST, read_timeout=1, attempts=1)
    inside = client("s3", _inside(environments, EAST)["AWS_ENDPOINT_URL"], EAST)

    do(Admin(world.admin_endpoint).cut(EAST))

    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        outside.list_objects_v2(Bucket=bucket(EAST))
    assert inside.list_objects_v2(Bucket=bucket(EAST))["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert client("s3", world.region_endpoints[WEST], WEST).list_objects_v2(Bucket=bucket(WEST))
    do(Admin(world.admin_endpoint).heal(EAST))
    assert client("s3", world.region_endpoints[EAST], EAST).list_objects_v2(Bucket=bucket(EAST))


def test_services_of_a_cut_region_cannot_write_the_ledger_and_others_can(world: World, environments: Path) -> None:
    ways = {region: _inside(environments, region)["AWS_ENDPOINT_URL_LEDGER"] for region in (EAST, WEST)}

    do(Admin(world.admin_endpoint).cut(EAST))

    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        client("dynamodb", ways[EAST], EAST, read_timeout=1, attempts=1).list_tables()
    assert client("dynamodb", ways[WEST], EAST).list_tables()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_long_poll_that_a_cut_froze_ends_with_the_heal(world: World) -> None:
    queues = client("sqs", world.region_endpoints[EAST], EAST, attempts=1)
    queue = queues.create_queue(QueueName="polled")["QueueUrl"].rpartition("/")[2]
    url = f"{world.region_endpoints[EAST]}/{world.account_id}/{queue}"
    admin = Admin(world.admin_endpoint)

    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(queues.receive_message, QueueUrl=url, WaitTimeSeconds=15)
        do(admin.cut(EAST))
        healed = time.monotonic()
        do(admin.heal(EAST))
        with pytest.raises(botocore.exceptions.HTTPClientError):
            poll.result()

    assert time.monotonic() - healed < 5


def test_a_process_outside_goes_through_the_gates(world: World) -> None:
    environment = environment_for(world, WEST)

    assert environment["AWS_REGION"] == WEST
    assert environment["AWS_ENDPOINT_URL"] == world.region_endpoints[WEST]
    assert environment["AWS_ENDPOINT_URL_LEDGER"] == world.global_endpoint
    assert environment["AWS_ENDPOINT_URL_MRAP"] == world.mrap_endpoint
    assert environment["BATON_REGIONS"] == f"{EAST},{WEST}"


def test_a_service_is_pointed_at_its_own_region_and_at_nothing_real(world: World, environments: Path) -> None:
    environment = _inside(environments, WEST)

    urls = {name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL")}

    assert all(url.startswith("http://127.0.0.1:") for url in urls.values())
    assert urls["AWS_ENDPOINT_URL"] != _inside(environments, EAST)["AWS_ENDPOINT_URL"]
    # A link is signed for its address: the one that the service is given must be the one that the world can reach.
    assert urls["AWS_ENDPOINT_URL_MRAP"] == world.mrap_endpoint


def test_the_inbox_holds_each_mail_as_it_was_sent(world: World, environments: Path) -> None:
    mails = client("ses", _inside(environments, EAST)["AWS_ENDPOINT_URL_SES"], EAST)
    mails.verify_email_identity(EmailAddress="baton@example.org")
    raw = (
        "From: baton@example.org\r\nTo: ops@example.org\r\nSubject: =?utf-8?q?Done_=E2=80=94_9?=\r\n"
        "X-Baton-Batch: 0123\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n9 rows — good\r\n"
        "--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "<b>9 rows</b>\r\n--b--\r\n"
    )

    sent = mails.send_raw_email(RawMessage={"Data": raw.encode()}, Source="baton@example.org")

    mail = do(Admin(world.admin_endpoint).inbox())[-1]
    assert mail["message_id"] == sent["MessageId"]
    assert (mail["sender"], mail["recipients"]) == ("baton@example.org", ["ops@example.org"])
    assert mail["subject"] == "Done — 9"
    assert mail["text"].strip() == "9 rows — good"
    assert mail["html"].strip() == "<b>9 rows</b>"
    assert mail["raw"] == raw


def test_a_refused_mail_is_not_in_the_inbox(world: World, environments: Path) -> None:
    mails = client("ses", _inside(environments, EAST)["AWS_ENDPOINT_URL_SES"], EAST)
    before = do(Admin(world.admin_endpoint).inbox())

    with pytest.raises(botocore.exceptions.ClientError, match="MessageRejected"):
        mails.send_raw_email(RawMessage={"Data": b"From: x@unknown.example\r\nTo: a@b.example\r\n\r\nhi"})

    assert do(Admin(world.admin_endpoint).inbox()) == before


@pytest.mark.parametrize("cut", [EAST, WEST])
def test_a_service_reaches_the_other_region_until_either_is_cut(world: World, environments: Path, cut: str) -> None:
    region, equals, way = _inside(environments, EAST)["BATON_REGION_ENDPOINTS"].partition("=")
    assert (region, equals) == (WEST, "=")
    assert client("s3", way, WEST).list_objects_v2(Bucket=bucket(WEST))

    do(Admin(world.admin_endpoint).cut(cut))

    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        client("s3", way, WEST, read_timeout=1, attempts=1).list_objects_v2(Bucket=bucket(WEST))
    do(Admin(world.admin_endpoint).heal(cut))
    assert client("s3", way, WEST).list_objects_v2(Bucket=bucket(WEST))
