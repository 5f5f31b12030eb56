"""The checks that DynamoDB makes of items, for every table."""

from typing import Final

from baton.errors import Refused

ITEM_BYTES_MAX: Final = 400 * 1024
"""DynamoDB's ceiling for an item."""
KEYS_MAX: Final = 100
"""Of one call that reads items by their keys. A key that stays unprocessed in every attempt fails the whole call."""


def check_item(what: str, row: bytes) -> None:
    """Raise `Refused` if the row, given as JSON, is larger than an item may be."""
    if len(row) > ITEM_BYTES_MAX:
        raise Refused(f"{what}: a row of {len(row):,} bytes is more than {ITEM_BYTES_MAX:,}")
