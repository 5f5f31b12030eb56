"""What the ledger's listing makes of rows of any content."""

from datetime import UTC, datetime
from typing import Any

import pytest

from batches_made import admitted
from baton.aws.dynamodb.batch_item import batch_to_item, readable
from baton.model.unreadable import UnreadableRow

BATCH = admitted("b1", datetime(2026, 1, 1, tzinfo=UTC))
ITEM = batch_to_item(BATCH, write_id="w")
KEYS = {"pk": ITEM["pk"], "sk": ITEM["sk"]}


@pytest.mark.parametrize(
    ("changed", "job", "key", "epoch"),
    [
        ({"state": {"S": "OF_A_LATER_VERSION"}}, BATCH.job, BATCH.source.key, BATCH.owner_epoch),
        ({"owner_epoch": {"S": "east"}}, BATCH.job, BATCH.source.key, None),
        ({"owner_epoch": {"N": "1E400"}}, BATCH.job, BATCH.source.key, None),
        ({"owner_epoch": {"N": "0.5"}}, BATCH.job, BATCH.source.key, None),
        ({"source": {"S": "input/f.csv"}}, BATCH.job, None, BATCH.owner_epoch),
        ({"source": {"M": {"key": {"L": []}}}}, BATCH.job, None, BATCH.owner_epoch),
        ({"job": {"NULL": True}}, None, BATCH.source.key, BATCH.owner_epoch),
        ({"job": {"B": b"\xff"}}, None, BATCH.source.key, BATCH.owner_epoch),
    ],
    ids=str,
)
def test_what_can_be_read_of_a_row_is_told(
    changed: dict[str, Any], job: str | None, key: str | None, epoch: int | None
) -> None:
    batches, (row,) = readable([ITEM | changed, ITEM])

    assert batches == [BATCH]
    assert (row.batch_id, row.job, row.key, row.owner_epoch) == ("b1", job, key, epoch)


def test_of_a_row_with_nothing_but_its_key_the_id_is_told() -> None:
    assert readable([KEYS]) == ([], [UnreadableRow("b1")])
