"""Measures the worker: ours beside bare polars and beside a plain csv and pydantic loop.

Run `python bench/data_plane.py [--records N] [--keys N] [--quoted-percent N]`. One process, polars held to one thread,
the same sales file for all (1 % of its records break a rule), medians of five runs taken in turn, CPU time of the
process with reading and writing the files. All results must be equal to the byte.

- baton: chunks of 16 MiB; pydantic rules on every field, rejects with every reason and the line that came in,
  conservation check.
- polars (eager, lazy in memory, streaming), duckdb, pyarrow: the same work, written for each (`rivals_data_plane`).
- csv + pydantic: csv.reader, the model per record, a dict for the lookup, csv.writer; no rejects file.
"""

import argparse
import csv
import io
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from baton.csv import Scanner, Syntax, cut
from baton.model.plan import CHUNK_BYTES_DEFAULT, Chunk
from baton.ports import Row
from baton_jobs.sales import Sale, job
from rivals_data_plane import CHANNELS, ITEMS, PRIORITIES, arrow, duckdb_sql, polars_eager, polars_lazy
from worker.domain import ReferenceFrame, check, finish, prepare_reference
from worker.parse import parse, parse_lines, utf8
from worker.reference import SUFFIX, join
from worker.render import render_lines
from worker.rules import rules_of

RUNS = 5
SEED = 20261123
SYNTAX = Syntax(ord(","), ord('"'))
assert job.columns
assert job.lookup
COLUMNS, ADDED = job.columns, job.lookup.columns


@dataclass(frozen=True, slots=True)
class World:
    """The files, and the plan for them."""

    sales: Path
    output: Path
    rejects: Path
    chunks: tuple[Chunk, ...]
    reference: Mapping[str, Row]


def sales_rows(records: int, keys: list[str], quoted_percent: float) -> Iterator[list[str]]:
    """Yield sales records, one in a hundred with a broken uuid, item or priority, or a day that no calendar has."""
    dice = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    places = [f"{letter}land{n}" for letter in "ABCDEFGHJ" for n in range(20)]
    for n in range(records):
        year, month, day = dice.randrange(10, 20), dice.randrange(1, 13), dice.randrange(1, 29)
        place = dice.choice(places)
        if dice.random() * 100 < quoted_percent:
            place += ", South"
        row = [keys[n % len(keys)], place, dice.choice(ITEMS), dice.choice(CHANNELS), dice.choice(PRIORITIES)]
        row += [f"{month}/{day}/{year}", "Middle East and North Africa", f"{month}/{day}/{year + 1}"]
        if n % 100 == 50:
            at, value = dice.choice([(0, "N/A"), (2, "Weapons"), (4, "X"), (5, "2/30/14")])
            row[at] = value
        yield row


def build(folder: Path, records: int, keys: int, quoted_percent: float) -> World:
    """Write the sales file, and plan it as the splitter would."""
    dice = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    uuids = [str(number) for number in dice.sample(range(100_000_000, 1_000_000_000), keys)]
    reference = {
        uuid: dict(zip(ADDED, (str(dice.randrange(10**6) / 100) for _ in ADDED), strict=True)) | {"uuid": uuid}
        for uuid in uuids
    }
    path = folder / "sales.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sales_rows(records, uuids, quoted_percent))
    data = path.read_bytes()
    start = data.index(b"\n") + 1
    scanner = Scanner(SYNTAX, start=start, chunk_bytes=CHUNK_BYTES_DEFAULT)
    scanner.feed(data[start:])
    ranges = enumerate(scanner.finish().ranges)
    chunks = tuple(
        Chunk(index=n, start=r.start, end=r.end, first_record=r.first_record, records=r.records) for n, r in ranges
    )
    return World(path, folder / "out.csv", folder / "rejects.csv", chunks, reference)


# --- the contenders -------------------------------------------------------------------------------------------------


def baton(world: World, table: ReferenceFrame) -> None:
    with world.sales.open("rb") as source, world.output.open("wb") as target, world.rejects.open("wb") as rejected:
        for chunk in world.chunks:
            source.seek(chunk.start)
            output = finish(check(source.read(chunk.end - chunk.start), chunk, COLUMNS, job), table)
            target.write(output.part)
            rejected.write(output.rejects)


def plain_python(world: World) -> None:
    with world.sales.open(newline="") as source, world.output.open("w", newline="") as target:
        reader, writer = csv.reader(source), csv.writer(target, lineterminator="\n")
        header = next(reader)
        writer.writerow([*header, *ADDED])
        for row in reader:
            try:
                sale = Sale.model_validate(dict(zip(header, row, strict=True)))
            except (ValidationError, ValueError):
                continue
            found = world.reference.get(sale.uuid)
            if found is not None:
                writer.writerow([*row, *(found[name] for name in ADDED)])


# --- figures --------------------------------------------------------------------------------------------------------


def cpu_seconds(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def race(world: World) -> dict[str, float]:
    """Return the median CPU seconds of each contender. The reference is loaded beforehand, for all."""
    assert job.lookup
    frame = prepare_reference(world.reference, job.lookup)
    plain = pl.DataFrame([{"uuid": uuid, **{c: row[c] for c in ADDED}} for uuid, row in world.reference.items()])
    paths = (world.sales, world.output, world.rejects)
    contenders: dict[str, Callable[[], None]] = {
        "baton": lambda: baton(world, frame),
        "polars, eager": lambda: polars_eager(paths, plain),
        "polars, lazy": lambda: polars_lazy(paths, plain, "in-memory"),
        "polars, streaming": lambda: polars_lazy(paths, plain, "streaming"),
        "duckdb": lambda: duckdb_sql(paths, plain),
        "pyarrow": lambda: arrow(paths, plain),
        "csv + pydantic": lambda: plain_python(world),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    first, rejects = b"", set[int]()
    for _ in range(RUNS):
        for name, work in contenders.items():
            seconds[name].append(cpu_seconds(work))
            first = first or world.output.read_bytes()
            assert first == world.output.read_bytes(), f"{name} gives another result"
            rejects.add(world.rejects.read_bytes().count(b"\n"))
            assert len(rejects) == 1, f"{name} rejects others: {rejects}"
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def steps(world: World) -> dict[str, float]:
    """Return the median CPU milliseconds of each step of the first chunk."""
    assert job.lookup
    table, chunk = prepare_reference(world.reference, job.lookup), world.chunks[0]
    data = world.sales.read_bytes()[chunk.start : chunk.end]
    text = utf8(data, job.dialect)
    frame = parse(text, job.dialect, len(COLUMNS), records=chunk.records)
    checked = check(data, chunk, COLUMNS, job)
    joined = join(checked.frame, "c0", table.suffixes).drop_nulls()
    rules, told = rules_of(Sale), {"told_max": chunk.records, "enough": chunk.records}
    syntax = Syntax(ord(","), ord('"'))
    works: dict[str, Callable[[], object]] = {
        "cut": lambda: cut(data, syntax, columns=len(COLUMNS)),
        "parse": lambda: parse(text, job.dialect, len(COLUMNS), records=chunk.records),
        "lines": lambda: parse_lines(text, records=chunk.records),
        "rules, rejects explained": lambda: rules.broken(frame, COLUMNS, **told),
        "join": lambda: join(checked.frame, "c0", table.suffixes),
        "render": lambda: render_lines(joined, io.BytesIO(), pl.col("line"), pl.col(SUFFIX)),
        "check + finish": lambda: finish(check(data, chunk, COLUMNS, job), table),
    }
    return {name: 1000 * statistics.median(cpu_seconds(work) for _ in range(5)) for name, work in works.items()}


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def memory(world: World) -> str:
    """Return what one chunk after another adds to the process. To be called first: a peak never falls."""
    assert job.lookup
    table, before = prepare_reference(world.reference, job.lookup), peak_mib()
    baton(world, table)
    return f"Peak memory {peak_mib()} MiB, {peak_mib() - before} MiB of it for chunks of 16 MiB, one at a time."


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--keys", type=int, default=10_000)
    options.add_argument("--quoted-percent", type=float, default=0)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = build(Path(folder), chosen.records, chosen.keys, chosen.quoted_percent)
        size = world.sales.stat().st_size
        used = memory(world)
        seconds = race(world)
        print(f"{chosen.records:,} records, {size / 1e6:.1f} MB, {chosen.keys:,} keys, {len(world.chunks)} chunks\n")
        print("| worker | CPU s | records per CPU second | baton is |\n|---|---:|---:|---:|")
        for name, taken in seconds.items():
            print(f"| {name} | {taken:.2f} | {chosen.records / taken:,.0f} | {taken / seconds['baton']:.2f} x |")
        print(f"\n{used}\n\n| step of a chunk of {world.chunks[0].records:,} records | CPU ms |\n|---|---:|")
        for name, taken in steps(world).items():
            print(f"| {name} | {taken:.1f} |")


if __name__ == "__main__":
    if pl.thread_pool_size() == 1:
        main()
    else:  # polars takes its number of threads from the environment when it is imported
        command = ["/usr/bin/env", "POLARS_MAX_THREADS=1", "OMP_NUM_THREADS=1", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - this very script again
