"""Puts one mutant into a copy of its package, and runs on that copy the tests that must find it."""

import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

REPOSITORY: Final = Path(__file__).parents[4]
PRELOADED: Final = ["pytest", "numpy", "pydantic_settings", "aiobotocore.session", "hypothesis", "aiohttp"]
"""What most tests load, and what starts no thread: loaded once, it takes most of the time off each mutant."""
_TIMEOUT_SECONDS: Final = 600
_TESTS_FAILED: Final = 1
"""pytest's exit status, and Python's own if it could not start."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change to one place of one file, and the tests that must fail with it, as few as will do."""

    name: str
    file: str
    """From the root of the repository, below a `src` directory."""
    before: str
    """Stands in the file exactly once."""
    after: str
    tests: str
    """`path` or `path::name`, several of them between spaces."""
    equivalent: str = ""
    """Why no test can find it; else it must be found."""

    @property
    def path(self) -> Path:
        return REPOSITORY / self.file

    def mutated(self) -> str:
        """Return the file's text with the change. Raises `ValueError` if there is not exactly one place for it."""
        text = self.path.read_text()
        if text.count(self.before) != 1:
            raise ValueError(f"{self.name}: {text.count(self.before)} places in {self.file} read {self.before!r}")
        return text.replace(self.before, self.after)


class BrokenMutantError(Exception):
    """The tests could not be run on a mutant."""


def is_found(mutant: Mutant) -> bool:
    """Return whether its tests fail with it. Only for a process of its own, into which it loads the mutated package.

    Raises `BrokenMutantError` if the tests do not run at all.
    """
    with TemporaryDirectory() as folder:
        source, package = _source(mutant)
        shutil.copytree(source / package, Path(folder) / package, ignore=shutil.ignore_patterns("__pycache__"))
        (Path(folder) / mutant.path.relative_to(source)).write_text(mutant.mutated())
        status, told = _tested(mutant, folder)
    has_failed = status == _TESTS_FAILED and " failed" in told  # not for want of what tests need
    if status and not has_failed:
        raise BrokenMutantError(f"{mutant.name}: {told[-4_000:]}")
    return has_failed


def _source(mutant: Mutant) -> tuple[Path, str]:
    """Return the `src` directory of the file, and its package there."""
    place = mutant.path.parts.index("src", len(REPOSITORY.parts)) + 1
    return Path(*mutant.path.parts[:place]), mutant.path.parts[place]


def _tested(mutant: Mutant, folder: str) -> tuple[int, str]:
    """Return pytest's exit status, and what it printed."""
    import pytest  # noqa: PLC0415 - loaded beforehand, see `PRELOADED`; nobody else needs it

    # What is here is found before what is installed, for the tests and for the processes that they start.
    os.environ["PYTHONPATH"] = folder  # noqa: TID251 - no setting of ours is read
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    os.chdir(REPOSITORY)
    signal.alarm(_TIMEOUT_SECONDS)
    options = ["-x", "-q", "-n", "0", "-m", "not docker", "-p", "no:cacheprovider", "-p", "no:randomly"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of plugins that were loaded beforehand
    printed = Path(folder, "printed")
    with printed.open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        status = int(pytest.main([*options, *mutant.tests.split()]))
        sys.stdout.flush()
    return status, printed.read_text()


def shown(mutant: Mutant) -> str:
    """Return the mutant's place, for people."""
    line = mutant.path.read_text().partition(mutant.before)[0].count("\n") + 1
    return f"{re.sub('.*/src/', '', mutant.file)}:{line} {mutant.name}"
