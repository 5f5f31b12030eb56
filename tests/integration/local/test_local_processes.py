"""Processes are restarted, stopped permanently, and take what they started with them."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

from baton_local.processes.process import ProcessState, Program, SupervisedProcess
from baton_local.stand_ins.emulator import TcpPorts
from local_worlds import eventually, processes_naming

_SLEEP = "import time; time.sleep(600)"
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
_PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "


def _program(tmp_path: Path, code: str, **options: bool) -> Program:
    return Program(
        region="us-east-1",
        name="sleeper",
        command=(sys.executable, "-c", code),
        environment={"MARK": str(tmp_path)},
        log=tmp_path / "log",
        grace_seconds=0.5,
        **options,  # pyright: ignore[reportArgumentType] — only `restarts` is given
    )


def _with(program: Program, test: Callable[[SupervisedProcess], Awaitable[None]]) -> None:
    async def run() -> None:
        process = SupervisedProcess(program, lambda: None)
        await process.start()
        try:
            await test(process)
        finally:
            await process.stop()

    asyncio.run(run())


async def _until(look: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, look)


def test_ports_are_consecutive_from_a_base_and_free_without_one() -> None:
    based = TcpPorts(21_000)

    with contextlib.closing(TcpPorts(None)) as free, socket.create_server(("127.0.0.1", free.pick())) as listener:
        taken = listener.getsockname()[1]
        assert taken + 1 <= free.pick() < 32_768

    assert [based.pick(), based.pick()] == [21_000, 21_001]


def test_worlds_that_start_at_one_moment_never_pick_the_same_port() -> None:
    with contextlib.ExitStack() as stack:
        worlds = [stack.enter_context(contextlib.closing(TcpPorts(None))) for _ in range(40)]
        picked = [world.pick() for world in worlds for _ in range(60)]

    assert len(set(picked)) == len(picked)


def test_a_killed_process_is_started_again_under_a_new_id(tmp_path: Path) -> None:
    async def test(process: SupervisedProcess) -> None:
        before = process.started

        process.kill()
        await _until(lambda: process.restarts == 1 and process.state is ProcessState.RUNNING)

        assert process.started != before

    _with(_program(tmp_path, _SLEEP), test)


def test_a_process_that_ends_itself_again_and_again_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    code = "import os, time, pathlib; pathlib.Path(os.environ['MARK'], str(time.time_ns())).touch(); os._exit(1)"
    program = _program(tmp_path, code)

    async def test(process: SupervisedProcess) -> None:
        await _until(lambda: process.restarts >= 4)

    _with(program, test)

    starts = sorted(int(path.name) for path in tmp_path.iterdir() if path.name.isdigit())
    pauses = [(later - before) / 1e9 for before, later in pairwise(starts)][:3]
    assert len(pauses) == 3
    assert all(pause >= least for pause, least in zip(pauses, (0.5, 1, 2), strict=True)), pauses


def test_a_process_that_is_never_restarted_stays_dead(tmp_path: Path) -> None:
    async def test(process: SupervisedProcess) -> None:
        process.kill()

        await _until(lambda: process.state is ProcessState.DEAD)

        assert process.restarts == 0

    _with(_program(tmp_path, _SLEEP, restarts=False), test)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    async def test(process: SupervisedProcess) -> None:
        await _until(lambda: "deaf" in process.program.log.read_text())

    _with(_program(tmp_path, _DEAF), test)

    assert processes_naming(str(tmp_path)) == []


def test_a_paused_process_stops_as_well(tmp_path: Path) -> None:
    async def test(process: SupervisedProcess) -> None:
        process.pause()
        assert process.state is ProcessState.PAUSED

    _with(_program(tmp_path, _SLEEP), test)

    assert processes_naming(str(tmp_path)) == []


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    async def test(process: SupervisedProcess) -> None:
        await _until(lambda: len(processes_naming(str(tmp_path))) == 2)

        process.kill()
        await _until(lambda: process.state is ProcessState.DEAD)

        await _until(lambda: not processes_naming(str(tmp_path)))

    _with(_program(tmp_path, _PARENT + _SLEEP, restarts=False), test)


def test_a_process_dies_with_whoever_started_it(tmp_path: Path) -> None:
    program = _program(tmp_path, _SLEEP)

    child = os.fork()
    if child == 0:
        asyncio.run(SupervisedProcess(program, lambda: None).start())
        os._exit(0)
    os.waitpid(child, 0)

    eventually(lambda: not processes_naming(str(tmp_path)))
