"""Process ids: whether a process still runs, and how to end one that we started, even after the supervisor died.

The system reuses process ids, so each is stored with its start time and never signalled without checking it.
"""

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

_FILE: Final = "processes.json"
_STATE: Final = 0
"""Field of /proc/<pid>/stat, counted after the command name."""
_STARTED: Final = 19
"""The same: clock ticks from boot to start."""


class Started(BaseModel):
    """A process that leads its own process group. `started_ticks` is 0 where the system has no /proc."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_ticks: int


_ALL: Final = TypeAdapter(tuple[Started, ...])


def remember(directory: Path, processes: tuple[Started, ...]) -> None:
    """Write down every process of the world, to clean up after a supervisor that was killed."""
    draft = directory / f"{_FILE}.draft"
    draft.write_bytes(_ALL.dump_json(processes))
    draft.replace(directory / _FILE)


def remembered(directory: Path) -> tuple[Started, ...]:
    """Return the processes written down; nothing if there is no such file."""
    try:
        return _ALL.validate_json((directory / _FILE).read_bytes())
    except OSError:
        return ()


def started(pid: int) -> Started:
    """Return the process with its start time."""
    fields = _stat(pid)
    return Started(pid=pid, started_ticks=int(fields[_STARTED]) if fields else 0)


def is_alive(pid: int) -> bool:
    """Return whether a process runs. One that ended and was not yet waited for does not."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    fields = _stat(pid)
    return not fields or fields[_STATE] != "Z"


def is_same(process: Started) -> bool:
    """Return whether this very process still runs."""
    return is_alive(process.pid) and started(process.pid) == process


def kill_group(process: Started) -> None:
    """End a process and all that it started, at once. Harmless if they are gone."""
    # A dead leader's id is not given away while its group has members; a live one must be the one we know.
    if is_alive(process.pid) and started(process.pid) != process:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The command name stands in brackets and may hold anything, brackets included.
    return text.rpartition(")")[2].split()
