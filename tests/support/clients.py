"""Programs that tests use and that no Python index has."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

DUE: Final = "BATON_TEST_CLIENTS"
"""Names, in the environment, the programs whose tests must not be skipped."""


_PINNED: Final = ("aws", "s3cmd")
"""They are in the requirements of the tests: `make setup`."""


def program(name: str) -> str:
    """Return the path of a program. Without it the test is skipped; it fails where that program is due."""
    # The environment's own first: what is on the shell's path may be of another time.
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    if found:
        return found
    due = os.environ.get(DUE, "").split()  # noqa: TID251 - it is no setting of the product
    if name in (*due, *_PINNED):
        pytest.fail(f"`{name}` is not installed, and is due here: by {DUE}, or by `make setup`")
    pytest.skip(f"`{name}` is not installed on this machine")
