"""The emulator of plain processes answers a page of a large partition about as soon as one of a small partition."""

import time
from itertools import batched
from typing import Any

import pytest

from local_worlds import client

ROWS = 5_000
TIMES_MAX = 12
"""How much longer a page of so many rows may take. It is seven times: they are sorted. It was seventy."""


@pytest.fixture(scope="module")
def table(ministack: str) -> Any:
    """Return what reads a page of ten rows, of a partition with ten rows or of one with very many."""
    dynamodb = client("dynamodb", ministack)
    dynamodb.create_table(
        TableName="queries",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    rows = [("few", number) for number in range(10)] + [("many", number) for number in range(ROWS)]
    for some in batched(rows, 25):
        puts = [{"PutRequest": {"Item": {"pk": {"S": pk}, "sk": {"S": f"{sk:05}"}}}} for pk, sk in some]
        assert not dynamodb.batch_write_item(RequestItems={"queries": puts})["UnprocessedItems"]

    def page(pk: str, condition: str = "pk = :pk", **values: str) -> Any:
        given = {":pk": {"S": pk}, **{f":{name}": {"S": value} for name, value in values.items()}}
        return dynamodb.query(
            TableName="queries", KeyConditionExpression=condition, ExpressionAttributeValues=given, Limit=10
        )

    return page


def test_a_page_takes_no_longer_because_its_partition_is_large(table: Any) -> None:
    def seconds(pk: str) -> float:
        taken: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            table(pk)
            taken.append(time.perf_counter() - began)
        return min(taken)

    assert seconds("many") < TIMES_MAX * seconds("few")


def test_a_query_gives_what_its_condition_says(table: Any) -> None:
    def found(pk: str, condition: str = "pk = :pk", **values: str) -> list[str]:
        return [item["sk"]["S"] for item in table(pk, condition, **values)["Items"]]

    assert found("few") == [f"{number:05}" for number in range(10)]
    assert found("none") == []
    assert found("many", "pk = :pk AND sk > :after", after="04997") == ["04998", "04999"]
    assert found("many", "pk = :pk AND begins_with(sk, :prefix)", prefix="0012") == [f"{n:05}" for n in range(120, 130)]
