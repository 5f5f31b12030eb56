"""In the embedded world each service may do what its role on AWS may, and nothing else."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from baton.aws.s3.links import session_policy
from baton.topology import Topology
from baton_local import state
from baton_local.locks.roles import token
from embedded import Embedded
from local_worlds import bucket, client

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

TOPOLOGY = Topology("local", "000000000000")
EAST = TOPOLOGY.regions[0]
WORKER, NOTIFIER = (TOPOLOGY.role(name, EAST) for name in ("worker", "notifier"))
LINK = f"arn:aws:iam::{TOPOLOGY.account_id}:role/{TOPOLOGY.link_role}"
KEY = "output/locks/1/result.csv"
MAIL = {"Source": "stranger@example.com", "RawMessage": {"Data": b"Subject: a\n\nb"}}


def _as(role: str, service: str, endpoint: str) -> Any:
    """Return a client of a task in this role."""
    return _client(service, endpoint, state.credentials(TOPOLOGY.account_id)["AWS_ACCESS_KEY_ID"], "local", token(role))


def _client(service: str, endpoint: str, *keys: str) -> Any:
    session: Any = botocore.session.get_session()
    session.set_credentials(*keys)
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4" if service == "s3" else None)
    return session.create_client(service, endpoint_url=endpoint, region_name=EAST, config=config)


@pytest.fixture(scope="module")
def result(embedded: Embedded) -> str:
    """Put something where results lie."""
    client("s3", embedded.world.region_endpoints[EAST]).put_object(Bucket=bucket(EAST), Key=KEY, Body=b"a,b\n")
    return KEY


OBJECT = {"Bucket": bucket(EAST), "Key": KEY}
CONTROL = {"TableName": TOPOLOGY.ledger_table, "Key": {"pk": {"S": "control"}, "sk": {"S": "a"}}}
LARGE = {**OBJECT, "Body": b"x" * 1_000_000}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "action"),
    [
        ("s3", "get_object", OBJECT, "AccessDenied", "s3:GetObject"),
        ("s3", "put_object", LARGE, "AccessDenied", "s3:PutObject"),
        ("sqs", "get_queue_url", {"QueueName": "baton-local-split"}, "AccessDenied", "sqs:GetQueueUrl"),
        ("sqs", "get_queue_url", {"QueueName": "baton-local-merge"}, "", ""),
    ],
)
def test_a_call_that_aws_would_refuse_is_refused_in_the_region(
    embedded: Embedded, service: str, operation: str, parameters: dict[str, Any], code: str, action: str, result: str
) -> None:
    del result
    worker = _as(WORKER, service, embedded.world.region_endpoints[EAST])

    assert _refused(worker, operation, parameters) == (code, action)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "action"),
    [
        ("dynamodb", "get_item", CONTROL, "AccessDeniedException", "dynamodb:GetItem"),
        ("sts", "assume_role", {"RoleArn": LINK, "RoleSessionName": "test"}, "AccessDenied", "sts:AssumeRole"),
        ("ses", "send_raw_email", MAIL, "AccessDenied", "ses:SendRawEmail"),
    ],
)
def test_a_call_that_aws_would_refuse_is_refused_outside_of_both_regions(
    embedded: Embedded, service: str, operation: str, parameters: dict[str, Any], code: str, action: str
) -> None:
    worker = _as(WORKER, service, embedded.world.global_endpoint)

    assert _refused(worker, operation, parameters) == (code, action)


def _refused(client: Any, operation: str, parameters: dict[str, Any]) -> tuple[str, str]:
    """Return with which code and for which action a call was refused; nothing if it was not."""
    try:
        getattr(client, operation)(**parameters)
    except ClientError as error:
        answered: Any = error.response.get("Error")
        return answered["Code"].removeprefix("com.amazonaws."), answered["Message"].partition("perform: ")[2].split()[0]
    return "", ""


def test_a_link_opens_its_file_if_its_session_may_use_the_key(embedded: Embedded, result: str) -> None:
    places = [f"arn:aws:s3:::{name}/" for name in (TOPOLOGY.mrap, *map(bucket, TOPOLOGY.regions))]
    policy = json.loads(session_policy(places, result))
    without_key = {**policy, "Statement": [each for each in policy["Statement"] if each["Action"] != "kms:Decrypt"]}

    assert _opened(embedded, policy, result) == (200, b"a,b\n")
    status, said = _opened(embedded, without_key, result)
    assert status == 403
    assert b"no session policy allows the kms:Decrypt action" in said
    status, said = _opened(embedded, policy, "output/locks/2/result.csv")
    assert status == 403
    assert b"no session policy allows the s3:GetObject action" in said


def _opened(embedded: Embedded, policy: Any, key: str) -> tuple[int, bytes]:
    sts = _as(NOTIFIER, "sts", embedded.world.global_endpoint)
    lent = sts.assume_role(RoleArn=LINK, RoleSessionName="test", Policy=json.dumps(policy))["Credentials"]
    keys = [lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"]]
    signer = _client("s3", embedded.world.mrap_endpoint, *keys)
    url = signer.generate_presigned_url("get_object", Params={"Bucket": TOPOLOGY.mrap, "Key": key})
    try:
        with urllib.request.urlopen(url, timeout=15) as answer:  # noqa: S310 - our own endpoint
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_nobody_is_refused_what_he_needs(embedded: Embedded, tmp_path: Path) -> None:
    before = _refusals(embedded)
    sample, reference = tmp_path / "sales.csv", tmp_path / "financial.csv"
    for arguments in (
        ("sample", "--records", "500", "-o", str(sample), "--reference-out", str(reference)),
        ("reference", "load", "financial", str(reference), "--key", "uuid"),
    ):
        assert embedded.baton(*arguments).returncode == 0
    assert embedded.submit(sample, name="locked.csv")["state"] == "COMPLETED"

    assert _refusals(embedded)[len(before) :] == []


def _refusals(embedded: Embedded) -> list[str]:
    logs = sorted(Path(embedded.world.log_directory).glob("*-emulator.log"))
    assert len(logs) == 3
    lines = (line for log in logs for line in log.read_text(errors="replace").splitlines())
    return sorted(line for line in lines if "lock_refused" in line)  # by time, with which each begins
