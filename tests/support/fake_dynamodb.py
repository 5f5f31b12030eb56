"""A busy DynamoDB table on virtual time, with transactions that conflict as those of AWS do.

It has only what `DynamoProgress` calls. A transaction holds its items while it runs, and one that meets a held item is
cancelled, not queued. Durations are those that are usual on AWS.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from itertools import batched
from typing import Any

from botocore.exceptions import ClientError

from baton.aws.dynamodb.items import Item

type Key = tuple[str, str]

_ARRIVES_SECONDS = 0.002
_CONFLICT_SECONDS = 0.004
_TRANSACTION_SECONDS = 0.008
_READ_SECONDS = 0.003


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


class BusyTable:
    """One table. `busy` items are always held by another transaction."""

    def __init__(self, *, busy: bool = False) -> None:
        self.items: dict[Key, Item] = {}
        self.transactions = 0
        self.conflicts = 0
        self.writes: Counter[tuple[str, int]] = Counter()
        """Write units by partition and second: DynamoDB throttles a partition above 1,000."""
        self._held: set[Key] = set()
        self._busy = busy

    async def put_item(self, *, Item: Item, **_: Any) -> None:  # noqa: N803 - the SDK's names
        await asyncio.sleep(_READ_SECONDS)
        self.items.setdefault(_key(Item), Item)

    async def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:  # noqa: N803
        await asyncio.sleep(_READ_SECONDS)
        found = self.items.get(_key(Key))
        return {"Item": dict(found)} if found else {}

    async def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        await asyncio.sleep(_READ_SECONDS)
        ((table, asked),) = RequestItems.items()
        assert asked["ConsistentRead"]
        return {"Responses": {table: [dict(self.items[_key(k)]) for k in asked["Keys"] if _key(k) in self.items]}}

    async def transact_write_items(self, *, TransactItems: list[Any]) -> None:  # noqa: N803
        self.transactions += 1
        put, update = TransactItems[0]["Put"], TransactItems[1]["Update"]
        keys = {_key(put["Item"]), _key(update["Key"])}
        await asyncio.sleep(_ARRIVES_SECONDS)
        if self._busy or keys & self._held:
            self.conflicts += 1
            await asyncio.sleep(_CONFLICT_SECONDS)
            raise _cancelled("None", "TransactionConflict")
        self._held |= keys
        await asyncio.sleep(_TRANSACTION_SECONDS)
        self._held -= keys
        if _key(put["Item"]) in self.items:
            raise _cancelled("ConditionalCheckFailed", "None")
        if "ConditionExpression" in update and _key(update["Key"]) not in self.items:
            raise _cancelled("None", "ConditionalCheckFailed")
        self.items[_key(put["Item"])] = put["Item"]
        self._add(update)
        for pk, _ in keys:
            self.writes[pk, int(asyncio.get_running_loop().time())] += 4 // len({pk for pk, _ in keys})

    def get_paginator(self, operation: str) -> "_Query":
        assert operation == "query"
        return _Query(self)

    def _add(self, update: Mapping[str, Any]) -> None:
        values = update["ExpressionAttributeValues"]
        row = self.items.setdefault(_key(update["Key"]), dict(update["Key"]))
        for name in ("chunks_done", "records_in", "records_out", "rejects"):
            added = int(values[":one" if name == "chunks_done" else f":{name}"]["N"])
            row[name] = {"N": str(int(row.get(name, {"N": "0"})["N"]) + added)}
        row |= {"updated_at": values[":now"], "expires_at": values[":expires_at"]}


class _Query:
    """Pages of one partition, in the order of its sort keys."""

    def __init__(self, table: BusyTable) -> None:
        self._table = table

    async def paginate(
        self,
        *,
        ExpressionAttributeValues: Item,  # noqa: N803
        PaginationConfig: Mapping[str, int],  # noqa: N803
        **_: Any,
    ) -> AsyncGenerator[dict[str, Any]]:
        pk = ExpressionAttributeValues[":pk"]["S"]
        rows = [self._table.items[key] for key in sorted(self._table.items) if key[0] == pk]
        for page in batched(rows, PaginationConfig["PageSize"]):
            await asyncio.sleep(_READ_SECONDS)
            yield {"Items": list(page)}


def _cancelled(*codes: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(answer, "TransactWriteItems")
