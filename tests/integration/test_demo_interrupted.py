"""Ctrl-C while the demo's world comes up: it is stopped, nothing is left but the logs, the last line says so."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from baton_local.processes import pids
from local_worlds import eventually

_EMULATORS: Final = 3
"""What a world starts first."""


def test_an_interrupted_demo_stops_the_world_and_keeps_the_logs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "baton_local.demo.run"]
    # A session of its own, so that the interrupt reaches the demo and what it runs, as in a terminal, and not us.
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # noqa: TID251 - the demo's environment is ours, elsewhere
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        eventually(lambda: _started(tmp_path) > _EMULATORS, seconds=60)
        os.killpg(demo.pid, signal.SIGINT)
        shown = demo.stdout.readlines()
        status = demo.wait(timeout=60)

    home = Path(re.findall(r"The logs are kept in (\S+)/logs", "".join(shown))[0])
    assert shown[-1] == "demo: FAILED — interrupted\n"
    assert status == 1
    assert [path.name for path in home.iterdir() if path.is_dir()] == ["logs"]
    assert _processes_that_name(home) == []
    shutil.rmtree(home)


def _started(directory: Path) -> int:
    """Return how many processes of the demo's world were started so far, its supervisor included."""
    return sum(len(pids.remembered(world)) for world in directory.glob("baton-demo-*/world"))


def _processes_that_name(home: Path) -> list[str]:
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if str(home) in line:
            found.append(line)
    return found
