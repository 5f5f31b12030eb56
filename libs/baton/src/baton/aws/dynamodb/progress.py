"""Chunk completion in DynamoDB: the chunk's row and a sum of such rows in one transaction.

    pk                              sk
    <batch_id>#<plan_id>            tally          how many chunks there are, and the sum of the first eight
                                    chunk#<index>  of each of the first eight, once it is finished
    <batch_id>#<plan_id>#<shard>    tally          the sum of the chunks of this shard
                                    chunk#<index>

Of two transactions that meet on an item the later one is cancelled: with a single sum, a batch gets no further than
some sixty chunks a second, however many workers it has. The shards are partitions of their own, because a partition
takes only 1,000 writes a second and a transaction counts four. A small file has no shards and costs no call for them.
"""

import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from baton.aws.dynamodb.batch_calls import BatchCalls
from baton.aws.dynamodb.items import expires_at, from_item, to_item
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import code_of, condition_held, translated
from baton.aws.sdk.parallel import Backoff, in_parallel
from baton.errors import Conflict, NotFound
from baton.model.batch import Counts
from baton.ports.preconditions import kept_reject_counts
from baton.ports.progress import ChunkDone, RejectCount, Tally
from baton.requests import ABSENT

_ATTEMPTS: Final = 12
"""With full jitter up to 2 s: about ten seconds for a burst of chunks on one shard to pass."""
UNSHARDED_CHUNKS: Final = 8
"""The chunks that a plan's first partition counts: all of a file of up to 128 MiB."""
SHARDS: Final = 15
"""Besides the first partition. Their number is part of the layout: where a chunk's row is follows from its index."""
_PLANS_KNOWN_MAX: Final = 1_000
_ROWS_AT_ONCE: Final = 100
"""Parsed at once, on the event loop: with all their reject counts the SDK takes 30 ms to parse these, and we 5."""
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_AGAIN: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


class DynamoProgress:
    """One Region's progress table."""

    def __init__(self, client: DynamoDB, *, table: str, dice: random.Random) -> None:
        self._client = client
        self._table = table
        self._dice = dice
        self._backoff = Backoff(dice)
        self._chunks_of: OrderedDict[str, int] = OrderedDict()
        """How many chunks a plan has, by its partition: it never changes."""

    @translated()
    async def open(self, batch_id: str, plan_id: str, *, chunks: int, now: datetime) -> Tally:
        row = {
            "pk": _pk(batch_id, plan_id),
            "sk": _TALLY,
            "chunks": chunks,
            "chunks_done": 0,
            **asdict(Counts()),
            "updated_at": now,
            "expires_at": expires_at(now),
        }
        client = await self._client()
        if not await condition_held(client.put_item(TableName=self._table, Item=to_item(row), **ABSENT)):
            return await self._known_tally(batch_id, plan_id)
        return Tally(batch_id, plan_id, chunks=chunks, chunks_done=0, counts=Counts(), updated_at=now)

    @translated()
    async def complete(self, done: ChunkDone, *, now: datetime) -> Tally:
        if done.index >= UNSHARDED_CHUNKS and await self._chunks(done.batch_id, done.plan_id) is None:
            raise _never_opened(done)
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
                raise Conflict(f"batch {done.batch_id}: {_ATTEMPTS} conflicts on a sum of its chunks")
            await self._backoff.wait(attempt)
        return await self._known_tally(done.batch_id, done.plan_id)

    @staticmethod
    def _again(error: ClientError, done: ChunkDone) -> bool:
        """Return whether to try again; False: the chunk is recorded already. Raises what is neither."""
        reasons = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", [])]
        if reasons[:1] == [_FAILED_CONDITION]:
            return False
        if _FAILED_CONDITION in reasons:
            raise _never_opened(done) from error
        if _AGAIN.intersection(reasons):
            return True
        raise error

    @translated()
    async def tally(self, batch_id: str, plan_id: str) -> Tally | None:
        """Return the sum of all shards. Each is read strongly and only grows: who records last sees every chunk."""
        first = _pk(batch_id, plan_id)
        known = self._chunks_of.get(first)
        rows = await self._tallies(_partitions(first, known or 0))
        opened = next((row for row in rows if row["pk"] == first), None)
        if opened is None:
            return None
        if known is None:
            self._remember(first, opened["chunks"])
            rows += await self._tallies(_partitions(first, opened["chunks"])[1:])
        return Tally(
            batch_id,
            plan_id,
            chunks=opened["chunks"],
            chunks_done=sum(row["chunks_done"] for row in rows),
            counts=sum(map(_counts, rows), Counts()),
            updated_at=max(datetime.fromisoformat(row["updated_at"]) for row in rows),
        )

    @translated()
    async def done(self, batch_id: str, plan_id: str) -> Sequence[ChunkDone]:
        # The first partition says whether there are more.
        first, texts = _pk(batch_id, plan_id), dict[str, str]()
        tally, chunks = await self._rows_in(first, batch_id, plan_id, texts)
        partitions = _partitions(first, tally["chunks"] if tally else 0)[1:]
        for _, more in await in_parallel(SHARDS, partitions, lambda pk: self._rows_in(pk, batch_id, plan_id, texts)):
            chunks += more
        return sorted(chunks, key=lambda chunk: chunk.index)

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
            "reject_counts": [asdict(each) for each in kept_reject_counts(done)],
            "expires_at": expires_at(now),
        }
        return {"TableName": self._table, "Item": to_item(row), **ABSENT}

    def _add_to_tally(self, done: ChunkDone, now: datetime) -> dict[str, Any]:
        values = {
            ":one": 1,
            ":records_in": done.counts.records_in,
            ":records_out": done.counts.records_out,
            ":rejects": done.counts.rejects,
            ":now": now,
            ":expires_at": expires_at(now),
        }
        added = "chunks_done :one, records_in :records_in, records_out :records_out, rejects :rejects"
        # A plan's first row is written when it is opened, a shard's by the first writer that counts in it.
        opened = {"ConditionExpression": "attribute_exists(pk)"} if done.index < UNSHARDED_CHUNKS else {}
        return {
            "TableName": self._table,
            "Key": to_item({"pk": _chunk_key(done.batch_id, done.plan_id, done.index)["pk"], "sk": _TALLY}),
            "UpdateExpression": f"ADD {added} SET updated_at = :now, expires_at = :expires_at",
            "ExpressionAttributeValues": to_item(values),
            **opened,
        }

    async def _known_tally(self, batch_id: str, plan_id: str) -> Tally:
        tally = await self.tally(batch_id, plan_id)
        if tally is None:
            raise NotFound(f"batch {batch_id}: the tally of plan {plan_id} is gone")
        return tally

    async def _chunks(self, batch_id: str, plan_id: str) -> int | None:
        """Return how many chunks the plan has; None if it was never opened here."""
        first = _pk(batch_id, plan_id)
        if first not in self._chunks_of:
            row = await self._row({"pk": first, "sk": _TALLY})
            if row is None:
                return None
            self._remember(first, row["chunks"])
        return self._chunks_of[first]

    def _remember(self, pk: str, chunks: int) -> None:
        self._chunks_of[pk] = chunks
        while len(self._chunks_of) > _PLANS_KNOWN_MAX:
            self._chunks_of.popitem(last=False)

    async def _tallies(self, partitions: Sequence[str]) -> list[dict[str, Any]]:
        """Read the sums of these partitions; one in which nothing was counted yet has none."""
        if len(partitions) == 1:
            row = await self._row({"pk": partitions[0], "sk": _TALLY})
            return [row] if row else []
        batches = BatchCalls(await self._client(), table=self._table, dice=self._dice)
        return [from_item(item) for item in await batches.get([to_item({"pk": pk, "sk": _TALLY}) for pk in partitions])]

    async def _rows_in(
        self, pk: str, batch_id: str, plan_id: str, texts: dict[str, str]
    ) -> tuple[dict[str, Any] | None, list[ChunkDone]]:
        """Return a partition's sum and its chunks; `texts` holds those of their reasons, each once."""
        client = await self._client()
        pages = client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": pk}),
            ConsistentRead=True,
            PaginationConfig={"PageSize": _ROWS_AT_ONCE},
        )
        tally, chunks = None, list[ChunkDone]()
        async for page in pages:
            for row in map(from_item, page["Items"]):
                if row["sk"] == _TALLY:
                    tally = row
                else:
                    chunks.append(_chunk(batch_id, plan_id, row, texts))
        return tally, chunks

    async def _row(self, key: dict[str, str]) -> dict[str, Any] | None:
        client = await self._client()
        answer = await client.get_item(TableName=self._table, Key=to_item(key), ConsistentRead=True)
        item = answer.get("Item")
        return from_item(item) if item else None


_TALLY: Final = "tally"


def _never_opened(done: ChunkDone) -> NotFound:
    return NotFound(f"batch {done.batch_id}: plan {done.plan_id} was never opened here")


def _pk(batch_id: str, plan_id: str, shard: int | None = None) -> str:
    return f"{batch_id}#{plan_id}" if shard is None else f"{batch_id}#{plan_id}#{shard:02d}"


def _partitions(first: str, chunks: int) -> list[str]:
    """Return the partitions of a plan of so many chunks."""
    shards = range(SHARDS) if chunks > UNSHARDED_CHUNKS else ()
    return [first, *(f"{first}#{shard:02d}" for shard in shards)]


def _chunk_key(batch_id: str, plan_id: str, index: int) -> dict[str, str]:
    shard = index % SHARDS if index >= UNSHARDED_CHUNKS else None
    return {"pk": _pk(batch_id, plan_id, shard), "sk": f"chunk#{index:05d}"}


def _counts(row: dict[str, Any]) -> Counts:
    return Counts(records_in=row["records_in"], records_out=row["records_out"], rejects=row["rejects"])


def _chunk(batch_id: str, plan_id: str, row: dict[str, Any], texts: dict[str, str]) -> ChunkDone:
    def shared(text: str) -> str:
        """Return one object for equal texts: most of a batch's 9,000 chunks give the same reasons."""
        return texts.setdefault(text, text)

    return ChunkDone(
        batch_id,
        plan_id,
        index=row["chunk_index"],
        counts=_counts(row),
        part_bytes=row["part_bytes"],
        part_crc64nvme=row["part_crc64nvme"],
        rejects_bytes=row["rejects_bytes"],
        rejects_crc64nvme=row["rejects_crc64nvme"],
        # Rows of earlier versions have none.
        reject_counts=tuple(
            RejectCount(shared(each["column"]), shared(each["rule"]), each["records"])
            for each in row.get("reject_counts", ())
        ),
    )
