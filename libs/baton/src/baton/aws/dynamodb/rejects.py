"""The reject index in DynamoDB."""

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from baton.aws.dynamodb.batch_calls import BatchCalls
from baton.aws.dynamodb.items import expires_at, from_item, to_item
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import translated
from baton.ports.clock import Clock
from baton.ports.preconditions import check_rejects_fit
from baton.ports.rejects import StoredReject


class DynamoRejectIndex:
    """Rows under `<batch_id>#<plan_id>`/`record_number`."""

    def __init__(self, client: DynamoDB, *, table: str, clock: Clock, dice: random.Random) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._dice = dice

    @translated()
    async def put(self, batch_id: str, plan_id: str, rejects: Sequence[StoredReject]) -> None:
        check_rejects_fit(rejects)
        until = expires_at(self._clock.now())
        # One call must not name a key twice.
        distinct = {reject.record_number: reject for reject in rejects}.values()
        items = [
            to_item({**asdict(each), "batch_id": _partition(batch_id, plan_id), "expires_at": until})
            for each in distinct
        ]
        await BatchCalls(await self._client(), table=self._table, dice=self._dice).put(items)

    @translated()
    async def list(self, batch_id: str, plan_id: str, *, limit: int) -> Sequence[StoredReject]:
        client = await self._client()
        pages = client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="batch_id = :batch_id",
            ExpressionAttributeValues=to_item({":batch_id": _partition(batch_id, plan_id)}),
            PaginationConfig={"MaxItems": limit},
        )
        return [_reject(from_item(item)) async for page in pages for item in page["Items"]]


def _partition(batch_id: str, plan_id: str) -> str:
    return f"{batch_id}#{plan_id}"


def _reject(row: dict[str, Any]) -> StoredReject:
    return StoredReject(
        record_number=row["record_number"],
        byte_offset=row["byte_offset"],
        column=row["column"],
        rule=row["rule"],
        value=row["value"],
        line=row["line"],
    )
