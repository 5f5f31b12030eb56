"""What the tests of the command leave behind: nothing."""

from collections.abc import Iterator

import pytest

from baton_cli import hints


@pytest.fixture(autouse=True)
def _no_options_kept() -> Iterator[None]:
    """Drop after each test what a command keeps of its options: a process is one command, and here it is many."""
    yield
    hints.keep(())
