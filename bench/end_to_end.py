"""Measures the whole embedded world under load: `make bench NAME=end_to_end ARGS="--records N --files N"`.

Files that people send by mistake, then one large sales file, three times, then many one-kilobyte files at once (each
load left out where its number is 0). Wall time from the start of the upload to the
state COMPLETED; CPU time and peak memory from /proc (Linux): our services, the emulators with their Lambda processes,
and the supervisor, which replicates and is the front door.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from baton.model.identity import batch_id_of
from baton.model.paths import input_key
from baton.model.states import BatchState
from baton_cli.reach import connect
from baton_local.on_processes import lifecycle
from baton_local.sales import sample
from baton_local.switches.admin import Admin, SupervisorStatus
from embedded import Embedded
from local_worlds import do

_RUNS: Final = 3
_SERVICES: Final = ("splitter", "worker", "merger", "notifier")
_SHEET_ROWS: Final = 1_048_576
"""Of an Excel sheet."""
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_SECONDS_MAX: Final = 900
_EMULATORS: Final = "emulators"
_SUPERVISOR: Final = "supervisor"


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and peak memory by kind of process."""

    cpu_seconds: Mapping[str, float]
    peak_mib: Mapping[str, float]

    def since(self, before: "Usage") -> dict[str, float]:
        return {name: seconds - before.cpu_seconds.get(name, 0) for name, seconds in self.cpu_seconds.items()}


def _status(world: Embedded) -> SupervisorStatus:
    return do(Admin(world.world.admin_endpoint).status())


def _usage(world: Embedded) -> Usage:
    cpu: dict[str, float] = {}
    peak: dict[str, float] = {}
    for pid, name in _names(world).items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu[name] = cpu.get(name, 0) + (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
        status = Path(f"/proc/{pid}/status").read_text()
        high = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
        peak[name] = max(peak.get(name, 0), int(high) / 1024)
    return Usage(cpu, peak)


def _names(world: Embedded) -> dict[int, str]:
    """Return the kind of every process of the world by its id."""
    names = {world.world.pid: _SUPERVISOR}
    for process in _status(world).processes:
        assert process.pid, f"{process.region} {process.name} is not running"
        emulator = process.name == "emulator"
        pids = [process.pid, *_children(process.pid)] if emulator else [process.pid]
        names |= dict.fromkeys(pids, _EMULATORS if emulator else process.name)
    return names


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _by_mistake(world: Embedded, folder: Path) -> None:
    """Send them to a young world, whose peaks are theirs. The batch's own time: without the upload and the watching."""
    file, reference = folder / "one.csv", folder / "one-key.csv"
    sample.write_sales(file, reference, records=1, seed=3, bad_percent=0, keys=1)
    assert world.baton("reference", "load", "financial", str(reference), "--key", "uuid").returncode == 0
    header, row = file.read_bytes().splitlines(keepends=True)
    empty_row = b"," * header.count(b",") + b"\r\n"
    bodies = {
        "a sheet of one good and 1,048,575 empty rows": header + row + empty_row * (_SHEET_ROWS - 1),
        "12 MiB of blank lines before the header": b"\n" * (12 * 2**20) + header + row,
    }
    print("### Files sent by mistake\n")
    print("| file | ends | took | another file, sent meanwhile | CPU of our services | splitter, peak | worker, peak |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for number, (name, body) in enumerate(bodies.items()):
        path = folder / f"mistaken-{number}.csv"
        path.write_bytes(body)
        before = _usage(world)
        running = world.start("submit", str(path), "--job", "sales", "--watch", "--json")
        other = world.submit(file, name=f"meanwhile-{number}.csv")
        outcome = json.loads(running.communicate(timeout=_SECONDS_MAX)[0])
        assert other["state"] == "COMPLETED", other
        ends = f"{outcome['state']} {outcome.get('failure_code') or ''}".strip()
        after = _usage(world)
        cpu_seconds = sum(after.since(before)[service] for service in _SERVICES)
        print(
            f"| {name} | {ends} | {_took_seconds(outcome):.1f} s | {_took_seconds(other):.1f} s "
            f"| {cpu_seconds:.1f} s | {after.peak_mib['splitter']:.0f} MiB | {after.peak_mib['worker']:.0f} MiB |"
        )
    print(flush=True)


def _took_seconds(outcome: Mapping[str, str]) -> float:
    begun, ended = (datetime.fromisoformat(outcome[name]) for name in ("admitted_at", "updated_at"))
    return (ended - begun).total_seconds()


def _large(world: Embedded, folder: Path, records: int) -> None:
    file, reference = folder / "sales.csv", folder / "financial.csv"
    sample.write_sales(file, reference, records=records, seed=1, bad_percent=1)
    assert world.baton("reference", "load", "financial", str(reference), "--key", "uuid").returncode == 0
    walls: list[float] = []
    cpus: list[dict[str, float]] = []
    for run in range(_RUNS):
        before, started = _usage(world), time.perf_counter()
        outcome = world.submit(file, name=f"run-{run}.csv")
        assert outcome["state"] == "COMPLETED", outcome
        walls.append(time.perf_counter() - started)
        cpus.append(_usage(world).since(before))
    middle = {name: statistics.median(cpu[name] for cpu in cpus) for name in (*_SERVICES, _EMULATORS)}
    ours = sum(middle[name] for name in _SERVICES)
    wall = statistics.median(walls)
    size_mb = file.stat().st_size / 10**6
    print(f"### {records:,} sales records in one file ({size_mb:.0f} MB, 1 % bad), median of {_RUNS}\n")
    print("| wall | records/s | CPU of our services, both Regions | CPU of the emulators |\n|---:|---:|---:|---:|")
    print(f"| {wall:.1f} s | {records / wall:,.0f} | {ours:.1f} s | {middle[_EMULATORS]:.1f} s |\n")
    _by_service(middle, _usage(world))


def _by_service(cpu: Mapping[str, float], usage: Usage) -> None:
    print("| process | CPU | peak RSS |\n|---|---:|---:|")
    for name, seconds in cpu.items():
        print(f"| {name} | {seconds:.2f} s | {usage.peak_mib[name]:.0f} MiB |")
    print(flush=True)


def _many(world: Embedded, folder: Path, files: int) -> None:
    bodies = [folder / f"small-{number}.csv" for number in range(files)]
    for number, path in enumerate(bodies):
        path.write_text("account,amount\n" + f"{number:06d},10.00\n" * (1_000 // 13))
    before = _usage(world)
    seconds = asyncio.run(_upload_and_wait(world, bodies))
    cpu = _usage(world).since(before)
    ours = sum(seconds for name, seconds in cpu.items() if name not in {_EMULATORS, _SUPERVISOR})
    print(f"### {files} files of one kilobyte at once\n")
    print(
        "| wall | files/s | CPU per file: our services | the emulators | the supervisor |\n|---:|---:|---:|---:|---:|"
    )
    per_file = " | ".join(f"{1_000 * each / files:.0f} ms" for each in (ours, cpu[_EMULATORS], cpu[_SUPERVISOR]))
    print(f"| {seconds:.1f} s | {files / seconds:.1f} | {per_file} |\n")


async def _upload_and_wait(world: Embedded, paths: list[Path]) -> float:
    """Upload all files, sixteen at a time, and wait until every batch is COMPLETED; return the seconds it took."""
    slots = asyncio.Semaphore(16)
    async with connect.embedded(world.world) as connection:

        async def upload(path: Path) -> str:
            async with slots:
                key = input_key("passthrough", path.name)
                return batch_id_of(key, await connection.uploader.upload(path, key, sent=lambda _: None))

        started = time.perf_counter()
        waiting = await asyncio.gather(*map(upload, paths))
        while waiting:
            # One row at a time: what waits for the result must not keep the machine busy itself.
            batch = await connection.ledger.get(waiting[-1])
            if batch is not None and batch.is_final:
                assert batch.state is BatchState.COMPLETED, batch.failure
                waiting.pop()
            else:
                await asyncio.sleep(0.1)
            assert time.perf_counter() - started < _SECONDS_MAX, f"{len(waiting)} files are still not done"
        return time.perf_counter() - started


def main() -> None:
    """Run both loads and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "world"
        world = Embedded(lifecycle.up(directory, wait_seconds=90), directory)
        try:
            _by_mistake(world, Path(folder))
            if arguments.records:
                _large(world, Path(folder), arguments.records)
            if arguments.files:
                _many(world, Path(folder), arguments.files)
        finally:
            lifecycle.down(directory)


if __name__ == "__main__":
    main()
