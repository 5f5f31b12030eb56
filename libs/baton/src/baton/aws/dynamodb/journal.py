"""The journal in DynamoDB: rows of the ledger's table, one conditional write per rule."""

import asyncio
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from baton.aws.dynamodb.items import Item, iso, to_item, typed
from baton.aws.dynamodb.rows import Rows
from baton.aws.sdk.clients import DynamoDB
from baton.aws.sdk.failures import condition_held, translated
from baton.errors import Conflict, Refused
from baton.model.control import Transition
from baton.model.journal import Command, CommandState, Decision, Heartbeat
from baton.model.rows import COMMAND, DECISION, HEARTBEAT, SWITCH, Form
from baton.ports.preconditions import check_settled
from baton.requests import ABSENT, NOT_ENDED, decision_key, not_beaten, switch_key

_PAGE_ROWS: Final = 100
_HEARTBEATS: Final = "heartbeat"
_COMMANDS: Final = "commands"
_DECISIONS: Final = "decisions"
"""One index partition each. Controllers decide a few times an hour; a partition takes 1,000 writes a second."""
_PENDING: Final = {
    # False too where there is no row: an attribute that is missing equals nothing.
    "ConditionExpression": "#state = :pending",
    "ExpressionAttributeNames": {"#state": "state"},
    "ExpressionAttributeValues": to_item({":pending": CommandState.PENDING}),
}


class DynamoJournal:
    """Rows `heartbeat`/<region>, `command#<id>`/`command`, `decision#<id>`/`decision`, `decision#<id>`/`switch`.

    `body` is the whole record as JSON; attributes beside it are for conditions, for the index, and for who reads the
    table in the console. A command is in the index only while it is PENDING.
    """

    def __init__(self, client: DynamoDB, *, table: str, dice: random.Random, page_rows: int = _PAGE_ROWS) -> None:
        self._client = client
        self._table = table
        self._rows = Rows(client, table=table, dice=dice)
        self._page_rows = page_rows
        self._passed_over: dict[str, dict[str, str]] = {}
        """By kind of row: what its newest list passed over, and why."""

    @translated()
    async def beat(self, heartbeat: Heartbeat) -> None:
        # Only its own Region writes this row: MRSC refuses a write that meets another Region's.
        row = {"pk": _HEARTBEATS, "sk": heartbeat.region, "beat_at": heartbeat.at, "beats": heartbeat.beats}
        item = to_item({**row, "body": _json(HEARTBEAT, heartbeat)})
        condition = {} if heartbeat.beats is None else typed(not_beaten(heartbeat.beats))
        client = await self._client()
        if not await condition_held(client.put_item(TableName=self._table, Item=item, **condition)):
            raise Conflict(f"a later heartbeat of {heartbeat.region} is in the ledger")

    @translated()
    async def heartbeats(self) -> Mapping[str, Heartbeat]:
        client = await self._client()
        pages = client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": _HEARTBEATS}),
            ConsistentRead=True,
        )
        items = [item async for page in pages for item in page["Items"]]
        return {heartbeat.region: heartbeat for heartbeat in self._readable(HEARTBEAT, items)}

    @translated()
    async def submit(self, command: Command) -> None:
        await self._rows.put(self._command_item(command), ABSENT)

    @translated()
    async def command(self, command_id: str) -> Command | None:
        item = await self._rows.read(_key("command", command_id))
        return _read(COMMAND, item) if item else None

    @translated()
    async def pending(self) -> Sequence[Command]:
        return list(self._readable(COMMAND, await self._listed(_COMMANDS, newest_first=False)))

    @translated()
    async def settle(self, command: Command) -> None:
        check_settled(command)
        if not await self._rows.put(self._command_item(command), _PENDING):
            raise Conflict(f"command {command.id} is settled already, or was never submitted")

    @translated()
    async def record(self, decision: Decision, *, left: Transition | None = None) -> None:
        await asyncio.gather(self._put_decision(decision), *([self._put_switch(left)] if left else []))

    async def _put_switch(self, switch: Transition) -> None:
        row = {"ended": switch.ended, "body": _json(SWITCH, switch), "write_id": self._rows.write_id()}
        await self._rows.put({**to_item(switch_key(switch.id)), **to_item(row)}, typed(NOT_ENDED))

    @translated()
    async def switch(self, transition_id: str) -> Transition | None:
        item = await self._rows.read(to_item(switch_key(transition_id)))
        return _read(SWITCH, item) if item else None

    async def _put_decision(self, decision: Decision) -> None:
        row = {
            **_listing(_DECISIONS, decision.at, decision.id),
            "kind": decision.kind,
            "summary": decision.summary,
            "body": _json(DECISION, decision),
            "write_id": self._rows.write_id(),
        }
        await self._rows.put({**to_item(decision_key(decision.id)), **to_item(row)}, ABSENT)

    @translated()
    async def decision(self, decision_id: str) -> Decision | None:
        item = await self._rows.read(to_item(decision_key(decision_id)))
        return _read(DECISION, item) if item else None

    @translated()
    async def decisions(self, *, limit: int) -> Sequence[Decision]:
        return list(self._readable(DECISION, await self._listed(_DECISIONS, newest_first=True, limit=limit)))

    def unreadable(self) -> Mapping[str, str]:
        return {name: why for passed_over in self._passed_over.values() for name, why in passed_over.items()}

    def _readable[T](self, form: Form[T], items: Iterable[Item]) -> Iterator[T]:
        """Yield those records of a list that this version can read: one that it cannot read hides no other."""
        passed_over: dict[str, str] = {}
        self._passed_over[form.name] = passed_over
        for item in items:
            try:
                yield _read(form, item)
            except Refused as error:
                passed_over["/".join(item[name]["S"] for name in ("pk", "sk"))] = str(error)

    def _command_item(self, command: Command) -> Item:
        listing = _listing(_COMMANDS, command.at, command.id) if command.state is CommandState.PENDING else {}
        row = {
            **listing,
            "kind": command.kind,
            "state": command.state,
            "body": _json(COMMAND, command),
            "write_id": self._rows.write_id(),
        }
        return {**_key("command", command.id), **to_item(row)}

    async def _listed(self, listing: str, *, newest_first: bool, limit: int | None = None) -> list[Item]:
        """Return what stands in an index partition: all pages, or the first `limit` rows."""
        client = await self._client()
        bounds: Any = {"MaxItems": limit, "PageSize": min(self._page_rows, limit or self._page_rows)}
        pages = client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="listing",
            KeyConditionExpression="listing = :listing",
            ExpressionAttributeValues=to_item({":listing": listing}),
            ScanIndexForward=not newest_first,
            PaginationConfig=bounds,
        )
        return [item async for page in pages for item in page["Items"]]


def _key(kind: str, name: str) -> Item:
    return to_item({"pk": f"{kind}#{name}", "sk": kind})


def _listing(listing: str, at: datetime, name: str) -> dict[str, str]:
    return {"listing": listing, "listed_at": f"{iso(at)}#{name}"}


def _json[T](form: Form[T], record: T) -> str:
    return json.dumps(form.written(record), default=iso, ensure_ascii=False)


def _read[T](form: Form[T], item: Mapping[str, Any]) -> T:
    try:
        row = json.loads(item["body"]["S"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{form.name} has no body that can be read: {error!r}") from error
    return form.read(row)
