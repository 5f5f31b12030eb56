"""The images hold the SDK's description of every service that some code of theirs calls, and of no other."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CALLERS: Final = ("libs/baton/src", "local/src")
"""Who makes clients; services have them from the library."""
CLIENT: Final = re.compile(r"(?:client|_anywhere|_beside)\(\s*\"([a-z0-9-]+)\"|_clients\.get, \"([a-z0-9-]+)\"")
MADE_BY_PROCESSES_ONLY: Final = {"lambda"}
"""In the world of plain processes, which has no images."""


def test_every_service_that_is_called_is_described_in_the_images() -> None:
    (kept,) = re.findall(r"/data/\(([a-z0-9|-]+)\)", (ROOT / "Dockerfile").read_text())
    called = {
        next(filter(None, found.groups()))
        for folder in CALLERS
        for path in (ROOT / folder).rglob("*.py")
        for found in CLIENT.finditer(path.read_text())
    }

    assert called - MADE_BY_PROCESSES_ONLY == set(kept.split("|"))
