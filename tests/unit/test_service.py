"""How a service's process ends."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
import structlog
from baton.service import _run

async def serve(stack, stop):
    {what}

_run(serve, structlog.get_logger())
"""


@pytest.mark.parametrize(("what", "status"), [("pass", 0), ("1 / 0", 1), ("sys.exit(0)", 1), ("sys.exit(7)", 1)])
def test_status_is_the_services_own_whatever_ends_it(what: str, status: int) -> None:
    program = _PROGRAM.format(what=what)

    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own

    assert done.returncode == status, done.stderr
    assert ("service_died" in done.stdout) == bool(status)
