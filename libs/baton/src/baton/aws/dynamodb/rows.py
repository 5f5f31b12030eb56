"""Conditional writes to single rows of a table; after a lost answer the writer can tell whether its write succeeded."""

import random
from collections.abc import Mapping
from typing import Any

from baton.aws.dynamodb.items import Item
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import condition_held


class Rows:
    """Rows under `pk` and `sk`.

    Every conditional write carries a `write_id` of its own. A write whose answer got lost is sent again by the SDK and
    then meets its own row: the id tells "that was me" from "somebody else wrote the very same values".
    """

    def __init__(self, client: DynamoDB, *, table: str, dice: random.Random) -> None:
        self._client = client
        self._table = table
        self._dice = dice

    def write_id(self) -> str:
        """Return a new id: the attribute `write_id` of one item that is given to `put`."""
        return f"{self._dice.getrandbits(64):016x}"

    async def put(self, item: Item, condition: Mapping[str, Any]) -> bool:
        """Write the item if the condition holds; say whether this very write is in the table.

        The SDK sends again after a timeout and after MRSC's `ReplicatedWriteConflictException`. The condition is
        checked anew each time, and when it fails the row says whether it failed because of ourselves.
        """
        client = await self._client()
        if await condition_held(client.put_item(TableName=self._table, Item=item, **condition)):
            return True
        row = await self.read({"pk": item["pk"], "sk": item["sk"]})
        return row is not None and row.get("write_id") == item["write_id"]

    async def read(self, key: Item) -> Item | None:
        """Return one row by a strong read."""
        client = await self._client()
        answer = await client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item")
