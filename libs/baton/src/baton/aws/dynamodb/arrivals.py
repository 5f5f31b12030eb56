"""Arrivals in DynamoDB: rows of one partition, beside the progress of batches."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from baton.aws.dynamodb.items import from_item, iso, to_item
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import translated
from baton.model.identity import batch_id_of
from baton.ports.arrivals import ARRIVALS_KEPT
from baton.ports.objects import ObjectInfo

_PARTITION: Final = "arrivals"
"""One takes 1,000 rows a second. Only files without a row come here, so it is as good as empty."""


class DynamoArrivals:
    """A row each, whose sort key begins with the moment; the table itself removes it a day later."""

    def __init__(self, client: DynamoDB, *, table: str) -> None:
        self._client = client
        self._table = table

    @translated()
    async def note(self, info: ObjectInfo, *, at: datetime) -> None:
        row = {
            "pk": _PARTITION,
            "sk": f"{iso(at)}#{batch_id_of(info.key, info.origin)}",
            "key": info.key,
            "version_id": info.version_id,
            "size_bytes": info.size_bytes,
            "last_modified": info.last_modified,
            "origin_version_id": info.origin_version_id,
            "expires_at": int((at + ARRIVALS_KEPT).timestamp()),
        }
        client = await self._client()
        await client.put_item(TableName=self._table, Item=to_item(row))

    async def noted(self, *, since: datetime) -> AsyncIterator[Sequence[ObjectInfo]]:
        async with translated():
            client = await self._client()
            pages = aiter(
                client.get_paginator("query").paginate(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk AND sk >= :since",
                    ExpressionAttributeValues=to_item({":pk": _PARTITION, ":since": iso(since)}),
                    ConsistentRead=True,
                )
            )
        while True:
            async with translated():
                page = await anext(pages, None)
            if page is None:
                return
            yield [_info(from_item(item)) for item in page["Items"]]


def _info(row: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(
        key=row["key"],
        version_id=row["version_id"],
        size_bytes=row["size_bytes"],
        last_modified=datetime.fromisoformat(row["last_modified"]),
        origin_version_id=row.get("origin_version_id"),
    )
