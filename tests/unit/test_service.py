"""How a service's process starts and ends."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

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


@pytest.fixture
def metadata() -> Iterator[str]:
    """Yield the address of an endpoint that says of a container what ECS says of one that it has restarted twice."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"Name": "worker", "RestartCount": 2}')

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v4/container"
        server.shutdown()


def test_a_container_that_was_restarted_says_so_as_an_error_for_its_killed_process_could_not(metadata: str) -> None:
    command = [sys.executable, "-c", _PROGRAM.format(what="pass")]
    environment = os.environ | {"ECS_CONTAINER_METADATA_URI_V4": metadata}  # noqa: TID251 - of the child
    done = subprocess.run(  # noqa: S603 - our own
        command, check=False, capture_output=True, text=True, timeout=60, env=environment
    )

    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "container_restarted" in line]
    assert "error" in line
    assert "times=2" in line
