"""Up starts a world, down leaves nothing of it, however its supervisor ended."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest

from baton_local import state
from baton_local.on_processes import lifecycle
from baton_local.processes.process import ProcessState
from baton_local.roster import LocalService, LocalTrigger, Roster
from baton_local.switches.admin import Admin, AdminError
from local_worlds import client, do, eventually, processes_naming, status, tiny_roster


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Yield where a world may live; whatever the test did, nothing of it is left."""
    yield tmp_path / ".baton"
    lifecycle.down(tmp_path / ".baton")


def test_up_returns_the_world_that_runs_and_down_leaves_no_process_and_no_file(tmp_path: Path, directory: Path) -> None:
    world = lifecycle.up(directory, roster=tiny_roster(tmp_path / "environments"))
    assert len(processes_naming(str(tmp_path))) >= 6

    again = lifecycle.up(directory)
    lifecycle.down(directory)

    assert again == world
    assert processes_naming(str(tmp_path)) == []
    assert not directory.exists()
    lifecycle.down(directory)


def test_a_killed_supervisor_takes_everything_along_and_neither_up_nor_down_minds(
    tmp_path: Path, directory: Path
) -> None:
    first = lifecycle.up(directory, roster=tiny_roster(tmp_path / "environments"))

    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not processes_naming(str(tmp_path)))
    seen = state.read(directory)
    second = lifecycle.up(directory, roster=Roster())
    os.kill(second.pid, signal.SIGKILL)
    lifecycle.down(directory)

    assert seen is None
    assert second.pid != first.pid
    assert processes_naming(str(tmp_path)) == []
    assert not directory.exists()


def test_a_service_that_cannot_start_is_named_with_its_log_and_nothing_is_left(tmp_path: Path, directory: Path) -> None:
    broken = LocalService(name="broken", command=(sys.executable, "-c", "raise SystemExit('no such job: sails')"))

    with pytest.raises(lifecycle.WorldFailed, match=r"(?s)broken keeps ending.*no such job: sails"):
        lifecycle.up(directory, roster=Roster(services=(broken,)))

    assert processes_naming(str(tmp_path)) == []
    assert not directory.exists()


def test_a_trigger_that_cannot_start_is_named_with_what_it_said(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "torn.py").write_text("import sails\n")
    torn = LocalTrigger(handler="torn.handler", sources=(tmp_path / "torn.py",), requirements=None)

    with pytest.raises(lifecycle.WorldFailed, match=r"trigger fails: .*No module named 'sails'"):
        lifecycle.up(directory, roster=Roster(trigger=torn))

    assert processes_naming(str(tmp_path)) == []


def test_down_never_removes_a_directory_that_is_no_world(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    lifecycle.down(tmp_path)

    assert (tmp_path / "precious").exists()


def test_a_killed_service_comes_back_and_a_paused_one_says_so(world: state.World) -> None:
    admin = Admin(world.admin_endpoint)

    def tiny() -> tuple[str, int]:
        found = next(p for p in status(world).processes if (p.region, p.name) == ("us-west-2", "tiny"))
        return found.state, found.restarts

    restarts = tiny()[1]
    do(admin.kill("us-west-2", "tiny"))
    eventually(lambda: tiny() == (ProcessState.RUNNING, restarts + 1))
    do(admin.pause("us-west-2", "tiny"))
    paused = tiny()[0]
    do(admin.resume("us-west-2", "tiny"))

    assert paused == ProcessState.PAUSED
    assert tiny()[0] == ProcessState.RUNNING


def test_a_region_whose_emulator_died_leaves_the_other_one_and_the_supervisor_running(directory: Path) -> None:
    world = lifecycle.up(directory, roster=Roster())

    do(Admin(world.admin_endpoint).kill("us-east-1", "emulator"))
    eventually(lambda: status(world).processes[0].state == ProcessState.DEAD)

    assert client("s3", world.region_endpoints["us-west-2"], "us-west-2").list_buckets()["Buckets"]
    with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailable"):
        client("s3", world.mrap_endpoint, attempts=1).list_objects_v2(Bucket="baton-local-data")


def test_an_unknown_region_or_service_is_refused_by_name(world: state.World) -> None:
    admin = Admin(world.admin_endpoint)

    with pytest.raises(AdminError, match="us-east-1, us-west-2"):
        do(admin.cut("mars-north-1"))
    with pytest.raises(AdminError, match="us-east-1/tiny"):
        do(admin.kill("us-east-1", "spooler"))
