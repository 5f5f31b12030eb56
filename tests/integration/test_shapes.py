"""No shape of a file takes more memory or time than its size allows, even if it is bad."""

from itertools import chain
from typing import Final

import pytest

from awkward import Spent, measured
from awkward_merges import MERGES, measured_merge
from awkward_shapes import SHAPES
from baton.model.plan import CHUNK_BYTES_MAX, MIB, chunk_bytes_for
from baton.model.states import BatchState

_BYTES_PER_BYTE_MAX: Final = 40
_BYTES_PER_BYTE_ADDED_MAX: Final = 2
"""Of what a lookup adds to what came in: it is held until it is uploaded."""
_CHUNK_BYTES_FLOOR: Final = 2 * MIB
"""Below it what any chunk takes outweighs what its bytes do. So small is a chunk of as many short records as may be."""
_TEBIBYTE: Final = 2**40
_WORKER_BYTES: Final = 3_072 * MIB
_WORKER_SLOTS: Final = 2
_WORKER_ITSELF_BYTES: Final = 256 * MIB
"""What the process takes alone."""
_SPLITTER_BYTES_MAX: Final = 64 * MIB
_MERGER_BYTES_MAX: Final = 200 * MIB
"""Eight pieces of at most 10 MiB, each held twice while it is joined, and room."""
_BOOKS_BYTES_MAX: Final = 32 * MIB
"""Of what a worker and a merger hold for a batch of a thousand chunks."""
_CPU_SECONDS_FLOOR: Final = 0.1
"""Below it, what a process does once and the machine's other work outweigh the file."""
_ROOM: Final = 2
"""Over linear growth: a quadratic step would make it four times that from the small file to the large one."""


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_and_time_grow_with_the_file_and_no_faster(shape: str) -> None:
    small_mib, large_mib = (1, 3) if SHAPES[shape].is_costly else (2, 8)
    large, small = measured(shape, large_mib, small_mib)

    assert large.split_bytes <= _SPLITTER_BYTES_MAX, large
    added_bytes = max(0, large.chunk_output_bytes - large.chunk_bytes_max) if SHAPES[shape].job.lookup else 0
    bytes_max = _BYTES_PER_BYTE_MAX * max(_CHUNK_BYTES_FLOOR, large.chunk_bytes_max)
    assert large.chunk_peak_bytes <= bytes_max + _BYTES_PER_BYTE_ADDED_MAX * added_bytes, large
    # Beside others that need the same caches a process takes up to twice the CPU: what is over is measured again.
    again = (measured(shape, large_mib, small_mib) for _ in range(2))
    assert any(_cpu_grows_no_faster(*sizes) for sizes in chain([(large, small)], again)), (small, large)


@pytest.mark.parametrize(
    "shape",
    [
        "two empty columns",
        "four empty columns",
        "any of 30 columns empty",
        "100 empty columns in own words",
        "1,000 empty columns",
    ],
)
def test_many_short_fields_are_no_reason_for_more_in_a_small_chunk(shape: str) -> None:
    (found,) = measured(shape, 2)

    assert found.chunk_peak_bytes <= _BYTES_PER_BYTE_MAX * found.chunk_bytes_max, found


def _cpu_grows_no_faster(large: Spent, small: Spent) -> bool:
    """Return whether CPU grows with the size, at most."""
    grown = large.size_bytes / small.size_bytes
    splits = large.split_cpu_seconds <= _ROOM * grown * _counted(small.split_cpu_seconds)
    # By what comes in and what goes out: the small file's chunk may be over the limit of rejects, and end sooner.
    grown = (large.chunk_bytes_max + large.chunk_output_bytes) / max(
        1, small.chunk_bytes_max + small.chunk_output_bytes
    )
    return splits and large.chunk_cpu_seconds <= _ROOM * max(1, grown) * _counted(small.chunk_cpu_seconds)


def test_two_chunks_of_a_file_of_a_tebibyte_fit_into_a_worker() -> None:
    (found,) = measured("a chunk of 128 MiB", 128)

    assert chunk_bytes_for(_TEBIBYTE) <= found.chunk_bytes_max <= CHUNK_BYTES_MAX
    assert (found.outcome, found.chunks) == (BatchState.PROCESSED, 1)
    assert found.chunk_output_bytes > 127 * MIB
    # Both slots hold a chunk and what it becomes, but one alone is in work, a piece at a time.
    assert _WORKER_ITSELF_BYTES + _WORKER_SLOTS * found.chunk_peak_bytes <= _WORKER_BYTES, found
    assert found.split_bytes <= _SPLITTER_BYTES_MAX, found


@pytest.mark.parametrize("merge", MERGES)
def test_many_chunks_cost_the_worker_each_the_same_and_the_merger_no_memory(merge: str) -> None:
    is_made = MERGES[merge].part is not None
    large, small = measured_merge(merge, *((40, 10) if is_made else (800, 200)))

    assert large.outcome == small.outcome == BatchState.MERGED
    assert large.worker_bytes <= _BOOKS_BYTES_MAX, large
    assert large.merger_bytes <= (_MERGER_BYTES_MAX if is_made else _BOOKS_BYTES_MAX), large
    grown = large.chunks / small.chunks
    assert large.worker_cpu_seconds <= _ROOM * grown * _counted(small.worker_cpu_seconds), (small, large)
    assert large.merger_cpu_seconds <= _ROOM * grown * _counted(small.merger_cpu_seconds), (small, large)


def _counted(seconds: float) -> float:
    return max(_CPU_SECONDS_FLOOR, seconds)
