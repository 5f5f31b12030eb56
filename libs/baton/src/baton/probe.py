"""A container's health check: exits with 0 if the health page says that the service is healthy, otherwise with 1.

Runs as a script, with only the smallest parts of the standard library: it starts every few seconds, beside
the work that the container is there for.
"""

import socket
import sys
from typing import Final

PORT: Final = 8080
"""Default of `RunnerSettings.health_port`."""
_SECONDS_MAX: Final = 2
_REQUEST: Final = b"GET /healthz HTTP/1.0\r\n\r\n"


def is_well(port: int) -> bool:
    """Return whether `/healthz` answers 200 on that port of this machine, and soon."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS_MAX) as connection:
            connection.settimeout(_SECONDS_MAX)
            connection.sendall(_REQUEST)
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not is_well(int(sys.argv[1]) if sys.argv[1:] else PORT))
