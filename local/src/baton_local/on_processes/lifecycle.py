"""`up` and `down`: starts the supervisor in the background, and stops it with everything that it started."""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from baton_local import state
from baton_local.on_processes.supervisor import BUSY
from baton_local.processes import pids
from baton_local.processes.process import tail
from baton_local.roster import Roster
from baton_local.settings import LocalSettings

_STOP_SECONDS: Final = 25
"""A service's grace, an emulator's, and some air; after it, SIGKILL."""
_SUPERVISOR: Final = ("-m", "baton_local.on_processes.supervisor")
_OURS: Final = ("lock", "processes.json", "world.json")
"""A directory that holds none of these is not a world's and is never removed."""


class WorldFailed(Exception):
    """The world did not come up; the text ends with the tail of the log that says why."""


def up(
    directory: Path = state.DIRECTORY,
    *,
    wait_seconds: float = 60,
    roster: Roster | None = None,
    program: Sequence[str] = _SUPERVISOR,
) -> state.World:
    """Return the running world of this directory, or start one and wait until every part of it is healthy.

    `roster` None runs the product's services; `program` is what Python runs as the supervisor. Raises `WorldFailed` if
    it is not healthy in time; nothing is left then.
    """
    if world := state.read(directory):
        return world
    child = 0
    if not _supervised(directory):
        down(directory)  # what a supervisor left that was killed
        child = _start(directory, program, roster, wait_seconds)
    # A supervisor that cannot start ends in time and says what was missing; the rest is for one that hangs.
    deadline = time.monotonic() + wait_seconds + _STOP_SECONDS
    while time.monotonic() < deadline:
        if world := state.read(directory):
            return world
        # BUSY: somebody else started one at the same moment; theirs will do.
        if child and _status(child) not in {None, BUSY}:
            break
        _pause()
    log = directory / "logs" / "supervisor.log"
    text = tail(log, lines=40)
    down(directory)
    raise WorldFailed(f"the world did not come up; the end of {log}:\n{text}")


def down(directory: Path = state.DIRECTORY) -> None:
    """Stop everything and remove the directory. Harmless if there is no world, or if its supervisor was killed."""
    if not is_there(directory):
        return
    if supervisor := _supervised(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor.pid, signal.SIGTERM)
        _wait_gone(supervisor, seconds=_STOP_SECONDS)
    for process in pids.remembered(directory):
        pids.kill_group(process)
        _wait_gone(process, seconds=5)
    shutil.rmtree(directory)


def is_there(directory: Path = state.DIRECTORY) -> bool:
    """Return whether there is a world in this directory, or what is left of one."""
    return any((directory / name).exists() for name in _OURS)


def _supervised(directory: Path) -> pids.Started | None:
    remembered = pids.remembered(directory)
    return remembered[0] if remembered and pids.is_same(remembered[0]) else None


def _start(directory: Path, program: Sequence[str], roster: Roster | None, ready_seconds: float) -> int:
    """Start a supervisor in a session of its own and return its process id."""
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *program]
    command += ["--directory", str(directory), "--ready-seconds", str(ready_seconds)]
    if roster:
        command += ["--roster", roster.model_dump_json()]
    # Not `subprocess`: it warns of a child that outlives its caller, which this one is meant to do.
    return os.posix_spawn(
        command[0],
        command,
        LocalSettings().of_supervisor(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(logs / "supervisor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _status(child: int) -> int | None:
    """Return the exit status of our child; None while it runs, BUSY once that was told."""
    try:
        pid, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return BUSY
    return os.waitstatus_to_exitcode(status) if pid else None


def _wait_gone(process: pids.Started, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while pids.is_same(process) and time.monotonic() < deadline:
        _pause()


def _pause() -> None:
    threading.Event().wait(0.05)
