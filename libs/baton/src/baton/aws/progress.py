"""Chunk completion in DynamoDB: the chunk's row and the tally in one transaction."""

import random
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from baton.aws.clients import DynamoDB
from baton.aws.failures import code_of, translated
from baton.aws.items import Item, from_item, to_item
from baton.aws.parallel import Backoff
from baton.errors import NotFound, Unavailable
from baton.model.batch import Counts
from baton.ports.progress import ChunkDone, Tally

_ATTEMPTS: Final = 12
"""Every chunk of a batch adds to one row. With full jitter up to 2 s, twelve attempts outlast any burst of them."""
_KEPT_SECONDS: Final = 30 * 24 * 3600
"""Longer than ledger rows of finished batches are kept."""
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_AGAIN: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


class DynamoProgress:
    """Rows of a plan under `<batch_id>#<plan_id>`: its `tally`, and a `chunk#<index>` for each finished chunk."""

    def __init__(self, client: DynamoDB, *, table: str, dice: random.Random) -> None:
        self._client = client
        self._table = table
        self._backoff = Backoff(dice)

    @translated()
    async def open(self, batch_id: str, plan_id: str, *, chunks: int, now: datetime) -> Tally:
        tally = Tally(batch_id, plan_id, chunks=chunks, chunks_done=0, counts=Counts(), updated_at=now)
        row = {
            **_tally_key(batch_id, plan_id),
            "chunks": chunks,
            "chunks_done": 0,
            **asdict(tally.counts),
            "updated_at": now,
            "expires_at": _expires_at(now),
        }
        client = await self._client()
        try:
            await client.put_item(
                TableName=self._table, Item=to_item(row), ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return await self._known_tally(batch_id, plan_id)
        return tally

    @translated()
    async def complete(self, done: ChunkDone, *, now: datetime) -> Tally:
        client = await self._client()
        writes: list[Any] = [{"Put": self._chunk_once(done, now)}, {"Update": self._add_to_tally(done, now)}]
        for attempt in range(_ATTEMPTS):
            try:
                await client.transact_write_items(TransactItems=writes)
            except ClientError as error:
                if code_of(error) != "TransactionCanceledException":
                    raise
                if not self._again(error, done):
                    break
            else:
                break
            if attempt + 1 == _ATTEMPTS:
                raise Unavailable(f"batch {done.batch_id}: {_ATTEMPTS} conflicts on its tally")
            await self._backoff.wait(attempt)
        return await self._known_tally(done.batch_id, done.plan_id)

    @staticmethod
    def _again(error: ClientError, done: ChunkDone) -> bool:
        """Say whether to try again; False: the chunk is recorded already. Raises what is neither."""
        reasons = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", [])]
        if reasons[:1] == [_FAILED_CONDITION]:
            return False
        if _FAILED_CONDITION in reasons:
            raise NotFound(f"batch {done.batch_id}: plan {done.plan_id} was never opened here") from error
        if _AGAIN.intersection(reasons):
            return True
        raise error

    @translated()
    async def tally(self, batch_id: str, plan_id: str) -> Tally | None:
        row = await self._row(_tally_key(batch_id, plan_id))
        if row is None:
            return None
        return Tally(
            batch_id,
            plan_id,
            chunks=row["chunks"],
            chunks_done=row["chunks_done"],
            counts=_counts(row),
            updated_at=datetime.fromisoformat(row["updated_at"]),
        )

    @translated()
    async def done(self, batch_id: str, plan_id: str) -> Sequence[ChunkDone]:
        client = await self._client()
        pages = client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :chunk)",
            ExpressionAttributeValues=to_item({":pk": _pk(batch_id, plan_id), ":chunk": "chunk#"}),
            ConsistentRead=True,
        )
        return [_chunk(batch_id, plan_id, item) async for page in pages for item in page["Items"]]

    @translated()
    async def is_done(self, batch_id: str, plan_id: str, index: int) -> bool:
        return await self._row(_chunk_key(batch_id, plan_id, index)) is not None

    def _chunk_once(self, done: ChunkDone, now: datetime) -> dict[str, Any]:
        row = {
            **_chunk_key(done.batch_id, done.plan_id, done.index),
            "chunk_index": done.index,
            **asdict(done.counts),
            "part_bytes": done.part_bytes,
            "part_crc64nvme": done.part_crc64nvme,
            "rejects_bytes": done.rejects_bytes,
            "rejects_crc64nvme": done.rejects_crc64nvme,
            "expires_at": _expires_at(now),
        }
        return {"TableName": self._table, "Item": to_item(row), "ConditionExpression": "attribute_not_exists(pk)"}

    def _add_to_tally(self, done: ChunkDone, now: datetime) -> dict[str, Any]:
        values = {
            ":one": 1,
            ":records_in": done.counts.records_in,
            ":records_out": done.counts.records_out,
            ":rejects": done.counts.rejects,
            ":now": now,
            ":expires_at": _expires_at(now),
        }
        added = "chunks_done :one, records_in :records_in, records_out :records_out, rejects :rejects"
        return {
            "TableName": self._table,
            "Key": to_item(_tally_key(done.batch_id, done.plan_id)),
            "UpdateExpression": f"ADD {added} SET updated_at = :now, expires_at = :expires_at",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": to_item(values),
        }

    async def _known_tally(self, batch_id: str, plan_id: str) -> Tally:
        tally = await self.tally(batch_id, plan_id)
        if tally is None:
            raise NotFound(f"batch {batch_id}: the tally of plan {plan_id} is gone")
        return tally

    async def _row(self, key: dict[str, str]) -> dict[str, Any] | None:
        client = await self._client()
        answer = await client.get_item(TableName=self._table, Key=to_item(key), ConsistentRead=True)
        item = answer.get("Item")
        return from_item(item) if item else None


def _pk(batch_id: str, plan_id: str) -> str:
    return f"{batch_id}#{plan_id}"


def _tally_key(batch_id: str, plan_id: str) -> dict[str, str]:
    return {"pk": _pk(batch_id, plan_id), "sk": "tally"}


def _chunk_key(batch_id: str, plan_id: str, index: int) -> dict[str, str]:
    return {"pk": _pk(batch_id, plan_id), "sk": f"chunk#{index:05d}"}


def _expires_at(now: datetime) -> int:
    return int(now.timestamp()) + _KEPT_SECONDS


def _counts(row: dict[str, Any]) -> Counts:
    return Counts(records_in=row["records_in"], records_out=row["records_out"], rejects=row["rejects"])


def _chunk(batch_id: str, plan_id: str, item: Item) -> ChunkDone:
    row = from_item(item)
    return ChunkDone(
        batch_id,
        plan_id,
        index=row["chunk_index"],
        counts=_counts(row),
        part_bytes=row["part_bytes"],
        part_crc64nvme=row["part_crc64nvme"],
        rejects_bytes=row["rejects_bytes"],
        rejects_crc64nvme=row["rejects_crc64nvme"],
    )
