"""What the AWS adapters write and make: rows, mails, signatures, copies in ranges, the world itself."""

import email
import email.policy
import json
import re
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.session import AioSession
from hypothesis import given, settings
from hypothesis import strategies as st

from aio import run
from batches_made import filled
from baton.address import Address
from baton.aws import Aws, SystemClock
from baton.aws.bootstrap import create_global, create_region
from baton.aws.dynamodb.batch_item import batch_from_item, batch_to_item
from baton.aws.s3.links import session_policy
from baton.aws.s3.objects import S3ObjectStore
from baton.job import DEADLINE_MINUTES_MAX
from baton.mime import mime, refusal
from baton.model.batch import Batch, Counts, Source
from baton.model.control import Control
from baton.model.states import BatchState
from baton.model.stored import SCHEMA
from baton.ports import ChunkDone, Mail, StoredReject
from baton.ports.preconditions import PART_BYTES_MIN
from baton.settings import WorldSettings
from baton.topology import MAX_RECEIVES, RETENTION_DAYS
from emulator_process import ACCOUNT_ID
from worlds import EAST, REGIONS_DEFAULT, SENDER, WEST, aws_at

moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
RECIPIENTS = (Address("Jörg Übel", "a", "example.org"), Address("Doe, Jane", "b", "xn--bcher-kva.example"))
MAIL = Mail("baton.0123456789abcdef0123.1", SENDER, RECIPIENTS, "x", "text", "<b>Größe</b>")


sources = st.builds(Source, st.text(), st.text(), st.integers())


@given(st.builds(Batch, source=sources, admitted_at=moments, updated_at=moments))
def test_every_batch_comes_back_from_its_row(batch: Batch) -> None:
    item = json.loads(json.dumps(batch_to_item(batch, write_id="w")))

    assert batch_from_item(item) == batch


def test_a_row_holds_moments_that_sort_and_says_who_wrote_it() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    item = batch_to_item(filled("b1", at), write_id="w1")

    assert item["pk"] == {"S": "batch#b1"}
    assert item["updated_at"] == {"S": "2026-01-02T03:04:05.000000Z"}
    assert item["listed_at"] == {"S": "2026-01-02T03:04:05.000000Z#b1"}
    assert item["write_id"] == {"S": "w1"}


def test_a_row_of_a_later_version_is_written_back_whole() -> None:
    batch = filled("b1", datetime(2026, 1, 2, tzinfo=UTC))
    item = batch_to_item(batch, write_id="w")
    item |= {"schema": {"N": "3"}, "colour": {"S": "blue"}, "sums": {"NS": ["1", "2.5"]}, "share": {"N": "0.5"}}
    item |= {"nothing": {"NULL": True}, "list": {"L": [{"B": b"x"}]}}
    item["source"]["M"]["etag"] = {"S": "x"}
    item["failure"]["M"]["page"] = {"N": "7"}

    read = batch_from_item(item)

    assert replace(read, more=None, source=batch.source, failure=batch.failure) == batch
    assert batch_from_item(item) == read
    assert batch_to_item(read, write_id="w") == item
    later = read.moved(BatchState.SPLIT, at=read.updated_at, by="us-east-1")
    assert {name: batch_to_item(later, write_id="w")[name] for name in ("schema", "colour", "share", "source")} == {
        name: item[name] for name in ("schema", "colour", "share", "source")
    }


def test_a_row_says_of_which_schema_it_is_and_one_without_is_read() -> None:
    batch = filled("b1", datetime(2026, 1, 2, tzinfo=UTC))
    item = batch_to_item(batch, write_id="w")

    assert item.pop("schema") == {"N": str(SCHEMA)}
    assert batch_from_item(item) == batch


def test_a_row_of_an_earlier_version_began_with_its_admission() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    item = batch_to_item(filled("b1", at), write_id="w")
    del item["retried_at"]

    assert batch_from_item(item).began_at == batch_from_item(item).admitted_at


def test_a_mail_is_two_alternatives_under_an_id_that_stays() -> None:
    raw = mime(replace(MAIL, subject="Märzumsätze\r\nBcc: x@example.org"))

    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Message-ID"] == "<baton.0123456789abcdef0123.1@baton>"
    assert message["X-Baton-Batch"] == "baton.0123456789abcdef0123.1"
    assert message["Subject"] == "Märzumsätze Bcc: x@example.org"
    assert message["Bcc"] is None
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "Bätön <baton@example.com>"
    assert message["To"] == 'Jörg Übel <a@example.org>, "Doe, Jane" <b@xn--bcher-kva.example>'
    assert [each.addr_spec for each in message["To"].addresses] == [each.spec for each in RECIPIENTS]
    assert raw.isascii()
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?Done?=.csv",
        "=?utf-8?q?Done?= é.csv",
        "plain.csv",
        "résumé  double  space é.csv",
        "Rapport mensuel des ventes 2026 - Tribune de Genève et tous les titres régionaux, version définitive.csv",
        "日本語の売上報告書二〇二六年十一月分最終確定版その一その二その三その四その五その六その七その八その九その十.csv",
        "😀😀 sales 😀.csv",
        'été "quoted" <tag>, naïve.csv',
        "a" * 250,
        "ä" * 250,
    ],
)
def test_a_subject_reaches_its_reader_as_it_is(subject: str) -> None:
    raw = mime(replace(MAIL, subject=subject))

    words = re.findall(rb"=\?[^ ]+\?=", raw.partition(b"\r\nMessage-ID")[0])
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject
    assert str(make_header(decode_header(email.message_from_bytes(raw)["Subject"]))) == subject
    assert all(len(word) <= 75 for word in words)


NAMES = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), max_size=100).map(str.strip)


@settings(max_examples=50, deadline=None)
@given(st.lists(NAMES.filter(lambda name: name.isprintable() and "=?" not in name), min_size=1, max_size=50))
def test_any_name_reaches_its_reader_beside_its_own_address(names: list[str]) -> None:
    recipients = [Address(name, f"user{number}", "xn--bcher-kva.example") for number, name in enumerate(names)]

    raw = mime(replace(MAIL, recipients=recipients))

    assert [Address.parse(str(each)) for each in recipients] == recipients
    assert refusal(SENDER.spec, [each.spec for each in recipients], raw) is None
    # Not by the newer parser, which reads a space into a name of several encoded words.
    read = getaddresses([email.message_from_bytes(raw)["To"]])
    assert [str(make_header(decode_header(name))) if name else "" for name, _ in read] == names
    assert [spec for _, spec in read] == [each.spec for each in recipients]


def _stop(request: Any, **_: object) -> None:
    """End a call before it goes out, with the address that it would go to."""
    raise LookupError(request.url)


def test_s3_is_asked_by_each_regions_own_name_and_dynamodb_by_that_of_every_account() -> None:
    """Else us-east-1 depends on the one name of all Regions, and a VPC's gateway might not lead to an account's own."""

    async def hosts(region: str) -> tuple[str, str]:
        world = WorldSettings.model_validate({"account_id": ACCOUNT_ID, "region": region})
        session = AioSession()
        session.set_credentials("test", "test", account_id=ACCOUNT_ID)
        async with Aws(world, session=session) as aws:
            s3, dynamodb = await aws.client("s3", region)(), await aws.client("dynamodb", region)()
            for client in (s3, dynamodb):
                client.meta.events.register("before-sign", _stop)
            with pytest.raises(LookupError) as of_s3:
                await s3.head_bucket(Bucket="files")
            with pytest.raises(LookupError) as of_dynamodb:
                await dynamodb.get_item(TableName="t", Key={"pk": {"S": "x"}})
            return urlsplit(str(of_s3.value)).hostname or "", urlsplit(str(of_dynamodb.value)).hostname or ""

    for region in (EAST, WEST):
        assert run(hosts(region)) == (f"files.s3.{region}.amazonaws.com", f"dynamodb.{region}.amazonaws.com")


def test_a_session_may_read_one_key_and_none_of_its_characters_is_a_wildcard() -> None:
    policy = json.loads(session_policy(["arn:aws:s3:::east/", "arn:aws:s3:::west/"], "output/a*b?${c}.csv"))

    statement, of_keys = policy["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:GetObject")
    assert of_keys == {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
    assert statement["Resource"] == [
        f"arn:aws:s3:::{region}/output/a${{*}}b${{?}}${{$}}{{c}}.csv" for region in ("east", "west")
    ]


def test_a_link_opens_with_any_client_and_only_as_it_was_signed(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    async def scenario() -> str:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await create_global(aws, senders=[])
            # The front door takes the access point's name for a bucket; here there is a bucket of that name.
            client = await aws.client("s3", EAST)()
            await client.create_bucket(Bucket=aws.topology.mrap)
            await client.put_object(Bucket=aws.topology.mrap, Key=key, Body=b"a,b\n")
            return (await aws.links().sign(key)).url

    key = "output/sales/März 1+1.csv"
    url = run(scenario())

    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http, to ourselves
        body, disposition = answer.read(), answer.headers["Content-Disposition"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("1%2B1.csv", "1%2B2.csv", 1), timeout=10)  # noqa: S310 - http, to ourselves

    assert body == b"a,b\n"
    assert disposition == "attachment; filename*=UTF-8''M%C3%A4rz%201%2B1.csv"
    refused.value.close()
    assert refused.value.code == 403


def test_a_link_through_an_access_point_is_signed_for_every_region(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    arn = f"arn:aws:s3::{ACCOUNT_ID}:accesspoint/mfzwi23gnjvgw.mrap"

    async def scenario() -> str:
        settings = WorldSettings(environment=environment, account_id=ACCOUNT_ID, region=EAST, mrap_arn=arn)
        endpoints = aws_at(ministack, environment)._endpoints  # pyright: ignore[reportPrivateUsage] - STS of the emulator
        async with Aws(settings, endpoints=endpoints, session=sdk_session) as aws:
            return (await aws.links().sign("output/sales/b1/e2/result.csv")).url

    url = urlsplit(run(scenario()))

    query = parse_qs(url.query)
    assert url.hostname == "mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com"
    assert query["X-Amz-Algorithm"] == ["AWS4-ECDSA-P256-SHA256"]
    assert query["X-Amz-Region-Set"] == ["*"]
    assert 3_590 <= int(query["X-Amz-Expires"][0]) <= 3_600
    assert query["X-Amz-Security-Token"]


def test_links_without_an_access_point_are_refused_at_once() -> None:
    settings = WorldSettings(account_id=ACCOUNT_ID, region=EAST)

    with pytest.raises(ValueError, match="BATON_MRAP_ARN"):
        Aws(settings).links()


def test_a_large_copy_is_made_in_ranges_and_keeps_type_and_metadata(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    async def scenario() -> None:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await create_region(aws, EAST)
            store = S3ObjectStore(
                aws.client("s3", EAST),
                bucket=aws.topology.data_bucket(EAST),
                clock=SystemClock(),
                copy_whole_bytes_max=PART_BYTES_MIN,
                copy_range_bytes=PART_BYTES_MIN,
            )
            body = bytes(range(251)) * 50_000
            written = await store.put("input/x", body, content_type="text/x-own", metadata={"a": "b"})

            await store.copy(written, "archive/x")

            copied = await store.head("archive/x")
            assert copied is not None
            client = await aws.client("s3", EAST)()
            head = await client.head_object(Bucket=aws.topology.data_bucket(EAST), Key="archive/x")
            assert (copied.size_bytes, copied.metadata, head["ContentType"]) == (len(body), {"a": "b"}, "text/x-own")
            assert copied.etag.endswith("-3")
            assert await store.get("archive/x") == body

    run(scenario())


def test_a_world_is_made_again_without_harm(ministack: str, environment: str, sdk_session: AioSession) -> None:
    async def scenario() -> None:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await _make(aws)
            await aws.ledger().set_control(Control(3, WEST, revision=1), before=Control(2, EAST))
            await aws.objects(WEST).put("input/x", b"x")

            await _make(aws)

            assert await aws.ledger().control() == Control(3, WEST, revision=1)
            assert await aws.objects(WEST).get("input/x") == b"x"
            assert await aws.objects(EAST).head("input/x") is None

    run(scenario())


def test_a_world_is_made_as_the_topology_says(ministack: str, environment: str, sdk_session: AioSession) -> None:
    async def scenario() -> None:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await _make(aws)
            for region in REGIONS_DEFAULT:
                await _check_queues(aws, region)
                s3: Any = await aws.client("s3", region)()
                versioning = await s3.get_bucket_versioning(Bucket=aws.topology.data_bucket(region))
                assert versioning["Status"] == "Enabled"
                dynamodb: Any = await aws.client("dynamodb", region)()
                for table in (aws.topology.progress_table, aws.topology.rejects_table):
                    answer = await dynamodb.describe_time_to_live(TableName=table)
                    assert answer["TimeToLiveDescription"]["AttributeName"] == "expires_at"

    run(scenario())


def test_what_a_table_removes_by_itself_outlives_every_batch(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    """Any row of a table with a time to live: one that goes too early takes a count of records with it."""

    async def scenario() -> list[int]:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            await _make(aws)
            now, progress = SystemClock().now(), aws.progress()
            await progress.open("b", "p", chunks=200, now=now)
            for index in (0, 199):
                await progress.complete(ChunkDone("b", "p", index, Counts(), 0, 0, 0, 0), now=now)
            await aws.rejects().put("b", "p", [StoredReject(1, 0, "c", "r", "v", "l")])
            dynamodb: Any = await aws.client("dynamodb", EAST)()
            found: list[int] = []
            for table in (aws.topology.progress_table, aws.topology.rejects_table):
                rows = (await dynamodb.scan(TableName=table))["Items"]
                found += [int(row["expires_at"]["N"]) - int(now.timestamp()) for row in rows]
            return found

    seconds = run(scenario())

    day = 24 * 3600
    assert len(seconds) >= 5
    assert all(2 * DEADLINE_MINUTES_MAX * 60 + RETENTION_DAYS * day <= each + 1 for each in seconds), seconds


async def _make(aws: Aws) -> None:
    await create_global(aws, senders=[SENDER.spec])
    for region in REGIONS_DEFAULT:
        await create_region(aws, region)


async def _check_queues(aws: Aws, region: str) -> None:
    sqs: Any = await aws.client("sqs", region)()
    for queue in aws.topology.queues:
        url = (await sqs.get_queue_url(QueueName=queue.name))["QueueUrl"]
        attributes = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]
        redrive = json.loads(attributes["RedrivePolicy"])
        assert attributes["VisibilityTimeout"] == str(queue.visibility_seconds)
        assert attributes["MessageRetentionPeriod"] == str(timedelta(days=14) // timedelta(seconds=1))
        assert int(redrive["maxReceiveCount"]) == MAX_RECEIVES
        assert redrive["deadLetterTargetArn"] == f"arn:aws:sqs:{region}:{ACCOUNT_ID}:{queue.dead_letter_name}"
