"""Converts a batch to its row in the ledger and back. Pure."""

import zlib
from collections.abc import Iterable
from typing import Any, Final

from baton.aws.dynamodb.items import Item, from_item, iso, to_item, typed
from baton.errors import Refused
from baton.model.batch import Batch
from baton.model.rows import BATCH
from baton.model.unreadable import UnreadableRow
from baton.requests import FENCE, same_fence

SHARDS: Final = 8
"""Index partitions of open batches: one partition takes 1,000 writes a second, and every open batch writes there."""

_PLACES: Final = frozenset({"pk", "sk", "listing", "listed_at", "write_id"})
"""Attributes of a row that are not of its batch: each write makes them anew."""
_PK: Final = "batch#"


def batch_pk(batch_id: str) -> str:
    """Return the partition of a batch: its row and its history."""
    return f"{_PK}{batch_id}"


def batch_id_in(item: Item) -> str:
    """Return the id of the batch whose row this is, whether or not the rest of it can be read."""
    return str(item["pk"]["S"]).removeprefix(_PK)


def listing(batch: Batch) -> str:
    """Return the partition of the `listing` index: a shard of the open batches, or the day on which it settled."""
    if batch.is_settled:
        return f"done#{iso(batch.updated_at)[:10]}"
    return f"open#{zlib.crc32(batch.batch_id.encode()) % SHARDS}"


def listed_at(batch: Batch) -> str:
    """Return the place within every listing: unique, and in the order of admission."""
    return f"{iso(batch.admitted_at)}#{batch.batch_id}"


def batch_to_item(batch: Batch, *, write_id: str) -> Item:
    """Return the row. `write_id` names the write that made it, so that its writer can recognise it."""
    keys = {"pk": batch_pk(batch.batch_id), "sk": "batch", "listing": listing(batch), "listed_at": listed_at(batch)}
    return to_item({**BATCH.written(batch), **keys, "write_id": write_id})


def batch_from_item(item: Item) -> Batch:
    """Read a row; attributes that a later version added are in `more`. Raises `Refused` if it cannot be read."""
    try:
        return BATCH.read({name: value for name, value in from_item(item).items() if name not in _PLACES})
    except (Refused, ValueError, TypeError, AttributeError) as error:
        raise Refused(f"the row of batch {batch_id_in(item)} cannot be read by this version: {error}") from error


def remains_of(item: Item) -> UnreadableRow:
    """Return what is known of a row that `batch_from_item` does not read. Raises nothing, whatever is in it."""
    epoch = _found(item, "N", "owner_epoch")
    return UnreadableRow(
        batch_id=batch_id_in(item),
        job=_found(item, "S", "job"),
        key=_found(item, "S", "source", "key"),
        version_id=_found(item, "S", "source", "version_id"),
        state=_found(item, "S", "state"),
        owner_epoch=int(epoch) if epoch and epoch.isdecimal() else None,
    )


def _found(item: Item, kind: str, *way: str) -> str | None:
    """Return the attribute at the end of this way through maps, if it is there and of this kind."""
    *maps, name = way
    for each in maps:
        item = item.get(each, {}).get("M", {})
    found: str | None = item.get(name, {}).get(kind)
    return found


def readable(items: Iterable[Item]) -> tuple[list[Batch], list[UnreadableRow]]:
    """Return the batches of these rows, and what is left of those that cannot be read."""
    batches: list[Batch] = []
    unreadable: list[UnreadableRow] = []
    for item in items:
        try:
            batches.append(batch_from_item(item))
        except Refused:
            unreadable.append(remains_of(item))
    return batches, unreadable


def unchanged(before: Batch) -> dict[str, Any]:
    """Return the condition, as parameters of a write, that the row still is `before`."""
    return typed(same_fence({name: getattr(before, name) for name in FENCE}))
