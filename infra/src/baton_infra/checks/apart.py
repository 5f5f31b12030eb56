"""Runs checkers whose dependencies do not go with ours: from `.venv-checks`, and without a network."""

import subprocess
from pathlib import Path
from typing import Final

_VENV: Final = Path(__file__).parents[4] / ".venv-checks"
_OFFLINE: Final = """
import runpy, socket, sys
def refuse(*args, **kwargs): raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_FOUND_SOMETHING: Final = 1


def run(tool: str, *arguments: str, home: Path) -> str:
    """Return what a tool prints of what it found. It may write below `home`.

    Raises `RuntimeError`, with what it complained of, if it failed.
    """
    command = [str(_VENV / "bin" / "python"), "-W", "ignore", "-c", _OFFLINE, str(_VENV / "bin" / tool), *arguments]
    bare = {"HOME": str(home), "PATH": "/nowhere", "LOG_LEVEL": "ERROR", "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=bare)  # noqa: S603 - of our own
    if done.returncode not in {0, _FOUND_SOMETHING}:
        raise RuntimeError(f"{tool} failed with {done.returncode}: {done.stderr}")
    return done.stdout
