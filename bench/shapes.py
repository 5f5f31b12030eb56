"""Measures files of awkward shapes in splitter, worker and merger: `make bench NAME=shapes [ARGS="--mib 4 16"]`.

Each shape and size is a process of its own. Memory is the peak above what the process and the file take alone:
for the splitter and the merger in MiB, for the worker by byte of its largest chunk. CPU is by MiB of the file, of that
chunk, and of what is published.
"""

import argparse
from typing import Final

from awkward import Spent, measured
from awkward_merges import MERGES, MergeSpent, measured_merge
from awkward_shapes import LARGE, SHAPES
from baton.model.plan import MIB

_CHUNK_MIB_MIN: Final = 1
"""Below it what any chunk takes outweighs what its bytes do."""
_SMALL_CHUNKS: Final = (4_500, 9_000)
_LARGE_MIB: Final = 128
_MADE_PARTS: Final = (160, 320)


def _row(spent: Spent) -> str:
    mib, chunk_mib = spent.size_bytes / MIB, spent.chunk_bytes_max / MIB
    worker = "- | - | -"
    if chunk_mib >= _CHUNK_MIB_MIN:
        left = spent.chunk_output_bytes / spent.chunk_bytes_max
        worker = f"{spent.bytes_per_byte:.1f} | {left:.1f} | {1000 * spent.chunk_cpu_seconds / chunk_mib:,.0f} ms"
    return (
        f"| {spent.shape} | {mib:.0f} MiB | {spent.outcome} | {spent.chunks:,} | {chunk_mib:.1f} MiB "
        f"| {spent.split_bytes / MIB:,.0f} MiB | {1000 * spent.split_cpu_seconds / mib:,.1f} ms | {worker} |"
    )


def _merge_row(spent: MergeSpent) -> str:
    mib, chunk_seconds = spent.published_bytes / MIB, spent.worker_cpu_seconds / spent.chunks
    return (
        f"| {spent.merge} | {spent.chunks:,} | {spent.outcome} | {1000 * chunk_seconds:,.2f} ms "
        f"| {spent.worker_bytes / MIB:,.0f} MiB | {mib:,.0f} MiB | {spent.merger_cpu_seconds:,.1f} s "
        f"| {spent.merger_bytes / MIB:,.0f} MiB |"
    )


def _titles(*titles: str) -> None:
    print(f"| {' | '.join(titles)} |\n|---|{'---:|' * (len(titles) - 1)}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--mib", type=int, nargs="+", default=[4, 8])
    options.add_argument("--only", default="")
    chosen = options.parse_args()
    _titles(
        "shape", "file", "ends", "chunks", "the largest", "splitter", "its CPU per MiB", "worker, bytes per byte",
        "it leaves", "its CPU per MiB",
    )  # fmt: skip
    measures = [(shape, mib) for shape in SHAPES for mib in chosen.mib] + [(shape, _LARGE_MIB) for shape in LARGE]
    for shape, mib in measures:
        if chosen.only in shape:
            print(_row(*measured(shape, mib)), flush=True)
    print()
    _titles("merge", "chunks", "ends", "worker, CPU per chunk", "worker", "published", "merger, CPU", "merger")
    for merge, made in MERGES.items():
        for chunks in _MADE_PARTS if made.part else _SMALL_CHUNKS:
            if chosen.only in merge:
                print(_merge_row(*measured_merge(merge, chunks)), flush=True)


if __name__ == "__main__":
    main()
