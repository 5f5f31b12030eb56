"""Starts programs as copies of one process that has imported them: in a tenth of the time that a new interpreter takes.

`ForkServer` is the supervisor's side. `python -m baton_local.processes.fork_server MODULE ...` is the other one: it
imports the modules, and forks for each line that it reads. What it starts is a process like any other, in a session of
its own, and dies with it. Linux only, as is what it rests on.
"""

import asyncio
import contextlib
import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_ARGUMENTS: Final = slice(45, 47)
"""Fields of /proc/self/stat, counted after the command name: where the command line begins and ends in memory."""


class Forked:
    """A process that was started so: as much of `asyncio.subprocess.Process` as a supervisor needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self, status: int) -> None:
        """Note that it ended, and how."""
        self.returncode = status
        self._ended.set()


class ForkServer:
    """One parent of many processes. Knows the commands `python -m MODULE` of the modules that it was made for."""

    def __init__(self, modules: Sequence[str], leash: Sequence[str], environment: Mapping[str, str]) -> None:
        """`leash`: the beginning of a command line, whose process dies with this one."""
        self._modules = modules
        self._command = (*leash, sys.executable, "-m", __name__, *modules)
        self._environment = environment
        self._server: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: list[asyncio.Future[Forked]] = []
        self._running: dict[int, Forked] = {}

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self._server = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, env=self._environment, start_new_session=True
        )
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """End it, once what it started has ended."""
        if self._server and self._reading:
            with contextlib.suppress(ProcessLookupError):
                self._server.kill()
            await asyncio.gather(self._reading, self._server.wait())

    def knows(self, command: Sequence[str]) -> bool:
        is_one = len(command) == 3 and command[:2] == (sys.executable, "-m")  # noqa: PLR2004 - python -m MODULE
        # As long as somebody reads what it tells, who asks is answered.
        return is_one and command[2] in self._modules and self._reading is not None and not self._reading.done()

    async def spawn(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
        """Start one of the commands that it knows. Raises `ConnectionError` if it died."""
        assert self._server
        assert self._server.stdin
        asked = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        line = json.dumps({"command": command, "environment": environment, "log": str(log)})
        self._server.stdin.write(f"{line}\n".encode())
        await self._server.stdin.drain()
        return await asked

    async def _read(self) -> None:
        """Take what it tells, in the order in which it happened: the start of a process comes before its end."""
        assert self._server
        assert self._server.stdout
        async for line in self._server.stdout:
            pid, status = json.loads(line)
            if status is None:
                self._running[pid] = Forked(pid)
                self._asked.pop(0).set_result(self._running[pid])
            else:
                self._running.pop(pid).end(status)
        for asked in self._asked:
            asked.set_exception(ConnectionError("the fork server died"))
        for forked in self._running.values():
            forked.end(-signal.SIGKILL)  # they died with it


def main() -> None:
    """Import, then fork for each line, until nobody is there to write one."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, _tell_ends)
    for line in sys.stdin.buffer:
        # Nothing of a process that ends at once may be told before its start.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        server = os.getpid()
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            _become(json.loads(line), server)
        _tell(pid, None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _become(asked: Mapping[str, Any], server: int) -> None:
    """Be the program that was asked for, and end with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before we asked
        os._exit(1)
    os.setsid()
    _connect(os.devnull, os.O_RDONLY, 0)
    _connect(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1)
    os.dup2(1, 2)
    os.environ.clear()  # noqa: TID251 - a new process is given its environment
    os.environ.update(asked["environment"])  # noqa: TID251 - the same
    _show(asked["command"])
    module = asked["command"][2]
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


def _connect(path: str, flags: int, descriptor: int) -> None:
    opened = os.open(path, flags, 0o644)
    os.dup2(opened, descriptor)
    os.close(opened)


def _show(command: Sequence[str]) -> None:
    """Let `ps` show the program's command line in place of ours, as much of it as there is room for."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = map(int, fields[_ARGUMENTS])
    shown = "\0".join(command).encode()[: end - begin - 1]
    ctypes.memmove(begin, shown.ljust(end - begin, b"\0"), end - begin)


def _tell_ends(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(ended[0], os.waitstatus_to_exitcode(ended[1]))


def _tell(pid: int, status: int | None) -> None:
    os.write(1, f"{json.dumps([pid, status])}\n".encode())


if __name__ == "__main__":
    main()
