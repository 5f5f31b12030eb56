"""Files of awkward shapes: what each costs the splitter and the worker. `make bench NAME=shapes [ARGS="--mib 4 16"]`.

Each shape and size is a process of its own. Memory is the peak above what the process and the file take by themselves:
for the splitter in MiB, for the worker by byte of its largest chunk. CPU is by MiB of the file, and of that chunk.
"""

import argparse
from typing import Final

from awkward import SHAPES, Spent, measured

_CHUNK_MIB_MIN: Final = 1
"""Below it what any chunk takes outweighs what its bytes do."""


def _row(spent: Spent) -> str:
    mib, chunk_mib = spent.size_bytes / 2**20, spent.chunk_bytes_max / 2**20
    worker = "- | -"
    if chunk_mib >= _CHUNK_MIB_MIN:
        worker = f"{spent.bytes_per_byte:.1f} | {1000 * spent.chunk_cpu_seconds / chunk_mib:,.0f} ms"
    return (
        f"| {spent.shape} | {mib:.0f} MiB | {spent.outcome} | {spent.chunks:,} "
        f"| {spent.split_bytes / 2**20:,.0f} MiB | {1000 * spent.split_cpu_seconds / mib:,.1f} ms | {worker} |"
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--mib", type=int, nargs="+", default=[4, 16])
    options.add_argument("--only", default="")
    chosen = options.parse_args()
    print("| shape | file | ends | chunks | splitter | its CPU per MiB | worker, bytes per byte | its CPU per MiB |")
    print("|---|---:|---|---:|---:|---:|---:|---:|", flush=True)
    for shape in SHAPES:
        for mib in chosen.mib:
            if chosen.only in shape:
                print(_row(measured(shape, mib)), flush=True)


if __name__ == "__main__":
    main()
