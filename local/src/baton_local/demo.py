"""The whole system once, on this machine, in the open: each step is a command that you could type yourself.

Both Regions come up in a directory of their own; a file with bad records in it goes in; the mail comes out; its links
are followed by a plain HTTP client; and what they give is held, record by record, against `baton_local.expected`.
Everything is stopped and removed again, however it ends.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

from baton_local import lifecycle
from baton_local.expected import Checked, Mismatch, check

_RECORDS: Final = "10000"
_BAD_PERCENT: Final = "2"
_SEED: Final = "7"
_WATCH_SECONDS_MAX: Final = "300"
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

    def baton(self, *args: str) -> None:
        """Run the command for everybody to see. Raises `DemoFailed` if it does not end well."""
        _say(f"  $ baton {' '.join(args)}")
        self._run(args, None)

    def ask(self, *args: str) -> Any:
        """Run the command quietly and return its JSON. Raises `DemoFailed` if it does not end well."""
        return json.loads(self._run((*args, "--json"), subprocess.PIPE))

    def _run(self, args: tuple[str, ...], stdout: int | None) -> str:
        command = [sys.executable, "-m", "baton_cli", "--world", "embedded", "--directory", str(self.world), *args]
        done = subprocess.run(command, cwd=self.home, stdout=stdout, text=True, check=False)  # noqa: S603 - our own command
        if done.returncode:
            raise DemoFailed(f"`baton {args[0]}` ended with status {done.returncode}")
        return done.stdout


def run(stage: Stage) -> Checked:
    """Take the steps; return what was checked. Raises `DemoFailed`, `Mismatch`, or whatever else goes wrong."""
    _step("Two Regions come up on this machine")
    stage.baton("up")
    _step("A sales file is made, one record in fifty bad, and its reference data")
    stage.baton("sample", "--records", _RECORDS, "--bad-percent", _BAD_PERCENT, "--seed", _SEED)
    stage.baton("reference", "load", "financial", "financial.csv", "--key", "uuid")
    _step("The file goes to whichever Region is active and is followed to its end")
    stage.baton("submit", "sales.csv", "--job", "sales", "--watch", "--timeout", _WATCH_SECONDS_MAX)
    batch = stage.ask("show", "last")
    _step("Every rejected record has its reason")
    stage.baton("rejects", "last", "--limit", "8")
    _step("Its people have mail")
    stage.baton("inbox")
    _step("The links in the mail are followed by a plain HTTP client")
    text = "".join(mail["text"] for mail in stage.ask("inbox"))
    _download(_link_to(batch["result_key"], text), stage.file("result.csv"))
    _download(_link_to(batch["rejects_key"], text), stage.file("rejects.csv"))
    _step("What came is checked against a second implementation of the rules")
    checked = check(*(stage.file(f"{name}.csv") for name in ("sales", "financial", "result", "rejects")))
    _agree(batch, checked)
    return checked


def _link_to(key: str, text: str) -> str:
    links: list[str] = _LINK.findall(text)
    for link in links:
        if unquote(urlsplit(link).path).endswith(f"/{key}"):
            return link
    raise DemoFailed(f"the mail holds no link to {key}")


def _download(link: str, path: Path) -> None:
    # No proxy: the link points to this machine.
    client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with client.open(link, timeout=_HTTP_SECONDS_MAX) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file)
    _say(f"  GET http://{urlsplit(link).netloc}/…/{path.name}: {path.stat().st_size:,} bytes")


def _agree(batch: Any, checked: Checked) -> None:
    told = Checked(batch["records_in"], batch["records_out"], batch["rejects"])
    if told != checked:
        raise DemoFailed(f"the ledger says {told}, the files say {checked}")
    _say(f"  {checked.records_in:,} in = {checked.records_out:,} out + {checked.rejects:,} rejected, each as expected")


def main() -> int:
    """Run the demo; return the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    stage = Stage(Path(tempfile.mkdtemp(prefix="baton-demo-")))
    try:
        checked = run(stage)
    except KeyboardInterrupt:
        return _failed(stage, "interrupted")
    except (DemoFailed, Mismatch) as error:
        return _failed(stage, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it was, the world is stopped and the last line is printed
        return _failed(stage, f"{type(error).__name__}: {error}")
    _stop(stage)
    shutil.rmtree(stage.home)
    _say(
        f"\ndemo: ok — {checked.records_in:,} records in, {checked.records_out:,} out, {checked.rejects:,} rejected, "
        f"checked one by one in {time.monotonic() - started:.0f} s"
    )
    return 0


def _failed(stage: Stage, why: str) -> int:
    if (stage.world / "logs").is_dir():
        shutil.copytree(stage.world / "logs", stage.logs, dirs_exist_ok=True)
        _say(f"\nThe logs are kept in {stage.logs}")
    _stop(stage)
    _say(f"demo: FAILED — {' '.join(why.split())}")
    return 1


def _stop(stage: Stage) -> None:
    # From here on nobody may interrupt: a world that is half stopped is what the demo promises not to leave.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _step("Everything is stopped and removed")
    lifecycle.down(stage.world)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _step(text: str) -> None:
    mark = "\x1b[1m▶\x1b[0m" if sys.stdout.isatty() else "▶"
    _say(f"\n{mark} {text}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
