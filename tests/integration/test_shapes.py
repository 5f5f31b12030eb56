"""No shape of a file takes more memory or time than its size allows, whatever is wrong with it."""

from typing import Final

import pytest

from awkward import SHAPES, Spent, measured

_SMALL_MIB: Final = 2
_LARGE_MIB: Final = 8
_BYTES_PER_BYTE_MAX: Final = 40
_SPLITTER_BYTES_MAX: Final = 64 * 2**20
_CPU_SECONDS_FLOOR: Final = 0.1
"""Below it, what a process does once and the machine's other work outweigh the file."""
_GROWTH_MAX: Final = 2 * _LARGE_MIB / _SMALL_MIB
"""Twice that of linear growth: a quadratic step would make it four times."""


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_and_time_grow_with_the_file_and_no_faster(shape: str) -> None:
    small, large = measured(shape, _SMALL_MIB), measured(shape, _LARGE_MIB)

    assert large.outcome == small.outcome, (small, large)
    assert large.split_bytes <= _SPLITTER_BYTES_MAX, large
    assert large.bytes_per_byte <= _BYTES_PER_BYTE_MAX, large
    assert _cpu_seconds(large) <= _GROWTH_MAX * max(_CPU_SECONDS_FLOOR, _cpu_seconds(small)), (small, large)


def _cpu_seconds(spent: Spent) -> float:
    return spent.split_cpu_seconds + spent.chunk_cpu_seconds
