"""Signs of life in DynamoDB: one row per batch, beside its chunks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from baton.aws.dynamodb.items import expires_at, from_item, to_item
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import condition_held, translated
from baton.errors import Conflict
from baton.ports.heartbeats import Nudges, Signs

_ALIVE: Final = "alive#"
"""Before the id of a process: the attribute with its last sign of life."""
_MOMENTS: Final = ("worked_at", "entered_at", "nudged_at")


class DynamoHeartbeats:
    """A row `heartbeat#<batch_id>` each: `worked_at`, and the nudges with the step that they belong to.

    Beside it a row for each step of the batch that was tried more than once, with the processes that have not ended.
    """

    def __init__(self, client: DynamoDB, *, table: str) -> None:
        self._client = client
        self._table = table

    @translated()
    async def beat(self, batch_id: str, *, at: datetime) -> None:
        update = _update(batch_id, {"worked_at": at}, now=at)
        update["ConditionExpression"] = "attribute_not_exists(worked_at) OR worked_at < :worked_at"
        await self._updated(update)  # a later sign of life is as good

    @translated()
    async def signs(self, batch_id: str) -> Signs:
        client = await self._client()
        answer = await client.get_item(TableName=self._table, Key=_key(batch_id), ConsistentRead=True)
        row = from_item(answer.get("Item", {}))
        moments = {name: datetime.fromisoformat(row[name]) for name in _MOMENTS if name in row}
        nudged = "nudges" in row
        nudges = Nudges(moments["entered_at"], row["nudges"], moments["nudged_at"]) if nudged else None
        return Signs(moments.get("worked_at"), nudges)

    @translated()
    async def count_nudge(self, batch_id: str, nudges: Nudges, *, before: Nudges | None) -> None:
        row = {"entered_at": nudges.entered_at, "nudges": nudges.count, "nudged_at": nudges.last_at}
        update = _update(batch_id, row, now=nudges.last_at)
        if before is None:
            update["ConditionExpression"] = "attribute_not_exists(nudged_at)"
        else:
            # The moment tells one count from any other: a count may begin anew.
            update["ConditionExpression"] = "nudged_at = :before"
            update["ExpressionAttributeValues"] |= to_item({":before": before.last_at})
        if not await self._updated(update):
            raise Conflict(f"batch {batch_id}: another sweeper nudged it")

    @translated()
    async def attempt_begun(self, batch_id: str, step: str, *, by: str, at: datetime) -> Sequence[datetime]:
        update = _sign_of(batch_id, step, by=by, at=at)
        update["UpdateExpression"] += " ADD began :by"
        update["ExpressionAttributeValues"] |= {":by": {"SS": [by]}}
        client = await self._client()
        answer = await client.update_item(TableName=self._table, ReturnValues="ALL_NEW", **update)
        row = answer.get("Attributes", {})
        signs = from_item({name: value for name, value in row.items() if name.startswith(_ALIVE)})
        others = set(row["began"].get("SS", ())) - {by}
        return [_moment(signs.get(_ALIVE + each)) for each in others]

    @translated()
    async def attempt_alive(self, batch_id: str, step: str, *, by: str, at: datetime) -> None:
        update = _sign_of(batch_id, step, by=by, at=at)
        update["ConditionExpression"] = "contains(began, :one)"
        update["ExpressionAttributeValues"] |= {":one": {"S": by}}
        await self._updated(update)

    @translated()
    async def attempt_ended(self, batch_id: str, step: str, *, by: str, at: datetime, for_good: bool) -> None:
        update = _update(batch_id, {}, now=at, step=step)
        if for_good:
            update["UpdateExpression"] += " REMOVE began"
        else:
            update["UpdateExpression"] += " REMOVE #alive DELETE began :by"
            update["ExpressionAttributeValues"] |= {":by": {"SS": [by]}}
            update["ExpressionAttributeNames"] = {"#alive": _ALIVE + by}
        client = await self._client()
        await client.update_item(TableName=self._table, **update)

    @translated()
    async def claim_notice(self, batch_id: str, *, at: datetime, lease: timedelta) -> bool:
        update = _update(batch_id, {"notice_at": at}, now=at)
        free = "attribute_not_exists(notice_at) OR (attribute_not_exists(notice_sent_at) AND notice_at <= :over)"
        update["ConditionExpression"] = free
        update["ExpressionAttributeValues"] |= to_item({":over": at - lease})
        return await self._updated(update)

    @translated()
    async def notice_sent(self, batch_id: str, *, at: datetime) -> None:
        client = await self._client()
        await client.update_item(TableName=self._table, **_update(batch_id, {"notice_sent_at": at}, now=at))

    async def _updated(self, update: dict[str, Any]) -> bool:
        client = await self._client()
        return await condition_held(client.update_item(TableName=self._table, **update))


def _update(batch_id: str, row: dict[str, Any], *, now: datetime, step: str = "heartbeat") -> dict[str, Any]:
    """Return the parameters of a write that leaves the row's other attributes as they are."""
    row = {**row, "expires_at": expires_at(now)}
    return {
        "Key": _key(batch_id, step),
        "UpdateExpression": "SET " + ", ".join(f"{name} = :{name}" for name in row),
        "ExpressionAttributeValues": to_item({f":{name}": value for name, value in row.items()}),
    }


def _sign_of(batch_id: str, step: str, *, by: str, at: datetime) -> dict[str, Any]:
    update = _update(batch_id, {}, now=at, step=step)
    update["UpdateExpression"] += ", #alive = :alive"
    update["ExpressionAttributeNames"] = {"#alive": _ALIVE + by}
    update["ExpressionAttributeValues"] |= to_item({":alive": at})
    return update


def _moment(text: str | None) -> datetime:
    """Return when that was; year 1 where an older Baton did not say."""
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def _key(batch_id: str, step: str = "heartbeat") -> dict[str, Any]:
    return to_item({"pk": f"heartbeat#{batch_id}", "sk": step})
