"""Reference data in DynamoDB: immutable versions in 16 partitions each, and a pointer to the current one."""

import json
import random
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from baton.aws.clients import DynamoDB
from baton.aws.failures import translated
from baton.aws.items import Item, from_item, to_item
from baton.aws.parallel import in_parallel
from baton.aws.tables import Batches
from baton.errors import NotFound
from baton.ports.reference import ReferenceVersion, Row
from baton.ports.rules import check_rows, is_reference_key

SHARDS: Final = 16
"""Partitions of one version: read and written in parallel, each takes 1,000 writes or 3,000 reads a second."""
_SHARDS_AT_ONCE: Final = 4
"""Of a table that is loaded whole: a page of 1 MB takes ten times that while it is read."""
_CURRENT: Final = "current"


class DynamoReferenceData:
    """Rows under `<dataset>@<version>#<shard>`/key, versions under `<dataset>`/`version#<version>` and `current`.

    A row is one text: a JSON array of its values in the order of the version's columns, whose names stand once, in the
    version's item. A map would repeat every name in every row: for two columns of 8 letters and 8 bytes it takes 37
    bytes, the array 23, and DynamoDB bills both storage and reads by the byte.

    Reads are strong within the Region. A row that another Region wrote a moment ago may still be missing: `load`
    notices by the count; `get_many` cannot, so a version is published before the batches that need it.
    """

    def __init__(self, client: DynamoDB, *, table: str, dice: random.Random) -> None:
        self._client = client
        self._table = table
        self._dice = dice

    @translated()
    async def current(self, dataset: str) -> ReferenceVersion | None:
        return await self._version(dataset, _CURRENT)

    @translated()
    async def describe(self, dataset: str, version: str) -> ReferenceVersion | None:
        return await self._version(dataset, f"version#{version}")

    @translated()
    async def load(self, version: ReferenceVersion) -> Mapping[str, Row]:
        rows: dict[str, Row] = {}

        async def shard(number: int) -> None:
            async for item in self._shard(version, number):
                rows[item["sk"]["S"]] = _row(version, item)

        await in_parallel(_SHARDS_AT_ONCE, range(SHARDS), shard)
        if len(rows) != version.rows:
            raise NotFound(f"{version.dataset}@{version.version}: {len(rows)} of {version.rows} rows are here")
        return rows

    @translated()
    async def is_complete(self, version: ReferenceVersion) -> bool:
        async def count(number: int) -> int:
            return sum([page["Count"] async for page in await self._pages(version, number, Select="COUNT")])

        return sum(await in_parallel(_SHARDS_AT_ONCE, range(SHARDS), count)) == version.rows

    @translated()
    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        wanted = [to_item(_key(version, key)) for key in dict.fromkeys(keys) if is_reference_key(key)]
        found = await (await self._batches()).get(wanted)
        return {item["sk"]["S"]: _row(version, item) for item in found}

    @translated()
    async def publish(self, version: ReferenceVersion, rows: Mapping[str, Row]) -> None:
        check_rows(version, rows)
        await (await self._batches()).put([_item(version, key, row) for key, row in rows.items()])
        client = await self._client()
        meta = {"version": version.version, "rows": version.rows, "columns": version.columns}
        # The pointer last: whoever finds the version finds its rows.
        for sk in (f"version#{version.version}", _CURRENT):
            await client.put_item(TableName=self._table, Item=to_item({"pk": version.dataset, "sk": sk, **meta}))

    async def _version(self, dataset: str, sk: str) -> ReferenceVersion | None:
        client = await self._client()
        key = to_item({"pk": dataset, "sk": sk})
        answer = await client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            return None
        row = from_item(answer["Item"])
        return ReferenceVersion(dataset, row["version"], rows=row["rows"], columns=tuple(row["columns"]))

    async def _shard(self, version: ReferenceVersion, number: int) -> AsyncIterator[Item]:
        async for page in await self._pages(version, number):
            for item in page["Items"]:
                yield item

    async def _pages(self, version: ReferenceVersion, shard: int, **asked: Any) -> AsyncIterator[Any]:
        client = await self._client()
        return aiter(
            client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=to_item({":pk": _pk(version, shard)}),
                ConsistentRead=True,
                **asked,
            )
        )

    async def _batches(self) -> Batches:
        return Batches(await self._client(), table=self._table, dice=self._dice)


def _pk(version: ReferenceVersion, shard: int) -> str:
    return f"{version.dataset}@{version.version}#{shard}"


def _key(version: ReferenceVersion, key: str) -> dict[str, Any]:
    return {"pk": _pk(version, zlib.crc32(key.encode()) % SHARDS), "sk": key}


def _item(version: ReferenceVersion, key: str, row: Row) -> Item:
    values = json.dumps([row[column] for column in version.columns], ensure_ascii=False, separators=(",", ":"))
    return to_item({**_key(version, key), "row": values})


def _row(version: ReferenceVersion, item: Item) -> Row:
    return dict(zip(version.columns, json.loads(item["row"]["S"]), strict=True))
