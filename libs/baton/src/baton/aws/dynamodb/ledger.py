"""The ledger in DynamoDB: one table, one conditional write per rule, as MRSC has no transactions."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from baton.aws.dynamodb.batch_calls import BatchCalls
from baton.aws.dynamodb.batch_item import (
    SHARDS,
    batch_from_item,
    batch_pk,
    batch_to_item,
    listed_at,
    readable,
    unchanged,
)
from baton.aws.dynamodb.items import Item, from_item, iso, to_item, typed
from baton.aws.dynamodb.rows import Rows
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import condition_held, translated
from baton.aws.sdk.parallel import in_parallel
from baton.errors import Conflict, Fenced, NotFound
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control
from baton.model.rows import CONTROL
from baton.model.unreadable import UnreadableRow
from baton.ports.clock import Clock
from baton.ports.ledger import Admission, BatchPage
from baton.ports.preconditions import check_control, check_final, check_step, with_claim
from baton.requests import ABSENT, CONTROL_KEY, PAGE_BATCHES, listing, same_revision

_QUERIES_AT_ONCE: Final = 8
_OURS: Final = frozenset({*CONTROL_KEY, "write_id"})
"""Attributes of the table, not of the record."""
_LISTED_DAYS_MAX: Final = 400
"""Each day is a query. Settled rows are deleted long before they are this old."""
_OLDEST: Final = "0"
_NEWEST: Final = "~"
"""Sorts after every moment."""


class DynamoLedger:
    """Control row `control`/`control`, batch rows `batch#<id>`/`batch`."""

    def __init__(
        self,
        client: DynamoDB,
        *,
        table: str,
        clock: Clock,
        dice: random.Random,
        page_batches: int = PAGE_BATCHES,
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._dice = dice
        self._rows = Rows(client, table=table, dice=dice)
        self._page_batches = page_batches

    @translated()
    async def control(self) -> Control:
        item = await self._rows.read(to_item(CONTROL_KEY))
        if item is None:
            raise NotFound("the ledger has no control row: the world is not set up")
        return CONTROL.read({name: value for name, value in from_item(item).items() if name not in _OURS})

    @translated()
    async def set_control(self, after: Control, *, before: Control | None) -> None:
        check_control(before, after)
        condition = ABSENT if before is None else typed(same_revision(before.revision))
        row = {**CONTROL.written(after), **CONTROL_KEY, "write_id": self._rows.write_id()}
        if not await self._rows.put(to_item(row), condition):
            raise Conflict("the control row changed meanwhile")

    @translated()
    async def admit(self, batch: Batch) -> Admission:
        item = batch_to_item(batch, write_id=self._rows.write_id())
        if not await self._rows.put(item, ABSENT):
            return Admission.ALREADY_THERE
        return Admission.ADMITTED

    @translated()
    async def get(self, batch_id: str) -> Batch | None:
        item = await self._rows.read(_key(batch_id))
        return batch_from_item(item) if item else None

    @translated()
    async def unreadable(self, batch_id: str) -> UnreadableRow | None:
        item = await self._rows.read(_key(batch_id))
        _, unreadable = readable([item] if item else [])
        return next(iter(unreadable), None)

    @translated()
    async def get_many(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | None]:
        table = BatchCalls(await self._client(), table=self._table, dice=self._dice)
        keys = [_key(each) for each in dict.fromkeys(batch_ids)]
        batches, unreadable = readable(await table.get(keys))
        found: dict[str, Batch | None] = {batch.batch_id: batch for batch in batches}
        return found | {row.batch_id: None for row in unreadable}

    @translated()
    async def update(self, before: Batch, after: Batch) -> Batch:
        check_step(before, after)
        if not await self._rows.put(batch_to_item(after, write_id=self._rows.write_id()), unchanged(before)):
            raise Fenced(f"batch {before.batch_id} is no longer {before.state} of epoch {before.owner_epoch}")
        return after

    async def claim_mail(self, before: Batch, claim: MailClaim) -> Batch:
        # `updated_at` grows with every write, so a row that has it unchanged has its claim unchanged too.
        return await self.update(before, with_claim(before, claim))

    def list_open(self) -> AsyncIterator[BatchPage]:
        return self._pages(_open_partitions(), since=_OLDEST)

    def list_recent(self, *, since: datetime) -> AsyncIterator[BatchPage]:
        # A batch may have been admitted by a Region whose clock is ahead of this one's: look a day further.
        latest = self._clock.now() + timedelta(days=1)
        days = min(_LISTED_DAYS_MAX, (latest - since).days + 1)
        # By the day on which they settled, which is never before the day of their admission.
        done = [f"done#{iso(latest - timedelta(days=day))[:10]}" for day in range(days + 1)]
        return self._pages([*_open_partitions(), *done], since=iso(since))

    def list_settled(self, day: date) -> AsyncIterator[BatchPage]:
        return self._pages([f"done#{day.isoformat()}"], since=_OLDEST)

    @translated()
    async def delete(self, batch: Batch) -> None:
        check_final(batch)
        client = await self._client()
        key = _key(batch.batch_id)
        held = await condition_held(client.delete_item(TableName=self._table, Key=key, **unchanged(batch)))
        # A row that is not there was deleted, by this very call or by another: the same.
        if not held and await self._rows.read(key) is not None:
            raise Fenced(f"batch {batch.batch_id} changed since it was read as {batch.state}")

    async def _pages(self, partitions: Sequence[str], *, since: str) -> AsyncIterator[BatchPage]:
        cursor: str | None = None
        while True:
            async with translated():
                page, cursor = await self._page(partitions, since=since, cursor=cursor)
            yield page
            if cursor is None:
                return

    async def _page(self, partitions: Sequence[str], *, since: str, cursor: str | None) -> tuple[BatchPage, str | None]:
        """Merge the newest batches below the cursor of all partitions, down to where each of them was read.

        The cursor is the last place that was given out. It is the same in every partition, so a batch that moves from
        one partition to another between two pages is not lost; it is given twice only where the index lags behind. A
        page of each is read, and all of it is given out but for what lies below the end of another one's.
        """

        async def newest(partition: str) -> list[Item]:
            return await self._newest(partition, since=since, cursor=cursor)

        found = await in_parallel(_QUERIES_AT_ONCE, partitions, newest)
        ends = [_place(items[self._page_batches - 1]) for items in found if len(items) > self._page_batches]
        end = max(ends, default=None)
        batches, unreadable = readable(item for items in found for item in items if end is None or _place(item) >= end)
        # An index is eventually consistent: for a moment a batch may stand in two partitions, or in none.
        latest = {batch.batch_id: batch for batch in sorted(batches, key=lambda batch: batch.updated_at)}
        return BatchPage(sorted(latest.values(), key=listed_at, reverse=True), unreadable), end

    async def _newest(self, partition: str, *, since: str, cursor: str | None) -> list[Item]:
        """Return one more than a page of a partition, so that the caller knows whether there is another page."""
        client = await self._client()
        wanted = self._page_batches + 1
        # BETWEEN includes its ends: one more, and the cursor itself is left out below.
        pages = client.get_paginator("query").paginate(
            TableName=self._table,
            **typed(listing(partition, since=since, cursor=cursor or _NEWEST)),
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": wanted + 1, "PageSize": wanted + 1},
        )
        items = [item async for page in pages for item in page["Items"]]
        return [item for item in items if item["listed_at"] != {"S": cursor}][:wanted]


def _key(batch_id: str) -> Item:
    return to_item({"pk": batch_pk(batch_id), "sk": "batch"})


def _place(item: Item) -> str:
    return str(item["listed_at"]["S"])


def _open_partitions() -> list[str]:
    return [f"open#{shard}" for shard in range(SHARDS)]
