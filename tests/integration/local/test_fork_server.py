"""What the fork server starts is a process as any other: its own environment, log, session and end."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from baton_local.processes import pids
from baton_local.processes.fork_server import Forked, ForkServer
from baton_local.processes.process import ProcessState, Program, SupervisedProcess, leash
from local_worlds import HERE, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every program is started alone")

COMMAND = (sys.executable, "-m", "tiny_module")
INHERITED = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE)}


def _with_server(test: Callable[[ForkServer], Awaitable[None]]) -> None:
    async def run() -> None:
        server = ForkServer(["tiny_module"], leash(), INHERITED)
        await server.start()
        try:
            await test(server)
        finally:
            await server.close()

    asyncio.run(run())


async def _spawned(server: ForkServer, log: Path, **environment: str) -> Forked:
    return await server.spawn(COMMAND, environment, log)


def _said(log: Path) -> dict[str, Any]:
    return json.loads(eventually(lambda: log.read_text() if log.exists() else ""))


def test_it_has_its_own_environment_session_and_command_line_and_imports_nothing_anew(tmp_path: Path) -> None:
    async def test(server: ForkServer) -> None:
        forked = await _spawned(server, tmp_path / "log", OWN="1")

        said = await asyncio.to_thread(_said, tmp_path / "log")
        assert said["environment"].items() >= {"OWN": "1"}.items()
        assert "PYTHONPATH" not in said["environment"]
        assert said["session"] == forked.pid != said["loaded_by"]
        assert len(said["argv"]) == 1
        assert said["shown"] == list(COMMAND)

    _with_server(test)


@pytest.mark.parametrize("status", [0, 7])
def test_its_exit_status_is_told_even_if_it_ends_at_once(tmp_path: Path, status: int) -> None:
    async def test(server: ForkServer) -> None:
        many = [await _spawned(server, tmp_path / f"{number}", STATUS=str(status)) for number in range(5)]

        assert [await each.wait() for each in many] == [status] * 5

    _with_server(test)


def test_two_that_are_asked_for_at_once_are_two(tmp_path: Path) -> None:
    async def test(server: ForkServer) -> None:
        one, other = await asyncio.gather(_spawned(server, tmp_path / "1"), _spawned(server, tmp_path / "2"))

        one.send_signal(signal.SIGKILL)
        assert await one.wait() == -signal.SIGKILL
        assert other.returncode is None
        assert pids.is_alive(other.pid)

    _with_server(test)


def test_all_die_with_the_server_and_are_started_afresh_without_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = Program("us-east-1", "tiny", COMMAND, {**INHERITED}, log)

    async def test(server: ForkServer) -> None:
        process = SupervisedProcess(program, lambda: None, server)
        await process.start()
        before = process.started
        assert before
        loaded_by = (await asyncio.to_thread(_said, log))["loaded_by"]
        assert loaded_by != before.pid

        os.kill(loaded_by, signal.SIGKILL)
        await asyncio.to_thread(
            eventually,
            lambda: process.restarts == 1 and process.state is ProcessState.RUNNING and "\n{" in log.read_text(),
        )

        assert process.started
        assert json.loads(log.read_text().splitlines()[-1])["loaded_by"] == process.started.pid
        assert not pids.is_same(before)
        await process.stop()

    _with_server(test)


def test_a_program_with_other_arguments_is_none_of_its() -> None:
    async def test(server: ForkServer) -> None:
        assert server.knows(COMMAND)
        assert not server.knows((*COMMAND, "--more"))
        assert not server.knows((sys.executable, "-m", "http.server"))

    _with_server(test)
