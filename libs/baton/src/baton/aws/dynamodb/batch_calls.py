"""Batch calls on DynamoDB tables: split to the size limit, in parallel, unprocessed items retried."""

import random
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from baton.aws.dynamodb.items import Item
from baton.aws.sdk.parallel import Backoff, in_parallel, to_its_end
from baton.bounded import at_once
from baton.errors import Unavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_WRITES_MAX: Final = 25
_KEYS_MAX: Final = 100
_CALLS_AT_ONCE: Final = 8
_ATTEMPTS: Final = 10
"""With full jitter up to 2 s: about ten seconds for a table to grow into its load."""


class BatchCalls:
    """Batch writes and reads of one table."""

    def __init__(self, client: "DynamoDBClient", *, table: str, dice: random.Random) -> None:
        self._client = client
        self._table = table
        self._backoff = Backoff(dice)

    async def put(self, items: Iterable[Item]) -> None:
        """Write items with distinct keys, drawn as they are sent. Raises `Unavailable` if some stay unprocessed."""
        await self._write({"PutRequest": {"Item": item}} for item in items)

    async def remove(self, keys: Iterable[Item]) -> None:
        """Delete the items under distinct keys, if they exist. Raises `Unavailable` if some stay unprocessed."""
        await self._write({"DeleteRequest": {"Key": key}} for key in keys)

    async def get(self, keys: Sequence[Item]) -> list[Item]:
        """Read the items that exist under distinct keys, by strong reads, in any order."""
        cut = [keys[start : start + _KEYS_MAX] for start in range(0, len(keys), _KEYS_MAX)]
        return [item for items in await in_parallel(_CALLS_AT_ONCE, cut, self._get_some) for item in items]

    async def _write(self, requests: Iterable[Any]) -> None:
        await at_once(_CALLS_AT_ONCE, batched(requests, _WRITES_MAX), lambda some: to_its_end(self._write_some(some)))

    async def _write_some(self, requests: Sequence[Any]) -> None:
        left = list(requests)
        for attempt in range(_ATTEMPTS):
            answer = await self._client.batch_write_item(RequestItems={self._table: left})
            left = list(answer.get("UnprocessedItems", {}).get(self._table, []))
            if not left:
                return
            await self._backoff.wait(attempt)
        raise Unavailable(f"{self._table}: {len(left)} writes stayed unprocessed in {_ATTEMPTS} attempts")

    async def _get_some(self, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        left: list[Any] = list(keys)
        for attempt in range(_ATTEMPTS):
            answer = await self._client.batch_get_item(
                RequestItems={self._table: {"Keys": left, "ConsistentRead": True}}
            )
            found += answer.get("Responses", {}).get(self._table, [])
            left = list(answer.get("UnprocessedKeys", {}).get(self._table, {"Keys": []})["Keys"])
            if not left:
                return found
            await self._backoff.wait(attempt)
        raise Unavailable(f"{self._table}: {len(left)} keys stayed unprocessed in {_ATTEMPTS} attempts")
