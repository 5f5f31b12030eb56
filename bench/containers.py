"""Measures the composed world idle and under load: `make bench NAME=containers ARGS="--records N"`.

Starts it from scratch (`docker compose down -v`, `up`), with images that are already built. Ready is what a container
says of itself in its log. Memory is what `docker stats` says, without the page cache: idle a minute after the start,
and the highest seen while one file is processed. Image sizes: unpacked, and compressed as in a registry.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from baton.aws import SystemClock
from baton_local.sales import sample

_ROOT: Final = Path(__file__).parents[1]
_IMAGES: Final = ("splitter", "worker", "merger", "notifier", "failover-controller", "local")
_READY: Final = ("service_started", "Ready.", "baton_local.in_containers.container ready")
_REST_SECONDS: Final = 60
_KEYS: Final = 2_000
_UNITS: Final = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    _compose("build", "--quiet")
    _compose("down", "--volumes")
    started = time.monotonic()
    _compose("up", "--detach", "--wait")
    up_seconds = time.monotonic() - started
    ready = {name: _ready_seconds(name) for name in _names()}
    threading.Event().wait(_REST_SECONDS)
    rest = _memory()
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak = _busy(Path(folder), options.records)
    _report(options.records, up_seconds, seconds, ready, rest, peak)
    _compose("down", "--volumes")


def _busy(folder: Path, records: int) -> tuple[float, Mapping[str, float]]:
    """Send one file; return how long it took, and the most memory that each container had meanwhile."""
    file, reference = folder / "sales.csv", folder / "financial.csv"
    sample.write_sales(file, reference, records=records, seed=1, bad_percent=1, keys=_KEYS)
    _baton("reference", "load", "financial", str(reference), "--key", "uuid")
    peak: dict[str, float] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for name, mib in _memory().items():
                peak[name] = max(peak.get(name, 0), mib)

    watching = threading.Thread(target=watch)
    watching.start()
    started, sent_at = time.monotonic(), SystemClock().now()
    try:
        _baton("submit", str(file), "--job", "sales", "--watch", "--timeout", "1800")
        seconds = time.monotonic() - started
    finally:
        over.set()
        watching.join()
    print(steps(sent_at, json.loads(_baton("show", "last", "--json"))["history"]), flush=True)
    return seconds, peak


def steps(sent_at: datetime, history: Sequence[Mapping[str, str]]) -> str:
    """Return how long a batch took to each of its states from the one before, the first one from when it was sent."""
    moments = [sent_at, *(datetime.fromisoformat(step["at"]) for step in history)]
    took = [(after - before).total_seconds() for before, after in pairwise(moments)]
    return ", ".join(f"{step['state']} {seconds:.1f} s" for step, seconds in zip(history, took, strict=True))


def _report(
    records: int,
    up_seconds: float,
    seconds: float,
    ready: Mapping[str, float | None],
    rest: Mapping[str, float],
    peak: Mapping[str, float],
) -> None:
    print(f"\n`docker compose up -d --wait`, images built: {up_seconds:.0f} s")
    print(f"one file of {records:,} records: {seconds:.1f} s from the upload to COMPLETED\n")
    print("| container | start to ready | memory at rest | peak under the file |\n|---|---:|---:|---:|")
    for name in sorted(rest):
        own = ready.get(name)
        took = "-" if own is None else f"{own:.1f} s"
        print(f"| {name} | {took} | {rest[name]:.0f} MiB | {peak.get(name, 0):.0f} MiB |")
    print(f"| all | | {sum(rest.values()):,.0f} MiB | {sum(peak.values()):,.0f} MiB |")
    print("\n| image | unpacked | compressed |\n|---|---:|---:|")
    for service in _IMAGES:
        image = f"baton/{service}:dev"
        unpacked = json.loads(_docker("image", "inspect", image))[0]["Size"]
        print(f"| {service} | {unpacked / 1e6:.0f} MB | {_compressed(image) / 1e6:.0f} MB |")


def _names() -> list[str]:
    lines = _compose("ps", "--format", "json").splitlines()
    return [str(json.loads(line)["Service"]) for line in lines]


def _ready_seconds(service: str) -> float | None:
    """Return the time from the container's start to the line in its log that says it is ready; None without one."""
    state: Any = json.loads(_docker("inspect", f"baton-{service}-1"))[0]["State"]
    lines = _compose("logs", "--no-log-prefix", "--timestamps", service).replace("\x1b[2K", "").splitlines()
    said = next((line for line in lines if any(mark in line for mark in _READY)), None)
    return _seconds(state["StartedAt"], said.split()[0]) if said else None


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _memory() -> dict[str, float]:
    """Return the memory of each container of the project, in MiB."""
    lines = _docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
    found = (line.split() for line in lines if line.startswith("baton-"))
    return {words[0].removeprefix("baton-").removesuffix("-1"): _mib(words[1]) for words in found}


def _mib(text: str) -> float:
    unit = next(unit for unit in _UNITS if text.endswith(unit))
    return float(text.removesuffix(unit)) * _UNITS[unit]


def _compressed(image: str) -> int:
    packed, size = zlib.compressobj(6, wbits=31), 0
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:  # noqa: S603, S607 - our own image
        assert saving.stdout is not None
        while piece := saving.stdout.read(1 << 20):
            size += len(packed.compress(piece))
    return size + len(packed.flush())


def _compose(*arguments: str) -> str:
    return _docker("compose", "--project-directory", str(_ROOT), *arguments)


def _docker(*arguments: str) -> str:
    return _said(["docker", *arguments])


def _baton(*arguments: str) -> str:
    return _said([sys.executable, "-m", "baton_cli", "--world", "compose", *arguments])


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)  # noqa: S603, TID251 - a user's shell
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
