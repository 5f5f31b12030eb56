"""A batch and its row in the ledger. Pure."""

import zlib
from dataclasses import asdict
from typing import Any, Final

from pydantic import TypeAdapter

from baton.aws.items import Item, from_item, iso, to_item
from baton.model.batch import Batch

SHARDS: Final = 8
"""Index partitions of open batches: one partition takes 1,000 writes a second, and every open batch writes there."""

_BATCH: Final = TypeAdapter(Batch)


def batch_pk(batch_id: str) -> str:
    """Return the partition of a batch: its row and its history."""
    return f"batch#{batch_id}"


def listing(batch: Batch) -> str:
    """Return the partition of the `listing` index: a shard of the open batches, or the day of admission."""
    if batch.is_settled:
        return f"done#{iso(batch.admitted_at)[:10]}"
    return f"open#{zlib.crc32(batch.batch_id.encode()) % SHARDS}"


def listed_at(batch: Batch) -> str:
    """Return the place within every listing: unique, and in the order of admission."""
    return f"{iso(batch.admitted_at)}#{batch.batch_id}"


def batch_to_item(batch: Batch, *, write_id: str) -> Item:
    """Return the row. `write_id` names the write that made it, so that its writer can recognise it."""
    keys = {"pk": batch_pk(batch.batch_id), "sk": "batch", "listing": listing(batch), "listed_at": listed_at(batch)}
    return to_item({**asdict(batch), **keys, "write_id": write_id})


def batch_from_item(item: Item) -> Batch:
    """Read a row; attributes that a later version added are skipped."""
    return _BATCH.validate_python(from_item(item))


def unchanged(before: Batch) -> dict[str, Any]:
    """Return the condition, as parameters of a write, that the row still is `before`."""
    values = {
        ":state": before.state,
        ":owner_epoch": before.owner_epoch,
        ":run": before.run,
        ":updated_at": before.updated_at,
    }
    return {
        "ConditionExpression": " AND ".join(f"#{name[1:]} = {name}" for name in values),
        "ExpressionAttributeNames": {f"#{name[1:]}": name[1:] for name in values},
        "ExpressionAttributeValues": to_item(values),
    }
