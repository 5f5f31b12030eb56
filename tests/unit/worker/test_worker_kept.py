"""Rules are kept as long as the process lives, what they judged is not."""

from typing import Final

from empty_columns import grown_by_the_next_one
from peak_memory import apart

_ROWS: Final = 4_000_000
_VALUE_BYTES: Final = 16
"""That an empty value takes in a frame."""


def test_of_an_empty_column_nothing_is_kept_when_its_chunk_is_done() -> None:
    grown_bytes = apart(grown_by_the_next_one, _ROWS)

    assert grown_bytes < _ROWS * _VALUE_BYTES / 2, "the first one's column is still there"
