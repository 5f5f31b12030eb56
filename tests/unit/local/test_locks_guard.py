"""What AWS would refuse a role is refused: calls as the SDK sends them, roles as the CDK app declares them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.aws.s3.links import session_policy
from baton.topology import Topology
from baton_local.bootstrap import SENDER
from baton_local.locks import roles
from baton_local.locks.guard import AccessDenied, Guard
from baton_local.locks.policies import UnknownPolicy
from baton_local.locks.requests import ACCESS_POINT, EmulatorPlace, Request
from baton_local.locks.roles import MayNotAssume, Roles, token
from emulator_process import ACCOUNT_ID
from sent_requests import sent

TOPOLOGY = Topology("local", ACCOUNT_ID)
EAST, WEST = TOPOLOGY.regions
BUCKET, FAR = TOPOLOGY.data_bucket(EAST), TOPOLOGY.data_bucket(WEST)
WORKER, NOTIFIER, CONTROLLER, TRIGGER = (
    TOPOLOGY.role(name, EAST) for name in ("worker", "notifier", "failover-controller", "trigger")
)
LEDGER = TOPOLOGY.ledger_table
KEY_STATEMENT = "UseKey"


def _declared() -> Any:
    text = roles.declared(roles.DECLARED.read_text(), environment="local", account_id=ACCOUNT_ID, sender=SENDER)
    return json.loads(text)


def _guard(region: str = EAST, declared: Any = None) -> Guard:
    """Return what judges the calls to a Region's emulator; `region` empty: to the global one."""
    return Guard(Roles(declared or _declared()), EmulatorPlace(ACCOUNT_ID, region, TOPOLOGY.key_alias, TOPOLOGY.mrap))


GUARD, GLOBAL = _guard(), _guard("")


def _refused(guard: Guard, request: Request) -> str:
    """Return why a call is refused; nothing if it is not."""
    try:
        guard.judge(request, guard.caller(request))
    except AccessDenied as refused:
        return str(refused)
    return ""


def _s3(role: str, operation: str, key: str, /, bucket: str = BUCKET, **more: Any) -> Request:
    return sent("s3", operation, {"Bucket": bucket, "Key": key, **more}, token=token(role))


def _row(role: str, operation: str, pk: str) -> Request:
    key = {"pk": {"S": pk}, "sk": {"S": "a"}}
    what = {"Item": key} if operation == "put_item" else {"Key": key}
    return sent("dynamodb", operation, {"TableName": LEDGER, **what}, token=token(role))


@pytest.mark.parametrize(
    "request_",
    [
        _s3(WORKER, "get_object", "work/a b/ü"),
        _s3(WORKER, "get_object", "input/f.csv", VersionId="v"),
        _s3(WORKER, "head_object", "work/a"),
        _s3(WORKER, "put_object", "work/a", Body=b"x"),
        _s3(NOTIFIER, "create_multipart_upload", "output/a"),
        _s3(NOTIFIER, "upload_part", "output/a", UploadId="u", PartNumber=1, Body=b"x"),
        _s3(NOTIFIER, "abort_multipart_upload", "output/a", UploadId="u"),
        _s3(NOTIFIER, "copy_object", "archive/a", CopySource={"Bucket": BUCKET, "Key": "input/ü", "VersionId": "v"}),
        _s3(NOTIFIER, "get_object_tagging", "input/a"),
        _s3(NOTIFIER, "put_object", "archive/a", Body=b"x", Tagging="a=b"),
        sent("s3", "list_objects_v2", {"Bucket": BUCKET}, token=token(WORKER)),
        sent("s3", "list_object_versions", {"Bucket": BUCKET}, token=token(WORKER)),
        sent("sqs", "receive_message", {"QueueUrl": f"http://h/{ACCOUNT_ID}/baton-local-chunk"}, token=token(WORKER)),
        sent("sqs", "get_queue_url", {"QueueName": "baton-local-merge"}, token=token(WORKER)),
        sent("cloudwatch", "describe_alarms", {}, token=token(CONTROLLER)),
        sent("sts", "get_caller_identity", {}, token=token(WORKER)),
    ],
)
def test_what_a_role_may_do_passes(request_: Request) -> None:
    assert _refused(GUARD, request_) == ""


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        (_s3(WORKER, "get_object", "output/a"), "s3:GetObject"),
        (_s3(WORKER, "get_object", "input/f.csv"), "s3:GetObject"),
        (_s3(WORKER, "get_object", "work/a", FAR), "s3:GetObject"),
        (_s3(WORKER, "put_object", "input/a", Body=b"x"), "s3:PutObject"),
        (_s3(WORKER, "delete_object", "work/a"), "s3:DeleteObject"),
        (_s3(WORKER, "create_multipart_upload", "output/a"), "s3:PutObject"),
        (_s3(WORKER, "put_object", "work/a", Body=b"x", Tagging="a=b"), "s3:PutObjectTagging"),
        (_s3(NOTIFIER, "copy_object", "archive/a", CopySource={"Bucket": FAR, "Key": "input/a"}), "s3:GetObject"),
        (sent("s3", "list_objects_v2", {"Bucket": FAR}, token=token(WORKER)), "s3:ListBucket"),
        (
            sent("sqs", "send_message_batch", {"QueueUrl": "/0/baton-local-split", "Entries": []}, token=token(WORKER)),
            "sqs:SendMessage",
        ),
        (sent("cloudwatch", "describe_alarms", {}, token=token(WORKER)), "cloudwatch:DescribeAlarms"),
    ],
)
def test_what_a_role_may_not_do_is_refused(request_: Request, action: str) -> None:
    assert f"is not authorized to perform: {action} on resource: " in _refused(GUARD, request_)


@pytest.mark.parametrize(
    ("role", "operation", "pk", "may"),
    [
        (TRIGGER, "get_item", "control", True),
        (TRIGGER, "put_item", "control", False),
        (WORKER, "get_item", "batch#1", True),
        (WORKER, "put_item", "batch#1", True),
        (WORKER, "get_item", "control", False),
        (WORKER, "delete_item", "batch#1", False),
        (CONTROLLER, "put_item", "control", True),
        (CONTROLLER, "put_item", "other", False),
    ],
)
def test_a_role_reads_and_writes_the_rows_of_its_leading_keys(role: str, operation: str, pk: str, *, may: bool) -> None:
    assert (_refused(GLOBAL, _row(role, operation, pk)) == "") is may


def test_one_table_stands_for_the_replicas_of_both_regions() -> None:
    for region in TOPOLOGY.regions:
        row = _row(TOPOLOGY.role("worker", region), "get_item", "batch#1")
        assert _refused(GLOBAL, row) == ""
        assert (_refused(GUARD, row) == "") is (region == EAST)


def test_each_row_of_a_batch_of_rows_counts() -> None:
    def asked(*keys: str) -> Request:
        rows = [{"pk": {"S": key}} for key in keys]
        items = {LEDGER: {"Keys": rows}}
        return sent("dynamodb", "batch_get_item", {"RequestItems": items}, token=token(TOPOLOGY.role("splitter", EAST)))

    assert _refused(GLOBAL, asked("batch#1", "batch#2")) == ""
    assert "dynamodb:BatchGetItem" in _refused(GLOBAL, asked("batch#1", "control"))


def test_a_query_is_judged_by_its_leading_key_or_by_its_index() -> None:
    def asked(pk: str, **more: str) -> Request:
        query = {"KeyConditionExpression": "pk = :pk AND sk > :since"}
        values = {":since": {"S": "a"}, ":pk": {"S": pk}}
        parameters = {"TableName": LEDGER, **query, "ExpressionAttributeValues": values, **more}
        return sent("dynamodb", "query", parameters, token=token(CONTROLLER))

    assert _refused(GLOBAL, asked("heartbeat")) == ""
    assert "dynamodb:Query" in _refused(GLOBAL, asked("control"))
    assert _refused(GLOBAL, asked("whatever", IndexName="listing")) == ""
    assert "dynamodb:Query" in _refused(GLOBAL, asked("heartbeat", IndexName="other"))


@pytest.mark.parametrize(
    ("request_", "may"),
    [
        (_s3(WORKER, "get_object", "work/a"), False),
        (_s3(WORKER, "head_object", "work/a"), True),
        (_s3(WORKER, "put_object", "work/a", Body=b"x"), False),
        (_s3(WORKER, "upload_part", "work/a", UploadId="u", PartNumber=1, Body=b"x"), False),
    ],
)
def test_s3_needs_the_callers_right_to_the_key(request_: Request, *, may: bool) -> None:
    declared = _declared()
    allowed = declared["roles"][WORKER]["allowed"]
    declared["roles"][WORKER]["allowed"] = [each for each in allowed if each["Sid"] != KEY_STATEMENT]

    said = _refused(_guard(declared=declared), request_)

    assert (said == "") is may
    assert may or "kms:" in said


def _link(key: str, policy: str, read: str = "") -> Request:
    session = token(TOPOLOGY.link_role, policy)
    return sent("s3", "get_object", {"Bucket": BUCKET, "Key": read or key}, token=session)


def test_a_link_opens_its_own_file_and_only_with_a_right_to_the_key() -> None:
    prefixes = [f"arn:aws:s3:::{TOPOLOGY.mrap}/", *(f"arn:aws:s3:::{bucket}/" for bucket in (BUCKET, FAR))]
    key = "output/sales/1/result*.csv"
    policy = session_policy(prefixes, key)
    through_the_door = _through(_link(key, policy))

    assert _refused(GUARD, through_the_door) == ""
    assert "no session policy allows the s3:GetObject" in _refused(
        GUARD, _link(key, policy, "output/sales/2/result.csv")
    )
    # A session that names no key may use none, whatever its role may.
    without_key = json.loads(policy)
    without_key["Statement"] = [each for each in without_key["Statement"] if each["Action"] != "kms:Decrypt"]
    assert "no session policy allows the kms:Decrypt" in _refused(GUARD, _through(_link(key, json.dumps(without_key))))
    # Both the bucket and the access point before it are asked.
    without_point = session_policy(prefixes[1:], key)
    assert _refused(GUARD, _link(key, without_point)) == ""
    assert "accesspoint" in _refused(GUARD, _through(_link(key, without_point)))


def _through(request: Request) -> Request:
    return Request(request.method, request.path, request.query, {**request.headers, ACCESS_POINT: "true"})


def test_replication_needs_to_read_there_and_to_write_here_and_both_keys() -> None:
    role = TOPOLOGY.role("replicate", WEST)
    asked = [
        (_guard(WEST), _s3(role, "get_object", "output/a", FAR, VersionId="v")),
        (GUARD, _s3(role, "put_object", "output/a", Body=b"x")),
        (GUARD, _s3(role, "delete_object", "output/a")),
    ]

    assert [_refused(guard, request) for guard, request in asked] == ["", "", ""]
    assert "s3:ReplicateObject" in _refused(GUARD, _s3(role, "put_object", "canary/a", Body=b"x"))
    assert "s3:ReplicateObject" in _refused(_guard(WEST), _s3(role, "put_object", "output/a", FAR, Body=b"x"))


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:Encrypt"])
def test_a_replica_is_not_written_without_encrypting_it_and_verifying_its_bucket_key(action: str) -> None:
    declared, role = _declared(), TOPOLOGY.role("replicate", WEST)
    (statement,) = (each for each in declared["roles"][role]["allowed"] if each["Sid"] == "WriteWithKey")
    statement["Action"] = [each for each in statement["Action"] if each != action]

    assert action in _refused(_guard(declared=declared), _s3(role, "put_object", "output/a", Body=b"x"))


def _assume(caller: str, role: str, policy: str = "") -> Request:
    parameters = {"RoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/{role}", "RoleSessionName": "test"}
    return sent("sts", "assume_role", parameters | ({"Policy": policy} if policy else {}), token=caller)


def test_the_link_role_is_taken_by_those_whom_it_trusts_and_who_may_take_it() -> None:
    policy = '{"Statement": []}'
    request = _assume(token(NOTIFIER), TOPOLOGY.link_role, policy)

    assert GLOBAL.judge(request, GLOBAL.caller(request)) == token(TOPOLOGY.link_role, policy)
    assert "sts:AssumeRole" in _refused(GLOBAL, _assume(token(WORKER), TOPOLOGY.link_role))
    assert "sts:AssumeRole" in _refused(GLOBAL, _assume("", "nobody"))
    declared = _declared()
    declared["roles"][TOPOLOGY.link_role]["trust"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"] = []
    assert "sts:AssumeRole" in _refused(_guard("", declared), request)


def test_a_service_of_aws_takes_roles_that_trust_it_in_this_account() -> None:
    known = Roles(_declared())

    assert known.issue(WORKER, roles.TASKS) == token(WORKER)
    with pytest.raises(MayNotAssume):
        known.issue(WORKER, "lambda.amazonaws.com")
    elsewhere = _declared() | {"account": "111111111111"}
    with pytest.raises(MayNotAssume):
        Roles(elsewhere).issue(WORKER, roles.TASKS)


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({}, True),
        ({"ServerSideEncryption": "aws:kms"}, False),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"arn:aws:kms:{EAST}:{ACCOUNT_ID}:key/other"}, False),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": f"arn:aws:kms:{EAST}:{ACCOUNT_ID}:key/local"}, True),
        ({"ServerSideEncryption": "AES256"}, False),
    ],
)
def test_the_bucket_denies_a_foreign_encryption_even_to_the_account(headers: dict[str, str], *, may: bool) -> None:
    asked = sent("s3", "put_object", {"Bucket": BUCKET, "Key": "input/a", "Body": b"x", **headers})

    said = _refused(GUARD, asked)

    assert (said == "") is may
    assert may or said.endswith("with an explicit deny in a resource-based policy")


def test_a_mail_is_sent_from_the_senders_address_only() -> None:
    def mail(source: str) -> Request:
        return sent("ses", "send_raw_email", {"Source": source, "RawMessage": {"Data": b"x"}}, token=token(NOTIFIER))

    assert _refused(GLOBAL, mail(SENDER)) == ""
    assert "ses:SendRawEmail" in _refused(GLOBAL, mail("other@example.com"))


def test_who_may_not_list_is_not_told_that_an_object_is_missing() -> None:
    link, worker = (_s3(role, "get_object", "output/a") for role in (TOPOLOGY.link_role, WORKER))

    GUARD.tell_missing(worker, GUARD.caller(worker))
    with pytest.raises(AccessDenied, match="s3:ListBucket"):
        GUARD.tell_missing(link, GUARD.caller(link))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: sent("s3", "get_object", {"Bucket": BUCKET, "Key": "a"}, token="e30="),
            "token included in the request is invalid",
        ),
        (lambda: sent("s3", "get_object", {"Bucket": BUCKET, "Key": "a"}, token=token("no-such-role")), "is invalid"),
        (
            lambda: sent("s3", "get_object_acl", {"Bucket": BUCKET, "Key": "work/a"}, token=token(WORKER)),
            "does not know which permission",
        ),
        (
            lambda: sent("sns", "publish", {"TopicArn": "a", "Message": "b"}, token=token(WORKER)),
            "does not know which permission",
        ),
        (
            lambda: sent("dynamodb", "scan", {"TableName": LEDGER}, token=token(WORKER)),
            "does not know which permission",
        ),
    ],
)
def test_what_nobody_can_judge_is_refused(make: Callable[[], Request], said: str) -> None:
    assert said in _refused(GUARD, make())


def test_a_lock_that_cannot_read_a_policy_does_not_start() -> None:
    declared = _declared()
    declared["roles"][WORKER]["allowed"][0]["Condition"] = {"NumericLessThan": {"s3:max-keys": "3"}}

    with pytest.raises(UnknownPolicy):
        Roles(declared)
