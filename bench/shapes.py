"""Measures files of awkward shapes in splitter, worker and merger: `make bench NAME=shapes`.

`ARGS="--write"` writes the tables of docs/performance.md. `--mib 4 16`: files of these sizes; `--only blank columns`:
rows whose names hold one of these.

Each shape and size is a process of its own. Memory is the peak above what the process and the file take alone:
for the splitter and the merger in MiB, for the worker by byte of its largest chunk. CPU is by MiB of the file, of that
chunk, and of what is published.
"""

import argparse
import re
from collections.abc import Sequence
from typing import Final

from awkward import Spent, measured
from awkward_merges import MERGES, MergeSpent, measured_merge
from awkward_shapes import LARGE, SHAPES
from baton.aws import SystemClock
from baton.model.plan import MIB
from tables import PERFORMANCE, dated, with_rows

TITLES: Final = (
    *("shape", "ends", "chunks", "the largest", "splitter", "its CPU per MiB"),
    *("worker, bytes per byte", "it leaves", "its CPU per MiB"),
)
MERGE_TITLES: Final = (
    *("batch", "ends", "worker, CPU per chunk", "worker", "published", "merger, CPU", "merger"),
)  # fmt: skip
_CHUNK_MIB_MIN: Final = 1
"""Below it what any chunk takes outweighs what its bytes do."""
_SMALL_CHUNKS: Final = (4_500, 9_000)
_LARGE_MIB: Final = 128
_MADE_PARTS: Final = (160, 320)


def batches() -> dict[str, tuple[str, int]]:
    """Return the merges that are measured, by their names in the table."""
    sizes = {merge: _MADE_PARTS if made.part else _SMALL_CHUNKS for merge, made in MERGES.items()}
    return {f"{count:,} {merge}": (merge, count) for merge, counts in sizes.items() for count in counts}


def _row(spent: Spent) -> str:
    mib, chunk_mib = spent.size_bytes / MIB, spent.chunk_bytes_max / MIB
    worker = "- | - | -"
    if chunk_mib >= _CHUNK_MIB_MIN:
        left = spent.chunk_output_bytes / spent.chunk_bytes_max
        worker = f"{spent.bytes_per_byte:.1f} | {left:.1f} | {1000 * spent.chunk_cpu_seconds / chunk_mib:,.0f} ms"
    return (
        f"| {spent.shape} | {spent.outcome} | {spent.chunks:,} | {chunk_mib:.1f} MiB "
        f"| {spent.split_bytes / MIB:,.0f} MiB | {1000 * spent.split_cpu_seconds / mib:,.1f} ms | {worker} |"
    )


def _merge_row(name: str, spent: MergeSpent) -> str:
    mib, chunk_seconds = spent.published_bytes / MIB, spent.worker_cpu_seconds / spent.chunks
    return (
        f"| {name} | {spent.outcome} | {1000 * chunk_seconds:,.2f} ms "
        f"| {spent.worker_bytes / MIB:,.0f} MiB | {mib:,.0f} MiB | {spent.merger_cpu_seconds:,.1f} s "
        f"| {spent.merger_bytes / MIB:,.0f} MiB |"
    )


def _growth(sizes: Sequence[Spent]) -> float | None:
    """Return the worker's CPU per MiB of the largest file by that of the smallest; None if one has hardly a chunk."""
    of_chunks = [spent for spent in sizes if spent.chunk_bytes_max >= _CHUNK_MIB_MIN * MIB]
    if len(of_chunks) < len(sizes) or len(sizes) == 1:
        return None
    small, large = (spent.chunk_cpu_seconds / spent.chunk_bytes_max for spent in (sizes[0], sizes[-1]))
    return large / small


def _titled(titles: Sequence[str]) -> None:
    print(f"| {' | '.join(titles)} |\n|---|---|{'---:|' * (len(titles) - 2)}", flush=True)


def _measured_shapes(only: Sequence[str], mib: Sequence[int]) -> tuple[dict[str, str], list[float]]:
    """Return rows of all shapes, empty ones of those that were not measured, and how CPU per MiB grew with the size."""
    rows, growths = dict.fromkeys([*SHAPES, *LARGE], ""), list[float]()
    _titled(TITLES)
    for shape in rows:
        if any(part in shape for part in only):
            sizes = [spent for each in ([_LARGE_MIB] if shape in LARGE else mib) for spent in measured(shape, each)]
            rows[shape] = _row(sizes[-1])
            print(rows[shape], flush=True)
            growth = _growth(sizes)
            growths += [growth] if growth else []
    return rows, growths


def _measured_merges(only: Sequence[str]) -> dict[str, str]:
    rows = dict.fromkeys(batches(), "")
    print()
    _titled(MERGE_TITLES)
    for name, (merge, count) in batches().items():
        if any(part in name for part in only):
            (spent,) = measured_merge(merge, count)
            rows[name] = _merge_row(name, spent)
            print(rows[name], flush=True)
    return rows


def main() -> None:
    """Measure, print, and write if that is wanted."""
    options = argparse.ArgumentParser()
    options.add_argument("--mib", type=int, nargs="+", default=[4, 8])
    options.add_argument("--only", nargs="+", default=[""])
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    shapes, growths = _measured_shapes(chosen.only, sorted(chosen.mib))
    merges = _measured_merges(chosen.only)
    grown = f"{min(growths):.1f} to {max(growths):.1f} times" if growths else ""
    print(f"\nCPU of the worker per MiB, of the largest size to the smallest: {grown}")
    if chosen.write:
        page = with_rows(with_rows(PERFORMANCE.read_text(), TITLES, shapes), MERGE_TITLES, merges)
        if chosen.only == [""]:
            page = dated(page, "shapes", SystemClock().now().date())
            page = re.sub(r"8 MiB take [\d.]+ to [\d.]+ times", f"8 MiB take {grown}", page)
        PERFORMANCE.write_text(page)


if __name__ == "__main__":
    main()
