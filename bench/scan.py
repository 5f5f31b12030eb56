"""Measures the search for record boundaries: the scanner beside a bare count of line feeds and the csv module.

Run `python bench/scan.py`. Files are made in memory from a fixed seed; every figure is the median of five runs, taken
in turn, in MB (10^6 bytes) per second of this process's CPU time. `cut` takes one worker chunk of 16 MiB.
"""

import csv
import io
import random
import statistics
import time
from collections.abc import Callable, Iterator

from baton.csv import Scan, Scanner, Syntax, cut

FILE_BYTES = 100_000_000
CHUNK_BYTES = 16 * 1024 * 1024
RUNS = 5
SEED = 20261123
SYNTAX = Syntax(ord(","), ord('"'))
COLUMNS = 8


def rows(dice: random.Random, *, quoted_newlines: bool) -> Iterator[list[str]]:
    """Yield sales; with `quoted_newlines` one in a hundred has a remark that must be quoted."""
    while True:
        country = dice.choice(["Libya", "Canada", "Japan", "Chad", "Armenia", "Eritrea", "Montenegro"])
        remark = 'see "terms",\nclause 5' if quoted_newlines and dice.random() < 0.01 else dice.choice("HLMC")
        day = f"{dice.randrange(1, 13)}/{dice.randrange(1, 29)}/{dice.randrange(2010, 2026)}"
        order, units, price = dice.randrange(10**9), dice.randrange(10**4), dice.randrange(10**5) / 100
        yield ["Middle East", country, "Cosmetics", remark, day, str(order), str(units), str(price)]


def sales(*, quoting: int, quoted_newlines: bool) -> bytes:
    """Return a file of whole records and about `FILE_BYTES`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")  # pyright: ignore[reportArgumentType]  # an int
    dice = random.Random(SEED)  # noqa: S311  # figures, not secrets
    source = rows(dice, quoted_newlines=quoted_newlines)
    while text.tell() < FILE_BYTES // 20:
        writer.writerow(next(source))
    return text.getvalue().encode() * 20


def scan(data: bytes) -> int:
    """Return the number of records by the scanner."""
    return scanned(data).records


def scanned(data: bytes) -> Scan:
    """Scan, fed at once: work is done on blocks of the scanner's own size, however it is fed."""
    scanner = Scanner(SYNTAX, start=0, chunk_bytes=CHUNK_BYTES)
    scanner.feed(data)
    return scanner.finish()


def by_csv_module(data: bytes) -> int:
    """Return the number of records by the csv module."""
    return sum(1 for _ in csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")))


def by_line_feeds(data: bytes) -> int:
    """Return the number of line feeds: the floor, and wrong as soon as one stands inside quotes."""
    return data.count(b"\n")


def by_cut(data: bytes) -> int:
    """Return the number of records by the worker's cut."""
    return len(cut(data, SYNTAX, columns=COLUMNS).starts)


def cpu_seconds(work: Callable[[bytes], int], data: bytes) -> tuple[float, int]:
    """Return the CPU time of one run, and what it returned."""
    before = time.process_time()
    found = work(data)
    return time.process_time() - before, found


def measured(data: bytes) -> dict[str, tuple[float, int]]:
    """Return for each way MB per CPU-second (median) and the number of records it found."""
    chunk = data[: scanned(data).ranges[0].end]
    ways = {"scanner": (scan, data), "line feeds": (by_line_feeds, data), "csv": (by_csv_module, data)}
    ways["cut"] = (by_cut, chunk)
    runs = [{name: cpu_seconds(*way) for name, way in ways.items()} for _ in range(RUNS)]
    return {
        name: (len(given) / 1e6 / statistics.median(run[name][0] for run in runs), runs[0][name][1])
        for name, (_, given) in ways.items()
    }


def main() -> None:
    """Print one row per file."""
    files = {
        "no quotes": sales(quoting=csv.QUOTE_MINIMAL, quoted_newlines=False),
        "1 % quoted, with newline": sales(quoting=csv.QUOTE_MINIMAL, quoted_newlines=True),
        "all fields quoted": sales(quoting=csv.QUOTE_ALL, quoted_newlines=True),
        "1 in 7 with a literal quote (slow way)": sales(quoting=csv.QUOTE_MINIMAL, quoted_newlines=False).replace(
            b",Chad,", b',5" pipe,'
        ),
    }
    print(f"Seed {SEED}, {RUNS} runs, MB per CPU-second\n")
    print("| file | records | scanner | bytes.count | csv module | to bytes.count | to csv | cut, 16 MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, data in files.items():
        found = measured(data)
        scanner, line_feeds, reader, chunk = (found[way][0] for way in ("scanner", "line feeds", "csv", "cut"))
        records = found["scanner"][1]
        assert records == found["csv"][1], "both count the same records"
        print(
            f"| {name} | {records:,} | {scanner:,.0f} | {line_feeds:,.0f} | {reader:,.0f} "
            f"| {scanner / line_feeds:.2f} x | {scanner / reader:.1f} x "
            f"| {CHUNK_BYTES / 1e6 / chunk * 1e3:.0f} ms, {found['cut'][1]:,} records |"
        )


if __name__ == "__main__":
    main()
