"""A whole embedded world for a test: both Regions, every service a real process, and the real command."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from baton.model.batch import Batch
from baton.model.journal import DecisionKind
from baton.model.paths import input_key
from baton_cli.batches import files, queries
from baton_cli.batches.files import Submission
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.state import World
from baton_local.switches.admin import Admin
from baton_proof.handovers import decisions_since
from local_worlds import do

CALM: Final = {
    "BATON_CONTROLLER_COOLDOWN_SECONDS": "5",
    "BATON_CONTROLLER_COOLDOWN_PLANNED_SECONDS": "5",
    # On a busy machine canaries are late. There are fewer, they may take ten seconds, as on AWS, and a Region that was
    # declared unhealthy because of some recovers soon.
    "BATON_CONTROLLER_PROBE_SECONDS": "50",
    "BATON_CONTROLLER_PROBE_DEADLINE_SECONDS": "50",
    "BATON_CONTROLLER_FRESH_SECONDS": "150",
    "BATON_CONTROLLER_CLEAR_GOOD": "4",
}
"""Settings of the controllers for tests that share their machine with others, before the local world's time scale."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running world and where it keeps its files."""

    world: World
    directory: Path

    def baton(self, *arguments: str, timeout_seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run the `baton` command as a user would."""
        command = [sys.executable, "-m", "baton_cli", "--directory", str(self.directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)  # noqa: S603

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the `baton` command and let it run."""
        command = [sys.executable, "-m", "baton_cli", "--directory", str(self.directory), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603

    def json(self, *arguments: str) -> Any:
        """Run the command with `--json` and return what it says. Raises `AssertionError` if it fails."""
        done = self.baton(*arguments, "--json")
        assert done.returncode == 0, f"{arguments}: {done.stderr}\n{done.stdout}"
        return json.loads(done.stdout)

    def submit(self, file: Path, *, job: str = "sales", name: str | None = None) -> dict[str, Any]:
        """Submit a file and watch it to its end."""
        named = ("--name", name) if name else ()
        done = self.baton("submit", str(file), "--job", job, *named, "--watch", "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout) | {"exit_status": done.returncode}

    def fetch(self, batch_id: str, target: Path, *what: str) -> bytes:
        done = self.baton("fetch", batch_id, *what, "-o", str(target))
        assert done.returncode == 0, done.stderr
        return target.read_bytes()

    def mails(self, batch_id: str) -> list[dict[str, Any]]:
        """Return the mails of a batch, oldest first."""
        return [mail for mail in do(Admin(self.world.admin_endpoint).inbox()) if batch_id in mail["text"]]

    def suspicions(self, since: datetime) -> list[str]:
        """Return what the controllers said of each Region that they suspected since then."""

        async def asked() -> list[str]:
            async with connect.embedded(self.world) as connection:
                decisions = await decisions_since(connection, since)
                return [each.summary for each in decisions if each.kind is DecisionKind.SUSPECTED]

        return do(asked())

    def logs(self) -> str:
        """Return the end of every log, for a failing test's message."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-5:])
            for path in sorted(Path(self.world.log_directory).iterdir())
        )


def submission(file: Path, *, job: str) -> Submission:
    """Return what is to be sent. It is not checked: the command refuses a job that is not one of this deployment."""
    return Submission(file, job, input_key(job, file.name), file.stat().st_size)


async def sent(connection: Connection, what: Submission) -> str:
    """Upload a file without the time that a command takes to start, and return its batch's id."""
    return (await files.submit(connection, what, sent=lambda _: None)).batch_id


async def ended(connection: Connection, batch_id: str) -> Batch:
    """Return a batch when it has its outcome."""
    found = [seen.batch async for seen in queries.watch(connection, batch_id)][-1]
    assert found
    return found
