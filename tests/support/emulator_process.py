"""Starts a MiniStack of the test's own on a free port of 127.0.0.1, and ends it by its process id."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from baton_local.stand_ins import emulator

ACCOUNT_ID: Final = "000000000000"
_PYTHON: Final = Path(__file__).parents[2] / ".venv-emulator" / "bin" / "python"
_START_SECONDS_MAX: Final = 60
_STOP_SECONDS_MAX: Final = 10


@contextmanager
def ministack(directory: Path) -> Generator[str]:
    """Yield the URL of a running emulator. Its log and its temporary files lie in `directory`."""
    ports = emulator.TcpPorts(None)
    port = ports.pick()
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": "unix:///nonexistent.sock",
    }
    log = directory / "ministack.log"
    with log.open("wb") as output:
        command = emulator.command(_PYTHON, port)
        process = subprocess.Popen(command, env=environment, cwd=directory, stdout=output, stderr=output)  # noqa: S603 - our own binary
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process, log)
        yield url
    finally:
        _stop(process)
        ports.close()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=1) as answer:  # noqa: S310 - http, to ourselves
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            # Refused until it listens. Waiting for the process paces the poll and ends it if the emulator dies.
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
    raise RuntimeError(f"MiniStack did not start: {log.read_text(errors='replace')[-2_000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=_STOP_SECONDS_MAX)
