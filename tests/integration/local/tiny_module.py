"""A program for tests of the fork server, run as `python -m tiny_module`: says what it is, then ends as it is told."""

import json
import os
import signal
import sys
from pathlib import Path

LOADED_BY = os.getpid()
"""By the fork server, where that imports this page under its own name."""

if __name__ == "__main__":
    loaded_by = __import__("tiny_module").LOADED_BY
    environment = dict(os.environ)  # noqa: TID251 - telling it is what this is for
    said = {
        "environment": environment,
        "argv": sys.argv,
        "shown": Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0"),
        "session": os.getsid(0),
        "loaded_by": loaded_by,
    }
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()
    if (status := environment.get("STATUS")) is not None:
        sys.exit(int(status))
    signal.pause()
