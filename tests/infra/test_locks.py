"""The locks of the local world read from an HTTP request what the call behind it needs."""

import re
from typing import Any

import pytest

from baton.topology import Topology
from baton_local.locks import requests
from baton_local.locks.requests import EmulatorPlace
from emulator_process import ACCOUNT_ID
from recorded_calls import Call, needs
from sent_requests import sent

TOPOLOGY = Topology("local", ACCOUNT_ID)
EAST = TOPOLOGY.regions[0]
BUCKET = TOPOLOGY.data_bucket(EAST)
OBJECT = {"Bucket": BUCKET, "Key": "work/a b/ü+.csv"}
UPLOAD = {**OBJECT, "UploadId": "u", "PartNumber": 1}
SOURCE = {"Bucket": BUCKET, "Key": "input/ü b.csv", "VersionId": "v"}
QUEUE = {"QueueUrl": f"http://localhost/{ACCOUNT_ID}/baton-local-split-large"}
ROW = {"pk": {"S": "batch#1"}, "sk": {"S": "a"}}
TABLE = {"TableName": TOPOLOGY.ledger_table}
BY_KEY = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "batch#1"}}}
ROLE = {"RoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/baton-local-link", "RoleSessionName": "test"}
ENTRY = {"Source": "baton", "DetailType": "a", "Detail": "{}"}


@pytest.mark.parametrize(
    ("api", "operation", "parameters"),
    [
        ("s3", "GetObject", OBJECT),
        ("s3", "GetObject", {**OBJECT, "VersionId": "v", "Range": "bytes=0-1"}),
        ("s3", "HeadObject", {**OBJECT, "VersionId": "v"}),
        ("s3", "PutObject", {**OBJECT, "Body": b"x"}),
        ("s3", "DeleteObject", OBJECT),
        ("s3", "CopyObject", {**OBJECT, "CopySource": SOURCE}),
        ("s3", "CreateMultipartUpload", OBJECT),
        ("s3", "UploadPart", {**UPLOAD, "Body": b"x"}),
        ("s3", "UploadPartCopy", {**UPLOAD, "CopySource": SOURCE}),
        ("s3", "CompleteMultipartUpload", {**OBJECT, "UploadId": "u"}),
        ("s3", "AbortMultipartUpload", {**OBJECT, "UploadId": "u"}),
        ("s3", "ListObjectsV2", {"Bucket": BUCKET, "Prefix": "work/", "ContinuationToken": "c"}),
        ("s3", "ListObjectVersions", {"Bucket": BUCKET, "Prefix": "work/", "KeyMarker": "k"}),
        ("dynamodb", "GetItem", {**TABLE, "Key": ROW}),
        ("dynamodb", "PutItem", {**TABLE, "Item": ROW}),
        ("dynamodb", "UpdateItem", {**TABLE, "Key": ROW}),
        ("dynamodb", "DeleteItem", {**TABLE, "Key": {"batch_id": {"S": "1"}}}),
        ("dynamodb", "Query", {**TABLE, **BY_KEY}),
        ("dynamodb", "Query", {**TABLE, **BY_KEY, "IndexName": "listing"}),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"a": {"Keys": [ROW]}, "b": {"Keys": [ROW]}}}),
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"a": [{"PutRequest": {"Item": ROW}}]}}),
        ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": {**TABLE, "Item": ROW}}]}),
        ("sqs", "ReceiveMessage", QUEUE),
        ("sqs", "GetQueueUrl", {"QueueName": "baton-local-split"}),
        ("sqs", "SendMessageBatch", {**QUEUE, "Entries": [{"Id": "1", "MessageBody": "b"}]}),
        ("sts", "AssumeRole", ROLE),
        ("ses", "SendRawEmail", {"Source": "a@example.com", "RawMessage": {"Data": b"x"}}),
        ("ses", "GetIdentityVerificationAttributes", {"Identities": ["a@example.com"]}),
        ("sesv2", "GetAccount", {}),
        ("cloudwatch", "GetMetricData", {"MetricDataQueries": [], "StartTime": 0, "EndTime": 1}),
        ("cloudwatch", "DescribeAlarms", {}),
        ("events", "PutEvents", {"Entries": [ENTRY, ENTRY]}),
    ],
)
def test_a_lock_asks_for_what_the_call_needs(api: str, operation: str, parameters: dict[str, Any]) -> None:
    call = Call(service="any", region=EAST, api=api, operation=operation, parameters=parameters)
    request = sent(api, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower(), parameters, region=EAST)
    place = EmulatorPlace(ACCOUNT_ID, EAST, TOPOLOGY.key_alias, TOPOLOGY.mrap)

    asked = requests.needs(request, place, EAST)
    if operation in {"GetObject", "HeadObject"}:
        asked += requests.listing(request, place)  # asked only of one that is missing

    wanted = needs(call, TOPOLOGY)
    assert {(each.action, each.resource) for each in asked} == {(each.action, each.resource) for each in wanted}
    for each in wanted:
        same = (one.keys for one in asked if (one.action, one.resource) == (each.action, each.resource))
        assert each.keys.items() <= next(same).items()
