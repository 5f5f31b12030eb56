"""One embedded world for all end-to-end tests. It goes when they are through: it keeps half a core busy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import baton_jobs
import hanging_job
from baton_local.on_processes import lifecycle
from embedded import CALM, Embedded

CHUNK_BYTES = "131072"
"""Small chunks, so that a file of some thousand records has many."""
COMPUTE_SECONDS_MAX = "12"
"""Of a computation. A chunk takes milliseconds; a process apart takes seconds to start where the machine is busy."""


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    directory = tmp_path_factory.mktemp("world")
    # The world's processes inherit these; other tests of this worker must not see them.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BATON_SPLITTER_CHUNK_BYTES", CHUNK_BYTES)
        environment.setenv("BATON_SPLITTER_SWEEP_SECONDS", "2")
        environment.setenv("BATON_SPLITTER_UNADMITTED_SECONDS", "5")
        environment.setenv("BATON_SPLITTER_STALLED_SECONDS", "15")
        environment.setenv("BATON_RUNNER_VISIBILITY_SECONDS", "6")
        environment.setenv("BATON_NOTIFIER_CLAIM_LEASE_SECONDS", "10")
        environment.setenv("BATON_WORKER_COMPUTE_SECONDS_MAX", COMPUTE_SECONDS_MAX)
        jobs = _with_one_that_hangs(tmp_path_factory.mktemp("jobs") / "jobs_in_e2e")
        environment.setenv("PYTHONPATH", str(jobs.parent))
        environment.setenv("BATON_JOBS_PACKAGE", jobs.name)
        for name, text in CALM.items():
            environment.setenv(name, text)
        world = lifecycle.up(directory, wait_seconds=180)
    embedded = Embedded(world, directory)
    try:
        # Most tests kill and cut for other reasons than to move the active Region.
        frozen = embedded.baton("freeze", "--for", "1h", "--reason", "tests")
        assert frozen.returncode == 0, frozen.stderr
        yield embedded
    finally:
        lifecycle.down(directory)


def _with_one_that_hangs(package: Path) -> Path:
    """Make a package of the jobs of this deployment and of one more."""
    shutil.copytree(Path(baton_jobs.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(hanging_job.__file__, package)
    return package
