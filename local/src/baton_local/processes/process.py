"""Starts processes, restarts those that die, and stops them; none outlives the supervisor, even if it is killed."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiohttp

from baton_local.processes import pids
from baton_local.processes.fork_server import Forked, ForkServer

_log = logging.getLogger(__name__)

_DIES_WITH: Final = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux':\n"
    "    ctypes.CDLL(None).prctl(1, 9)\n"  # PR_SET_PDEATHSIG, SIGKILL: survives the exec below
    "    if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"  # it died before we asked
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
"""Runs before the program, in its process: a fork hook would do the same, but is unsafe beside threads."""


def leash() -> tuple[str, ...]:
    """Return how a command line begins whose process dies with this one."""
    return (sys.executable, "-ISc", _DIES_WITH, str(os.getpid()))


_BACKOFF_SECONDS: Final = (0.2, 0.5, 1, 2, 5)
_STEADY_SECONDS: Final = 30
"""A process that ran for so long starts its next restart without delay again."""


_STILLBIRTHS_MAX: Final = 3
"""A program that ended so often before it was healthy will not be."""


class ProcessState(StrEnum):
    """Where a process stands."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    RESTARTING = "RESTARTING"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `health_url` answers 200 once it is ready; None: being alive is enough."""

    region: str
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    health_url: str | None = None
    restarts: bool = True
    grace_seconds: float = 15


class StartFailed(Exception):
    """A part of the world did not come up; the text holds the end of its log."""

    @classmethod
    def of(cls, program: Program, why: str) -> "StartFailed":
        return cls(f"{program.region} {program.name} {why}; the end of {program.log}:\n{tail(program.log)}")


class SupervisedProcess:
    """One supervised program."""

    def __init__(self, program: Program, changed: Callable[[], None], forks: ForkServer | None = None) -> None:
        """Call `changed` whenever there is a new process id. `forks` starts the programs that it knows."""
        self.program = program
        self.state = ProcessState.DEAD
        self.restarts = 0
        self.started: pids.Started | None = None
        self._changed = changed
        self._forks = forks
        self._child: asyncio.subprocess.Process | Forked | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start the program and watch over it."""
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_running())

    async def wait_healthy(self, session: aiohttp.ClientSession, *, deadline: float) -> None:
        """Return when the program answers; `deadline` is of the running loop's clock. Raises `StartFailed`."""
        while not await self._is_healthy(session):
            if self.state is ProcessState.DEAD:
                raise StartFailed.of(self.program, "ended")
            if self.restarts >= _STILLBIRTHS_MAX:
                raise StartFailed.of(self.program, "keeps ending")
            if asyncio.get_running_loop().time() > deadline:
                raise StartFailed.of(self.program, "is not healthy in time")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Ask the program to end, wait for its grace, then end it with all that it started."""
        self._stopping = True
        if self._child and self._child.returncode is None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), self.program.grace_seconds)
        if self.started:
            pids.kill_group(self.started)
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._child:
            await self._child.wait()
        self.state = ProcessState.DEAD

    def kill(self) -> None:
        """End the process at once; it is started again unless it is one that never is."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the process: it lives, holds its connections and does nothing."""
        if self.state is ProcessState.RUNNING:
            self._signal(signal.SIGSTOP)
            self.state = ProcessState.PAUSED

    def resume(self) -> None:
        """Resume a frozen process."""
        if self.state is ProcessState.PAUSED:
            self._signal(signal.SIGCONT)
            self.state = ProcessState.RUNNING

    async def _spawn(self) -> None:
        self._child = await self._new_child()
        self.started = pids.started(self._child.pid)
        self.state = ProcessState.RUNNING
        self._changed()

    async def _new_child(self) -> asyncio.subprocess.Process | Forked:
        program = self.program
        with program.log.open("ab") as log:
            if self._forks and self._forks.knows(program.command):
                with contextlib.suppress(ConnectionError):
                    return await self._forks.spawn(program.command, program.environment, program.log)
            return await asyncio.create_subprocess_exec(
                *leash(),
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=program.environment,
                start_new_session=True,
            )

    async def _keep_running(self) -> None:
        streak = 0
        while True:
            assert self._child is not None
            since = time.monotonic()
            status = await self._child.wait()
            if self.started:
                pids.kill_group(self.started)
            if self._stopping or not self.program.restarts:
                self.state = ProcessState.DEAD
                return
            streak = 0 if time.monotonic() - since > _STEADY_SECONDS else streak + 1
            _log.warning("process_ended region=%s name=%s status=%s", self.program.region, self.program.name, status)
            self.state = ProcessState.RESTARTING
            await asyncio.sleep(_BACKOFF_SECONDS[min(streak, len(_BACKOFF_SECONDS) - 1)])
            self.restarts += 1
            await self._spawn()

    async def _is_healthy(self, session: aiohttp.ClientSession) -> bool:
        if self.program.health_url is None:
            return self.state is ProcessState.RUNNING
        try:
            async with session.get(self.program.health_url, timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return answer.status == 200  # noqa: PLR2004 — HTTP's OK needs no name
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self._child and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)


def tail(log: Path, *, lines: int = 15) -> str:
    """Return the last lines of a log; a word in their place if there are none."""
    try:
        last = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join(f"    {line}" for line in last) or "    (empty)"
