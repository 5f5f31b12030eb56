"""One emulator: MiniStack, as a plain process that holds a whole Region (or the global resources) in memory."""

import contextlib
import random
import socket
from pathlib import Path
from typing import Final

from baton_local import state
from baton_local.processes.process import Program
from baton_local.settings import LocalSettings
from baton_local.stand_ins.gates import HOST

NAME: Final = "emulator"
GLOBAL: Final = "global"
"""The "Region" of the third emulator: ledger, STS and IAM, SES."""


_OPTIONS: Final = (
    *("--http", "httptools", "--loop", "asyncio", "--lifespan", "on"),
    *("--no-access-log", "--no-date-header", "--no-server-header"),  # MiniStack sets its own
    *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
    *("--app-dir", str(Path(__file__).parents[1] / "in_emulator")),
)


def command(python: Path, port: int) -> tuple[str, ...]:
    """Return how to start it: under uvicorn, whose parser in C halves a call's CPU, and not its own hypercorn."""
    return (str(python), "-m", "uvicorn", "corrected:app", "--host", HOST, "--port", str(port), *_OPTIONS)


def program(
    region: str,
    port: int,
    *,
    home_region: str,
    account_id: str,
    directory: Path,
    settings: LocalSettings,
    locks: Path | None = None,
) -> Program:
    """Return how to run it. It is never restarted: an empty Region would be worse than a dead one.

    `locks`: a file with the roles by which its calls are judged.
    """
    return Program(
        region=region,
        name=NAME,
        command=command(settings.emulator_python, port),
        environment={
            **_environment(port, home_region, account_id, directory / "emulators" / region, settings),
            **_locked(region, locks),
        },
        log=directory / "logs" / f"{region}-{NAME}.log",
        health_url=f"http://{HOST}:{port}/_ministack/health",
        restarts=False,
        grace_seconds=2,  # nothing to save
    )


def _environment(port: int, home_region: str, account_id: str, own: Path, settings: LocalSettings) -> dict[str, str]:
    """Return what MiniStack reads; `own` is its folder, which is made."""
    own.mkdir(parents=True, exist_ok=True)
    return settings.inherited() | {
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": home_region,
        "MINISTACK_ACCOUNT_ID": account_id,
        # It checks what is signed in a query, by the secret that it takes for this world's.
        "AWS_SECRET_ACCESS_KEY": state.credentials(account_id)["AWS_SECRET_ACCESS_KEY"],
        "TMPDIR": str(own),
        "S3_DATA_DIR": str(own / "s3"),
        "STATE_DIR": str(own / "state"),
        "DOCKER_HOST": "unix:///nonexistent.sock",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        # Each execution is a process: a burst of files must not start hundreds. `trigger` takes back what is throttled.
        "LAMBDA_ACCOUNT_CONCURRENCY": "2",
        # AWS waits a minute before the second attempt.
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.5",
    }


def _locked(region: str, locks: Path | None) -> dict[str, str]:
    """Return what `corrected` reads of a lock; the global emulator is in no Region."""
    return {"BATON_LOCKS": str(locks), "BATON_LOCKED_REGION": "" if region == GLOBAL else region} if locks else {}


_STRETCH_PORTS: Final = 100
"""More than a world has."""
_STRETCHES: Final = range(15_000, 32_000, _STRETCH_PORTS)
"""Below those that the system gives to outgoing connections (from 32,768 on Linux): one of these must not take a port
between the moment in which it is picked and the seconds later in which its process listens."""


class TcpPorts:
    """Picks ports: consecutive ones from a base, or those of a stretch that no other world has; then close it."""

    def __init__(self, base: int | None) -> None:
        self._next = base or 0
        self._held: socket.socket | None = None
        if base is None:
            self._next, self._held = _stretch()

    def pick(self) -> int:
        """Return a port of this machine that nothing listens on; one from a base may be taken."""
        while True:
            port, self._next = self._next, self._next + 1
            if self._held is None or _is_free(port):
                return port

    def close(self) -> None:
        """Let other worlds have the stretch."""
        if self._held:
            self._held.close()


def _stretch() -> tuple[int, socket.socket]:
    """Return the second port of a stretch, and a socket on its first one, which keeps other worlds off."""
    for first in random.SystemRandom().sample(_STRETCHES, len(_STRETCHES)):
        with contextlib.suppress(OSError):
            return first + 1, socket.create_server((HOST, first))
    raise OSError("every stretch of ports is taken")


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
