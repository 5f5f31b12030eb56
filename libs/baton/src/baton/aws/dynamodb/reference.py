"""Reference data in DynamoDB: immutable versions in 16 partitions each, and a pointer to the current one."""

import json
import random
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from baton.aws.dynamodb.batch_calls import BatchCalls
from baton.aws.dynamodb.items import Item, from_item, to_item
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.clock import SystemClock
from baton.aws.sdk.failures import translated
from baton.aws.sdk.parallel import in_parallel
from baton.errors import NotFound
from baton.ports.clock import Clock
from baton.ports.preconditions import check_rows, is_reference_key, replaced, rows_of
from baton.ports.reference import ReferenceVersion, Row, Rows

SHARDS: Final = 16
"""Partitions of one version: read and written in parallel, each takes 1,000 writes or 3,000 reads a second."""
_SHARDS_AT_ONCE: Final = 4
"""Of a table that is loaded whole: a page of 1 MB takes ten times that while it is read."""
_ROWS_AT_ONCE: Final = 1_000
"""Of a page: of short rows 1 MB has nine times as many, which the SDK takes a fifth of a second to parse, on the event
loop."""
_CURRENT: Final = "current"
_VERSION: Final = "version#"
_LOADING: Final = "loading#"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class DynamoReferenceData:
    """Rows under `<dataset>@<version>#<shard>`/key, versions under `<dataset>`/`version#<version>` and `current`.

    A row is one text: a JSON array of its values in the order of the version's columns, whose names stand once, in the
    version's item. A map would repeat every name in every row: for two columns of 8 letters and 8 bytes it takes 37
    bytes, the array 23, and DynamoDB bills both storage and reads by the byte.

    Reads are strong within the Region. A row that another Region wrote a moment ago may still be missing: `load` and
    `is_complete` notice by the count; `get_many` cannot. `loading#<version>` stands while rows are written, with a
    digest of them: by it what a load left that broke off can be found and continued.
    """

    def __init__(self, client: DynamoDB, *, table: str, dice: random.Random, clock: Clock | None = None) -> None:
        self._client = client
        self._table = table
        self._dice = dice
        self._clock = clock or SystemClock()

    @translated()
    async def current(self, dataset: str) -> ReferenceVersion | None:
        return await self._version(dataset, _CURRENT)

    @translated()
    async def describe(self, dataset: str, version: str) -> ReferenceVersion | None:
        return await self._version(dataset, _VERSION + version)

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
        return await self._count(version) == version.rows

    @translated()
    async def get_many(self, version: ReferenceVersion, keys: Sequence[str]) -> Mapping[str, Row]:
        wanted = [to_item(_key(version, key)) for key in dict.fromkeys(keys) if is_reference_key(key)]
        found = await (await self._batches()).get(wanted)
        return {item["sk"]["S"]: _row(version, item) for item in found}

    @translated()
    async def publish(self, version: ReferenceVersion, rows: Rows) -> None:
        content, size_bytes = check_rows(version, rows)
        if not await self._is_there(version, content):
            await self._write_rows(version, rows, content)
        meta = {
            "version": version.version,
            "rows": version.rows,
            "bytes": size_bytes,
            "columns": version.columns,
            "content": content,
            "published_at": self._clock.now().isoformat(),
        }
        # The pointer last: a reader that finds the version also finds its rows.
        for sk in (_VERSION + version.version, _CURRENT):
            await self._put(version.dataset, sk, meta)
        await self._drop(version.dataset, _LOADING + version.version)

    @translated()
    async def prune(self, dataset: str, *, replaced_before: datetime) -> Sequence[str]:
        current = await self.current(dataset)
        if current is None:
            return []
        published = await self._times(dataset, _VERSION, "published_at")
        begun = await self._times(dataset, _LOADING, "began_at")
        gone = replaced(published, current=current.version, before=replaced_before)
        broken = [name for name, at in begun.items() if at < replaced_before and name not in published]
        for name in (*gone, *broken):
            # Itself first: nobody plans with a version that is losing its rows.
            await self._drop(dataset, _VERSION + name)
            await self._remove_rows(ReferenceVersion(dataset, name, rows=0, columns=()))
            await self._drop(dataset, _LOADING + name)
        return sorted((*gone, *broken))

    async def _is_there(self, version: ReferenceVersion, content: str) -> bool:
        item = await self._item(version.dataset, _VERSION + version.version)
        return bool(item and item.get("content") == content) and await self.is_complete(version)

    async def _write_rows(self, version: ReferenceVersion, rows: Rows, content: str) -> None:
        loading = _LOADING + version.version
        known = [await self._item(version.dataset, sk) for sk in (_VERSION + version.version, loading)]
        # Of the same rows a load may continue where another one stopped, or beside it. Any others are taken away first.
        is_same = content in [item.get("content") for item in known if item]
        if not is_same or await self._count(version) > version.rows:
            await self._mark(version, loading, "")
            await self._drop(version.dataset, _VERSION + version.version)
            await self._remove_rows(version)
        await self._mark(version, loading, content)
        await (await self._batches()).put(_item(version, key, row) for key, row in rows_of(rows))
        if check_rows(version, rows)[0] != content or not await self.is_complete(version):
            raise ValueError(f"{version.dataset}@{version.version}: its rows changed while they were written")

    async def _mark(self, version: ReferenceVersion, loading: str, content: str) -> None:
        began_at = self._clock.now().isoformat()
        await self._put(version.dataset, loading, {"began_at": began_at, "content": content})

    async def _count(self, version: ReferenceVersion) -> int:
        async def count(number: int) -> int:
            return sum([page["Count"] async for page in await self._pages(version, number, Select="COUNT")])

        return sum(await in_parallel(_SHARDS_AT_ONCE, range(SHARDS), count))

    async def _remove_rows(self, version: ReferenceVersion) -> None:
        batches = await self._batches()

        async def shard(number: int) -> None:
            async for page in await self._pages(version, number, ProjectionExpression="pk, sk"):
                await batches.remove(page["Items"])

        await in_parallel(_SHARDS_AT_ONCE, range(SHARDS), shard)

    async def _times(self, dataset: str, prefix: str, name: str) -> dict[str, datetime]:
        """Return when each version was published, or its load began; long ago where an older Baton did not say."""
        query: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": to_item({":pk": dataset, ":prefix": prefix}),
        }
        times: dict[str, datetime] = {}
        async for page in await self._query(query):
            for item in map(from_item, page["Items"]):
                at = datetime.fromisoformat(item[name]) if name in item else _LONG_AGO
                times[item["sk"].removeprefix(prefix)] = at
        return times

    async def _version(self, dataset: str, sk: str) -> ReferenceVersion | None:
        row = await self._item(dataset, sk)
        if row is None:
            return None
        columns = tuple(row["columns"])
        return ReferenceVersion(dataset, row["version"], row["rows"], columns, size_bytes=row.get("bytes"))

    async def _item(self, dataset: str, sk: str) -> dict[str, Any] | None:
        client = await self._client()
        key = to_item({"pk": dataset, "sk": sk})
        answer = await client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    async def _put(self, dataset: str, sk: str, values: Mapping[str, Any]) -> None:
        client = await self._client()
        await client.put_item(TableName=self._table, Item=to_item({"pk": dataset, "sk": sk, **values}))

    async def _drop(self, dataset: str, sk: str) -> None:
        client = await self._client()
        await client.delete_item(TableName=self._table, Key=to_item({"pk": dataset, "sk": sk}))

    async def _shard(self, version: ReferenceVersion, number: int) -> AsyncIterator[Item]:
        async for page in await self._pages(version, number):
            for item in page["Items"]:
                yield item

    async def _pages(self, version: ReferenceVersion, shard: int, **asked: Any) -> AsyncIterator[Any]:
        values = to_item({":pk": _pk(version, shard)})
        return await self._query({"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": values, **asked})

    async def _query(self, query: dict[str, Any]) -> AsyncIterator[Any]:
        client = await self._client()
        # Rows that are only counted are not parsed.
        bound: Any = {} if "Select" in query else {"PaginationConfig": {"PageSize": _ROWS_AT_ONCE}}
        pages = client.get_paginator("query").paginate(TableName=self._table, ConsistentRead=True, **query, **bound)
        return aiter(pages)

    async def _batches(self) -> BatchCalls:
        return BatchCalls(await self._client(), table=self._table, dice=self._dice)


def _pk(version: ReferenceVersion, shard: int) -> str:
    return f"{version.dataset}@{version.version}#{shard}"


def _key(version: ReferenceVersion, key: str) -> dict[str, Any]:
    return {"pk": _pk(version, zlib.crc32(key.encode()) % SHARDS), "sk": key}


def _item(version: ReferenceVersion, key: str, row: Row) -> Item:
    values = json.dumps([row[column] for column in version.columns], ensure_ascii=False, separators=(",", ":"))
    return to_item({**_key(version, key), "row": values})


def _row(version: ReferenceVersion, item: Item) -> Row:
    return dict(zip(version.columns, json.loads(item["row"]["S"]), strict=True))
