"""The demo's tools: its directory, its world, the commands it runs, and what it prints."""

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from baton_local.settings import LocalSettings

_HTTP_SECONDS_MAX: Final = 30
_LINK: Final = re.compile(r"https?://\S+")


class DemoFailed(Exception):
    """A step did not do what it should; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo keeps its files, and in it the world's own directory."""

    home: Path

    @property
    def world(self) -> Path:
        return self.home / "world"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    def file(self, name: str) -> Path:
        return self.home / name

    def baton(self, *args: str, **environment: str) -> None:
        """Print the command and run it. Raises `DemoFailed` if it fails."""
        say(f"  $ {''.join(f'{name}={shlex.quote(value)} ' for name, value in environment.items())}{_typed(args)}")
        self._run(args, None, environment)

    def ask(self, *args: str) -> Any:
        """Run the command quietly and return its JSON. Raises `DemoFailed` if it fails."""
        return json.loads(self._run((*args, "--json"), subprocess.PIPE, {}))

    @contextlib.contextmanager
    def listening(self, *args: str) -> Generator[Iterator[str]]:
        """Let the command run beside what follows, and yield its lines as they come; it ends with the block."""
        say(f"  $ {_typed(args)} &")
        with subprocess.Popen(self._command(args), cwd=self.home, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603 - our own command
            try:
                assert running.stdout is not None
                yield iter(running.stdout.readline, "")
            finally:
                running.terminate()

    def _command(self, args: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "baton_cli", "--world", "embedded", "--directory", str(self.world), *args]

    def _run(self, args: tuple[str, ...], stdout: int | None, environment: dict[str, str]) -> str:
        shell = LocalSettings.of_shell() | environment
        done = subprocess.run(self._command(args), cwd=self.home, stdout=stdout, text=True, check=False, env=shell)  # noqa: S603 - our own command
        if done.returncode:
            raise DemoFailed(f"`baton {args[0]}` ended with status {done.returncode}")
        return done.stdout


def _typed(args: tuple[str, ...]) -> str:
    """Return the command as it can be pasted into a shell."""
    return shlex.join(("baton", *args))


def link_to(key: str, text: str) -> str:
    """Return the link to this object. Raises `DemoFailed` if the mail holds none."""
    links: list[str] = _LINK.findall(text)
    for link in links:
        if unquote(urlsplit(link).path).endswith(f"/{key}"):
            return link
    raise DemoFailed(f"the mail holds no link to {key}")


def download(link: str, path: Path) -> None:
    """Follow a link as any HTTP client would."""
    # No proxy: the link points to this machine.
    client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with client.open(link, timeout=_HTTP_SECONDS_MAX) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file)
    say(f"  GET {link.partition('?')[0]}?…: {path.stat().st_size:,} bytes, {path.name}")


def step(text: str) -> None:
    """Say what comes next."""
    mark = "\x1b[1m▶\x1b[0m" if sys.stdout.isatty() else "▶"
    say(f"\n{mark} {text}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
